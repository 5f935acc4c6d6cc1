package httpedge

import (
	"context"
	"errors"

	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/actors/wire"
	"barrage/persistence"
)

// listComments answers GET /comments/{liveVideoId}: a page of history, or the
// stream if the client asks for that.
func (e *Edge) listComments(ctx *fasthttp.RequestCtx) error {
	if wantsStream(ctx) {
		return e.streamVideo(ctx)
	}
	video, err := e.readable(ctx)
	if err != nil {
		return err
	}
	r, err := pageRange(ctx)
	if err != nil {
		return err
	}
	return e.answerPage(ctx, video, r)
}

// listReplies answers GET /comments/{liveVideoId}/{commentId}/replies.
func (e *Edge) listReplies(ctx *fasthttp.RequestCtx) error {
	video, err := e.readable(ctx)
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
	return e.answerPage(ctx, video, r)
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

// answerPage answers with the comments of a range.
func (e *Edge) answerPage(ctx *fasthttp.RequestCtx, video string, r persistence.Range) error {
	deadline, cancel := context.WithTimeout(context.Background(), readDeadline)
	defer cancel()
	size := r.Limit
	r.Limit++ // one more shows whether there is a next page
	if r == (persistence.Range{Limit: r.Limit, Desc: true}) {
		body, err := e.backend.Node.FirstPage(deadline, video, r.Limit, func(rows []*wire.Row, err error) []byte {
			return pageJSON(rows, size, err)
		})
		if err == nil {
			answerJSON(ctx, fasthttp.StatusOK, body)
		}
		return err
	}
	rows, err := e.backend.Node.History().Rows(deadline, video, r)
	if err != nil && !errors.Is(err, persistence.ErrIncomplete) {
		return err
	}
	answerJSON(ctx, fasthttp.StatusOK, pageJSON(rows, size, err))
	return nil
}

// pageJSON makes a page of up to size rows. If more can't be read now, the page
// is short: what is at hand is better than none.
func pageJSON(rows []*wire.Row, size int, err error) []byte {
	body := []byte(`{"comments":[`)
	for i, row := range rows[:min(len(rows), size)] {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, actors.RowJSON(row)...)
	}
	body = append(body, `],"nextCursor":`...)
	if len(rows) > size || err != nil {
		body = append(body, '"')
		body = append(body, actors.FormatID(rows[min(len(rows), size)-1].Id)...)
		body = append(body, `"}`...)
	} else {
		body = append(body, `null}`...)
	}
	return body
}

// readable gives the live video that a request wants to read, if it may.
func (e *Edge) readable(ctx *fasthttp.RequestCtx) (string, error) {
	video, err := liveVideoID(ctx)
	if err != nil {
		return "", err
	}
	reader, err := e.auth.user(ctx)
	if err != nil {
		return "", err
	}
	if reader == nil && e.config.RequireTokenToRead {
		return "", unauthorized.because("Reading needs a token here.")
	}
	return video, e.mustExist(video)
}

// mustExist refuses a live video that was never used, where live videos are
// not made by their first use.
func (e *Edge) mustExist(video string) error {
	if e.config.Autocreate {
		return nil
	}
	state, err := e.video(video)
	if err == nil && state.LastCommentId == 0 {
		err = notFound.because("There is no live video %s.", video)
	}
	return err
}
