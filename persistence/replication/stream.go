package replication

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/persistence/records"
)

// stream is what is known of a peer.
type stream struct {
	peer   string
	node   string     // that the peer is
	now    *session   // the one that records are added to
	closed []*session // those that have ended, oldest first

	missing     bool
	revocations int       // in now, and not acknowledged
	unacked     int64     // bytes on their way
	progress    time.Time // when something was acknowledged, or first waited
	due         time.Time // when to send again, or to probe; zero: nothing is sent
	pause       time.Duration
	wentBack    uint64    // the record that the peer asked for last,
	wentBackAt  time.Time // and when
}

// add is called with mu held.
func (j *Journal) add(st *stream, it *item) {
	if st.now.acked == st.now.last() {
		st.progress = time.Now()
	}
	st.now.items.push(it)
}

// next makes the next batch of a stream; false: nothing is to be sent now.
// It is called with mu held.
func (j *Journal) next(st *stream) (Batch, bool) {
	s := st.now
	b := Batch{Origin: j.cfg.Origin, Session: s.id, Seq: s.sent + 1, Archived: s.archived}
	for bytes := 0; s.sent < s.last() && len(b.Records) < maxBatchRecords && st.unacked < windowBytes; {
		it := s.item(s.sent + 1)
		if bytes > 0 && bytes+len(it.bytes) > maxBatchBytes {
			break
		}
		bytes += len(it.bytes)
		st.unacked += int64(len(it.bytes))
		if s.sent++; s.sent <= s.mostSent {
			j.stats.Resent++
		}
		it.sent = true
		b.Records = append(b.Records, it.bytes)
	}
	s.mostSent = max(s.mostSent, s.sent)
	return b, len(b.Records) > 0
}

// goBack has all after seq sent again. It is called with mu held.
func (j *Journal) goBack(st *stream, seq uint64) {
	for s := st.now; s.sent > seq; s.sent-- {
		st.unacked -= int64(len(s.item(s.sent).bytes))
	}
}

// turn does what is due for a stream, and adds what is to be sent. It is
// called with mu held, by the journal's goroutine.
func (j *Journal) turn(st *stream, now time.Time) {
	s := st.now
	if st.missing {
		if now.Before(st.due) {
			return
		}
		// The oldest revocations, if there are some; or nothing, as a question.
		j.goBack(st, s.acked)
		b, _ := j.next(st)
		j.sends = append(j.sends, send{st.peer, b})
		st.due, st.pause = now.Add(st.pause), min(2*st.pause, j.cfg.AckTimeout)
		return
	}
	if s.acked == s.last() {
		st.due = time.Time{}
		return
	}
	if !now.Before(st.progress.Add(j.cfg.AckTimeout)) {
		j.miss(st, "it does not answer")
		return
	}
	if !st.due.IsZero() && !now.Before(st.due) {
		j.goBack(st, s.acked)
		st.pause = min(2*st.pause, j.cfg.AckTimeout)
		st.due = time.Time{}
	}
	for {
		b, ok := j.next(st)
		if !ok {
			break
		}
		j.sends = append(j.sends, send{st.peer, b})
	}
	if st.due.IsZero() {
		st.due = now.Add(st.pause)
	}
}

// wakeAt is when a stream has something to do; false: not before it is woken.
func (j *Journal) wakeAt(st *stream) (time.Time, bool) {
	if st.missing {
		return st.due, true
	}
	if st.now.acked == st.now.last() {
		return time.Time{}, false
	}
	at := st.progress.Add(j.cfg.AckTimeout)
	if !st.due.IsZero() && st.due.Before(at) {
		at = st.due
	}
	return at, true
}

// acknowledge is called with mu held.
func (j *Journal) acknowledge(st *stream, a Ack) {
	s, now := st.now, time.Now()
	if a.Session != s.id || a.Durable > s.mostSent {
		return // of a session that has ended
	}
	if a.Durable > s.acked {
		for seq := s.acked + 1; seq <= a.Durable; seq++ {
			it := s.item(seq)
			if seq <= s.sent {
				st.unacked -= int64(len(it.bytes))
			}
			if it.lane == nil {
				st.revocations--
				it.bytes = nil
			} else {
				it.acked = true
				j.release(it)
			}
		}
		s.acked, s.sent = a.Durable, max(s.sent, a.Durable)
		st.progress, st.pause, st.due = now, j.cfg.Resend, now.Add(j.cfg.Resend)
		s.settle(now)
	}
	if a.Unavailable {
		if !st.missing {
			j.miss(st, "its journal takes no records")
		}
		return
	}
	if a.Next == 1 && s.acked > 0 {
		j.renew(st, false) // it has forgotten the session
		st.due, st.pause = time.Time{}, j.cfg.Resend
	}
	if st.missing {
		st.missing = false
		st.progress, st.due, st.pause = now, time.Time{}, j.cfg.Resend
		j.goBack(st, st.now.acked)
		j.cfg.Logger.Info("replication: the peer takes records again", "peer", st.peer)
		j.cfg.Events.Back(st.peer)
		return
	}
	s = st.now
	if a.Session == s.id && a.Next > s.acked && a.Next <= s.sent {
		// Each batch after a loss is answered so; going back once is enough.
		if st.wentBack == a.Next && now.Sub(st.wentBackAt) < j.cfg.Resend {
			return
		}
		st.wentBack, st.wentBackAt = a.Next, now
		j.goBack(st, a.Next-1)
	}
}

