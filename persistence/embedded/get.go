package embedded

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"google.golang.org/protobuf/proto"
)

// get answers a copy of a value.
func get(r pebble.Reader, key []byte) ([]byte, bool, error) {
	value, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("embedded store: %w", err)
	}
	value = append([]byte(nil), value...)
	return value, true, closer.Close()
}

// getProto reads a value into m, and answers whether there is one.
func getProto(r pebble.Reader, key []byte, m proto.Message) (bool, error) {
	value, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("embedded store: %w", err)
	}
	defer closer.Close() //nolint:errcheck // only lets go of a block
	if err := proto.Unmarshal(value, m); err != nil {
		return false, fmt.Errorf("embedded store: a damaged value under %q: %w", key, err)
	}
	return true, nil
}
