package membership

import (
	"context"
	"errors"
	"time"
)

// reading is what Consul had at a time.
type reading struct {
	began     time.Time // before the first request
	instances []instance
	marks     map[string]time.Time // ids that are out, and since when
	epoch     epoch
	epochAt   uint64 // index of its key
	revision  uint64
}

func (r *reading) find(id string) (instance, bool) {
	for _, i := range r.instances {
		if i.id == id {
			return i, true
		}
	}
	return instance{}, false
}

// reader reads Consul. One goroutine uses it at a time.
type reader struct {
	backend backend
	prefix  string // of the keys
	config  Config

	epoch uint64 // the last one read
	index uint64 // of the instances; 0: don't wait for news
	sum   uint64 // of both indexes
}

const (
	epochKey = "epoch"
	goneKeys = "gone/"
)

var errUnsteady = errors.New("consul: its state changes faster than it can be read")

// read answers what Consul has, after waiting for news for a while.
func (r *reader) read(ctx context.Context, wait time.Duration) (*reading, error) {
	backwards := false
	for range 10 {
		now := time.Now()
		attempt, cancel := context.WithTimeout(ctx, wait+wait/8+r.config.patience())
		next, done, err := r.once(attempt, wait, now, &backwards)
		cancel()
		if err != nil {
			r.index = 0
			return nil, err
		}
		if done {
			return next, nil
		}
		r.index, wait = 0, 0
	}
	return nil, errUnsteady
}

// once reads once; done is false if it has to be repeated. Instances and marks
// are of one epoch, as it was the same before and after the instances.
func (r *reader) once(ctx context.Context, wait time.Duration, now time.Time, backwards *bool) (next *reading, done bool, err error) {
	next = &reading{began: now, marks: map[string]time.Time{}}
	var instancesAt, keysAt uint64
	if wait <= 0 {
		r.index = 0
	}
	if next.instances, instancesAt, err = r.backend.instances(ctx, r.index, wait); err != nil {
		return nil, false, err
	}
	pairs, err := r.backend.list(ctx, r.prefix)
	if err != nil {
		return nil, false, err
	}
	for _, p := range pairs {
		keysAt = max(keysAt, p.index)
		if p.key == epochKey {
			next.epoch, next.epochAt = readEpoch(p.value), p.index
		} else if len(p.key) > len(goneKeys) && p.key[:len(goneKeys)] == goneKeys {
			next.marks[p.key[len(goneKeys):]] = readMark(p.value).time()
		}
	}
	sum := instancesAt + keysAt
	switch {
	case next.epoch.Epoch == 0 || next.epoch.Epoch < r.epoch:
		return nil, false, r.raise(ctx, next.epochAt)
	case next.epoch.Epoch != r.epoch:
		r.epoch, r.sum = next.epoch.Epoch, 0
		return nil, false, nil
	case sum < r.sum && !*backwards:
		*backwards = true // perhaps by a server that was behind
		return nil, false, nil
	case sum < r.sum:
		return nil, false, r.raise(ctx, next.epochAt)
	}
	r.index, r.sum = instancesAt, sum
	next.revision = revision(r.epoch, sum)
	return next, true, nil
}

// raise makes a new epoch. If somebody else was quicker, that one's is read.
func (r *reader) raise(ctx context.Context, at uint64) error {
	_, err := r.backend.put(ctx, r.prefix+epochKey, nextEpoch(r.epoch, time.Now()).bytes(), at)
	return err
}
