package httpedge

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

// A HEAD of a stream has what a GET has, but for what is the connection's and
// the body's.
func TestHeadsOfStreamsAreAlike(t *testing.T) {
	_, address := newTestEdge(t, func(c *Config) { c.CORSOrigins = []string{"https://friend.example"} })
	headers := func(method, path, more string) http.Header {
		t.Helper()
		conn := dial(t, address)
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nOrigin: https://friend.example\r\n%s\r\n", method, path, more)
		request, err := http.NewRequest(method, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), request)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %v, %v", method, path, res, err)
		}
		_ = conn.Close() // the body of a stream would have no end
		_ = res.Body.Close()
		return res.Header
	}
	for _, path := range []string{"/comments/v/stream", "/stream?videos=v,w"} {
		for _, more := range []string{"", "Accept-Encoding: gzip\r\n"} {
			get, head := headers("GET", path, more), headers("HEAD", path, more)
			for _, name := range []string{
				"Content-Type", "Cache-Control", "X-Accel-Buffering", "X-Content-Type-Options", "Vary",
				"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials",
			} {
				if len(get.Values(name)) == 0 || !slices.Equal(get.Values(name), head.Values(name)) {
					t.Errorf("%s %s%s: GET has %q, HEAD %q", path, more, name, get.Values(name), head.Values(name))
				}
			}
			if get.Get("Content-Encoding") != head.Get("Content-Encoding") || (more != "") != (get.Get("Content-Encoding") == "gzip") {
				t.Errorf("%s %sContent-Encoding: GET has %q, HEAD %q", path, more, get.Get("Content-Encoding"), head.Get("Content-Encoding"))
			}
			for _, h := range []http.Header{get, head} {
				if at, err := http.ParseTime(h.Get("Date")); err != nil || time.Since(at).Abs() > patience {
					t.Errorf("%s: Date is %q", path, h.Get("Date"))
				}
			}
		}
	}
}
