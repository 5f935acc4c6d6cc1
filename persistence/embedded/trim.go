package embedded

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"barrage/persistence"
)

// Where another store keeps history for good (ClickHouse), this one is the
// part of it that is at hand: everything from its floor on.

// ErrNotJoined says that all of history is in this store.
var ErrNotJoined = errors.New("embedded store: history is kept nowhere else")

// Joined answers whether another store keeps history, too.
func (s *Store) Joined() (bool, error) {
	_, ok, err := get(s.db, joinedKey)
	return ok, err
}

// Join says that from an id on, another store gets all that this one gets. It
// is said once: before it, this store was the only one (or had nothing), and
// keeps what it had. Rooms that are new to it are counted from there on. It
// must not run beside Apply.
func (s *Store) Join(from uint64) error {
	joined, err := s.Joined()
	if err != nil || joined {
		return err
	}
	b := s.db.NewBatch()
	defer b.Close() //nolint:errcheck // lets go of memory only
	for _, key := range [][]byte{joinedKey, floorKey} {
		if err := b.Set(key, be.AppendUint64(nil, from), nil); err != nil {
			return err
		}
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("embedded store: %w", err)
	}
	s.joined.Store(from)
	s.floor.Store(from)
	s.elsewhere.Store(true)
	return s.db.Flush()
}

// Floor is the id from which on this store has everything that went through
// its node's journal. To see what was trimmed during a reading, ask after it.
func (s *Store) Floor() uint64 { return s.floor.Load() }

// Trim removes comments below an id, which the other store must have, and of
// the time before that id what it must have up to a position: marks of
// deletions, room events, and reactions to comments that are older than
// SlotMemory. Reactions to live videos themselves and what is set for rooms
// stay, and so does what is from before Join, and comments to keep: some ids of
// some live videos, which the other store does not have.
func (s *Store) Trim(ctx context.Context, floor uint64, upTo persistence.LSN, keep map[string][]uint64) error {
	if !s.gate.enter() {
		return persistence.ErrClosed
	}
	defer s.gate.leave()
	if joined, err := s.Joined(); err != nil || !joined {
		return errors.Join(err, ErrNotJoined)
	}
	if floor <= s.Floor() {
		return nil
	}
	// Known before it is done, so that no reader misses what is gone.
	s.floor.Store(floor)
	b := s.db.NewBatch()
	defer func() { _ = b.Close() }() // lets go of memory only
	if err := b.Set(floorKey, be.AppendUint64(nil, floor), nil); err != nil {
		return err
	}
	kept := map[string][]uint64{}
	for video, ids := range keep {
		kept[string(appendVideo(nil, commentKind, video))] = slices.Sorted(slices.Values(ids))
	}
	if err := s.trimComments(ctx, b, floor, kept); err != nil {
		return err
	}
	if err := s.trimDeletions(ctx, b, floor, upTo); err != nil {
		return err
	}
	if err := s.trimAudit(ctx, b, persistence.IDTime(floor), upTo); err != nil {
		return err
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("embedded store: %w", err)
	}
	return s.trimSlots(ctx, min(floor, persistence.FirstIDAt(s.cfg.Now().Add(-SlotMemory))), upTo)
}

// trimComments removes a stretch of each live video that has one, and of its
// replies. kept are rising ids, by what a live video's keys begin with.
func (s *Store) trimComments(ctx context.Context, b *pebble.Batch, floor uint64, kept map[string][]uint64) error {
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: []byte{commentKind}, UpperBound: []byte{commentKind + 1}})
	if err != nil {
		return fmt.Errorf("embedded store: %w", err)
	}
	defer it.Close() //nolint:errcheck // the next call would fail, too
	for ok := it.First(); ok; {
		prefix := append([]byte(nil), it.Key()[:len(it.Key())-8]...)
		n := len(prefix)
		from := be.AppendUint64(prefix[:n:n], s.joined.Load())
		if ok = it.SeekGE(from); ok && string(it.Key()[:len(it.Key())-8]) == string(prefix) && be.Uint64(it.Key()[n:]) < floor {
			for _, id := range append(slices.Clone(kept[string(prefix)]), floor) {
				// Up to the next that stays, and on behind it.
				if to := be.AppendUint64(prefix[:n:n], min(id, floor)); string(from) < string(to) {
					if err := b.DeleteRange(from, to, nil); err != nil {
						return err
					}
				}
				from = be.AppendUint64(prefix[:n:n], max(be.Uint64(from[n:]), id+1))
			}
			if err := s.trimReplies(ctx, b, prefix, floor, kept[string(prefix)]); err != nil {
				return err
			}
		}
		ok = it.SeekGE(append(be.AppendUint64(prefix[:n:n], ^uint64(0)), 0))
	}
	return it.Error()
}

