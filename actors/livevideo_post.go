package actors

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/asynkron/protoactor-go/actor"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// post takes a comment: it gets its id here, and is answered when the journal
// says that it is durable. Its validity as such is the edge's business.
func (l *liveVideo) post(m *wire.PostComment, sender *actor.PID) {
	digest := BodyDigest(m.Message, m.ParentId)
	if m.IdempotencyKey != "" {
		if known := l.keys.find(m.UserId, m.IdempotencyKey); known != nil {
			l.repeat(known, digest, sender)
			return
		}
	}
	if m.ParentId != 0 && l.recent.deletedOrMissing(m.ParentId) {
		l.refuse(m, sender, wire.Code_NO_PARENT, "The comment that this one answers does not exist.")
		return
	}
	id := l.node.ids.Next(l.lastID)
	comment := &records.Comment{
		Id: id, LiveVideoId: l.id, UserId: m.UserId, UserName: m.UserName,
		Message: m.Message, ParentId: m.ParentId, CreatedAtMs: persistence.IDTime(id).UnixMilli(),
	}
	posted := &records.CommentPosted{Comment: comment}
	if m.IdempotencyKey != "" {
		posted.IdempotencyKey = &records.IdempotencyKey{Key: m.IdempotencyKey, BodyDigest: digest}
	}
	p := &pendingRecord{row: EncodeRow(comment), waiters: []*actor.PID{sender}}
	if !l.append(&records.Record{Kind: &records.Record_CommentPosted{CommentPosted: posted}}, p) {
		l.refuse(m, sender, wire.Code_UNAVAILABLE, "The comment can't be stored now.")
		return
	}
	l.lastID = id
	if m.IdempotencyKey != "" {
		p.answer = l.keys.add(m.UserId, m.IdempotencyKey, digest, p)
	}
}

// repeat answers a request whose Idempotency-Key was used before.
func (l *liveVideo) repeat(known *keptAnswer, digest []byte, sender *actor.PID) {
	switch {
	case string(known.digest) != string(digest):
		l.node.root.Send(sender, &wire.CommentAnswer{Fault: &wire.Fault{Code: wire.Code_KEY_REUSED}})
	case known.pending != nil:
		known.pending.waiters = append(known.pending.waiters, sender)
	default:
		l.node.root.Send(sender, &wire.CommentAnswer{Row: known.row})
	}
}

func (l *liveVideo) deleteComment(m *wire.DeleteComment, sender *actor.PID) {
	if l.recent.deletedOrMissing(m.CommentId) {
		l.refuse(m, sender, wire.Code_NOT_FOUND, "There is no such comment.")
		return
	}
	for _, p := range l.pending {
		if p.delete == m.CommentId {
			p.waiters = append(p.waiters, sender)
			return
		}
	}
	record := &records.CommentDeleted{
		LiveVideoId: l.id, CommentId: m.CommentId,
		DeletedBy: m.DeletedBy, DeletedAtMs: l.node.now().UnixMilli(),
		UserId: m.UserId, ParentId: m.ParentId,
	}
	p := &pendingRecord{delete: m.CommentId, waiters: []*actor.PID{sender}}
	if !l.append(&records.Record{Kind: &records.Record_CommentDeleted{CommentDeleted: record}}, p) {
		l.refuse(m, sender, wire.Code_UNAVAILABLE, "The comment can't be deleted now.")
	}
}

// append gives a record to the journal, and says whether the journal took it.
func (l *liveVideo) append(record *records.Record, p *pendingRecord) bool {
	if err := l.node.journal.Append(record, l.sink); err != nil {
		return false
	}
	l.pending = append(l.pending, p)
	return true
}

// onDurable answers, keeps and publishes what the journal has made durable.
func (l *liveVideo) onDurable(m *durable) {
	done := l.pending[:m.n]
	l.pending = l.pending[m.n:]
	if m.err != nil {
		l.refusePending(done)
		return
	}
	events := &wire.Publish{}
	for _, p := range done {
		if p.row != nil {
			l.recent.add(p.row, m.last)
			l.comments++
			events.Rows = append(events.Rows, p.row)
			l.node.metrics.comments.Inc()
		} else {
			l.recent.delete(p.delete, m.last, l.node.now())
			l.comments--
			events.Deleted = append(events.Deleted, p.delete)
		}
	}
	l.pages.version.Add(1)
	// Viewers first: the author's answer is not what they wait for.
	l.publish(events)
	answers := make([]wire.CommentAnswer, len(done))
	for i, p := range done {
		if p.answer != nil {
			l.keys.keep(p.answer, p.row, m.last, l.node.now())
		}
		answers[i].Row = p.row
		for _, waiter := range p.waiters {
			l.node.root.Send(waiter, &answers[i])
		}
	}
	applied := l.node.applied.Applied()
	l.recent.evict(applied, l.node.now())
	l.keys.forget(applied, l.node.now())
}

func (l *liveVideo) refusePending(failed []*pendingRecord) {
	answer := &wire.CommentAnswer{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: "The comment can't be stored now."}}
	for _, p := range failed {
		if p.answer != nil {
			l.keys.remove(p.answer)
		}
		for _, waiter := range p.waiters {
			l.node.root.Send(waiter, answer)
		}
	}
}

// BodyDigest tells apart the bodies of two posts with one Idempotency-Key.
func BodyDigest(message string, parentID uint64) []byte {
	h := sha256.New()
	_ = binary.Write(h, binary.BigEndian, parentID)
	h.Write([]byte(message))
	return h.Sum(nil)[:16]
}
