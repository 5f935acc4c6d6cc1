package httpedge

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/httpedge/identity"
)

// streamVideo answers GET /comments/{liveVideoId}/stream.
func (e *Edge) streamVideo(ctx *fasthttp.RequestCtx) error {
	var v actors.ViewerConfig
	var err error
	if v.LiveVideoID, err = liveVideoID(ctx); err != nil {
		return err
	}
	if v.After, v.Resume, err = resumePoint(ctx); err != nil {
		return err
	}
	return e.stream(ctx, v)
}

// streamBundle answers GET /stream?videos=a,b,c.
func (e *Edge) streamBundle(ctx *fasthttp.RequestCtx) error {
	var v actors.ViewerConfig
	for _, id := range strings.Split(string(ctx.QueryArgs().Peek("videos")), ",") {
		if !actors.ValidLiveVideoID(id) {
			return malformed.because("videos must be 1 to %d live video ids with commas between; %.70q is none.", actors.MaxBundle, id)
		}
		v.Videos = append(v.Videos, id)
	}
	slices.Sort(v.Videos)
	v.Videos = slices.Compact(v.Videos)
	if len(v.Videos) > actors.MaxBundle {
		return malformed.because("videos may name %d live videos, not %d.", actors.MaxBundle, len(v.Videos))
	}
	if len(v.Videos) == 1 { // a stream like any other, but for its address
		v.LiveVideoID, v.Videos = v.Videos[0], nil
		var err error
		if v.After, v.Resume, err = resumePoint(ctx); err != nil {
			return err
		}
	} else if id, given := resumeID(ctx); given {
		var err error
		if v.Positions, err = actors.ParsePositions(id, len(v.Videos)); err != nil {
			return malformed.because("The resume id is %v.", err)
		}
		v.Resume = true
	}
	return e.stream(ctx, v)
}

// stream opens a stream. The answer's head is written by the connection's
// viewer; the request ends here.
func (e *Edge) stream(ctx *fasthttp.RequestCtx, viewer actors.ViewerConfig) error {
	reader, err := e.readStream(ctx, &viewer)
	if err != nil {
		wait, passes := e.passes(ctx, err)
		if passes {
			e.comeBackLater(ctx, wait)
			return nil
		}
		return err
	}
	leave, limited := e.enter(e.client(ctx, reader), viewer)
	if leave == nil {
		e.comeBackLater(ctx, limited.wait())
		return nil
	}
	if ctx.IsHead() {
		leave()
		answerStreamHead(ctx, viewer)
		return nil
	}
	viewer.Closed = leave
	viewer.Head = e.streamHead(ctx, viewer)
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(conn net.Conn) { e.openStream(conn, viewer, reader, nil) })
	return nil
}

// enter admits a stream, and gives what is to be called when it ends; nil if it
// can't be opened now. Then limited is the rate's refusal, or nil if it is not
// a rate that keeps it out.
func (e *Edge) enter(c client, viewer actors.ViewerConfig) (leave func(), limited *problem) {
	videos := viewer.Videos
	if viewer.LiveVideoID != "" {
		videos = []string{viewer.LiveVideoID}
	}
	refused := refusedDrain
	if !e.draining.Load() {
		if err := e.limitJoin(c, videos...); errors.As(err, &limited) {
			refused = refusedRate
		} else {
			refused, leave = e.admit.enter(c)
		}
	}
	if refused != admitted {
		e.metrics.refused[refused].Inc()
	}
	return leave, limited
}

// passes says whether what keeps a stream from being opened may be over later,
// and after which time at the earliest: then the client is put off, as it would
// not come back from an error status.
func (e *Edge) passes(ctx *fasthttp.RequestCtx, err error) (wait time.Duration, yes bool) {
	p := e.asProblem(err, string(ctx.Method()), string(ctx.Path()))
	if p.Status != fasthttp.StatusServiceUnavailable {
		return 0, false
	}
	why := refusedOwner
	if errors.Is(err, identity.ErrUnavailable) {
		why = refusedToken
	}
	e.metrics.refused[why].Inc()
	return p.retryAfter, true
}

// readStream reads how a client wants to watch, and who it is; nil: nobody in
// particular.
func (e *Edge) readStream(ctx *fasthttp.RequestCtx, v *actors.ViewerConfig) (reader *user, err error) {
	who := e.auth.streamUser
	if v.Encoding == actors.WebSocket {
		who = e.auth.socketUser
	}
	if reader, err = who(ctx); err != nil {
		return nil, err
	}
	if reader == nil && e.config.RequireTokenToRead {
		return nil, unauthorized.because("Reading needs a token here.")
	}
	if reader != nil {
		v.UserID, v.Moderator = reader.id, reader.moderates()
	}
	if v.History, err = queryInt(ctx, "history", 0, actors.MaxHistory, 0); err != nil {
		return nil, err
	}
	if v.Rate, err = queryInt(ctx, "rate", 1, actors.MaxRate, 0); err != nil {
		return nil, err
	}
	for _, video := range append(v.Videos, v.LiveVideoID) {
		if video == "" {
			continue
		}
		if err := e.mustExist(video); err != nil {
			return nil, err
		}
	}
	if v.Encoding == actors.WebSocket {
		return reader, nil
	}
	v.Chunked = ctx.Request.Header.IsHTTP11()
	if acceptsGzip(ctx) {
		v.Encoding = actors.Gzip
	}
	return reader, nil
}

