package actors

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
)

// relay is the actor for a live video on a node that has viewers of it. It
// subscribes to the owner, keeps a ring of recent events, joins what arrives
// while a fan-out runs into the next frame, and gives frames to its fan-outs.
type relay struct {
	node        *Node
	self        *actor.PID
	liveVideoID string
	used        *atomic.Bool // there have been comments

	// The subscription: joins wait until it is answered the first time.
	owner      *actor.PID
	activation uint64 // of the owner
	nextSeq    uint64
	asking     bool // a Subscribe is under way
	asked      uint64
	heardAt    time.Time // from the owner
	subscribed bool
	synced     uint64 // answers of owners so far
	// ahead are viewers that joined with a comment of which nobody here knew.
	ahead []*viewer
	// waiting are viewers that can't join yet (see join).
	waiting    []*viewer
	leaseUntil time.Time
	heard      int // bytes since the last renewal
	backlogs   map[uint64]*backlog

	ring *ring
	// sent is the number of the first event that is in no frame yet, sentID the
	// highest comment id before it.
	sent, sentID uint64

	audience audience
	room     roomView
	news     [][]byte // of the room, in no frame yet
	taps     []*tap
	viewers  viewerCount
	ended    bool // viewers are let go
}

type (
	join  struct{ viewer *viewer }
	leave struct{ viewer *viewer }

	leaseTimer struct{}
	// unanswered comes some time after an owner was asked for events and said
	// that it has sent what there is: that may have been lost.
	unanswered struct{ asked uint64 }
	// retrySubscribe comes after an owner could not be had.
	retrySubscribe struct{}
	// beat comes from the node's heartbeat wheel.
	beat struct{}
	// ownersChanged says that live videos may have other owners.
	ownersChanged struct{}
	// connectionLost says that messages of a node may have been lost.
	connectionLost struct{ address string }
	// endStreams asks a relay to let all its viewers go.
	endStreams struct{}
)

const (
	leasePeriod = 2 * time.Second
	// leaseTime is how long an owner keeps a relay it does not hear from, and
	// a relay an owner: a few periods.
	leaseTime = 4 * leasePeriod

	// longUnheard is after how long a relay compares what it has with what its
	// owner has: owners repeat deletions of the last minute only.
	longUnheard = answerMemory - 15*time.Second

	subscribeTimeout = 5 * time.Second
	unansweredAfter  = time.Second
	subscribeRetry   = 200 * time.Millisecond
)

func (r *relay) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		r.self = ctx.Self()
		r.audience = audience{node: r.node, self: r.self, video: r.liveVideoID}
		r.subscribe()
		r.node.after(leasePeriod, r.self, leaseTimer{})
		r.node.heartbeats.add(r.self)
	case *wire.Publish:
		r.publish(m)
	case fanDone:
		r.audience.done(m)
		r.send()
	case frameTimer:
		r.audience.timer = false
		r.send()
	case *restate:
		r.audience.direct(m.viewer, r.room.again(m.viewer.who))
	case *tap:
		r.tap(m)
	case *untap:
		r.untap(m)
	case tapViewers:
		r.tapViewers(m)
	case *join:
		r.join(m.viewer)
	case *leave:
		r.leave(m.viewer)
	case *wire.Subscribed:
		r.onSubscribed(m)
	case retrySubscribe:
		r.subscribe()
	case unanswered:
		if r.asking && m.asked == r.asked {
			r.asking = false
			r.subscribe()
		}
	case *backlogRead:
		r.onBacklog(m)
	case leaseTimer:
		r.renew()
		r.node.after(leasePeriod, r.self, leaseTimer{})
	case *wire.Moved:
		if m.Activation == r.activation {
			r.subscribe()
		}
	case ownersChanged:
		if r.owner != nil && r.owner.Address != r.node.owners.Owner(r.liveVideoID) {
			r.subscribe()
		}
	case connectionLost:
		if r.owner != nil && r.owner.Address == m.address {
			r.subscribe()
		}
	case *ringRows:
		m.answer <- r.ring.rows(m.after, m.limit)
	case *wire.LeaseAnswer:
		if m.GetFault().GetCode() != wire.Code_OK || m.Activation != r.activation || m.NextSeq > r.nextSeq {
			r.subscribe()
			return
		}
		r.heardAt = r.node.now()
		r.leaseUntil = r.heardAt.Add(leaseTime)
	case viewersTimer:
		r.viewers.timer = false
		r.reportViewers()
	case sampledTimer:
		r.audience.tellSamples()
	case beat:
		r.audience.beat()
	case endStreams:
		r.endStreams()
	case *actor.Stopping:
		r.stopping(ctx)
	}
}

