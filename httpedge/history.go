package httpedge

import (
	"github.com/valyala/fasthttp"

	"barrage/persistence"
)

// listComments answers GET /comments/{liveVideoId}: a page of history, or the
// stream if the client asks for that.
func (e *Edge) listComments(ctx *fasthttp.RequestCtx) error {
	if wantsStream(ctx) {
		return e.streamVideo(ctx)
	}
	video, reader, err := e.reads(ctx)
	if err != nil {
		return err
	}
	r, err := pageRange(ctx)
	if err != nil {
		return err
	}
	if wait, err := waitTime(ctx); err != nil {
		return err
	} else if wait > 0 {
		return e.waitForPage(ctx, video, reader, r, wait)
	}
	return e.answerPage(ctx, video, reader, r)
}

// listReplies answers GET /comments/{liveVideoId}/{commentId}/replies.
func (e *Edge) listReplies(ctx *fasthttp.RequestCtx) error {
	video, reader, err := e.reads(ctx)
	if err != nil {
		return err
	}
	var r persistence.Range
	if r.After, _, err = cursor(ctx); err != nil {
		return err
	}
	if r.Limit, err = queryInt(ctx, "pageSize", 1, maxPageSize, defaultPageSize); err != nil {
		return err
	}
	parent, err := e.existing(ctx, video)
	if err != nil {
		return err
	}
	r.Parent = parent.Id
	return e.answerPage(ctx, video, reader, r)
}

// pageRange reads which page a client wants. A cursor is the id of the last
// comment of the page before; so it stays good while others post and delete.
func pageRange(ctx *fasthttp.RequestCtx) (r persistence.Range, err error) {
	if r.Limit, err = queryInt(ctx, "pageSize", 1, maxPageSize, defaultPageSize); err != nil {
		return r, err
	}
	at, hasCursor, err := cursor(ctx)
	if err != nil {
		return r, err
	}
	since, hasSince, err := queryID(ctx, "since")
	if err != nil {
		return r, err
	}
	sort := string(ctx.QueryArgs().Peek("sort"))
	switch {
	case sort != "" && sort != "asc" && sort != "desc", sort == "" && ctx.QueryArgs().Has("sort"):
		return r, malformed.because("sort must be asc or desc.")
	case hasSince && sort == "desc":
		return r, malformed.because("since gives comments oldest first; sort=desc does not go with it.")
	case hasSince || sort == "asc":
		r.After = max(at, since)
	default:
		r.Desc = true
		if hasCursor && at == 0 {
			return r, malformed.because("cursor: 0 is not a comment id.")
		}
		r.Before = at
	}
	return r, nil
}

// cursor gives the cursor of a request. An empty one is that of a client that
// asks for the first page as it asks for all others.
func cursor(ctx *fasthttp.RequestCtx) (id uint64, given bool, err error) {
	if len(ctx.QueryArgs().Peek("cursor")) == 0 {
		return 0, false, nil
	}
	return queryID(ctx, "cursor")
}

// reads gives the live video that a request wants to read, and who reads; nil
// is nobody in particular.
func (e *Edge) reads(ctx *fasthttp.RequestCtx) (video string, reader *user, err error) {
	if video, err = liveVideoID(ctx); err != nil {
		return "", nil, err
	}
	if reader, err = e.auth.user(ctx); err != nil {
		return "", nil, err
	}
	if reader == nil && e.config.RequireTokenToRead {
		return "", nil, unauthorized.because("Reading needs a token here.")
	}
	if err := e.limitRead(e.client(ctx, reader), video); err != nil {
		return "", nil, err
	}
	return video, reader, e.mustExist(video)
}
