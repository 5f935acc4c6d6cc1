// Package datadir looks after a node's data folder: one process at a time, and
// the small files that make a node itself.
package datadir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const lockName = "LOCK"

// ErrInUse says that another process has the data folder.
var ErrInUse = errors.New("in use by another barrage process")

// Lock keeps other processes out of a data folder.
type Lock struct {
	dir  string
	file *os.File
}

// Acquire makes the folder if there is none and takes it for this process. The
// kernel lets go of it when the process ends, however that happens.
func Acquire(dir string) (*Lock, error) {
	dir = filepath.Clean(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder %s can't be made: %w", dir, err)
	}
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, notWritable(dir, err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer file.Close() //nolint:errcheck // only read from
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data folder %s is %w%s", dir, ErrInUse, holder(file))
		}
		return nil, fmt.Errorf("data folder %s can't be locked: %w", dir, err)
	}
	// Writing the process id also shows whether there can be written at all.
	if err := writePID(file); err != nil {
		return nil, errors.Join(notWritable(dir, err), file.Close())
	}
	return &Lock{dir: dir, file: file}, nil
}

// Dir is the folder.
func (l *Lock) Dir() string { return l.dir }

// Release lets another process have the folder. The file stays: removing it
// would let two processes lock two files of one name.
func (l *Lock) Release() error {
	return errors.Join(l.file.Truncate(0), l.file.Close())
}

func writePID(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return nil // the lock holds without it, and a full disk may get room again
	}
	return err
}

// holder says which process has the lock, as far as that is known.
func holder(file *os.File) string {
	b, err := io.ReadAll(io.LimitReader(file, 32))
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}

func notWritable(dir string, err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("data folder %s is on a read-only file system: %w", dir, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("data folder %s is not writable for this user: %w", dir, err)
	}
	return fmt.Errorf("data folder %s: %w", dir, err)
}
