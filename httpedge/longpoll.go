package httpedge

import (
	"encoding/json"
	"math"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/persistence"
)

// maxWait is the longest that a request may wait for a comment, in seconds.
const maxWait = 60

// maxPollReads is how many pages are read at a time for those who waited: a
// comment wakes all of a room at once.
const maxPollReads = 32

// longPoll is a request that waits for the first comment after one. It waits as
// a viewer that is sent nothing: its connection is out of the HTTP server's
// hands, and it has no goroutine and no buffer. When there is a comment, the
// page is read as for any other request.
type longPoll struct {
	edge   *Edge
	viewer actors.Viewer
	video  string
	reader *user // nil: nobody in particular
	r      persistence.Range
	head   []byte // of the answer: what does not depend on its body
	timer  *time.Timer
}

// waitTime reads how long a request is ready to wait, 0 for not at all.
func waitTime(ctx *fasthttp.RequestCtx) (time.Duration, error) {
	seconds, err := queryInt(ctx, "wait", 0, maxWait, 0)
	if err != nil {
		return 0, err
	}
	if ctx.QueryArgs().Has("wait") && !ctx.QueryArgs().Has("since") {
		return 0, malformed.because("wait goes with since.")
	}
	return time.Duration(seconds) * time.Second, nil
}

// waitForPage answers a request with what there is after a comment, as soon as
// there is something or the time is over.
func (e *Edge) waitForPage(ctx *fasthttp.RequestCtx, video string, reader *user, r persistence.Range, wait time.Duration) error {
	body, comments, err := e.readPage(video, reader, r)
	if err != nil {
		return err
	}
	if comments > 0 || ctx.IsHead() {
		answerJSON(ctx, fasthttp.StatusOK, body)
		return nil
	}
	leave, limited := e.enter(e.client(ctx, reader), actors.ViewerConfig{LiveVideoID: video})
	switch {
	case limited != nil:
		return limited // this is no EventSource, which an error status would end
	case leave == nil:
		return unavailable.because("Nobody can wait here now.").after(putOff(0))
	}
	p := &longPoll{edge: e, video: video, reader: reader, r: r, head: e.pollHead(ctx)}
	p.timer = time.AfterFunc(math.MaxInt64, p.timeOver) // it begins when the viewer is there
	config := actors.ViewerConfig{
		LiveVideoID: video, Resume: true, After: r.After, Poll: p.wake,
		Closed: func() {
			p.timer.Stop()
			leave()
		},
	}
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(conn net.Conn) {
		e.openStream(conn, config, reader, func(s *streamConn) {
			p.viewer = s.viewer
			p.timer.Reset(wait)
		})
	})
	return nil
}

// wake is called when there is a comment, or the streams of the node end.
func (p *longPoll) wake() {
	if p.timer.Stop() { // otherwise timeOver answers
		go p.answer()
	}
}

// timeOver ends a wait in vain.
func (p *longPoll) timeOver() {
	p.finish(fasthttp.StatusOK, "application/json", emptyPage, 0)
}

// answer sends the page.
func (p *longPoll) answer() {
	p.edge.pollReads <- struct{}{}
	body, _, err := p.edge.readPage(p.video, p.reader, p.r)
	<-p.edge.pollReads
	if err == nil {
		p.finish(fasthttp.StatusOK, "application/json", body, 0)
		return
	}
	problem := p.edge.asProblem(err, fasthttp.MethodGet, "/comments/"+p.video)
	if body, err = json.Marshal(problem); err != nil { // strings and a number always encode
		panic(err)
	}
	p.finish(problem.Status, "application/problem+json", body, problem.retrySeconds())
}

// finish writes an answer, which ends the connection.
func (p *longPoll) finish(status int, contentType string, body []byte, retryAfter int) {
	b := make([]byte, 0, len(p.head)+len(body)+256)
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(append(b, ' '), fasthttp.StatusMessage(status)...)
	b = append(b, "\r\nDate: "...)
	b = time.Now().UTC().AppendFormat(b, http.TimeFormat)
	b = append(append(b, "\r\nContent-Type: "...), contentType...)
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	if retryAfter > 0 {
		b = strconv.AppendInt(append(b, "\r\nRetry-After: "...), int64(retryAfter), 10)
	}
	b = append(b, "\r\n"...)
	b = append(b, p.head...)
	p.edge.metrics.requests.WithLabelValues(fasthttp.MethodGet, strconv.Itoa(status)).Inc()
	p.viewer.Finish(append(b, body...))
}

// pollHead gives the headers that the request decides about, and the end of
// the head.
func (e *Edge) pollHead(ctx *fasthttp.RequestCtx) []byte {
	head := []byte("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n")
	headers := e.auth.cors.headers(string(ctx.Request.Header.Peek("Origin")))
	for _, h := range headers {
		head = append(head, h[0]+": "+h[1]+"\r\n"...)
	}
	if len(headers) > 1 || e.auth.cors.any {
		head = append(head, "Access-Control-Expose-Headers: "+exposedHeaders+"\r\n"...)
	}
	for _, field := range []string{rateLimitPolicyField, rateLimitField} {
		if value := ctx.Response.Header.Peek(field); len(value) > 0 {
			head = append(append(append(head, field+": "...), value...), "\r\n"...)
		}
	}
	return append(head, "\r\n"...)
}
