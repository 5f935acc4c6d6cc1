package transfer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// state is what a state file holds: how much of an input is durable in a
// target, and what tells this input from others.
type state struct {
	Format   int    `json:"format"` // stateFormat
	Target   string `json:"target"`
	Offset   int64  `json:"offset"` // bytes of the input that are done
	Line     int64  `json:"line"`   // lines of it
	Comments int64  `json:"comments"`
	Skipped  int64  `json:"skipped"`
	// Digests (SHA-256) of the first bytes of the input, and of the last line
	// before Offset.
	HeadBytes int    `json:"headBytes"`
	Head      string `json:"head"`
	LastBytes int    `json:"lastBytes"`
	Last      string `json:"last"`
}

const stateFormat = 1

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func stateAt(at place) *state {
	return &state{
		Format: stateFormat, Offset: at.offset, Line: at.number,
		HeadBytes: len(at.head), Head: digest(at.head), LastBytes: len(at.last), Last: digest(at.last),
	}
}

// readState answers nil if there is no file yet.
func readState(path string) (*state, error) {
	text, err := os.ReadFile(filepath.Clean(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // as documented
	}
	if err != nil {
		return nil, err
	}
	s := new(state)
	if err := json.Unmarshal(text, s); err != nil || !s.possible() {
		return nil, fmt.Errorf("%s is not a state file of 'barrage import'", path)
	}
	return s, nil
}

func (s *state) possible() bool {
	return s.Format == stateFormat && s.Offset >= 0 && s.Line >= 0 && s.Comments >= 0 && s.Skipped >= 0 &&
		int64(s.HeadBytes) == min(headBytes, s.Offset) &&
		s.LastBytes >= 0 && s.LastBytes <= maxKept && int64(s.LastBytes) <= s.Offset
}

// write replaces the file as a whole, so that a crash leaves the old or the
// new one.
func (s *state) write(path string) (err error) {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	path = filepath.Clean(path)
	temp := path + "." + rand.Text()[:8] + ".tmp"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the state: %w", err), os.Remove(temp))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

var errOtherInput = errors.New("it is of another input than this one")

// rejoin reads or skips what of an input is done, and makes sure that it is the
// same input.
func (s *state) rejoin(in io.Reader) (place, error) {
	head := make([]byte, s.HeadBytes)
	if _, err := io.ReadFull(in, head); err != nil {
		return place{}, shorter(err)
	}
	if digest(head) != s.Head {
		return place{}, errOtherInput
	}
	last := make([]byte, s.LastBytes)
	lastAt := s.Offset - int64(s.LastBytes)
	if lastAt >= int64(s.HeadBytes) {
		if err := skip(in, lastAt-int64(s.HeadBytes)); err != nil {
			return place{}, shorter(err)
		}
		lastAt = int64(s.HeadBytes)
	}
	known := copy(last, head[lastAt:]) // the last line may begin in the head
	if _, err := io.ReadFull(in, last[known:]); err != nil {
		return place{}, shorter(err)
	}
	if digest(last) != s.Last {
		return place{}, errOtherInput
	}
	return place{offset: s.Offset, number: s.Line, head: head, last: last}, nil
}

// skip goes forward, without reading where that can be.
func skip(in io.Reader, n int64) error {
	if f, ok := in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			at, err := f.Seek(n, io.SeekCurrent)
			if err == nil && at > info.Size() {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	_, err := io.CopyN(io.Discard, in, n)
	return err
}

func shorter(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errOtherInput
	}
	return err
}
