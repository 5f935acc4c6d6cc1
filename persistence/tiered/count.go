package tiered

import (
	"context"
	"maps"
	"slices"

	"barrage/persistence"
)

// countPage is how many ids are read of each member at a time.
const countPage = 1 << 15

// Count counts the comments of a live video with an id below before (0: all) as
// all stores of a cluster have them: by the archive, what that has for certain,
// and one by one the rest. deleted are comments that the owner knows to be
// deleted, and the stores perhaps not yet.
func (s *Store) Count(ctx context.Context, liveVideoID string, before uint64, deleted []uint64) (n uint64, err error) {
	gone := make(map[uint64]bool, len(deleted))
	for _, id := range deleted {
		gone[id] = true
	}
	r := persistence.Range{Before: before, Limit: countPage, IDsOnly: true}
	if below := s.archivedBelow(); below > 0 {
		if before != 0 {
			below = min(below, before)
		}
		if n, err = s.countArchived(ctx, liveVideoID, below, gone); err != nil {
			return 0, err
		}
		r.After = below - 1
	}
	for !empty(r) {
		page, err := s.clusterComments(ctx, liveVideoID, r)
		if err != nil {
			return 0, err
		}
		for _, c := range page {
			if !gone[c.GetId()] {
				n++
			}
		}
		if len(page) < r.Limit {
			break
		}
		r.After = page[len(page)-1].GetId()
	}
	return n, nil
}

// countArchived counts what the archive has below an id, less what this node or
// the owner knows to be deleted: the archive may not know yet, or not have it.
func (s *Store) countArchived(ctx context.Context, liveVideoID string, below uint64, byOwner map[uint64]bool) (uint64, error) {
	deleted, err := s.Deleted(ctx, liveVideoID, 1, below-1)
	if err != nil {
		return 0, err
	}
	for id := range byOwner {
		if id < below {
			deleted[id] = true
		}
	}
	if len(deleted) > mostLeftOut { // more than fit into a query: those it knows count for nothing
		for ids := range slices.Chunk(slices.Collect(maps.Keys(deleted)), mostLeftOut) {
			known, err := s.archive.Deleted(ctx, liveVideoID, ids)
			if err != nil {
				return 0, err
			}
			for id := range known {
				delete(deleted, id)
			}
		}
	}
	return s.archive.Count(ctx, liveVideoID, below, slices.Collect(maps.Keys(deleted)))
}
