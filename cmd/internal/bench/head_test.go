package bench

import (
	"errors"
	"testing"
)

func TestParseHead(t *testing.T) {
	const text = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\nContent-Encoding: gzip\r\nRetry-After: 3\r\nConnection: close\r\n\r\nbody"
	h, n, err := parseHead([]byte(text))
	want := responseHead{status: 200, length: -1, chunked: true, gzip: true, close: true, eventStream: true, retryAfter: 3}
	if err != nil || h != want || text[n:] != "body" {
		t.Errorf("parseHead = %+v, %d, %v; want %+v", h, n, err, want)
	}
	for i := range n {
		if _, _, err := parseHead([]byte(text[:i])); !errors.Is(err, errShort) {
			t.Fatalf("parseHead of %d bytes: %v, want errShort", i, err)
		}
	}
	h, _, err = parseHead([]byte("HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n"))
	if err != nil || h.status != 201 || h.length != 12 || h.chunked || h.retryAfter != -1 {
		t.Errorf("parseHead = %+v, %v", h, err)
	}
	for _, bad := range []string{"HTTP/2 200\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "hello\r\n\r\n"} {
		if _, _, err := parseHead([]byte(bad)); !errors.Is(err, errHead) {
			t.Errorf("parseHead(%q): %v, want errHead", bad, err)
		}
	}
}
