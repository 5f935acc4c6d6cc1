package tiered

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"barrage/persistence"
)

// mostLeftOut bounds the ids that a query names. Of more, all ids are read and
// compared here.
const mostLeftOut = 5000

// ReplyCounts implements persistence.Store. A reply has a higher id than its
// comment; so of comments that are at hand, all replies are, and the archive is
// asked for the others alone, once for all of them.
func (s *Store) ReplyCounts(ctx context.Context, liveVideoID string, parents []uint64, before uint64) (map[uint64]uint64, error) {
	if len(parents) == 0 {
		return nil, nil
	}
	if s.peers != nil {
		return s.clusterReplyCounts(ctx, liveVideoID, parents, before)
	}
	for {
		floor := s.Floor()
		counts, below := map[uint64]uint64{}, map[uint64][]uint64{}
		err := s.EachReply(ctx, liveVideoID, parents, 0, before, func(parent, id uint64) {
			if id >= floor {
				counts[parent]++
			} else {
				below[parent] = append(below[parent], id)
			}
		})
		if err != nil {
			return nil, err
		}
		if s.Floor() != floor {
			continue // some of it may have been trimmed meanwhile
		}
		if before == 0 || before > floor {
			before = floor
		}
		return s.addArchived(ctx, liveVideoID, parents, before, counts, below)
	}
}

// addArchived adds the replies with ids below an id: those that the archive
// has, and some that are known here, each once.
func (s *Store) addArchived(ctx context.Context, liveVideoID string, parents []uint64, before uint64, counts map[uint64]uint64, known map[uint64][]uint64) (map[uint64]uint64, error) {
	older := slices.DeleteFunc(slices.Clone(parents), func(id uint64) bool { return id >= before })
	if len(older) == 0 || s.archive == nil {
		return counts, nil
	}
	deleted, err := s.Deleted(ctx, liveVideoID, slices.Min(older), before-1)
	if err != nil {
		return nil, err
	}
	without := slices.Collect(maps.Keys(deleted))
	for _, ids := range known {
		without = append(without, ids...)
	}
	if len(without) > mostLeftOut {
		return s.addRead(ctx, liveVideoID, older, before, counts, known, deleted)
	}
	archived, err := s.archive.ReplyCounts(ctx, liveVideoID, older, before, without)
	if err != nil {
		return counts, incomplete(err)
	}
	for parent, n := range archived {
		counts[parent] += n
	}
	for parent, ids := range known {
		counts[parent] += uint64(len(ids))
	}
	return counts, nil
}

// addRead is addArchived where too many ids are known here to name them.
func (s *Store) addRead(ctx context.Context, liveVideoID string, parents []uint64, before uint64, counts map[uint64]uint64, known map[uint64][]uint64, deleted map[uint64]bool) (map[uint64]uint64, error) {
	archived, gone, err := s.archive.Replies(ctx, liveVideoID, parents, 0, before)
	if err != nil {
		return counts, incomplete(err)
	}
	maps.Copy(deleted, gone)
	countEach(counts, deleted, known, archived)
	return counts, nil
}

// countEach adds the replies that several stores have, each once, less what is
// deleted.
func countEach(counts map[uint64]uint64, deleted map[uint64]bool, stores ...map[uint64][]uint64) {
	all := map[uint64][]uint64{}
	for _, store := range stores {
		for parent, ids := range store {
			all[parent] = append(all[parent], ids...)
		}
	}
	for parent, ids := range all {
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			if !deleted[id] {
				counts[parent]++
			}
		}
	}
	maps.DeleteFunc(counts, func(_, n uint64) bool { return n == 0 })
}

// clusterReplyCounts takes what is archived for certain from the archive, and
// puts together what all stores have of the rest.
func (s *Store) clusterReplyCounts(ctx context.Context, liveVideoID string, parents []uint64, before uint64) (map[uint64]uint64, error) {
	archived := s.archivedBelow()
	counts := map[uint64]uint64{}
	var away error
	if archived > 0 {
		below := archived
		if before != 0 {
			below = min(below, before)
		}
		var err error
		if counts, err = s.addArchived(ctx, liveVideoID, parents, below, counts, nil); err != nil {
			if counts == nil {
				return nil, err
			}
			away = err
		}
	}
	if before != 0 && before <= archived {
		return counts, away
	}
	err := s.countTogether(ctx, liveVideoID, parents, archived, before, counts)
	if err == nil {
		err = away
	}
	return counts, err
}

// countTogether counts the replies with ids from one on as all stores have them.
func (s *Store) countTogether(ctx context.Context, liveVideoID string, parents []uint64, from, before uint64, counts map[uint64]uint64) error {
	after := max(from, 1) - 1
	others, deleted, whole, err := s.peers.Replies(ctx, liveVideoID, parents, after, before)
	if err != nil {
		return unavailable(ctx, err)
	}
	if deleted == nil {
		deleted = map[uint64]bool{}
	}
	var away error
	if !whole {
		away = incomplete(errPart)
	}
	local := map[uint64][]uint64{}
	err = s.EachReply(ctx, liveVideoID, parents, after, before, func(parent, id uint64) { local[parent] = append(local[parent], id) })
	if err != nil {
		return err
	}
	var trimmed map[uint64][]uint64
	if s.archive != nil { // what members have trimmed that others still had to insert
		var gone map[uint64]bool
		if trimmed, gone, err = s.archive.Replies(ctx, liveVideoID, parents, after+1, before); err != nil {
			away = incomplete(err)
		}
		maps.Copy(deleted, gone)
	}
	// Last: a mark that was trimmed before is known to the archive.
	here, err := s.Deleted(ctx, liveVideoID, after+1, before-1) // of 0: the highest there is
	if err != nil {
		return err
	}
	maps.Copy(deleted, here)
	countEach(counts, deleted, others, local, trimmed)
	return away
}

// incomplete makes an error of another store one that says that what is
// answered with it is not all.
func incomplete(err error) error {
	return fmt.Errorf("%w: %w", persistence.ErrIncomplete, err)
}
