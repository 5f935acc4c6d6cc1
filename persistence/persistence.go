// Package persistence keeps comments: it names what the journal takes and what
// a history store answers, and moves the one into the other.
//
// The journal (package journal) makes a record durable before it is answered.
// The Pump reads it in order and applies it to a Store, which readers ask for
// history. What is durable but not yet applied, the owner of the live video
// has in memory, so a comment is in history from the moment it is answered.
package persistence

import (
	"context"
	"errors"

	"barrage/persistence/records"
)

var (
	// ErrNotFound says that the store has no such comment or key.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable says that a record can't be made durable, or history can't
	// be read now: a disk is full or fails, too much waits already, or a server
	// is away. Trying again later may help.
	ErrUnavailable = errors.New("not possible now")
	// ErrIncomplete says that an answer has the newest part of what was asked
	// for, and that the rest can't be read now.
	ErrIncomplete = errors.New("only the newest part can be read now")
	// ErrClosed says that the journal or store has been closed.
	ErrClosed = errors.New("closed")
)

// LSN is a position in a node's journal: the first record has 1, each next
// record one more. 0 is the position before the first record.
type LSN uint64

// Entry is a record and its place in the journal.
type Entry struct {
	LSN    LSN
	Record *records.Record
}

// Sink is told what became of the records that it appended.
type Sink interface {
	// Durable is called once for each commit that holds records of this sink:
	// the next n of them, in the order in which they were appended, are on disk
	// (err == nil) at positions up to and including last, or were not kept
	// (err wraps ErrUnavailable or ErrClosed) and will not come back.
	// It runs on the journal's goroutine and must not block.
	Durable(n int, last LSN, err error)
}

// Journal makes records durable, all that wait by one fsync.
type Journal interface {
	// Append queues a record and returns at once; sink learns the outcome.
	// It fails with ErrUnavailable, and sink is not called, while the journal
	// can't take records, and with ErrClosed after Close.
	// The record must not be changed afterwards.
	Append(record *records.Record, sink Sink) error
}

// Range selects comments of one live video by id; both ends are exclusive.
type Range struct {
	After  uint64 // only ids above this one; 0: from the first
	Before uint64 // only ids below this one; 0: to the last
	Limit  int    // at most so many comments
	Desc   bool   // newest first; otherwise oldest first
	Parent uint64 // only replies to this comment; 0: all comments
	// IDsOnly: of the comments, only the ids are wanted. A store may give more.
	IDsOnly bool
}

// Target is where a Pump moves the journal's records to. There is one caller
// of Apply and Sync at a time.
type Target interface {
	// Apply takes entries in the order of the journal and makes them visible
	// to readers. Entries at or below AppliedLSN are skipped, so that sending
	// them again changes nothing.
	Apply(ctx context.Context, entries []Entry) error
	// AppliedLSN is the last position that readers see.
	AppliedLSN() LSN
	// Sync makes everything applied so far survive a crash and returns the
	// position up to which the journal is no longer needed.
	Sync(ctx context.Context) (LSN, error)
}

// KnownVideo is a live video of which a store knows.
type KnownVideo struct {
	LiveVideoID string
	Totals      *records.VideoTotals
	Room        *records.Room
	Reactions   map[string]uint64 // to the live video itself
}

// Store keeps history. All methods may be called from any goroutine, except
// those of a Target.
type Store interface {
	Target

	// Comment answers one comment, or ErrNotFound.
	Comment(ctx context.Context, liveVideoID string, id uint64) (*records.Comment, error)
	// Comments answers the comments of a range. With ErrIncomplete they are the
	// newest of it only.
	Comments(ctx context.Context, liveVideoID string, r Range) ([]*records.Comment, error)
	// Totals answers the counts of a live video, as far as this node has counted
	// it; zeroes for an unknown one.
	Totals(ctx context.Context, liveVideoID string) (*records.VideoTotals, error)
	// CountElsewhere counts the comments that Totals leaves to another store. It
	// may take many seconds.
	CountElsewhere(ctx context.Context, liveVideoID string) (uint64, error)
	// KeptAnswer answers what a key was first answered with, or ErrNotFound if
	// it was not used for at least IdempotencyKeyRetention.
	KeptAnswer(ctx context.Context, liveVideoID, userID, key string) (*records.KeptAnswer, error)
	// ReplyCounts answers how many replies comments have, of those with ids
	// below before (0: all), without those that have none. It reads once for all
	// of them. With ErrIncomplete, some replies are not counted.
	ReplyCounts(ctx context.Context, liveVideoID string, parents []uint64, before uint64) (map[uint64]uint64, error)
	// Room answers what is set for a live video, as far as this node knows; an
	// empty one if nothing is. The caller may change it. Mutes that are over and
	// comments that wait no more are in it for a while (TidyRoom).
	Room(ctx context.Context, liveVideoID string) (*records.Room, error)
	// ReactionSlots answers what sessions have counted for a live video itself
	// and for its comments, as far as this node knows: those for the live video
	// first, then up to limit of the newest comments', newest first. The slots
	// of the last comment are complete, even if there are more.
	ReactionSlots(ctx context.Context, liveVideoID string, limit int) ([]*records.ReactionSlot, error)
	// Audit answers up to limit (at most MaxAudit) room events before a time (0:
	// the newest), the newest first, and all others of the last one's
	// millisecond: who goes on before that passes over none. With
	// ErrIncomplete, events may be missing.
	Audit(ctx context.Context, liveVideoID string, beforeMs int64, limit int) ([]*records.RoomEvent, error)
	// Videos answers up to limit live videos that this node knows, by id, from
	// the first one behind an id. Their rooms are without mutes and held
	// comments.
	Videos(ctx context.Context, behind string, limit int) ([]KnownVideo, error)
	// MaxCommentID is the highest id of all live videos, 0 if there is none.
	MaxCommentID(ctx context.Context) (uint64, error)
	Close() error
}
