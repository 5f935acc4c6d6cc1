package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// firstBytes are those of every export that isn't empty.
const firstBytes = `{"id":"`

// ErrExists says that an export would write over a file.
var ErrExists = errors.New("exists already; --resume goes on with an export that was interrupted")

// CreateOut makes the file of an export that begins.
func CreateOut(path string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s %w", path, ErrExists)
	}
	return f, err
}

// ResumeOut opens the file of an export that was interrupted, cuts a line off
// that was not written whole, and answers behind which comment to go on. A
// file that isn't there yet is made.
func ResumeOut(path string) (_ *os.File, after Position, err error) {
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, Position{}, err
	}
	if after, err = resume(f); err != nil {
		return nil, Position{}, errors.Join(fmt.Errorf("going on with %s: %w", path, err), f.Close())
	}
	return f, after, nil
}

// endOfIDs is after the time of any id: an export holds what its source held.
var endOfIDs = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

var errNoExport = errors.New("it is not a file that 'barrage export' wrote")

func resume(f *os.File) (after Position, err error) {
	info, err := f.Stat()
	if err != nil {
		return Position{}, err
	}
	if !info.Mode().IsRegular() {
		return Position{}, errors.New("it is not a regular file")
	}
	// Nothing is cut off a file that isn't ours.
	head := make([]byte, min(int64(len(firstBytes)), info.Size()))
	if _, err := f.ReadAt(head, 0); err != nil {
		return Position{}, err
	}
	if !bytes.HasPrefix([]byte(firstBytes), head) {
		return Position{}, errNoExport
	}
	// Enough for a torn line and the whole one before it.
	from := max(0, info.Size()-2*(MaxLine+1))
	tail := make([]byte, info.Size()-from)
	if _, err := f.ReadAt(tail, from); err != nil {
		return Position{}, err
	}
	whole := bytes.LastIndexByte(tail, '\n') + 1
	if whole == 0 && from > 0 {
		return Position{}, errNoExport
	}
	if whole > 0 {
		last := tail[:whole-1]
		last = last[bytes.LastIndexByte(last, '\n')+1:]
		c, err := ParseLine(last, endOfIDs)
		if err != nil {
			return Position{}, fmt.Errorf("%w: its last whole line: %w", errNoExport, err)
		}
		after = Position{c.GetLiveVideoId(), c.GetId()}
	}
	if err := f.Truncate(from + int64(whole)); err != nil {
		return Position{}, err
	}
	_, err = f.Seek(0, io.SeekEnd)
	return after, err
}
