package httpedge

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"barrage/actors"
)

// recorded is a client that has sent all it sends, and reads nothing.
type recorded struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (w *recorded) Read(b []byte) (int, error)       { return w.in.Read(b) }
func (w *recorded) Write(b []byte) (int, error)      { return w.out.Write(b) }
func (w *recorded) Close() error                     { return nil }
func (w *recorded) SetDeadline(time.Time) error      { return nil }
func (w *recorded) SetReadDeadline(time.Time) error  { return nil }
func (w *recorded) SetWriteDeadline(time.Time) error { return nil }
func (w *recorded) LocalAddr() net.Addr              { return loopback(80) }
func (w *recorded) RemoteAddr() net.Addr             { return loopback(999) }

func loopback(port int) net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
}

// FuzzConnection sends anything to a whole node. What is answered is HTTP, and
// an error is a problem.
func FuzzConnection(f *testing.F) {
	edge, _ := newTestEdge(f, func(c *Config) {
		c.Guest = true
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.Reads = Rates{Address: 1e9}
	})
	token, err := edge.auth.sign(&user{id: "u", role: roleViewer}, 1000*time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	auth := "Authorization: Bearer " + token + "\r\n"
	for _, seed := range []string{
		getPage,
		getPage + getPage,
		"GET /comments/v?cursor=1&pageSize=5&sort=asc HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n",
		"GET /stream?videos=a,b&history=5&rate=3&lastEventId=1.2 HTTP/1.0\r\nLast-Event-ID: 5\r\nAccept-Encoding: gzip;q=0.5\r\n\r\n",
		"POST /comments/v HTTP/1.1\r\nHost: x\r\n" + auth + "Idempotency-Key: k\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"message\":\"m\"}",
		"POST /comments/v HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n{\"message\":\"m\"}\r\n0\r\n\r\n",
		"POST /comments/v HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
		"POST /guest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"name\":\"n\"}",
		"DELETE /comments/v/1 HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n",
		"HEAD /videos/v HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.1.1.1, [::1]:5\r\n\r\n",
		"GET http://x/cluster?liveVideoId=%00 HTTP/1.1\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n" + getPage,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn := &recorded{in: bytes.NewReader(sent)}
		_ = edge.server.ServeConn(edge.gate.enter(conn)) // why it ended is the client's doing
		if conn.out.Len() == 0 {
			return
		}
		method, _, _ := strings.Cut(string(sent), " ")
		answer, err := http.ReadResponse(bufio.NewReader(&conn.out), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%q is answered in no HTTP: %v", sent, err)
		}
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Errorf("%q is answered with half a body: %v", sent, err)
		}
		if answer.StatusCode >= 400 && answer.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%q is answered %d with a %s: %.100s", sent, answer.StatusCode, answer.Header.Get("Content-Type"), body)
		}
		if answer.StatusCode >= 500 {
			t.Errorf("%q is answered %d: %.200s", sent, answer.StatusCode, body)
		}
	})
}

// FuzzPath reads anything as the ids of a path: what is taken is as the
// contract says, and has one form.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"room", "a-b_9", "1", "0", "-1", "18446744073709551615", "18446744073709551616", "a%00", "%61", "%31", "%2531", "%6", "弹幕", strings.Repeat("x", 65)} {
		f.Add(seed)
	}
	video := regexp.MustCompile(`\A[A-Za-z0-9_-]{1,64}\z`)
	f.Fuzz(func(t *testing.T, text string) {
		var ctx fasthttp.RequestCtx
		ctx.SetUserValue("liveVideoId", text)
		ctx.SetUserValue("commentId", text)
		means, err := url.PathUnescape(text)
		isVideo := err == nil && video.MatchString(means)
		if id, err := liveVideoID(&ctx); (err == nil) != isVideo || err == nil && id != means {
			t.Errorf("%q as a live video: %q, %v", text, id, err)
		}
		id, err := commentID(&ctx)
		var p *problem
		switch {
		case means == "0":
			if !errors.As(err, &p) || p.Status != fasthttp.StatusNotFound {
				t.Errorf("0 as a comment: %d, %v", id, err)
			}
		case err != nil:
			mustBeProblem(t, err)
		case id == 0 || actors.FormatID(id) != means:
			t.Errorf("%q as a comment: %d", text, id)
		}
	})
}

// FuzzQuery reads anything as numbers, ids and cursors of a query.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"1", "100", "0", "-1", "+1", "01", "1e1", " 1", "1\x00", "99999999999999999999", "१"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var ctx fasthttp.RequestCtx
		ctx.Request.SetRequestURI("/comments/v?n=" + url.QueryEscape(text) + "&cursor=" + url.QueryEscape(text))
		n, err := queryInt(&ctx, "n", 1, 100, 7)
		if err != nil {
			mustBeProblem(t, err)
		} else if strconv.Itoa(n) != text || n < 1 || n > 100 {
			t.Errorf("%q is the number %d", text, n)
		}
		id, given, err := cursor(&ctx)
		switch {
		case err != nil:
			mustBeProblem(t, err)
		case given && actors.FormatID(id) != text, !given && text != "":
			t.Errorf("%q is the cursor %d, %v", text, id, given)
		}
	})
}
