package actors

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// post takes a comment: it gets its id here, and is answered when the journal
// says that it is durable. Its validity as such is the edge's business.
func (l *liveVideo) post(m *wire.PostComment, sender *actor.PID) {
	if m.SentMs != 0 && l.node.now().Sub(time.UnixMilli(m.SentMs)) > maxTryAge {
		// Nobody waits for it any more, and another owner may have taken it.
		l.refuse(m, sender, wire.Code_MOVED, "")
		return
	}
	token := postToken(m)
	if token != 0 {
		if known := l.answers.find(token, m.UserId); known != nil {
			l.repeat(known, m, sender)
			return
		}
		if l.repeatHeld(m, token, sender) {
			return
		}
	}
	if m.IdempotencyKey != "" {
		l.checkKey(m, sender)
		return
	}
	l.take(m, token, sender)
}

// maxTryAge is how long a try of a post may be on its way: longer than its
// sender waits for the answer, and shorter than it takes until there is another
// owner who can't ask this one. Clocks may differ by the rest.
const maxTryAge = 3500 * time.Millisecond

// take posts a comment that was not posted before.
func (l *liveVideo) take(m *wire.PostComment, token uint64, sender *actor.PID) {
	if !l.mayPost(m, sender) {
		return
	}
	if m.Hold != "" {
		l.hold(m, token, sender)
		return
	}
	comment, digest := l.comment(m, token), postDigest(m)
	posted := &records.CommentPosted{Comment: comment}
	if m.IdempotencyKey != "" {
		posted.IdempotencyKey = &records.IdempotencyKey{Key: m.IdempotencyKey, BodyDigest: digest}
	}
	p := &pendingRecord{row: EncodeRow(comment), waiters: []*actor.PID{sender}, comments: 1, memory: tryMemory}
	if !l.append(&records.Record{Kind: &records.Record_CommentPosted{CommentPosted: posted}}, p) {
		l.refuse(m, sender, wire.Code_UNAVAILABLE, "The comment can't be stored now.")
		return
	}
	l.lastID = comment.Id
	p.posted = l.notePost(m, l.node.now())
	if m.IdempotencyKey != "" {
		p.memory = answerMemory
	}
	if token != 0 {
		p.answer = l.answers.add(token, m.UserId, digest, p)
	}
}

// comment makes the comment of a post, with a new id.
func (l *liveVideo) comment(m *wire.PostComment, token uint64) *records.Comment {
	id := l.node.ids.Next(l.lastID)
	return &records.Comment{
		Id: id, LiveVideoId: l.id, UserId: m.UserId, UserName: m.UserName,
		Message: m.Message, ParentId: m.ParentId, CreatedAtMs: persistence.IDTime(id).UnixMilli(),
		PostToken: token, PostSentMs: m.SentMs, PostWaitedMs: m.WaitedMs, BodyDigest: m.BodyDigest,
	}
}

// postDigest is that of what the client sent.
func postDigest(m *wire.PostComment) []byte {
	if len(m.BodyDigest) > 0 {
		return m.BodyDigest
	}
	return BodyDigest(m.Message, m.ParentId)
}

// mayPost refuses what the room does not allow.
func (l *liveVideo) mayPost(m *wire.PostComment, sender *actor.PID) bool {
	now := l.node.now()
	if l.room.set.GetEnded().GetEnded() {
		l.refusePost(m, sender, wire.Code_ENDED, "The live video has ended.", 0, refusedEnded)
		return false
	}
	if mute, muted := persistence.Muted(l.room.set, m.UserId, now); muted && !m.Moderates {
		detail, retry := "You are muted in this live video.", int64(0)
		if mute.UntilMs != 0 {
			detail = "You are muted in this live video until " + time.UnixMilli(mute.UntilMs).UTC().Format(timeFormat) + "."
			retry = mute.UntilMs - now.UnixMilli()
		}
		l.refusePost(m, sender, wire.Code_MUTED, detail, retry, refusedMuted)
		return false
	}
	if m.NoParent || m.ParentId != 0 && l.recent.deletedOrMissing(m.ParentId) {
		l.refusePost(m, sender, wire.Code_NO_PARENT, "The comment that this one answers does not exist.", 0, refusedNoParent)
		return false
	}
	if m.Moderates {
		return true
	}
	if wait := l.slowWait(m.UserId, now.UnixMilli()); wait > 0 {
		detail := fmt.Sprintf("Slow mode: one comment every %d seconds.", l.room.set.SlowMode.Seconds)
		l.refusePost(m, sender, wire.Code_SLOW_MODE, detail, wait, refusedSlowMode)
		return false
	}
	if l.room.repeats != nil {
		if wait := l.room.repeats.wait(m.UserId, m.TextHash, now.UnixMilli()); wait > 0 {
			l.refusePost(m, sender, wire.Code_REPEATED, "You have just said the same.", wait, refusedRepeated)
			return false
		}
	}
	return true
}

