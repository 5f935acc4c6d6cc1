package datadir

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	secretName = "jwt-secret"
	// secretBytes is the key size of HS256 (RFC 7518, 3.2).
	secretBytes = 32
)

// Secret answers the key that signs the node's tokens, and makes one if there
// is none.
func Secret(dir string) ([]byte, error) {
	secret, err := ReadSecret(dir)
	if !errors.Is(err, os.ErrNotExist) {
		return secret, err
	}
	secret = make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails
	text := base64.RawURLEncoding.EncodeToString(secret) + "\n"
	if err := writeOnce(dir, secretName, []byte(text)); err != nil {
		return nil, err
	}
	return ReadSecret(dir)
}

// SetSecret keeps another key than the one that was made here: that of the
// cluster.
func SetSecret(dir string, secret []byte) error {
	return Replace(dir, secretName, append(slices.Clone(secret), '\n'))
}

// ReadSecret answers the key, and refuses one that other users could read. The
// error is an os.ErrNotExist if there is none.
func ReadSecret(dir string) ([]byte, error) {
	path := filepath.Join(dir, secretName)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("no secret in %s; the server makes one at its first start: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&^0o600 != 0 {
		return nil, fmt.Errorf("%s has mode %#o and may be read by others; chmod 600 it, or remove it to get a new one", path, mode)
	}
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	// The text is the key, not what it stands for: it can be given to another
	// node or program as it is.
	secret := strings.TrimSpace(string(text))
	if len(secret) < secretBytes {
		return nil, fmt.Errorf("%s does not hold a secret of at least %d characters", path, secretBytes)
	}
	return []byte(secret), nil
}
