package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	readBytes = 1 << 20 // at once; more than MaxLine
	headBytes = 64 << 10
)

var errTooLong = fmt.Errorf("it is longer than %d bytes", MaxLine)

// lines reads a file line by line, and knows where it is: a line that next gave
// is left behind by accept.
type lines struct {
	in   *bufio.Reader
	at   place
	torn bool // the current line has no line break

	current []byte // with its line break
	more    bool   // the current line goes on behind current
}

// place is how much of a file was read, always whole lines, with enough of it
// to know the file again.
type place struct {
	offset int64  // behind the last line and its line break
	number int64  // of the last line
	head   []byte // the first bytes, up to headBytes; it is only appended to
	last   []byte // the last line as it was, with its line break; empty if it was too long
}

func newLines(r io.Reader, at place) *lines {
	return &lines{in: bufio.NewReaderSize(r, readBytes), at: at}
}

// next answers the next line that isn't blank, without its line break. It is
// good until accept. A *LineError is about this line alone.
func (l *lines) next() ([]byte, error) {
	for {
		text, err := l.in.ReadSlice('\n')
		if len(text) == 0 || err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		l.current, l.torn, l.more = text, errors.Is(err, io.EOF), errors.Is(err, bufio.ErrBufferFull)
		text = bytes.TrimRight(text, "\r\n")
		if len(text) > MaxLine {
			return nil, &LineError{l.at.number + 1, errTooLong}
		}
		if len(bytes.TrimSpace(text)) > 0 {
			return text, nil
		}
		if err := l.accept(); err != nil {
			return nil, err
		}
	}
}

// accept moves the place behind the current line.
func (l *lines) accept() error {
	l.at.number++
	l.at.last = append(l.at.last[:0], l.current...)
	l.take(l.current)
	for l.more {
		text, err := l.in.ReadSlice('\n')
		l.take(text)
		l.at.last = l.at.last[:0]
		l.more = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !l.more && !errors.Is(err, io.EOF) {
			return err
		}
	}
	if len(l.at.last) > maxKept {
		l.at.last = l.at.last[:0]
	}
	return nil
}

// maxKept is the most bytes of a last line that are kept.
const maxKept = MaxLine + 2

func (l *lines) take(text []byte) {
	l.at.offset += int64(len(text))
	if room := headBytes - len(l.at.head); room > 0 {
		l.at.head = append(l.at.head, text[:min(room, len(text))]...)
	}
}

// where is a copy of the place, good for ever.
func (l *lines) where() place {
	at := l.at
	at.last = bytes.Clone(at.last)
	return at
}
