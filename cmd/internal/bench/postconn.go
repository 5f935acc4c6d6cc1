package bench

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// connState is where a posting connection is.
type connState uint8

const (
	closed  connState = iota // no socket; connects at wakeAt
	dialing                  // the connection is being made
	idle                     // ready for a request
	busy                     // a request is under way
	pausing                  // connected, and sends its post again at wakeAt
)

// postConn is one keep-alive connection. A post stays with the connection that
// took it, over retries and reconnections, until its fate is known.
type postConn struct {
	fd     int
	gen    int32
	state  connState
	wakeAt int64 // when a closed or pausing connection goes on
	fails  int   // failures in a row, of the connection or of its post
	since  int64 // when the state began, for timeouts

	seq  int    // of the post, -1 without
	out  []byte // what is still to be written
	in   []byte // the answer so far
	body []byte // the request's body, to repeat it
}

// sleeps says whether the connection goes on by itself at wakeAt.
func (c *postConn) sleeps() bool { return c.state == closed || c.state == pausing }

// answer is the complete response to a post.
type answer struct {
	head responseHead
	body []byte
}

var errAnswer = errors.New("bad answer")

// flush writes what the socket takes.
func (c *postConn) flush() error {
	for len(c.out) > 0 {
		n, errno := rawWrite(c.fd, c.out)
		switch errno {
		case 0:
			c.out = c.out[n:]
		case unix.EAGAIN:
			return nil
		case unix.EINTR:
		default:
			return fmt.Errorf("send a post: %w", errno)
		}
	}
	return nil
}

// receive reads what there is, and returns the answer once it is whole.
func (c *postConn) receive(buf []byte) (*answer, error) {
	for {
		n, errno := rawRead(c.fd, buf)
		switch {
		case n > 0:
			c.in = append(c.in, buf[:n]...)
			if n == len(buf) {
				continue
			}
			return parseAnswer(c.in)
		case errno == unix.EAGAIN:
			return nil, nil
		case errno == unix.EINTR:
		case errno == 0:
			return nil, fmt.Errorf("%w: the connection was closed", errAnswer)
		default:
			return nil, fmt.Errorf("receive an answer: %w", errno)
		}
	}
}

// parseAnswer returns nil if the response isn't complete.
func parseAnswer(data []byte) (*answer, error) {
	h, n, err := parseHead(data)
	if errors.Is(err, errShort) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rest := data[n:]
	switch {
	case h.status == 204:
		return &answer{head: h}, nil
	case h.chunked:
		var body []byte
		for {
			payload, size, err := nextChunk(rest)
			if errors.Is(err, errShort) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			if len(payload) == 0 {
				return &answer{head: h, body: body}, nil
			}
			body = append(body, payload...)
			rest = rest[size:]
		}
	case h.length < 0:
		return nil, fmt.Errorf("%w: status %d without a length", errAnswer, h.status)
	case len(rest) < h.length:
		return nil, nil
	default:
		return &answer{head: h, body: rest[:h.length]}, nil
	}
}

// commentID finds the id in the JSON of a comment.
func commentID(body []byte) (uint64, error) {
	const field = `"id":"`
	i := bytes.Index(body, []byte(field))
	if i < 0 {
		return 0, fmt.Errorf("%w: no id in %.200q", errAnswer, body)
	}
	text, _, _ := bytes.Cut(body[i+len(field):], []byte(`"`))
	id, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || id == 0 {
		return 0, fmt.Errorf("%w: id %.40q", errAnswer, text)
	}
	return id, nil
}