// refusePost refuses a post, with when it may be worth trying again.
func (l *liveVideo) refusePost(m *wire.PostComment, sender *actor.PID, code wire.Code, detail string, retryMs int64, reason refusal) {
	l.node.metrics.refused[reason].Inc()
	l.node.root.Send(sender, faultyAnswer(m, &wire.Fault{Code: code, Detail: detail, RetryMs: retryMs}))
}

// repeat answers a post that was taken before.
func (l *liveVideo) repeat(known *keptAnswer, m *wire.PostComment, sender *actor.PID) {
	switch {
	case m.IdempotencyKey != "" && string(known.bodyDigest()) != string(postDigest(m)):
		l.refuse(m, sender, wire.Code_KEY_REUSED, "")
	case known.pending != nil:
		l.sentAgain(known, m)
		known.pending.waiters = append(known.pending.waiters, sender)
	default:
		l.sentAgain(known, m)
		l.node.root.Send(sender, &wire.CommentAnswer{Row: known.row})
	}
}

// sentAgain notes that a comment is the answer to a later try, too: it counts
// if another owner has taken one in between (answeredRather).
func (l *liveVideo) sentAgain(known *keptAnswer, m *wire.PostComment) {
	row := known.comment()
	if apart := time.UnixMilli(m.SentMs).Sub(sentAt(row)); row == nil || m.SentMs == 0 || apart <= 0 || apart >= triesTime {
		return
	}
	row = proto.CloneOf(row) // relays have the other one
	row.PostSentMs, row.PostWaitedMs, row.AnsweredAfterMs = m.SentMs, m.WaitedMs, 0
	if known.pending != nil {
		known.pending.row = row
		return
	}
	l.answeredNow(row)
	known.row = row
	l.recent.replace(row)
}

// answeredNow notes that a row's last try is answered. Nobody else has the row.
func (l *liveVideo) answeredNow(row *wire.Row) {
	if row.GetPostSentMs() != 0 {
		row.AnsweredAfterMs = uint32(max(1, l.node.now().Sub(sentAt(row)).Milliseconds())) //nolint:gosec // minutes at most
	}
}

// keyChecked comes from checkKey: what a post's Idempotency-Key was answered
// with before, or nil.
type keyChecked struct {
	post   *wire.PostComment
	sender *actor.PID
	kept   *records.KeptAnswer
	err    error
}

// keyTimeout bounds the look-up of a key.
const keyTimeout = 3 * time.Second

// checkKey looks a post's key up in the store, and where the owners before
// this one were, in theirs.
func (l *liveVideo) checkKey(m *wire.PostComment, sender *actor.PID) {
	holders := l.holders
	unknown := l.node.now().Sub(l.loadedAt) < 2*persistence.IdempotencyKeyRetention
	l.node.async(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, keyTimeout)
		defer cancel()
		checked := &keyChecked{post: m, sender: sender}
		checked.kept, checked.err = l.node.keptAnswer(ctx, l.id, m, holders, unknown)
		l.node.root.Send(l.self, checked)
	})
}

func (l *liveVideo) onKeyChecked(m *keyChecked) {
	known := l.answers.find(postToken(m.post), m.post.UserId) // it may have come meanwhile
	switch {
	case l.retired, !l.node.owners.Sure():
		l.refuse(m.post, m.sender, wire.Code_MOVED, "")
	case known != nil:
		l.repeat(known, m.post, m.sender)
	case l.repeatHeld(m.post, postToken(m.post), m.sender):
	case m.err != nil:
		l.node.log.Warn("looking up an idempotency key", "liveVideoId", l.id, "error", m.err)
		l.refuse(m.post, m.sender, wire.Code_UNAVAILABLE, "The comment can't be stored now.")
	case m.kept == nil:
		l.take(m.post, postToken(m.post), m.sender)
	case string(m.kept.BodyDigest) != string(postDigest(m.post)):
		l.refuse(m.post, m.sender, wire.Code_KEY_REUSED, "")
	default:
		l.node.root.Send(m.sender, &wire.CommentAnswer{Row: EncodeRow(m.kept.Comment)})
	}
}

func (l *liveVideo) deleteComment(m *wire.DeleteComment, sender *actor.PID) {
	if l.recent.deletedOrMissing(m.CommentId) {
		if _, deleted := l.recent.deleted[m.CommentId]; deleted && m.Again {
			l.node.root.Send(sender, &wire.CommentAnswer{}) // by the try before this one
			return
		}
		l.refuse(m, sender, wire.Code_NOT_FOUND, "There is no such comment.")
		return
	}
	for _, p := range l.pending {
		if p.delete != 0 && p.delete == m.CommentId {
			p.waiters = append(p.waiters, sender)
			return
		}
	}
	record := &records.CommentDeleted{
		LiveVideoId: l.id, CommentId: m.CommentId,
		DeletedBy: m.DeletedBy, DeletedAtMs: l.node.now().UnixMilli(),
		UserId: m.UserId, ParentId: m.ParentId,
	}
	p := &pendingRecord{delete: m.CommentId, waiters: []*actor.PID{sender}, comments: -1, change: l.unpinned(m.CommentId)}
	if !l.append(&records.Record{Kind: &records.Record_CommentDeleted{CommentDeleted: record}, Room: p.change.room()}, p) {
		l.refuse(m, sender, wire.Code_UNAVAILABLE, "The comment can't be deleted now.")
	}
}

