package actors

import (
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// The comment that is pinned in a room.

// pinnedID is the pinned comment, 0 if there is none.
func (l *liveVideo) pinnedID() uint64 {
	id := l.room.set.GetPin().GetCommentId()
	if _, deleted := l.recent.deleted[id]; deleted {
		return 0
	}
	return id
}

// pinnedNext is pinnedID when what is pending is durable.
func (l *liveVideo) pinnedNext() uint64 {
	for _, p := range slices.Backward(l.pending) {
		if p.change != nil && p.change.parts.Pin != nil {
			return p.change.parts.Pin.CommentId
		}
	}
	return l.pinnedID()
}

// unpinned is what a comment's deletion changes in the room; nil: nothing.
func (l *liveVideo) unpinned(commentID uint64) *roomChange {
	parts := &records.Room{}
	if l.pinnedNext() == commentID {
		parts.Pin = &records.Pin{AtMs: l.stamp()}
	}
	if h := l.room.held.approvedAs(commentID); h != nil {
		h = proto.CloneOf(h)
		h.Deleted = true
		parts.Held = append(parts.Held, h)
	}
	if parts.Pin == nil && parts.Held == nil {
		return nil
	}
	return &roomChange{parts: parts}
}

// pinnedRead comes from readPinned.
type pinnedRead struct {
	id   uint64
	json []byte // nil: there is no such comment
	err  error
}

// pinnedRetry is the pause before a pinned comment is looked for again.
const pinnedRetry = 10 * time.Second

// readPinned finds the pinned comment's JSON.
func (l *liveVideo) readPinned() {
	id := l.pinnedID()
	if id == 0 || len(l.room.pinned) > 0 {
		return
	}
	if row := l.recent.row(id); row != nil {
		l.room.pinned = RowJSON(row)
		return
	}
	l.node.async(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
		defer cancel()
		m := &pinnedRead{id: id}
		var c *records.Comment
		if c, m.err = l.node.store.Comment(ctx, l.id, id); m.err == nil {
			m.json = RowJSON(EncodeRow(c))
		} else if errors.Is(m.err, persistence.ErrNotFound) {
			m.err = nil
		}
		l.node.root.Send(l.self, m)
	})
}

func (l *liveVideo) onPinnedRead(m *pinnedRead) {
	switch {
	case l.retired, m.id != l.pinnedID():
	case m.err != nil:
		l.node.log.Debug("reading a pinned comment", "liveVideoId", l.id, "error", m.err)
		l.node.after(pinnedRetry, l.self, readPinnedAgain{})
	case m.json != nil:
		l.room.pinned = m.json
		l.publish(&wire.Publish{Room: l.roomState()})
	}
}

type readPinnedAgain struct{}

// unpinDeleted unpins a comment that another owner has deleted.
func (l *liveVideo) unpinDeleted() {
	id := l.room.set.GetPin().GetCommentId()
	if _, deleted := l.recent.deleted[id]; !deleted || id == 0 || l.pinnedNext() == 0 && len(l.pending) > 0 {
		return
	}
	parts := &records.Room{Pin: &records.Pin{AtMs: l.stamp()}}
	event := &records.RoomEvent{LiveVideoId: l.id, Kind: "unpin", EventId: l.node.ids.Next(l.lastID), AtMs: l.room.at}
	l.append(&records.Record{Kind: &records.Record_RoomEvent{RoomEvent: event}, Room: parts}, &pendingRecord{change: &roomChange{parts: parts}})
}
