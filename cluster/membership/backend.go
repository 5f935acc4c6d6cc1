package membership

import (
	"context"
	"errors"
	"time"
)

// backend is what is used of Consul. Its methods end with their context.
type backend interface {
	// instances are those registered under the service, with an index; they are
	// waited for until they have changed since one.
	instances(ctx context.Context, since uint64, wait time.Duration) ([]instance, uint64, error)
	// list gives the keys below a prefix, which is cut off.
	list(ctx context.Context, prefix string) ([]pair, error)
	// put sets a key if it is at an index; 0: if there is none.
	put(ctx context.Context, key string, value []byte, at uint64) (bool, error)
	remove(ctx context.Context, key string) error
	register(ctx context.Context, m Member) error
	// update says that the instance lives. errUnknown: it isn't registered.
	update(ctx context.Context, id string) error
	deregister(ctx context.Context, id string) error
	close()
}

var errUnknown = errors.New("not registered")

// instance is a registration as Consul has it. What others wrote may be in it.
type instance struct {
	id      string
	address string // host:port
	meta    map[string]string
	created uint64 // index at which it was registered
	health  health
}

type health int

const (
	passing health = iota
	expired        // critical: updates are overdue, or the host has failed
	unheard        // critical: its agent started and has not heard of it
	unchecked
)

// pair is a key with its value and the index of its last change.
type pair struct {
	key   string
	value []byte
	index uint64
}
