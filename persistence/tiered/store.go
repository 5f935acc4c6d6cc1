// Package tiered puts two stores together to one history: the node's embedded
// store has what is recent and what ClickHouse doesn't have yet, ClickHouse
// has everything else. So history goes on without ClickHouse as far as it is
// at hand, and a comment is in it as soon as it is in the embedded store.
//
// The embedded store is complete from its floor on. Below it, what both have
// is merged; a deletion that either knows holds.
package tiered

import (
	"context"
	"errors"

	"barrage/persistence"
	"barrage/persistence/embedded"
	"barrage/persistence/records"
)

// Archive is the store that has what is older: *clickhouse.DB.
type Archive interface {
	Comment(ctx context.Context, liveVideoID string, id uint64) (*records.Comment, error)
	Comments(ctx context.Context, liveVideoID string, r persistence.Range) ([]*records.Comment, error)
	// Count counts the comments with an id below before.
	Count(ctx context.Context, liveVideoID string, before uint64) (uint64, error)
}

// Store is history in two stores. Records are applied to the embedded one; on
// their way to the other is a pump of its own.
type Store struct {
	*embedded.Store
	archive Archive
}

var _ persistence.Store = (*Store)(nil)

// New puts stores together; the embedded one must have been joined.
func New(local *embedded.Store, archive Archive) *Store { return &Store{local, archive} }

// Comment implements persistence.Store.
func (s *Store) Comment(ctx context.Context, liveVideoID string, id uint64) (*records.Comment, error) {
	c, err := s.Store.Comment(ctx, liveVideoID, id)
	if !errors.Is(err, persistence.ErrNotFound) || id >= s.Floor() {
		return c, err
	}
	deleted, err := s.Deleted(ctx, liveVideoID, id, id)
	if err != nil {
		return nil, err
	}
	if deleted[id] {
		return nil, persistence.ErrNotFound
	}
	return s.archive.Comment(ctx, liveVideoID, id)
}

// CountElsewhere implements persistence.Store.
func (s *Store) CountElsewhere(ctx context.Context, liveVideoID string) (uint64, error) {
	local, err := s.Totals(ctx, liveVideoID)
	if err != nil {
		return 0, err
	}
	from := local.GetCountedFrom()
	if local.GetLastCommentId() == 0 {
		from = s.CountedFrom() // not known here
	}
	if from == 0 {
		return 0, nil
	}
	return s.archive.Count(ctx, liveVideoID, from)
}