// subscribe asks the owner for events, or asks again. Viewers stay connected
// meanwhile.
func (r *relay) subscribe() {
	if r.asking {
		return
	}
	r.asking = true
	r.asked++
	asked := r.asked
	request := &wire.Subscribe{Relay: r.self, Viewers: r.viewers.own, After: r.ring.lastID, Activation: r.activation, NextSeq: r.nextSeq}
	if r.subscribed && r.node.now().Sub(r.heardAt) > longUnheard {
		request.From = r.ring.oldest() // see compare
	}
	r.node.async(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, subscribeTimeout)
		defer cancel()
		answer, err := r.node.owners.Request(ctx, r.liveVideoID, request)
		subscribed, ok := answer.(*wire.Subscribed)
		if err != nil || !ok {
			subscribed = &wire.Subscribed{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE}}
		}
		if subscribed.GetFault().GetCode() != wire.Code_OK {
			r.node.root.Send(r.self, subscribed)
			return
		}
		// The owner has sent what there is to the relay itself.
		r.node.after(unansweredAfter, r.self, unanswered{asked})
	})
}

func (r *relay) onSubscribed(m *wire.Subscribed) {
	r.asking = false
	if m.GetFault().GetCode() != wire.Code_OK {
		r.node.after(subscribeRetry, r.self, retrySubscribe{})
		return
	}
	same := m.Activation == r.activation
	r.owner, r.activation, r.nextSeq = m.Owner, m.Activation, m.NextSeq
	if m.LastCommentId != 0 {
		r.used.Store(true)
	}
	r.heardAt = r.node.now()
	r.leaseUntil = r.heardAt.Add(leaseTime)
	r.synced++
	if !r.subscribed {
		r.ring.floor = m.Floor
	} else if m.Floor > r.ring.lastID+1 {
		before := m.Floor
		if len(m.Rows) > 0 {
			before = m.Rows[0].Id
		}
		// From what was sent last: what came since is in no frame, and goes too.
		after := r.sentID
		if m.MissedAfter != 0 {
			after = min(after, m.MissedAfter)
		}
		r.announceGap(after, before)
		fresh := newRing(r.ring.maxEvents, r.ring.maxBytes)
		fresh.first, fresh.floor, fresh.lastID = r.ring.end(), m.Floor, r.ring.lastID
		fresh.late = r.ring.late
		r.ring, r.sent, r.sentID = fresh, fresh.first, fresh.lastID
	} else {
		if same {
			r.compare(m)
		}
		if m.MissedAfter != 0 {
			r.missed(m.MissedAfter, r.ring.lastID+1)
		}
	}
	r.take(m.Rows, nil)
	parts := roomParts{room: m.Room, held: m.Held, muted: m.Muted, whole: true}
	if m.Room == nil {
		parts.room = &wire.RoomState{} // of a node that knows of no rooms
	}
	if m.Reactions != nil {
		parts.reactions = []*wire.ReactionTotals{m.Reactions}
	}
	r.takeRoom(parts)
	r.viewers.total = m.Viewers
	if !r.subscribed {
		r.subscribed = true
		// Nobody has joined yet: what came is for replay alone.
		r.ring.lastID = max(r.ring.lastID, m.LastCommentId)
		r.sent, r.sentID = r.ring.end(), r.ring.lastID
		r.ring.evict(r.sent)
		for _, d := range m.Deleted {
			e := ringEvent{id: d.CommentId, deletes: true, event: deleteEvent(r.liveVideoID, d.CommentId)}
			r.ring.late.add(lateDeletion{e, r.node.now().Add(-time.Duration(d.AgeMs) * time.Millisecond), 0})
		}
		r.joinWaiting()
		for _, t := range r.taps {
			r.answerTap(t)
		}
	} else {
		r.send()
		r.joinWaiting()
	}
	for _, v := range r.waiting {
		if v.config.joinAt > r.synced {
			r.subscribe() // the one before was asked too early
		}
	}
}

// compare tells viewers what has become of the comments in the ring since their
// owner was heard last, if that is long ago: then its answer has those, too. Of
// another owner it would say nothing: that may hear of some of them only later.
func (r *relay) compare(m *wire.Subscribed) {
	if m.From == 0 {
		return
	}
	there := make(map[uint64]bool, len(m.Rows))
	for _, row := range m.Rows {
		there[row.Id] = true
	}
	known, deleted := r.ring.compare(max(m.From, m.Floor), there)
	for _, row := range m.Rows {
		if row.Id >= r.ring.floor && row.Id <= r.ring.lastID && !known[row.Id] {
			r.missed(row.Id-1, r.ring.lastID+1)
			break // the oldest
		}
	}
	r.take(nil, deleted)
}

