package embedded

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"barrage/persistence"
)

// formatVersion counts up when older versions can't read what is written.
const formatVersion = 1

// Store is history in a folder.
type Store struct {
	cfg    Config
	db     *pebble.DB
	health *health
	gate   gate
	spare  *ballast

	applied atomic.Uint64
	maxID   atomic.Uint64
	joined  atomic.Uint64 // see Join
	floor   atomic.Uint64 // see Floor
	// elsewhere: another store keeps history, too; see Join.
	elsewhere atomic.Bool

	// writing is held by who changes what is there already: Apply, Import, Adopt,
	// and Trim for reaction slots.
	writing sync.Mutex

	// Of the one caller of Apply and Sync.
	synced     persistence.LSN
	lastBucket bucket // whose predecessors were dropped

	// With writing held.
	work  scratch
	slots map[slotID]*pendingSlot // met lately, as they are in db but for what a batch changes
}

var _ persistence.Store = (*Store)(nil)

// Open opens the store, and makes it if there is none.
func Open(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if err := cfg.FS.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded store: %w", err)
	}
	s := &Store{cfg: cfg, spare: newBallast(cfg)}
	s.health = newHealth(cfg, s.spare)
	var err error
	if s.db, err = openPebble(cfg, s.health); err != nil {
		return nil, fmt.Errorf("embedded store in %s: %w", cfg.Dir, err)
	}
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded store in %s: %w", cfg.Dir, err), s.Close())
	}
	s.health.opened()
	s.spare.restore()
	return s, nil
}

// openPebble opens in a goroutine of its own, since a fatal error of Pebble
// ends the goroutine it happens in.
func openPebble(cfg Config, h *health) (*pebble.DB, error) {
	type result struct {
		db  *pebble.DB
		err error
	}
	opened := make(chan result, 1)
	go func() {
		db, err := pebble.Open(cfg.Dir, cfg.pebbleOptions(h))
		opened <- result{db, err}
	}()
	select {
	case r := <-opened:
		return r.db, r.err
	case <-h.failed:
		return nil, h.err()
	}
}

// load reads what the store says about itself.
func (s *Store) load() error {
	format, err := s.number(formatKey)
	if err != nil {
		return err
	}
	switch {
	case format > formatVersion:
		return fmt.Errorf("written in format %d by a newer version; this one reads up to %d", format, formatVersion)
	case format == 0:
		err = s.db.Set(formatKey, be.AppendUint64(nil, formatVersion), pebble.NoSync)
	}
	if err != nil {
		return err
	}
	applied, err := s.number(appliedKey)
	if err != nil {
		return err
	}
	maxID, err := s.number(maxIDKey)
	if err != nil {
		return err
	}
	joined, err := s.number(joinedKey)
	if err != nil {
		return err
	}
	floor, err := s.number(floorKey)
	if err != nil {
		return err
	}
	elsewhere, err := s.Joined()
	if err != nil {
		return err
	}
	s.applied.Store(applied)
	s.maxID.Store(maxID)
	s.joined.Store(joined)
	s.floor.Store(floor)
	s.elsewhere.Store(elsewhere)
	s.synced = persistence.LSN(applied)
	return nil
}

// number answers 0 for a key that is not there.
func (s *Store) number(key []byte) (uint64, error) {
	value, ok, err := get(s.db, key)
	if err != nil || !ok {
		return 0, err
	}
	if len(value) != 8 {
		return 0, fmt.Errorf("key %s holds %d bytes instead of 8", strconv.Quote(string(key)), len(value))
	}
	return be.Uint64(value), nil
}

// AppliedLSN is the last position that readers see.
func (s *Store) AppliedLSN() persistence.LSN { return persistence.LSN(s.applied.Load()) }

// MaxCommentID is the highest id of all live videos, deleted ones included.
func (s *Store) MaxCommentID(context.Context) (uint64, error) { return s.maxID.Load(), nil }

// Sync flushes the memtables. While the disk is full it fails; the flush then
// goes on by itself once there is room.
func (s *Store) Sync(ctx context.Context) (persistence.LSN, error) {
	if !s.gate.enter() {
		return 0, persistence.ErrClosed
	}
	defer s.gate.leave()
	upTo := s.AppliedLSN()
	if upTo == s.synced {
		return upTo, nil
	}
	trouble, err := s.health.watch()
	if err != nil {
		return 0, err
	}
	flushed, err := s.db.AsyncFlush()
	if err != nil {
		return 0, fmt.Errorf("embedded store: %w", err)
	}
	select {
	case <-flushed:
	case <-trouble:
		return 0, s.health.err()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	s.synced = upTo
	s.spare.restore()
	return upTo, nil
}

// closeGrace is how long Close waits for calls that hang in a dead disk.
const closeGrace = 10 * time.Second

// Close waits for the calls in progress. It does not sync: what was not synced
// is in the journal.
func (s *Store) Close() error {
	empty, first := s.gate.close()
	if !first {
		return persistence.ErrClosed
	}
	s.health.close()
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	select {
	case <-empty:
	case <-grace.C:
		// Closing Pebble under them would panic; the process ends soon anyway.
		return fmt.Errorf("embedded store: calls hang, left open (%v)", s.health.err())
	}
	closed := make(chan error, 1)
	go func() { closed <- s.db.Close() }()
	select {
	case err := <-closed:
		return err
	case <-s.health.failed:
		// Pebble would wait for the goroutine that failed.
		return s.health.err()
	}
}
