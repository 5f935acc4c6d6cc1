package actors

import (
	"fmt"
	"hash/crc32"
	"strconv"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Encoding is the form in which a viewer gets its stream.
type Encoding uint8

const (
	// Identity is plain text.
	Identity Encoding = iota
	// Gzip is one gzip member for the whole stream, made of segments that
	// refer to nothing before them, so that all viewers share each segment.
	Gzip
	// WebSocket is a message for each event.
	WebSocket
	encodings
)

// compressionLevel is where the gain in size per CPU second flattens for
// comments.
const compressionLevel = 6

// Frame is a run of events, made once and shared by all viewers: each gets
// the same slices. It never changes, but for the forms that are made when first
// asked for.
type Frame struct {
	// firstID and lastID are the lowest and highest comment id in the frame,
	// 0 if it holds no comment.
	firstID, lastID uint64
	comments        int
	// deleted are the deletions in the frame.
	deleted []ringEvent
	// spans are set in frames of several live videos only.
	spans []videoSpan
	// state frames tell of a room's state: a viewer for whom one was left out is
	// told the state again.
	state bool
	// heartbeat frames are worth nothing to a viewer with bytes to write.
	heartbeat bool
	// reply frames answer one viewer, and are never left out.
	reply bool

	identity      form
	gzip          form
	gzipOnce      sync.Once
	webSocket     form
	webSocketOnce sync.Once
}

// form is a frame in one encoding, with an HTTP chunk around it.
type form struct {
	chunk []byte // head, body and end of the chunk
	body  []byte // within chunk

	// Of the uncompressed body, for the gzip trailer.
	crc, shift, size uint32
}

// newFrame makes a frame of events in a row.
func newFrame(events ...[]byte) *Frame {
	f := &Frame{}
	f.identity.set(events...)
	return f
}

// in gives the frame's form in an encoding. It may be called from any
// goroutine; the first call for Gzip or WebSocket does the work.
func (f *Frame) in(e Encoding) *form {
	switch e {
	case Identity:
		return &f.identity
	case WebSocket:
		f.webSocketOnce.Do(func() { f.webSocket.body = webSocketFrames(f.identity.body) })
		return &f.webSocket
	}
	f.gzipOnce.Do(func() {
		events := f.identity.body
		f.gzip.set(deflateSegment(events))
		f.gzip.crc = crc32.ChecksumIEEE(events)
		f.gzip.shift = crcShift(len(events))
		f.gzip.size = uint32(len(events))
	})
	return &f.gzip
}

// set puts the head and the end of an HTTP/1.1 chunk around the parts of a
// body, which must not be empty: an empty chunk would end the stream.
func (f *form) set(parts ...[]byte) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	const longestHead, end = 18, 2
	f.chunk = strconv.AppendInt(make([]byte, 0, longestHead+size+end), int64(size), 16)
	f.chunk = append(f.chunk, "\r\n"...)
	start := len(f.chunk)
	for _, p := range parts {
		f.chunk = append(f.chunk, p...)
	}
	f.chunk = append(f.chunk, "\r\n"...)
	f.body = f.chunk[start : start+size]
}

// deflaters are kept between frames: each has about 600 KB of tables.
var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, compressionLevel)
	if err != nil {
		panic(fmt.Sprintf("compression level %d: %v", compressionLevel, err))
	}
	return w
}}

// deflateSegment makes deflate blocks that can be appended to any gzip stream
// in progress: they begin at a byte boundary, refer to nothing before them,
// and end with a sync flush (RFC 1951). Events that gain nothing by it are
// stored as they are.
func deflateSegment(events []byte) []byte {
	out := segmentBuffer(make([]byte, 0, len(events)/2+64))
	w := deflaters.Get().(*flate.Writer)
	w.Reset(&out)
	_, err := w.Write(events)
	if err == nil {
		err = w.Flush()
	}
	deflaters.Put(w)
	if err != nil || len(out) > len(events)+storedOverhead(len(events)) {
		return storedSegment(events)
	}
	return out
}

type segmentBuffer []byte

func (s *segmentBuffer) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}

// maxStored is the most bytes that a stored block holds (RFC 1951, 3.2.4).
const maxStored = 65535

// syncMark is an empty stored block. Readers hand on what they have when they
// meet it; some (Go's) not before.
var syncMark = []byte{0, 0, 0, 0xff, 0xff}

func storedOverhead(n int) int { return 5*((n+maxStored-1)/maxStored) + len(syncMark) }

// storedSegment makes stored (uncompressed) deflate blocks of events.
func storedSegment(events []byte) []byte {
	out := make([]byte, 0, len(events)+storedOverhead(len(events)))
	for len(events) > 0 {
		n := min(len(events), maxStored)
		out = append(out, 0, byte(n), byte(n>>8), ^byte(n), ^byte(n>>8))
		out = append(out, events[:n]...)
		events = events[n:]
	}
	return append(out, syncMark...)
}

// gzipHeader begins every gzip stream: deflate, no name, no time, unknown OS.
var gzipHeader = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

// gzipTrailer ends a gzip stream: an empty final block, then the CRC-32 and
// the size of all that went before, uncompressed.
func gzipTrailer(crc, size uint32) []byte {
	return []byte{
		3, 0,
		byte(crc), byte(crc >> 8), byte(crc >> 16), byte(crc >> 24),
		byte(size), byte(size >> 8), byte(size >> 16), byte(size >> 24),
	}
}

// lastChunk ends a body in chunks.
var lastChunk = []byte("0\r\n\r\n")
