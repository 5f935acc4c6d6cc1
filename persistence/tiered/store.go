// Package tiered puts stores together to one history: the node's embedded store
// has what is recent and what ClickHouse doesn't have yet, ClickHouse has
// everything else, and in a cluster the other members' embedded stores have
// what went through their journals. So history goes on without ClickHouse as
// far as it is at hand, and a comment is in it as soon as it is in an embedded
// store.
//
// A node that is alone: its embedded store is complete from its floor on. Below
// it, what both have is merged (read.go). In a cluster, ClickHouse is complete
// below an id that the members tell each other; above it, the members' embedded
// stores together are, from the highest of their floors on (cluster.go). A
// deletion that any of them knows holds.
package tiered

import (
	"context"
	"errors"
	"log/slog"

	"barrage/persistence"
	"barrage/persistence/embedded"
	"barrage/persistence/records"
)

// Archive is the store that has what is older: *clickhouse.DB.
type Archive interface {
	Comment(ctx context.Context, liveVideoID string, id uint64) (*records.Comment, error)
	Comments(ctx context.Context, liveVideoID string, r persistence.Range) ([]*records.Comment, error)
	// Deleted answers which of some comments were deleted, as far as it knows.
	// Only a cluster asks for it.
	Deleted(ctx context.Context, liveVideoID string, ids []uint64) (map[uint64]bool, error)
	// Count counts the comments with an id below before, but for some that are
	// to be left out.
	Count(ctx context.Context, liveVideoID string, before uint64, without []uint64) (uint64, error)
	// ReplyCounts counts the replies to some comments, of those with ids below
	// before, but for some that are to be left out.
	ReplyCounts(ctx context.Context, liveVideoID string, parents []uint64, before uint64, without []uint64) (map[uint64]uint64, error)
	// Replies answers which replies some comments have, of those with ids from
	// one on and below another (0: to the last), and which of them were deleted.
	Replies(ctx context.Context, liveVideoID string, parents []uint64, from, before uint64) (replies map[uint64][]uint64, deleted map[uint64]bool, err error)
	// Audit, Room and ReactionSlots are those of persistence.Store.
	Audit(ctx context.Context, liveVideoID string, beforeMs int64, limit int) ([]*records.RoomEvent, error)
	Room(ctx context.Context, liveVideoID string) (*records.Room, error)
	ReactionSlots(ctx context.Context, liveVideoID string, limit int) ([]*records.ReactionSlot, error)
}

// Peers reads the embedded stores of the other members.
type Peers interface {
	// Comments answers what the others' stores have of a range: at most r.Limit
	// of each, merged, each id once, and cut to r.Limit. Fewer than r.Limit say
	// that there are no more: a comment of one member that another knows to be
	// deleted is among them, and in deleted.
	//
	// deleted are the marks of the range that any of them has, at least as far
	// as comments reach. floor is the highest of their stores' floors, read
	// after their comments: from there on they have all that they ever took.
	// whole is false if a member that may have some did not answer.
	Comments(ctx context.Context, liveVideoID string, r persistence.Range) (comments []*records.Comment, deleted map[uint64]bool, floor uint64, whole bool, err error)
	// Replies answers which replies to comments the others' stores have, of those
	// with ids above after and below before (0: to the last), and the marks of
	// deletions of these ids that any of them has. An id may be in several of
	// their stores, and is there once for each.
	Replies(ctx context.Context, liveVideoID string, parents []uint64, after, before uint64) (replies map[uint64][]uint64, deleted map[uint64]bool, whole bool, err error)
	// Audit answers the room events of the others' stores, as
	// persistence.Store.Audit does of one: those of all of them in any order.
	Audit(ctx context.Context, liveVideoID string, beforeMs int64, limit int) (events [][]*records.RoomEvent, whole bool, err error)
	// CompleteFrom is an id from which on there are copies, or were, of all that
	// a member had who is gone or out of reach. Below it, the archive may know
	// more than all who are there.
	CompleteFrom() uint64
	// ArchivedBelow is an id below which ClickHouse has all that the other
	// members had. 0: that is not known; the highest number: there are none.
	ArchivedBelow() uint64
}

// Store is history in all of these stores. Records are applied to the embedded
// one; on their way to the archive is a pump of its own.
type Store struct {
	*embedded.Store
	archive Archive
	peers   Peers
	self    func() uint64
	log     *slog.Logger
}

var _ persistence.Store = (*Store)(nil)

// New puts stores together. With an archive the embedded one must have been
// joined, and in a cluster self answers below which id the archive has all that
// this node had. Without peers (nil) the node is alone; without an archive
// (nil), the members' stores are all there is.
func New(local *embedded.Store, archive Archive, peers Peers, self func() uint64) *Store {
	return &Store{local, archive, peers, self, slog.New(slog.DiscardHandler)}
}

// LogTo has the store say what it can't answer with an error. It is called
// before the store is used.
func (s *Store) LogTo(log *slog.Logger) *Store {
	s.log = log
	return s
}

// Comment implements persistence.Store.
func (s *Store) Comment(ctx context.Context, liveVideoID string, id uint64) (*records.Comment, error) {
	if s.peers != nil {
		return s.clusterComment(ctx, liveVideoID, id)
	}
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

// CountElsewhere implements persistence.Store, for a node that is alone. In a
// cluster it is Count that counts.
func (s *Store) CountElsewhere(ctx context.Context, liveVideoID string) (uint64, error) {
	if s.archive == nil {
		return 0, nil
	}
	local, err := s.Totals(ctx, liveVideoID)
	if err != nil {
		return 0, err
	}
	from := local.GetCountedFrom()
	if local.GetLastCommentId() == 0 { // not known here
		from = s.CountedFrom()
	}
	if from == 0 {
		return 0, nil
	}
	return s.archive.Count(ctx, liveVideoID, from, nil)
}
