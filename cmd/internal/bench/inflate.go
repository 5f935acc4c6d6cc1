package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
)

const (
	gzipHeadLen = 10
	windowSize  = 32 << 10 // how far back deflate may refer
	maxPlain    = 64 << 20 // what one unit may inflate to
)

var (
	errGzip    = errors.New("bad gzip stream")
	errHistory = errors.New("the segment refers to earlier ones")
)

// syncMark is the empty stored block that ends a flushed segment.
var syncMark = []byte{0, 0, 0xff, 0xff}

// finalBlock is an empty stored block that ends a stream. Put behind segments
// it decodes if, and only if, they end at a block's end and a byte's boundary.
var finalBlock = []byte{1, 0, 0, 0xff, 0xff}

// cutGzipHead removes the fixed header at the start of a gzip stream (RFC 1952).
func cutGzipHead(data []byte) ([]byte, error) {
	if len(data) < gzipHeadLen {
		return nil, errShort
	}
	if data[0] != 0x1f || data[1] != 0x8b || data[2] != 8 {
		return nil, fmt.Errorf("%w: header % x", errGzip, data[:gzipHeadLen])
	}
	if data[3] != 0 {
		return nil, fmt.Errorf("%w: header flags %#x are not supported", errGzip, data[3])
	}
	return data[gzipHeadLen:], nil
}

// inflater inflates segments of deflate streams: runs of whole blocks that end
// at a byte boundary. What it returns is overwritten by the next call.
type inflater struct {
	in     bytes.Reader
	r      io.ReadCloser
	plain  []byte
	padded []byte
}

// inflate returns the text of one or more whole segments. history is the text
// before them (the last 32 KiB do), or nil to take them by themselves.
//
//   - errShort: the segments stop in the middle, more bytes are needed
//   - errHistory: they refer to text that history doesn't hold
//   - io.EOF: the stream ended with them, rightly; the text is valid
func (d *inflater) inflate(segments, history []byte) ([]byte, error) {
	err := d.decode(segments, history)
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.EOF):
		// The final block: checksum and length follow.
		if d.in.Len() < 8 {
			return nil, errShort
		}
		return d.plain, io.EOF
	case errors.As(err, &corrupt):
		return nil, fmt.Errorf("%w: %w", errHistory, err)
	case !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("%w: %w", errGzip, err)
	case bytes.HasSuffix(segments, syncMark) && d.in.Len() == 0:
		return d.plain, nil
	}
	// The decoder wants more: the rest of a block, or just the next one?
	d.padded = append(append(d.padded[:0], segments...), finalBlock...)
	if err := d.decode(d.padded, history); errors.Is(err, io.EOF) && d.in.Len() == 0 {
		return d.plain, nil
	}
	return nil, errShort
}

// decode fills plain, and returns the error that ended it.
func (d *inflater) decode(data, history []byte) error {
	d.in.Reset(data)
	if d.r == nil {
		d.r = flate.NewReaderDict(&d.in, history)
	} else if err := d.r.(flate.Resetter).Reset(&d.in, history); err != nil {
		return err
	}
	d.plain = d.plain[:0]
	for {
		if len(d.plain) == cap(d.plain) {
			d.plain = append(d.plain, 0)[:len(d.plain)]
		}
		n, err := d.r.Read(d.plain[len(d.plain):cap(d.plain)])
		d.plain = d.plain[:len(d.plain)+n]
		if err != nil {
			return err
		}
		if len(d.plain) > maxPlain {
			return fmt.Errorf("over %d bytes in one segment", maxPlain)
		}
	}
}
