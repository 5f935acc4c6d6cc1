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
	"fmt"

	"barrage/persistence"
	"barrage/persistence/embedded"
	"barrage/persistence/records"
)

// Archive is the store that has what is older: *clickhouse.DB.
type Archive interface {
	Comment(ctx context.Context, liveVideoID string, id uint64) (*records.Comment, error)
	Comments(ctx context.Context, liveVideoID string, r persistence.Range) ([]*records.Comment, error)
	// Totals counts the comments with an id below before.
	Totals(ctx context.Context, liveVideoID string, before uint64) (*records.VideoTotals, error)
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
	if deleted, err := s.Deleted(ctx, liveVideoID, id, id); err != nil || deleted[id] {
		return nil, errors.Join(err, persistence.ErrNotFound)
	}
	return s.archive.Comment(ctx, liveVideoID, id)
}

// Totals implements persistence.Store.
func (s *Store) Totals(ctx context.Context, liveVideoID string) (*records.VideoTotals, error) {
	local, err := s.Store.Totals(ctx, liveVideoID)
	if err != nil {
		return nil, err
	}
	from := local.GetCountedFrom()
	if local.GetLastCommentId() == 0 {
		from = s.CountedFrom() // not known here
	}
	if from == 0 {
		return local, nil
	}
	older, err := s.archive.Totals(ctx, liveVideoID, from)
	if err != nil {
		return local, fmt.Errorf("%w: %w", persistence.ErrIncomplete, err)
	}
	local.Comments += older.GetComments()
	local.LastCommentId = max(local.GetLastCommentId(), older.GetLastCommentId())
	return local, nil
}
