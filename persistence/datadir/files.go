package datadir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// writeOnce puts a small file into the folder as a whole or not at all, and
// leaves one that is there already as it is. mode 0600.
func writeOnce(dir, name string, content []byte) (err error) {
	path := filepath.Join(dir, name)
	temp := path + "." + rand.Text()[:8] + ".tmp"
	f, err := os.OpenFile(filepath.Clean(temp), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return notWritable(dir, err)
	}
	defer func() { err = errors.Join(err, os.Remove(temp)) }()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	// A link, other than a rename, never replaces.
	if err := os.Link(temp, path); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return syncDir(dir)
}

// Replace writes a small file of the folder anew, as a whole or not at all,
// and returns when it is on disk. mode 0600.
func Replace(dir, name string, content []byte) error {
	path := filepath.Join(dir, name)
	temp := path + ".tmp"
	f, err := os.OpenFile(filepath.Clean(temp), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
