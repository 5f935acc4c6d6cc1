package bench

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// maxHead is the longest response head that is taken.
const maxHead = 64 << 10

// statusSocket is the status of an answer behind which WebSocket frames come.
const statusSocket = 101

var errHead = errors.New("bad response head")

// responseHead is what the tool needs to know of an HTTP/1.1 response head.
type responseHead struct {
	status      int
	length      int // Content-Length, or -1
	chunked     bool
	gzip        bool
	close       bool
	eventStream bool
	retryAfter  int // seconds, or -1
}

// parseHead reads the response head at the start of data and returns its length
// with the empty line. errShort means that it isn't complete yet.
func parseHead(data []byte) (responseHead, int, error) {
	h := responseHead{length: -1, retryAfter: -1}
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		if len(data) > maxHead {
			return h, 0, fmt.Errorf("%w: over %d bytes", errHead, maxHead)
		}
		return h, 0, errShort
	}
	line, rest, _ := bytes.Cut(data[:end], []byte("\r\n"))
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return h, 0, fmt.Errorf("%w: %.40q", errHead, line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return h, 0, fmt.Errorf("%w: %.40q", errHead, line)
	}
	h.status = status
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		h.field(name, bytes.TrimSpace(value))
	}
	return h, end + 4, nil
}

func (h *responseHead) field(name, value []byte) {
	is := func(s string) bool { return len(name) == len(s) && bytes.EqualFold(name, []byte(s)) }
	switch {
	case is("content-length"):
		if n, err := strconv.Atoi(string(value)); err == nil && n >= 0 {
			h.length = n
		}
	case is("transfer-encoding"):
		h.chunked = bytes.EqualFold(value, []byte("chunked"))
	case is("content-encoding"):
		h.gzip = bytes.EqualFold(value, []byte("gzip"))
	case is("content-type"):
		kind, _, _ := bytes.Cut(value, []byte(";"))
		h.eventStream = bytes.EqualFold(bytes.TrimSpace(kind), []byte("text/event-stream"))
	case is("connection"):
		h.close = bytes.EqualFold(value, []byte("close"))
	case is("retry-after"):
		if n, err := strconv.Atoi(string(value)); err == nil && n >= 0 {
			h.retryAfter = n
		}
	}
}
