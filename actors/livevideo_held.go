package actors

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

const (
	// MaxHeld is how many comments of a live video may wait for moderators.
	MaxHeld = 1000
	// MaxHeldPerUser is how many of those may be one user's: nobody fills the
	// queue for all others.
	MaxHeldPerUser = 20
	// heldRetry is when a user with so many may try again: when a moderator
	// decides, nobody knows.
	heldRetry = 30 * time.Second
	// maxResolved is how many are remembered that do not wait any more, for
	// other owners that may not know.
	maxResolved = 10_000
)

// heldComments finds what is held in a room.
type heldComments struct {
	byID    map[uint64]*records.Held
	byToken map[uint64]*records.Held
	// approved are those that are approved, by the comment that they became.
	approved map[uint64]*records.Held
	// rows are those that wait, encoded.
	rows    map[uint64]*wire.Row
	waiting int
	// waitingOf is how many of them are whose.
	waitingOf userCounts
	// pending are given to the journal, and not durable yet, by their tokens.
	pending map[uint64]*pendingRecord
	// writing is how many are, writingOf whose.
	writing   int
	writingOf userCounts
}

// userCounts counts something of users, of those who have some.
type userCounts map[string]int

func (c userCounts) add(user string, n int) {
	if c[user] += n; c[user] == 0 {
		delete(c, user)
	}
}

func (h *heldComments) load(room *records.Room) {
	h.byID, h.byToken, h.approved = map[uint64]*records.Held{}, map[uint64]*records.Held{}, map[uint64]*records.Held{}
	rows := h.rows
	h.rows, h.waiting = map[uint64]*wire.Row{}, 0
	if h.pending == nil {
		h.pending, h.writingOf = map[uint64]*pendingRecord{}, userCounts{}
	}
	h.waitingOf = userCounts{}
	for _, held := range room.Held {
		if row := rows[held.GetComment().GetId()]; row != nil && isWaiting(held) {
			h.rows[row.Id] = row
		}
		h.set(held)
	}
	if gone := len(room.Held) - h.waiting - maxResolved; gone > 0 {
		room.Held = slices.DeleteFunc(room.Held, func(held *records.Held) bool {
			if gone == 0 || isWaiting(held) {
				return false
			}
			gone--
			h.forget(held)
			return true
		})
	}
}

func (h *heldComments) forget(held *records.Held) {
	delete(h.byID, held.Comment.Id)
	delete(h.approved, held.CommentId)
	if h.byToken[held.Comment.PostToken] == held {
		delete(h.byToken, held.Comment.PostToken)
	}
}

// set takes a held comment, or what became of it.
func (h *heldComments) set(held *records.Held) {
	id := held.GetComment().GetId()
	old := h.byID[id]
	if old != nil && isWaiting(old) {
		h.waiting--
		h.waitingOf.add(old.Comment.UserId, -1)
	}
	h.byID[id] = held
	if token := held.Comment.PostToken; token != 0 {
		if other := h.byToken[token]; other == nil || other.Comment.Id == id || resolvedBefore(held, other) {
			h.byToken[token] = held
		}
	}
	if isWaiting(held) {
		h.waiting++
		h.waitingOf.add(held.Comment.UserId, 1)
		if h.rows[id] == nil {
			h.rows[id] = encodeHeld(held.Comment)
		}
		return
	}
	delete(h.rows, id)
	if held.CommentId != 0 {
		h.approved[held.CommentId] = held
	}
}

// resolvedBefore says which of two held comments of one post decides over it.
func resolvedBefore(a, b *records.Held) bool {
	if isWaiting(a) || isWaiting(b) {
		return !isWaiting(a)
	}
	return a.ResolvedAtMs < b.ResolvedAtMs
}

// find gives the held comment of a user's post.
func (h *heldComments) find(token uint64, userID string) *records.Held {
	if held := h.byToken[token]; token != 0 && held != nil && held.Comment.UserId == userID {
		return held
	}
	return nil
}

