package tiered

import (
	"context"
	"errors"
	"time"

	"barrage/persistence"
	"barrage/persistence/records"
)

const (
	// adoptTimeout is how long a room that starts waits for what the archive
	// knows of it. Without, it starts with what is known here, and the next
	// start asks again.
	adoptTimeout = 2 * time.Second
	// adoptedCounts bounds the counts of reactions to comments that are taken
	// over from the archive.
	adoptedCounts = 20_000
)

// Room implements persistence.Store. What the archive has of a room that is new
// here, all who had it having lost it, is taken over.
func (s *Store) Room(ctx context.Context, liveVideoID string) (*records.Room, error) {
	if err := s.adopt(ctx, liveVideoID); err != nil {
		return nil, err
	}
	return s.Store.Room(ctx, liveVideoID)
}

// ReactionSlots implements persistence.Store, like Room.
func (s *Store) ReactionSlots(ctx context.Context, liveVideoID string, limit int) ([]*records.ReactionSlot, error) {
	if err := s.adopt(ctx, liveVideoID); err != nil {
		return nil, err
	}
	return s.Store.ReactionSlots(ctx, liveVideoID, limit)
}

// adopt takes over what the archive has of a room, once. Both are merged by the
// same rules as records are, so that it does not matter what of it is known
// here. An archive that is away is no error: it is asked the next time.
func (s *Store) adopt(ctx context.Context, liveVideoID string) error {
	if s.archive == nil || s.peers == nil && s.CountedFrom() == 0 {
		return nil // nothing was before this node
	}
	adopted, err := s.Adopted(liveVideoID)
	if err != nil || adopted {
		return err
	}
	within, cancel := context.WithTimeout(ctx, adoptTimeout)
	defer cancel()
	room, err := s.archive.Room(within, liveVideoID)
	var slots []*records.ReactionSlot
	if err == nil {
		slots, err = s.archive.ReactionSlots(within, liveVideoID, adoptedCounts)
	}
	switch {
	case err == nil:
		persistence.TidyRoom(room, time.Now())
		return s.Adopt(liveVideoID, room, slots)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, persistence.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		s.log.Warn("what ClickHouse knows of a room can't be read; it starts with what is known here", "liveVideoId", liveVideoID, "error", err)
		return nil
	}
	return err
}