// announceGap tells all viewers that comments between two ids were not sent
// here, also those for whom history is being read.
func (r *relay) announceGap(after, before uint64) {
	gap := gapEvent(r.liveVideoID, after, before)
	for _, b := range r.backlogs {
		b.told = append(b.told, gap)
	}
	r.audience.all(&fanQuiet{newFrame(gap)})
	for _, t := range r.taps {
		r.node.root.Send(t.bundle, &roomNews{video: r.liveVideoID, gap: gap, before: before})
	}
}

// missed announces comments that came into the room late, among those that
// were sent already. Who resumes from before them is served from history.
func (r *relay) missed(after, before uint64) {
	r.announceGap(after, before)
	r.ring.floor = max(r.ring.floor, before)
	r.ring.lastID = max(r.ring.lastID, before-1)
	if r.sent == r.ring.end() {
		r.sentID = r.ring.lastID
		r.joinWaiting()
	}
}

// publish takes events from the owner. A number missed means that something
// was lost on the way.
func (r *relay) publish(m *wire.Publish) {
	if !r.subscribed || m.Activation != r.activation || m.Seq < r.nextSeq {
		return // of an earlier subscription
	}
	if m.Seq > r.nextSeq {
		r.subscribe()
		return
	}
	r.nextSeq++
	r.heardAt = r.node.now()
	if r.heard += proto.Size(m); r.heard >= r.node.config.UnheardBytes/16 {
		r.renew()
	}
	r.take(m.Rows, m.Deleted)
	if m.MissedAfter != 0 {
		r.missed(m.MissedAfter, m.MissedBefore)
	}
	if m.ViewersChanged && m.Viewers != r.viewers.total {
		r.viewers.total, r.viewers.news = m.Viewers, true
	}
	if m.Room != nil || len(m.Reactions) > 0 || len(m.Held) > 0 || len(m.Muted) > 0 {
		r.takeRoom(roomParts{room: m.Room, reactions: m.Reactions, held: m.Held, muted: m.Muted})
	}
	r.send()
}

// takeRoom takes what is set for the room, and tells viewers what is new by it.
func (r *relay) takeRoom(parts roomParts) {
	events := r.room.take(parts, r.node.now())
	if !r.subscribed {
		return // nobody has joined yet
	}
	r.news = withNews(r.news, r.liveVideoID, events.all)
	r.audience.tell(events)
	for _, t := range r.taps {
		r.node.root.Send(t.bundle, &roomNews{video: r.liveVideoID, parts: &parts})
	}
}

// take puts events into the ring, but for those that it has.
func (r *relay) take(rows []*wire.Row, deleted []uint64) {
	for _, row := range rows {
		if row.Id > r.ring.lastID {
			r.passAhead(row.Id)
			r.used.Store(true)
			r.ring.addComment(row)
		}
	}
	for _, id := range deleted {
		r.ring.addDelete(id, deleteEvent(r.liveVideoID, id), r.node.now())
	}
}

// passAhead lets those viewers go that may have a comment which comes only now:
// they come back with what they have.
func (r *relay) passAhead(id uint64) {
	for _, v := range r.ahead {
		if v.fan != nil && id <= v.joinedAfter {
			r.node.root.Send(v.self, letGo{})
		}
	}
	r.ahead = nil
}

// send gives the viewers a frame of all that has come since the last, as soon
// as they are ready for it.
func (r *relay) send() {
	if (r.sent == r.ring.end() && !r.viewers.news && len(r.news) == 0) || !r.audience.ready() {
		return
	}
	more := r.news
	if r.viewers.news {
		more = append(more, viewersEvent(r.liveVideoID, r.viewers.total))
	}
	events := r.ring.events[r.sent-r.ring.first:]
	r.audience.send(events, false, len(r.news) > 0, more...)
	r.tellTaps(events)
	r.viewers.news, r.news = false, nil
	r.sent, r.sentID = r.ring.end(), r.ring.lastID
	r.ring.evict(r.sent)
	r.joinWaiting()
}

func (r *relay) endStreams() {
	r.ended = true
	for _, v := range r.waiting {
		r.node.root.Send(v.self, letGo{})
	}
	r.audience.all(letGo{})
}

func (r *relay) stopping(ctx actor.Context) {
	r.node.heartbeats.remove(r.self)
	r.audience.stop()
	if r.owner != nil {
		ctx.Send(r.owner, &wire.Lease{Relay: r.self, End: true})
	}
}

// renew says to the owner that the relay is still there.
func (r *relay) renew() {
	if r.owner == nil || r.node.now().After(r.leaseUntil) {
		r.subscribe()
		return
	}
	r.heard = 0
	r.node.root.RequestWithCustomSender(r.owner, &wire.Lease{Relay: r.self, Viewers: r.viewers.own, NextSeq: proto.Uint64(r.nextSeq)}, r.self)
}