// approvedAs gives the held comment that became a comment.
func (h *heldComments) approvedAs(commentID uint64) *records.Held { return h.approved[commentID] }

func isWaiting(h *records.Held) bool { return h.Resolution == records.Resolution_WAITING }

// hold keeps a post for moderators.
func (l *liveVideo) hold(m *wire.PostComment, token uint64, sender *actor.PID) {
	if h := &l.room.held; h.waitingOf[m.UserId]+h.writingOf[m.UserId] >= MaxHeldPerUser {
		detail := fmt.Sprintf("%d of your comments wait for a moderator, and so would this one: no more may.", MaxHeldPerUser)
		l.refusePost(m, sender, wire.Code_TOO_MANY_HELD, detail, heldRetry.Milliseconds(), refusedHeldOfUser)
		return
	}
	if l.room.held.waiting+l.room.held.writing >= MaxHeld {
		l.refusePost(m, sender, wire.Code_UNAVAILABLE, "Too many comments wait for a moderator.", 0, refusedHeldFull)
		return
	}
	comment := l.comment(m, token)
	held := &records.Held{Comment: comment, Reason: m.Hold}
	if m.IdempotencyKey != "" {
		held.IdempotencyKey = &records.IdempotencyKey{Key: m.IdempotencyKey, BodyDigest: postDigest(m)}
	}
	parts := &records.Room{Held: []*records.Held{held}}
	event := &records.RoomEvent{
		LiveVideoId: l.id, Kind: "hold", EventId: comment.Id, AtMs: l.stamp(), UserId: m.UserId,
		Detail: jsonText(map[string]string{"reason": m.Hold}),
	}
	p := &pendingRecord{change: &roomChange{parts: parts}, held: encodeHeld(comment), digest: postDigest(m), waiters: []*actor.PID{sender}, token: token}
	if !l.append(&records.Record{Kind: &records.Record_RoomEvent{RoomEvent: event}, Room: parts}, p) {
		l.refuse(m, sender, wire.Code_UNAVAILABLE, "The comment can't be stored now.")
		return
	}
	l.room.held.writing++
	l.room.held.writingOf.add(m.UserId, 1)
	if token != 0 {
		l.room.held.pending[token] = p
	}
	p.posted = l.notePost(m, l.node.now())
}

// forgetHolding notes that a post's record is decided.
func (l *liveVideo) forgetHolding(p *pendingRecord) {
	l.room.held.writing--
	l.room.held.writingOf.add(p.held.UserId, -1)
	if l.room.held.pending[p.token] == p {
		delete(l.room.held.pending, p.token)
	}
}

// repeatHeld answers a post that was held before, and says whether it was.
func (l *liveVideo) repeatHeld(m *wire.PostComment, token uint64, sender *actor.PID) bool {
	answer := &wire.CommentAnswer{Held: true}
	var digest []byte
	switch p, held := l.room.held.pending[token], l.room.held.find(token, m.UserId); {
	case token == 0:
		return false
	case p != nil && p.held.UserId == m.UserId:
		if m.IdempotencyKey == "" || bytes.Equal(p.digest, postDigest(m)) {
			p.waiters = append(p.waiters, sender)
			return true
		}
		digest = p.digest
	case held == nil:
		return false
	case isWaiting(held):
		answer.Row = l.room.held.rows[held.Comment.Id]
		if digest = held.IdempotencyKey.GetBodyDigest(); digest == nil {
			digest = postDigest(m) // there is no key
		}
	case held.Resolution == records.Resolution_APPROVED:
		l.answerApproved(held, m, sender)
		return true
	default:
		detail := "A moderator has rejected this comment."
		if held.ResolvedBy == m.UserId {
			detail = "This comment was taken back."
		}
		l.refusePost(m, sender, wire.Code_FORBIDDEN, detail, 0, refusedRejected)
		return true
	}
	if m.IdempotencyKey != "" && !bytes.Equal(digest, postDigest(m)) {
		l.refuse(m, sender, wire.Code_KEY_REUSED, "")
		return true
	}
	l.node.root.Send(sender, answer)
	return true
}

