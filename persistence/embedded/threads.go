package embedded

import (
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"barrage/persistence"
)

// ReplyCounts implements persistence.Store.
func (s *Store) ReplyCounts(ctx context.Context, liveVideoID string, parents []uint64, before uint64) (map[uint64]uint64, error) {
	counts := map[uint64]uint64{}
	err := s.EachReply(ctx, liveVideoID, parents, 0, before, func(parent, _ uint64) { counts[parent]++ })
	if err != nil {
		return nil, err
	}
	return counts, nil
}

// EachReply visits the replies to some comments, of those with ids above after
// and below before (0: to the last): parents and the replies of each rise. It
// goes once over the index; comments without replies cost nothing but the look
// at where the next replies are.
func (s *Store) EachReply(ctx context.Context, liveVideoID string, parents []uint64, after, before uint64, visit func(parent, id uint64)) (err error) {
	if !s.gate.enter() {
		return persistence.ErrClosed
	}
	defer s.gate.leave()
	parents = slices.Compact(slices.Sorted(slices.Values(parents)))
	prefix := appendVideo(nil, replyKind, liveVideoID)
	n := len(prefix)
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: prefix, UpperBound: endOf(prefix)})
	if err != nil {
		return wrap(err)
	}
	defer func() { err = errors.Join(err, wrap(it.Close())) }()
	for seen := 0; len(parents) > 0; {
		lower, upper, ok := idBounds(be.AppendUint64(prefix[:n:n], parents[0]), after, before)
		if !ok {
			return nil
		}
		valid := it.SeekGE(lower)
		for ; valid && string(it.Key()) < string(upper); valid = it.Next() {
			if seen++; seen%scanCheck == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			visit(parents[0], be.Uint64(it.Key()[n+8:]))
		}
		if !valid {
			break
		}
		// On to the next of the parents that can have replies.
		next := be.Uint64(it.Key()[n:])
		i, _ := slices.BinarySearch(parents, max(next, parents[0]+1))
		parents = parents[i:]
	}
	return wrap(it.Error())
}