// append gives a record to the journal, and says whether the journal took it.
func (l *liveVideo) append(record *records.Record, p *pendingRecord) bool {
	record.Revision = l.revision + 1
	if l.older.sure {
		total := uint64(max(0, int(l.comments())+l.pendingComments+p.comments))
		record.TotalComments = &total
	}
	if err := l.node.journal.Append(record, l.sink); err != nil {
		return false
	}
	l.revision++
	l.pendingComments += p.comments
	l.pending = append(l.pending, p)
	return true
}

// onDurable answers, keeps and publishes what the journal has made durable.
func (l *liveVideo) onDurable(m *durable) {
	done := l.pending[:m.n]
	l.pending = l.pending[m.n:]
	for _, p := range done {
		l.pendingComments -= p.comments
	}
	if m.err != nil {
		l.refusePending(done)
		l.yieldIfDone()
		return
	}
	events := &wire.Publish{}
	news := false // for pages
	for _, p := range done {
		l.answeredNow(p.row)
		news = news || p.reaction == nil
		switch {
		case p.row != nil && p.row.Id < l.recent.lastID:
			// Comments of another owner came in meanwhile (onLateClaim).
			if !l.recent.insert(p.row, m.last) {
				l.older.n++ // memory is past it
			}
			if events.MissedBefore == 0 {
				events.MissedAfter = p.row.Id - 1
			}
			events.MissedBefore = l.recent.lastID + 1
			l.node.metrics.comments.Inc()
		case p.row != nil:
			l.recent.add(p.row, m.last)
			events.Rows = append(events.Rows, p.row)
			l.node.metrics.comments.Inc()
		case p.delete != 0:
			if p.change != nil { // while what was pinned can still be told from nothing
				l.onChanged(p.change, events)
				p.change = nil
			}
			switch {
			case p.delete >= l.recent.floor:
			case p.comments < 0:
				l.deletedOlder(p.delete)
			default: // it may not have been counted
				l.doubtCount()
			}
			l.recent.delete(p.delete, m.last, l.node.now())
			delete(l.reactions.comments, p.delete)
			events.Deleted = append(events.Deleted, p.delete)
		case p.reaction != nil:
			l.onReacted(p.reaction)
		}
		if p.held != nil {
			l.forgetHolding(p)
		}
		if p.change != nil {
			l.onChanged(p.change, events)
		}
	}
	if l.pages != nil && news {
		l.pages.version.Add(1)
	}
	// Viewers first: the author's answer is not what they wait for.
	if news {
		l.publishRows(events)
	}
	l.tellReactions()
	answers := make([]wire.CommentAnswer, len(done))
	for i, p := range done {
		if p.answer != nil {
			l.answers.keep(p.answer, p.row, m.last, l.node.now().Add(p.memory))
		}
		if p.change != nil && p.change.ask != nil {
			for _, waiter := range p.waiters {
				l.readVideo(p.change.ask, waiter)
			}
			continue
		}
		switch {
		case p.held != nil:
			answers[i].Row, answers[i].Held = p.held, true
		case p.answerRow != nil:
			answers[i].Row = p.answerRow
		default:
			answers[i].Row = p.row
		}
		for _, waiter := range p.waiters {
			l.node.root.Send(waiter, &answers[i])
		}
	}
	l.evict()
	l.listCounts()
	l.answers.forget(l.node.applied.Applied(), l.node.now())
	l.yieldIfDone()
}

// evict drops from memory what is beyond its bound.
func (l *liveVideo) evict() {
	forget := l.recent.forget
	l.evicted(l.recent.evict(l.node.applied.Applied(), l.node.config.Archived(), l.node.now()))
	if forget != l.recent.forget {
		l.doubtCount() // of what was not here, and now is below
	}
}

func (l *liveVideo) refusePending(failed []*pendingRecord) {
	fault := &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: "The comment can't be stored now."}
	for _, p := range failed {
		var answer any = &wire.CommentAnswer{Fault: fault}
		if p.change != nil && p.change.ask != nil {
			answer = &wire.Video{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: "The change can't be stored now."}}
		}
		if p.reaction != nil {
			l.reacted(p.reaction, errNotStored)
		}
		if p.held != nil {
			l.forgetHolding(p)
		}
		l.forgetPost(p.posted)
		if p.answer != nil {
			l.answers.remove(p.answer)
		}
		for _, waiter := range p.waiters {
			l.node.root.Send(waiter, answer)
		}
	}
}

// errNotStored says that the journal did not keep a record.
var errNotStored = errors.New("the journal did not keep it")

// BodyDigest tells apart the bodies of two posts with one Idempotency-Key.
func BodyDigest(message string, parentID uint64) []byte {
	h := sha256.New()
	_ = binary.Write(h, binary.BigEndian, parentID)
	h.Write([]byte(message))
	return h.Sum(nil)[:16]
}