// answerApproved answers with the comment that a held one became.
func (l *liveVideo) answerApproved(held *records.Held, request any, sender *actor.PID) {
	post, _ := request.(*wire.PostComment)
	if row := l.recent.row(held.CommentId); row != nil {
		l.sendApproved(row, post, sender)
		return
	}
	if held.Deleted || l.recent.deletedOrMissing(held.CommentId) {
		l.refuse(request, sender, wire.Code_NOT_FOUND, "The comment was approved, and deleted since.")
		return
	}
	l.node.async(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, keyTimeout)
		defer cancel()
		c, err := l.node.store.Comment(ctx, l.id, held.CommentId)
		if err != nil {
			l.node.root.Send(sender, &wire.CommentAnswer{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: "The comment can't be read now."}})
			return
		}
		l.sendApproved(EncodeRow(c), post, sender)
	})
}

// sendApproved sends a row; post is nil, or what it answers.
func (l *liveVideo) sendApproved(row *wire.Row, post *wire.PostComment, sender *actor.PID) {
	known := &keptAnswer{row: row}
	if post.GetIdempotencyKey() != "" && !bytes.Equal(known.bodyDigest(), postDigest(post)) {
		l.node.root.Send(sender, &wire.CommentAnswer{Fault: &wire.Fault{Code: wire.Code_KEY_REUSED}})
		return
	}
	l.node.root.Send(sender, &wire.CommentAnswer{Row: row})
}

// resolveHeld approves or rejects a comment that waits.
func (l *liveVideo) resolveHeld(m *wire.ResolveHeld, sender *actor.PID) {
	held := l.room.held.byID[m.HeldId]
	resolution := records.Resolution_REJECTED
	if m.Approve {
		resolution = records.Resolution_APPROVED
	}
	if held == nil {
		l.refuse(m, sender, wire.Code_NOT_FOUND, "No such comment waits for a moderator.")
		return
	}
	for _, p := range l.pending {
		if p.resolves != m.HeldId {
			continue
		}
		if p.change.parts.Held[0].Resolution == resolution {
			p.waiters = append(p.waiters, sender)
		} else {
			l.refuse(m, sender, wire.Code_NOT_FOUND, "Another moderator has resolved it.")
		}
		return
	}
	switch {
	case isWaiting(held) && m.Approve:
		l.approve(held, m, sender)
	case isWaiting(held):
		l.reject(held, m, sender)
	case held.Resolution != resolution:
		l.refuse(m, sender, wire.Code_NOT_FOUND, "Another moderator has resolved it.")
	case m.Approve:
		l.answerApproved(held, m, sender)
	default:
		l.node.root.Send(sender, &wire.CommentAnswer{})
	}
}

// resolved is what is left of a held comment, and of others of the same post
// that other owners held.
func (l *liveVideo) resolved(held *records.Held, resolution records.Resolution, by string, commentID uint64) *records.Room {
	parts, at := &records.Room{}, l.stamp()
	add := func(h *records.Held) {
		c := h.Comment
		parts.Held = append(parts.Held, &records.Held{
			Comment: &records.Comment{
				Id: c.Id, LiveVideoId: c.LiveVideoId, UserId: c.UserId, PostToken: c.PostToken,
			},
			Resolution: resolution, ResolvedAtMs: at, ResolvedBy: by, CommentId: commentID,
		})
	}
	add(held)
	if token := held.Comment.PostToken; token != 0 {
		for _, other := range l.room.set.Held {
			if other != held && isWaiting(other) && other.Comment.PostToken == token && other.Comment.UserId == held.Comment.UserId {
				add(other)
			}
		}
	}
	return parts
}

func (l *liveVideo) resolveEvent(kind string, held *records.Held, by string, commentID uint64) *records.RoomEvent {
	return &records.RoomEvent{
		LiveVideoId: l.id, Kind: kind, EventId: l.node.ids.Next(l.lastID), AtMs: l.room.at, ActorId: by,
		UserId: held.Comment.UserId, CommentId: commentID,
		Detail: jsonText(map[string]string{"heldId": FormatID(held.Comment.Id), "reason": held.Reason}),
	}
}

