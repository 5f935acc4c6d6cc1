package bench

import (
	"bytes"
	"fmt"
	"slices"
)

// A gzip stream is taken to be made of independent segments once this many with
// comments were; until then its texts are kept, to have a history if not.
const (
	provenAfter = 8
	maxEarly    = 512
)

// maxUnit bounds the bytes that wait for the end of an event.
const maxUnit = 64 << 20

// stream is what the decoder knows of one viewer's response body, and the path
// the viewer took through the frames. For a viewer on its normal way all
// slices but path are nil.
type stream struct {
	chunked bool
	socket  bool // WebSocket frames
	gzip    bool
	headed  bool // the gzip header is behind
	ended   bool // the body's regular end was seen

	raw  []byte // the start of a chunk that isn't complete
	unit []byte // payloads that end within an event or a deflate block

	early  []string // texts since the start, while the gzip stream is unproven
	proven int
	own    *ownInflate // segments depend on each other

	cur  *frame // the last frame with comments
	path []stretch
}

// stretch is a part of a viewer's path: a frame and those that follow by next,
// n in all.
type stretch struct {
	start *frame
	n     int
}

// ownInflate is the state of a gzip stream with a context of its own.
type ownInflate struct {
	window []byte // the last text, up to windowSize
	text   []byte // of an event that isn't complete
}

// open prepares for a response body. The path goes on: it may be a resumption.
func (s *stream) open(h responseHead) {
	*s = stream{chunked: h.chunked, socket: h.status == statusSocket, gzip: h.gzip, cur: s.cur, path: s.path}
	if s.gzip {
		s.early = []string{}
	}
}

// expected is the frame that nearly every viewer gets next, if data begins with
// exactly its bytes.
func (s *stream) expected(data []byte) *frame {
	if s.cur == nil || s.cur.next == nil || len(s.unit) > 0 || !s.framed() || s.gzip && (!s.headed || s.early != nil || s.own != nil) {
		return nil
	}
	f := s.cur.next
	if n := len(f.wire); n > 0 && n <= len(data) && bytes.Equal(data[:n], f.wire) {
		return f
	}
	return nil
}

// framed says whether what a server sent at once can be told apart.
func (s *stream) framed() bool { return s.chunked || s.socket }

// cut takes the next piece of the body from data: a chunk, or everything if the
// body isn't chunked. An empty payload is the end.
func (s *stream) cut(data []byte) (payload []byte, size int, err error) {
	if s.socket {
		return nextSocketRun(data)
	}
	if s.chunked {
		return nextChunk(data)
	}
	return data, len(data), nil
}

// accept moves the viewer on by one frame.
func (s *stream) accept(f *frame) {
	if s.early != nil {
		s.learn(f)
	}
	if len(f.comments) == 0 {
		return
	}
	if s.cur != nil && s.cur.next == nil {
		s.cur.next = f
	}
	if s.cur != nil && s.cur.next == f {
		s.path[len(s.path)-1].n++
	} else {
		s.path = append(s.path, stretch{start: f, n: 1})
	}
	s.cur = f
}

func (s *stream) learn(f *frame) {
	if len(f.comments) > 0 {
		s.proven++
	}
	if s.proven >= provenAfter || len(s.early) >= maxEarly {
		s.early = nil
		return
	}
	s.early = append(s.early, f.text)
}

func (s *stream) earlyText() []byte {
	var text []byte
	for _, t := range s.early {
		text = append(text, t...)
	}
	return text[max(0, len(text)-windowSize):]
}

// hold keeps a unit that isn't complete.
func (s *stream) hold(unit []byte) error {
	if len(unit) > maxUnit {
		return fmt.Errorf("%w: no end after %d bytes", errEvent, len(unit))
	}
	if len(s.unit) == 0 {
		s.unit = slices.Clone(unit)
	}
	return nil
}

// keep stores the bytes that consume left, which may be the end of raw itself.
func (s *stream) keep(rest []byte) {
	if len(rest) == 0 || s.ended {
		s.raw = nil
		return
	}
	s.raw = append(s.raw[:0], rest...)
}