// trimReplies removes the index of the replies that are removed.
func (s *Store) trimReplies(ctx context.Context, b *pebble.Batch, comments []byte, floor uint64, kept []uint64) error {
	prefix := append([]byte(nil), comments...)
	prefix[0] = replyKind
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: prefix, UpperBound: append(append([]byte(nil), prefix...), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)})
	if err != nil {
		return fmt.Errorf("embedded store: %w", err)
	}
	defer it.Close() //nolint:errcheck // the next call would fail, too
	for ok := it.First(); ok; ok = it.Next() {
		key := it.Key()
		if id := be.Uint64(key[len(key)-8:]); id >= s.joined.Load() && id < floor && !slices.Contains(kept, id) {
			if err := b.Delete(key, nil); err != nil {
				return err
			}
		}
	}
	return it.Error()
}

// trimDeletions removes the marks that nobody needs any more.
func (s *Store) trimDeletions(ctx context.Context, b *pebble.Batch, floor uint64, upTo persistence.LSN) error {
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: []byte{deletedKind}, UpperBound: []byte{deletedKind + 1}})
	if err != nil {
		return fmt.Errorf("embedded store: %w", err)
	}
	defer it.Close() //nolint:errcheck // the next call would fail, too
	for ok := it.First(); ok; ok = it.Next() {
		key := it.Key()
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("embedded store: %w", err)
		}
		// One of an older version doesn't say its position, and stays.
		if len(value) == 8 && persistence.LSN(be.Uint64(value)) <= upTo && be.Uint64(key[len(key)-8:]) < floor {
			if err := b.Delete(key, nil); err != nil {
				return err
			}
		}
	}
	return it.Error()
}

// UnarchivedDeletions answers which comments of a live video were deleted by
// records behind a position of the journal, comments that are not here
// included: what a store that is filled up to there may not know. A mark of an
// older version, which doesn't say its position, counts among them.
func (s *Store) UnarchivedDeletions(ctx context.Context, liveVideoID string, after persistence.LSN) (ids []uint64, err error) {
	err = s.marks(ctx, liveVideoID, 0, math.MaxUint64, func(id uint64, value []byte) {
		if len(value) != 8 || persistence.LSN(be.Uint64(value)) > after {
			ids = append(ids, id)
		}
	})
	return ids, err
}

// Deleted answers which comments of a live video, from one id to another, both
// included, were deleted, as far as this store knows.
func (s *Store) Deleted(ctx context.Context, liveVideoID string, from, to uint64) (map[uint64]bool, error) {
	deleted := map[uint64]bool{}
	err := s.marks(ctx, liveVideoID, from, to, func(id uint64, _ []byte) { deleted[id] = true })
	if err != nil {
		return nil, err
	}
	return deleted, nil
}

// marks visits a live video's marks of deletions from one id to another, both
// included.
func (s *Store) marks(ctx context.Context, liveVideoID string, from, to uint64, visit func(id uint64, value []byte)) error {
	if !s.gate.enter() {
		return persistence.ErrClosed
	}
	defer s.gate.leave()
	prefix := appendVideo(nil, deletedKind, liveVideoID)
	n := len(prefix)
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{
		LowerBound: be.AppendUint64(prefix[:n:n], from), UpperBound: append(be.AppendUint64(prefix[:n:n], to), 0),
	})
	if err != nil {
		return fmt.Errorf("embedded store: %w", err)
	}
	defer it.Close() //nolint:errcheck // the next call would fail, too
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("embedded store: %w", err)
		}
		visit(be.Uint64(it.Key()[n:]), value)
	}
	return it.Error()
}

// HasBelow answers whether there is a comment with an id below one.
func (s *Store) HasBelow(ctx context.Context, id uint64) (bool, error) {
	if !s.gate.enter() {
		return false, persistence.ErrClosed
	}
	defer s.gate.leave()
	it, err := s.allOf(ctx, commentKind)
	if err != nil {
		return false, err
	}
	defer it.Close() //nolint:errcheck // the next call would fail, too
	for ok := it.First(); ok; {
		key := it.Key()
		n := len(key) - 8
		if be.Uint64(key[n:]) < id {
			return true, nil
		}
		// On to the next live video: ids rise within one.
		ok = it.SeekGE(append(be.AppendUint64(append([]byte(nil), key[:n]...), math.MaxUint64), 0))
	}
	return false, wrap(it.Error())
}

// CountedFrom is the id from which on rooms are counted that are new to this
// store; 0: from their beginning.
func (s *Store) CountedFrom() uint64 { return s.joined.Load() }

// CountElsewhere implements persistence.Store: this one knows of no other.
func (s *Store) CountElsewhere(context.Context, string) (uint64, error) { return 0, nil }