// approve posts a held comment, with a new id: ids rise on streams.
func (l *liveVideo) approve(held *records.Held, m *wire.ResolveHeld, sender *actor.PID) {
	waited := held.Comment
	if waited.ParentId != 0 && l.recent.deletedOrMissing(waited.ParentId) {
		l.refuse(m, sender, wire.Code_NO_PARENT, "The comment that this one answers does not exist any more.")
		return
	}
	if known := l.answers.find(waited.PostToken, waited.UserId); waited.PostToken != 0 && known != nil {
		l.approveKnown(held, known, m, sender)
		return
	}
	if l.room.set.GetEnded().GetEnded() { // nothing is posted behind the end
		l.refuse(m, sender, wire.Code_ENDED, "The live video has ended.")
		return
	}
	comment := proto.CloneOf(waited)
	comment.Id = l.node.ids.Next(l.lastID)
	comment.CreatedAtMs = persistence.IDTime(comment.Id).UnixMilli()
	parts := l.resolved(held, records.Resolution_APPROVED, m.By, comment.Id)
	posted := &records.CommentPosted{Comment: comment, IdempotencyKey: held.IdempotencyKey}
	p := &pendingRecord{
		row: EncodeRow(comment), waiters: []*actor.PID{sender}, comments: 1, memory: answerMemory,
		change: &roomChange{parts: parts}, resolves: waited.Id,
	}
	if !l.append(&records.Record{Kind: &records.Record_CommentPosted{CommentPosted: posted}, Room: parts}, p) {
		l.refuse(m, sender, wire.Code_UNAVAILABLE, "The comment can't be stored now.")
		return
	}
	l.lastID = comment.Id
	if token := waited.PostToken; token != 0 {
		p.answer = l.answers.add(token, waited.UserId, held.IdempotencyKey.GetBodyDigest(), p)
	}
	// For the audit alone: the comment's record has what it changes.
	event := l.resolveEvent("approve", held, m.By, comment.Id)
	l.append(&records.Record{Kind: &records.Record_RoomEvent{RoomEvent: event}}, &pendingRecord{})
}

// approveKnown resolves a held comment whose post another owner has taken.
func (l *liveVideo) approveKnown(held *records.Held, known *keptAnswer, m *wire.ResolveHeld, sender *actor.PID) {
	row := known.comment()
	parts := l.resolved(held, records.Resolution_APPROVED, m.By, row.Id)
	p := &pendingRecord{change: &roomChange{parts: parts}, waiters: []*actor.PID{sender}, resolves: held.Comment.Id, answerRow: row}
	event := l.resolveEvent("approve", held, m.By, row.Id)
	if !l.append(&records.Record{Kind: &records.Record_RoomEvent{RoomEvent: event}, Room: parts}, p) {
		l.refuse(m, sender, wire.Code_UNAVAILABLE, "The comment can't be stored now.")
	}
}

func (l *liveVideo) reject(held *records.Held, m *wire.ResolveHeld, sender *actor.PID) {
	parts := l.resolved(held, records.Resolution_REJECTED, m.By, 0)
	event := l.resolveEvent("reject", held, m.By, 0)
	p := &pendingRecord{change: &roomChange{parts: parts}, waiters: []*actor.PID{sender}, resolves: held.Comment.Id}
	if !l.append(&records.Record{Kind: &records.Record_RoomEvent{RoomEvent: event}, Room: parts}, p) {
		l.refuse(m, sender, wire.Code_UNAVAILABLE, "That can't be stored now.")
		return
	}
	if known := l.answers.find(held.Comment.PostToken, held.Comment.UserId); held.Comment.PostToken != 0 && known != nil {
		l.revoke(known.comment()) // another owner has taken it
	}
}