// miss goes on without a peer. It is called with mu held.
func (j *Journal) miss(st *stream, why string) {
	st.missing = true
	st.pause, st.due = j.cfg.Resend, time.Now().Add(j.cfg.Resend)
	j.renew(st, true)
	j.cfg.Logger.Warn("replication: a peer is missing, records go to another one, or on without a copy", "peer", st.peer, "why", why)
	j.cfg.Events.Missing(st.peer)
}

// renew ends a stream's session and begins another. What was not acknowledged
// goes to another peer, or on without a copy; or else into the new session.
// Revocations always do. It is called with mu held.
func (j *Journal) renew(st *stream, giveUp bool) {
	old, s := st.now, newSession(j.newSession())
	st.now, st.unacked, st.wentBack = s, 0, 0
	for seq := old.acked + 1; seq <= old.last(); seq++ {
		switch it := old.item(seq); {
		case it.lane != nil && giveUp:
			if other := j.another(it.lane.video, st.peer); other != nil {
				if it.sent {
					it.before, it.sent = append(it.before, st), false
				}
				it.to = other
				j.add(other, it)
			} else {
				j.release(it)
			}
		default:
			s.items.push(it)
		}
	}
	if st.revocations > maxRevocations && giveUp {
		// Only revocations are left.
		lost := st.revocations - maxRevocations
		for range lost {
			s.items.pop()
		}
		st.revocations = maxRevocations
		j.stats.RevocationsLost += uint64(lost)
		j.cfg.Logger.Error("replication: a peer is not told of records that were refused here", "peer", st.peer, "records", lost)
	}
	if old.mostSent == 0 {
		return // nobody knows of it
	}
	old.items.cut(int(old.mostSent + 1 - old.first)) // what was never sent
	old.closed = true
	old.settle(time.Now())
	st.closed = append(st.closed, old)
	if len(st.closed) > maxClosed {
		st.closed = slices.Delete(st.closed, 0, 1)
	}
}

// release lets an item go to the local journal when its turn comes. It is
// called with mu held.
func (j *Journal) release(it *item) {
	if it.ready {
		return
	}
	it.ready = true
	if !it.acked {
		j.countAlone()
	}
	if it.lane.waiting.at(0) == it {
		j.queue(it.lane)
	}
}

// revoke has all who may have it take back what is not kept here. It is called
// with mu held.
func (j *Journal) revoke(it *item) {
	posted := it.record.GetCommentPosted().GetComment()
	if posted == nil {
		return
	}
	nodes := map[string]struct{}{}
	for _, st := range it.before {
		nodes[st.node] = struct{}{}
	}
	if it.sent {
		nodes[it.to.node] = struct{}{}
	}
	if len(nodes) == 0 {
		return
	}
	bytes, err := proto.Marshal(&records.Record{Kind: &records.Record_CommentDeleted{CommentDeleted: &records.CommentDeleted{
		LiveVideoId: posted.GetLiveVideoId(), CommentId: posted.GetId(), DeletedAtMs: posted.GetCreatedAtMs(),
		UserId: posted.GetUserId(), ParentId: posted.GetParentId(),
	}}})
	if err != nil {
		j.cfg.Logger.Error("replication: making a revocation", "error", err)
		return
	}
	for node := range nodes {
		j.stats.Revoked++
		j.takeBack(node, bytes)
	}
	j.wake()
}

// takeBack sends a node a revocation, or keeps it until that is a member again.
// It is called with mu held.
func (j *Journal) takeBack(node string, bytes []byte) {
	peer := node
	if j.members != nil {
		peer = j.nodes[node]
	}
	if peer == "" {
		if len(j.owed[node]) >= maxRevocations {
			j.stats.RevocationsLost++
			return
		}
		j.owed[node] = append(j.owed[node], bytes)
		return
	}
	st := j.stream(peer)
	if st.missing && st.revocations >= maxRevocations {
		j.stats.RevocationsLost++
		return
	}
	st.revocations++
	// Nothing of it is to come to this node's ClickHouse.
	j.add(st, &item{bytes: bytes, to: st, fated: true})
}

// Revokes says whether a record takes back what its origin did not keep.
func Revokes(r *records.Record) bool {
	d := r.GetCommentDeleted()
	return d != nil && d.GetDeletedBy() == ""
}

// settle is called with mu held.
func (j *Journal) settle(st *stream) {
	if st == nil {
		return
	}
	now := time.Now()
	st.now.settle(now)
	for _, s := range st.closed {
		s.settle(now)
	}
}