// resumeID gives what a client has got to, if it says something. The header is
// what a browser knows; it goes before the parameter, which the page wrote once.
func resumeID(ctx *fasthttp.RequestCtx) (id string, given bool) {
	if header := ctx.Request.Header.Peek("Last-Event-ID"); len(header) > 0 {
		return string(header), true
	}
	return string(ctx.QueryArgs().Peek("lastEventId")), ctx.QueryArgs().Has("lastEventId")
}

// resumePoint gives the last comment that a client has.
func resumePoint(ctx *fasthttp.RequestCtx) (after uint64, given bool, err error) {
	id, given := resumeID(ctx)
	if !given {
		return 0, false, nil
	}
	if after, err = actors.ParseID(id); err != nil {
		return 0, false, malformed.because("The resume id (Last-Event-ID or lastEventId): %v.", err)
	}
	return after, true, nil
}

// streamHeaders are those of every stream, opened or put off.
var streamHeaders = [][2]string{
	{"Content-Type", "text/event-stream"},
	{"Cache-Control", "no-cache, no-transform"},
	{"X-Accel-Buffering", "no"},
	{"X-Content-Type-Options", "nosniff"},
}

// answerStreamHead answers a HEAD request as the stream would begin.
func answerStreamHead(ctx *fasthttp.RequestCtx, v actors.ViewerConfig) {
	for _, h := range streamHeaders {
		ctx.Response.Header.Set(h[0], h[1])
	}
	ctx.Response.Header.Add("Vary", "Accept-Encoding")
	if v.Encoding == actors.Gzip {
		ctx.Response.Header.Set("Content-Encoding", "gzip")
	}
}

// streamHead writes the head of a stream's answer.
func (e *Edge) streamHead(ctx *fasthttp.RequestCtx, v actors.ViewerConfig) []byte {
	head := make([]byte, 0, 512)
	add := func(name, value string) {
		head = append(head, name...)
		head = append(head, ": "...)
		head = append(head, value...)
		head = append(head, "\r\n"...)
	}
	head = append(head, "HTTP/1.1 200 OK\r\nConnection: close\r\nDate: "...)
	head = append(time.Now().UTC().AppendFormat(head, http.TimeFormat), "\r\n"...)
	for _, h := range streamHeaders {
		add(h[0], h[1])
	}
	for _, h := range e.auth.cors.headers(string(ctx.Request.Header.Peek("Origin"))) {
		add(h[0], h[1])
	}
	add("Vary", "Accept-Encoding")
	if v.Encoding == actors.Gzip {
		add("Content-Encoding", "gzip")
	}
	if v.Chunked {
		add("Transfer-Encoding", "chunked")
	}
	return append(head, "\r\n"...)
}

// comeBackLater answers a stream that can't be opened now. An EventSource that
// meets an error status never comes back; so it gets a stream that ends at
// once, and a time to wait: longer than wait.
func (e *Edge) comeBackLater(ctx *fasthttp.RequestCtx, wait time.Duration) {
	for _, h := range streamHeaders {
		ctx.Response.Header.Set(h[0], h[1])
	}
	ctx.SetConnectionClose()
	ctx.SetBody(actors.RetryEvent(putOff(wait)))
}

// putOff is how long a client is to stay away, at least so long.
func putOff(wait time.Duration) time.Duration {
	retry := max(wait, actors.DrainRetry) + rand.N(actors.DrainRetry) //nolint:gosec // jitter is no secret
	return retry.Round(time.Millisecond)
}

// openStream hands a connection to a new viewer, whose stream ends when its
// reader's token is no good any more. before, unless it is nil, is called when
// the viewer is there and has nothing yet.
func (e *Edge) openStream(conn net.Conn, config actors.ViewerConfig, reader *user, before func(s *streamConn)) {
	stream, err := e.poller.adopt(conn, e.config.SendBuffer, e.config.UserTimeout)
	if err != nil {
		e.log.Warn("taking a stream's connection over", "error", err)
		_ = conn.Close()
		config.Closed()
		return
	}
	stream.viewer = e.backend.Node.NewViewer()
	config.Conn = stream
	if before != nil {
		before(stream)
	}
	config.Closed = e.rechecks.watch(reader, stream.viewer, config.Closed)
	stream.viewer.Open(config)
	if err := e.poller.watch(stream); err != nil {
		e.log.Warn("watching a stream's connection", "error", err)
		stream.viewer.HungUp()
	}
}
