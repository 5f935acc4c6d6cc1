package cluster

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// What members ask each other's stores of threads and of the audit.

// MaxReplies bounds the ids in an answer, 800 KB. An answer of so many is
// cut, and the asker goes on behind it.
const MaxReplies = 100_000

// Threads is a store that knows of replies: *embedded.Store.
type Threads interface {
	EachReply(ctx context.Context, liveVideoID string, parents []uint64, after, before uint64, visit func(parent, id uint64)) error
	Deleted(ctx context.Context, liveVideoID string, from, to uint64) (map[uint64]bool, error)
}

// AnswerReplies answers another member's question from this one's store.
func AnswerReplies(ctx context.Context, store Threads, m *wire.ReadReplies) *wire.RepliesOf {
	answer, n := &wire.RepliesOf{}, 0
	err := store.EachReply(ctx, m.LiveVideoId, m.Parents, m.After, m.Before, func(parent, id uint64) {
		if n++; n > MaxReplies {
			return
		}
		if last := len(answer.Replies) - 1; last < 0 || answer.Replies[last].ParentId != parent {
			answer.Replies = append(answer.Replies, &wire.Replies{ParentId: parent})
		}
		of := answer.Replies[len(answer.Replies)-1]
		of.Ids = append(of.Ids, id)
	})
	if err != nil {
		return &wire.RepliesOf{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: err.Error()}}
	}
	// After the reading, so that what it had is left out if it is deleted now.
	deleted, err := store.Deleted(ctx, m.LiveVideoId, m.After+1, m.Before-1) // of 0: the highest there is
	if err != nil {
		return &wire.RepliesOf{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: err.Error()}}
	}
	for id := range deleted {
		answer.Deleted = append(answer.Deleted, id)
	}
	return answer
}

// AuditStore is a store that keeps room events: *embedded.Store.
type AuditStore interface {
	Audit(ctx context.Context, liveVideoID string, beforeMs int64, limit int) ([]*records.RoomEvent, error)
}

// AnswerAudit answers another member's question from this one's store.
func AnswerAudit(ctx context.Context, store AuditStore, m *wire.ReadAudit) *wire.Audit {
	events, err := store.Audit(ctx, m.LiveVideoId, m.BeforeMs, int(min(m.Limit, persistence.MaxAudit)))
	if err != nil {
		return &wire.Audit{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: err.Error()}}
	}
	answer := &wire.Audit{}
	for _, e := range events {
		encoded, err := proto.Marshal(e)
		if err != nil {
			return &wire.Audit{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: err.Error()}}
		}
		answer.Events = append(answer.Events, encoded)
	}
	return answer
}

// Replies implements tiered.Peers: it reads the embedded stores of the other
// members.
func (m *Member) Replies(ctx context.Context, liveVideoID string, parents []uint64, after, before uint64) (replies map[uint64][]uint64, deleted map[uint64]bool, whole bool, err error) {
	replies, deleted = map[uint64][]uint64{}, map[uint64]bool{}
	whole, err = readOthers(ctx, m, func(address string) (threads, error) {
		return m.readReplies(ctx, address, liveVideoID, parents, after, before)
	}, func(theirs threads) {
		for parent, ids := range theirs.replies {
			replies[parent] = append(replies[parent], ids...)
		}
		for _, id := range theirs.deleted {
			deleted[id] = true
		}
	})
	return replies, deleted, whole, err
}

// threads is what one member has.
type threads struct {
	replies map[uint64][]uint64
	deleted []uint64
}

// readReplies reads one member's store, in as many answers as that takes.
func (m *Member) readReplies(ctx context.Context, address, liveVideoID string, parents []uint64, after, before uint64) (threads, error) {
	parents = slices.Compact(slices.Sorted(slices.Values(parents)))
	all := threads{replies: map[uint64][]uint64{}}
	// ask answers the last thread of an answer, and whether that was cut in it.
	ask := func(parents []uint64, after uint64) (last uint64, cut bool, err error) {
		answer, err := m.askTwice(ctx, address, &wire.ReadReplies{LiveVideoId: liveVideoID, Parents: parents, After: after, Before: before})
		if err != nil {
			return 0, false, err
		}
		of, ok := answer.(*wire.RepliesOf)
		if !ok || of.GetFault().GetCode() != wire.Code_OK {
			return 0, false, fmt.Errorf("the node at %s can't read its store: %s", address, faultOf(answer).GetDetail())
		}
		n := 0
		for _, r := range of.Replies {
			all.replies[r.ParentId] = append(all.replies[r.ParentId], r.Ids...)
			last, n = r.ParentId, n+len(r.Ids)
		}
		all.deleted = append(all.deleted, of.Deleted...)
		return last, n >= MaxReplies, nil
	}
	for len(parents) > 0 {
		last, cut, err := ask(parents, after)
		// That thread to its end, then those behind it.
		more := cut
		for cut && err == nil {
			ids := all.replies[last]
			_, cut, err = ask([]uint64{last}, ids[len(ids)-1])
		}
		if err != nil || !more {
			return all, err
		}
		parents = slices.DeleteFunc(parents, func(id uint64) bool { return id <= last })
	}
	return all, nil
}

// Audit implements tiered.Peers.
func (m *Member) Audit(ctx context.Context, liveVideoID string, beforeMs int64, limit int) (events [][]*records.RoomEvent, whole bool, err error) {
	limit = min(limit, persistence.MaxAudit)
	whole, err = readOthers(ctx, m, func(address string) ([]*records.RoomEvent, error) {
		return m.readAudit(ctx, address, liveVideoID, beforeMs, limit)
	}, func(theirs []*records.RoomEvent) { events = append(events, theirs) })
	return events, whole, err
}

func (m *Member) readAudit(ctx context.Context, address, liveVideoID string, beforeMs int64, limit int) (events []*records.RoomEvent, err error) {
	answer, err := m.askTwice(ctx, address, &wire.ReadAudit{LiveVideoId: liveVideoID, BeforeMs: beforeMs, Limit: uint32(limit)}) //nolint:gosec // bounded
	if err != nil {
		return nil, err
	}
	audit, ok := answer.(*wire.Audit)
	if !ok || audit.GetFault().GetCode() != wire.Code_OK {
		return nil, fmt.Errorf("the node at %s can't read its store: %s", address, faultOf(answer).GetDetail())
	}
	for _, encoded := range audit.Events {
		e := new(records.RoomEvent)
		if err := proto.Unmarshal(encoded, e); err != nil {
			return nil, fmt.Errorf("reading another node's room event: %w", err)
		}
		events = append(events, e)
	}
	return events, nil
}
