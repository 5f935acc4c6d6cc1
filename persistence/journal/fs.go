package journal

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// FS is what the journal needs of a file system. Tests put one in its place
// that fails or forgets what was not synced.
type FS interface {
	MkdirAll(dir string) error
	// Create makes an empty file, in place of any that has the name.
	Create(name string) (File, error)
	// Open opens a file for reading and writing, or for reading only.
	Open(name string, write bool) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	// List answers the names in a folder.
	List(dir string) ([]string, error)
	// SyncDir makes creations, renames and removals in a folder durable.
	SyncDir(dir string) error
	// Free answers how many bytes can still be written.
	Free(dir string) (int64, error)
}

// File is one open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	// Allocate reserves blocks and makes the file size bytes long, zero-filled.
	Allocate(size int64) error
	// Sync makes everything durable, the size too.
	Sync() error
	// Datasync makes the bytes durable that lie within the file's size.
	Datasync() error
}

// OS answers the machine's own file system.
func OS() FS { return osFS{} }

type osFS struct{}

func (osFS) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

func (osFS) Create(name string) (File, error) {
	f, err := os.OpenFile(filepath.Clean(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Open(name string, write bool) (File, error) {
	flag := os.O_RDONLY
	if write {
		flag = os.O_RDWR
	}
	f, err := os.OpenFile(filepath.Clean(name), flag, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(name string) error     { return os.Remove(name) }

func (osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (osFS) Free(dir string) (int64, error) { return freeBytes(dir) }

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f osFile) Allocate(size int64) error { return allocate(f.File, size) }
func (f osFile) Datasync() error           { return datasync(f.File) }
