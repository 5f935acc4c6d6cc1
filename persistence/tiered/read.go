package tiered

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"barrage/persistence"
	"barrage/persistence/records"
)

// Comments implements persistence.Store. It asks the archive only for what may
// not be here.
func (s *Store) Comments(ctx context.Context, liveVideoID string, r persistence.Range) ([]*records.Comment, error) {
	if s.peers != nil {
		return s.clusterComments(ctx, liveVideoID, r)
	}
	local, err := s.Store.Comments(ctx, liveVideoID, r)
	if err != nil || r.Limit <= 0 {
		return nil, err
	}
	// After the reading: what was trimmed before it is below this floor.
	floor := s.Floor()
	older := r
	if older.Before == 0 || older.Before > floor {
		older.Before = floor
	}
	if older.Before <= older.After+1 {
		return local, nil // all of the range is at hand
	}
	here := atHand(local, floor)
	if r.Desc {
		if older.Limit -= len(here); older.Limit == 0 {
			return here, nil
		}
	}
	archived, err := s.archived(ctx, liveVideoID, older)
	if err != nil {
		if r.Desc && len(here) > 0 {
			return here, fmt.Errorf("%w: %w", persistence.ErrIncomplete, err)
		}
		return nil, err
	}
	return merge(local, archived, r), nil
}

// atHand are the comments from the floor on.
func atHand(comments []*records.Comment, floor uint64) []*records.Comment {
	return slices.DeleteFunc(slices.Clone(comments), func(c *records.Comment) bool { return c.GetId() < floor })
}

// archived reads from the archive what was not deleted since.
func (s *Store) archived(ctx context.Context, liveVideoID string, r persistence.Range) ([]*records.Comment, error) {
	var all []*records.Comment
	for {
		rest := r
		rest.Limit = r.Limit - len(all)
		comments, err := s.archive.Comments(ctx, liveVideoID, rest)
		if err != nil || len(comments) == 0 {
			return all, err
		}
		first, last := comments[0].GetId(), comments[len(comments)-1].GetId()
		// After the reading: a mark that was trimmed before it is known there.
		deleted, err := s.Deleted(ctx, liveVideoID, min(first, last), max(first, last))
		if err != nil {
			return nil, err
		}
		for _, c := range comments {
			if !deleted[c.GetId()] {
				all = append(all, c)
			}
		}
		if len(comments) < rest.Limit || len(all) == r.Limit {
			return all, nil
		}
		if r.Desc {
			r.Before = last
		} else {
			r.After = last
		}
	}
}

// merge puts comments of two stores into one order, each once.
func merge(local, archived []*records.Comment, r persistence.Range) []*records.Comment {
	all := append(slices.Clone(local), archived...)
	slices.SortStableFunc(all, func(a, b *records.Comment) int {
		if r.Desc {
			a, b = b, a
		}
		return cmp.Compare(a.GetId(), b.GetId())
	})
	all = slices.CompactFunc(all, func(a, b *records.Comment) bool { return a.GetId() == b.GetId() })
	return all[:min(len(all), r.Limit)]
}
