package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"
)

const (
	// filePoll is how often files are looked at.
	filePoll = time.Second
	// fileSettles: a file whose last change is no older than this when it is
	// read may change again without its time changing, and is read once more.
	fileSettles = 2 * time.Second
)

// watchedFile is a file that is read again when it changes, be it written
// anew, replaced, or a link that points elsewhere.
type watchedFile struct {
	path  string
	what  string // for the log
	max   int64  // bytes
	apply func(content []byte) error
	log   *slog.Logger

	seen   os.FileInfo
	readAt time.Time
	failed bool
}

// run looks at the file until ctx ends.
func (f *watchedFile) run(ctx context.Context) {
	tick := time.NewTicker(filePoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.poll()
		}
	}
}

// poll reads the file if it may have changed. What it held before stays if it
// can't be read now, or is no good.
func (f *watchedFile) poll() {
	info, err := os.Stat(f.path)
	if err == nil && f.unchanged(info) {
		return
	}
	if err == nil {
		err = f.load()
	}
	switch {
	case err != nil && !f.failed:
		f.log.Warn("a file can't be read again; what it held before stays in force", "what", f.what, "path", f.path, "error", err)
	case err == nil && f.failed:
		f.log.Info("a file can be read again", "what", f.what, "path", f.path)
	}
	f.failed = err != nil
}

func (f *watchedFile) unchanged(info os.FileInfo) bool {
	return f.seen != nil && os.SameFile(info, f.seen) && info.Size() == f.seen.Size() &&
		info.ModTime().Equal(f.seen.ModTime()) && f.readAt.Sub(info.ModTime()) > fileSettles
}

// load reads the file.
func (f *watchedFile) load() error {
	file, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("looking at %s: %w", f.path, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", f.path)
	}
	f.seen, f.readAt = info, time.Now()
	content, err := readAtMost(file, f.max)
	if err != nil {
		return fmt.Errorf("reading %s: %w", f.path, err)
	}
	return f.apply(content)
}

var errTooLarge = errors.New("too large")

// readAtMost reads all of r, which may have so many bytes.
func readAtMost(r io.Reader, most int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("more than %d bytes: %w", most, errTooLarge)
	}
	return content, err
}
