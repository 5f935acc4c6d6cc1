package httpedge

import (
	"testing"

	"github.com/valyala/fasthttp"
)

// withLines is a request that has a header in some lines.
func withLines(header string, lines ...string) *fasthttp.RequestCtx {
	var ctx fasthttp.RequestCtx
	for _, line := range lines {
		ctx.Request.Header.Add(header, line)
	}
	return &ctx
}

func TestGzipIsOnlySentToThoseWhoTakeIt(t *testing.T) {
	for _, row := range []struct {
		lines []string
		want  bool
	}{
		{[]string{"gzip"}, true},
		{[]string{"GZIP"}, true},
		{[]string{"x-gzip"}, true},
		{[]string{"deflate, gzip"}, true},
		{[]string{"gzip;q=0.5"}, true},
		{[]string{"br, gzip ; Q=1"}, true},
		{[]string{"br", "deflate, gzip"}, true},
		{nil, false},
		{[]string{""}, false},
		{[]string{"identity"}, false},
		{[]string{"gzip;q=0"}, false},
		{[]string{"gzip; q=0.000"}, false},
		{[]string{"br", "x-gzip;q=0"}, false},
		{[]string{"xgzip"}, false},
		{[]string{"br"}, false},
		{[]string{"gzip;q=x"}, false},
		{[]string{"gzip;q"}, false},
		{[]string{"gzip;q=NaN"}, false},
	} {
		if acceptsGzip(withLines("Accept-Encoding", row.lines...)) != row.want {
			t.Errorf("Accept-Encoding: %q: %v", row.lines, !row.want)
		}
	}
}

func TestAStreamIsForThoseWhoAskForIt(t *testing.T) {
	for _, row := range []struct {
		lines []string
		want  bool
	}{
		{[]string{"text/event-stream"}, true},
		{[]string{"Text/Event-Stream"}, true},
		{[]string{"application/json, text/event-stream;q=0.5"}, true},
		{[]string{"text/event-stream;charset=utf-8;q=0.1"}, true},
		{[]string{"application/json", "text/event-stream"}, true},
		{nil, false},
		{[]string{"*/*"}, false},
		{[]string{"text/*"}, false},
		{[]string{"text/event-stream;q=0"}, false},
		{[]string{"text/event-stream; charset=utf-8; q=0.0"}, false},
		{[]string{"application/json, text/event-stream;q=0"}, false},
		{[]string{"application/json", "text/event-stream;q=0"}, false},
	} {
		if wantsStream(withLines("Accept", row.lines...)) != row.want {
			t.Errorf("Accept: %q: %v", row.lines, !row.want)
		}
	}
}

func FuzzAcceptEncoding(f *testing.F) {
	f.Add("gzip;q=1.0, *;q=0")
	f.Fuzz(func(_ *testing.T, header string) { acceptsGzip(withLines("Accept-Encoding", header)) })
}