// readHeld answers what waits, oldest first, as much as fits into an answer:
// who has resolved that sees the rest.
func (l *liveVideo) readHeld(m *wire.ReadHeld, sender *actor.PID) {
	answer := &wire.HeldRows{}
	size := 0
	for _, h := range l.room.set.Held {
		c := h.Comment
		if !isWaiting(h) || m.UserId != "" && c.UserId != m.UserId || m.HeldId != 0 && c.Id != m.HeldId {
			continue
		}
		row := l.heldRow(h)
		if size += len(row.Row.Event); size > maxAnswerBytes {
			break
		}
		answer.Rows = append(answer.Rows, row)
	}
	l.node.root.Send(sender, answer)
}

// heldForRelay is what waits, and what was resolved lately, for a relay that
// subscribes.
func (l *liveVideo) heldForRelay() (rows []*wire.HeldRow) {
	lately := l.node.now().Add(-toldAgain).UnixMilli()
	size := 0
	for _, h := range l.room.set.Held {
		if !isWaiting(h) && h.ResolvedAtMs < lately {
			continue
		}
		row := l.heldRow(h)
		if size += len(row.Row.Event); size > maxAnswerBytes {
			break
		}
		rows = append(rows, row)
	}
	return rows
}

func (l *liveVideo) heldRow(h *records.Held) *wire.HeldRow {
	if isWaiting(h) {
		return &wire.HeldRow{Row: l.room.held.rows[h.Comment.Id], Reason: h.Reason}
	}
	return &wire.HeldRow{
		Row:      &wire.Row{Id: h.Comment.Id, UserId: h.Comment.UserId},
		Resolved: true, Approved: h.Resolution == records.Resolution_APPROVED, CommentId: h.CommentId,
	}
}

// twinOfHeld says of a comment whose post was held as well, that another stands
// in its place, or none: two owners have resolved it at the same time. Who was
// first did it, and what was deleted since does not come back.
func (l *liveVideo) twinOfHeld(row *wire.Row) bool {
	held := l.room.held.find(row.PostToken, row.UserId)
	switch {
	case held == nil || isWaiting(held):
		return false
	case held.Deleted || held.Resolution == records.Resolution_REJECTED:
		return true
	default:
		return held.CommentId != row.Id && l.recent.has(held.CommentId)
	}
}

// heldAs says whether a comment is the one that a held post became.
func (l *liveVideo) heldAs(row *wire.Row) bool {
	held := l.room.held.find(row.PostToken, row.UserId)
	return held != nil && !held.Deleted && held.CommentId == row.Id
}

// settleHeld takes back what two owners have made of one held comment.
func (l *liveVideo) settleHeld() {
	for _, row := range l.recent.after(0) {
		if row.PostToken != 0 && l.twinOfHeld(row) && !l.isDeleting(row.Id) {
			l.revoke(row)
		}
	}
}

// rememberPosts begins to remember who posted when, if the room or the node
// wants to know: from the comments that memory has.
func (l *liveVideo) rememberPosts() {
	now := l.node.now()
	slow := time.Duration(l.room.set.GetSlowMode().GetSeconds()) * time.Second
	if slow == 0 {
		l.room.slow = nil
	} else if l.room.slow == nil {
		l.room.slow = newLastPosts()
		for _, row := range l.recent.rows {
			if at := persistence.IDTime(row.Id); now.Sub(at) < slow {
				l.room.slow.note(row.UserId, at.UnixMilli())
			}
		}
		for _, h := range l.room.set.Held {
			if at := persistence.IDTime(h.Comment.Id); now.Sub(at) < slow {
				l.room.slow.note(h.Comment.UserId, at.UnixMilli())
			}
		}
	}
	c := &l.node.config
	if l.room.repeats == nil && c.RepeatLimit > 0 && c.RepeatWindow > 0 {
		l.room.repeats = newRepeatedPosts(c.RepeatLimit, c.RepeatWindow)
		for _, row := range l.recent.rows {
			if at := persistence.IDTime(row.Id); c.TextHash != nil && now.Sub(at) < c.RepeatWindow {
				l.room.repeats.note(row.UserId, c.TextHash(rowMessage(row.Row)), at.UnixMilli())
			}
		}
	}
}
