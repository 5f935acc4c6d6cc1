package actors

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"barrage/actors/wire"
)

// relay is the actor for a live video on a node that has viewers of it. It
// subscribes to the owner, keeps a ring of recent events, joins what arrives
// while a fan-out runs into the next frame, and gives frames to its fan-outs.
type relay struct {
	node        *Node
	self        *actor.PID
	liveVideoID string

	// The subscription: joins wait until it is answered the first time.
	owner      *actor.PID
	nextSeq    uint64
	asking     bool // a Subscribe is under way
	subscribed bool
	// waiting are viewers that can't join yet (see join).
	waiting    []*viewer
	leaseUntil time.Time
	backlogs   map[uint64]*backlog

	ring *ring
	// sent is the number of the first event that is in no frame yet, sentID the
	// highest comment id before it.
	sent, sentID uint64

	audience audience
	taps     []*tap
	viewers  viewerCount
	ended    bool // viewers are let go
}

type (
	join  struct{ viewer *viewer }
	leave struct{ viewer *viewer }

	// joinTimer comes when a viewer has waited long enough.
	joinTimer  struct{}
	leaseTimer struct{}
	// retrySubscribe comes after an owner could not be had.
	retrySubscribe struct{}
	// beat comes from the node's heartbeat wheel.
	beat struct{}
	// endStreams asks a relay to let all its viewers go.
	endStreams struct{}
)

const (
	leasePeriod = 5 * time.Second
	// leaseTime is how long an owner keeps a relay it does not hear from, and
	// a relay an owner: a few periods.
	leaseTime = 4 * leasePeriod

	subscribeTimeout = 5 * time.Second
	subscribeRetry   = 200 * time.Millisecond
)

func (r *relay) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		r.self = ctx.Self()
		r.audience = audience{node: r.node, self: r.self}
		r.subscribe()
		r.node.after(leasePeriod, r.self, leaseTimer{})
		r.node.heartbeats.add(r.self)
	case *wire.Publish:
		r.publish(m)
	case fanDone:
		r.audience.done(m)
		r.send()
	case joinTimer:
		r.joinWaiting()
	case frameTimer:
		r.audience.timer = false
		r.send()
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
	case *backlogRead:
		r.onBacklog(m)
	case leaseTimer:
		r.renew()
		r.node.after(leasePeriod, r.self, leaseTimer{})
	case *wire.LeaseAnswer:
		if m.GetFault().GetCode() != wire.Code_OK {
			r.subscribe()
			return
		}
		r.leaseUntil = r.node.now().Add(leaseTime)
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
	request := &wire.Subscribe{Relay: r.self, Viewers: r.viewers.own, After: r.ring.lastID}
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
		} // otherwise the owner has sent what there is to the relay itself
	})
}

func (r *relay) onSubscribed(m *wire.Subscribed) {
	r.asking = false
	if m.GetFault().GetCode() != wire.Code_OK {
		r.node.after(subscribeRetry, r.self, retrySubscribe{})
		return
	}
	r.owner, r.nextSeq = m.Owner, m.NextSeq
	r.leaseUntil = r.node.now().Add(leaseTime)
	if !r.subscribed {
		r.ring.floor = m.Floor
	} else if m.Floor > r.ring.lastID+1 {
		r.announceGap(m)
	}
	r.take(m.Rows, nil)
	r.viewers.total = m.Viewers
	if !r.subscribed {
		r.subscribed = true
		// Nobody has joined yet: what came is for replay alone.
		r.ring.lastID = max(r.ring.lastID, m.LastCommentId)
		r.sent, r.sentID = r.ring.end(), r.ring.lastID
		r.ring.evict(r.sent)
		r.joinWaiting()
		for _, t := range r.taps {
			r.answerTap(t)
		}
		return
	}
	r.send()
}

// announceGap tells all viewers that the relay itself missed comments which
// the new owner has in its store only.
func (r *relay) announceGap(m *wire.Subscribed) {
	before := m.Floor
	if len(m.Rows) > 0 {
		before = m.Rows[0].Id
	}
	// From what was sent last: what came since is in no frame, and goes too.
	gap := gapEvent(r.liveVideoID, r.sentID, before)
	r.audience.all(&fanQuiet{newFrame(gap)})
	for _, t := range r.taps {
		r.node.root.Send(t.bundle, &roomNews{video: r.liveVideoID, gap: gap})
	}
	fresh := newRing(r.ring.maxEvents, r.ring.maxBytes)
	fresh.first, fresh.floor, fresh.lastID = r.ring.end(), m.Floor, r.ring.lastID
	r.ring, r.sent, r.sentID = fresh, fresh.first, fresh.lastID
}

// publish takes events from the owner. A number missed means that something
// was lost on the way.
func (r *relay) publish(m *wire.Publish) {
	if !r.subscribed || m.Seq < r.nextSeq {
		return // of an earlier subscription
	}
	if m.Seq > r.nextSeq {
		r.subscribe()
		return
	}
	r.nextSeq++
	r.take(m.Rows, m.Deleted)
	if m.ViewersChanged && m.Viewers != r.viewers.total {
		r.viewers.total, r.viewers.news = m.Viewers, true
	}
	r.send()
}

// take puts events into the ring, but for those that it has.
func (r *relay) take(rows []*wire.Row, deleted []uint64) {
	for _, row := range rows {
		if row.Id > r.ring.lastID {
			r.ring.addComment(row)
		}
	}
	for _, id := range deleted {
		r.ring.addDelete(id, deleteEvent(r.liveVideoID, id))
	}
}

// send gives the viewers a frame of all that has come since the last, as soon
// as they are ready for it.
func (r *relay) send() {
	if (r.sent == r.ring.end() && !r.viewers.news) || !r.audience.ready() {
		return
	}
	var more [][]byte
	if r.viewers.news {
		more = append(more, viewersEvent(r.liveVideoID, r.viewers.total))
	}
	events := r.ring.events[r.sent-r.ring.first:]
	r.audience.send(events, false, more...)
	r.tellTaps(events)
	r.viewers.news = false
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
	r.node.root.RequestWithCustomSender(r.owner, &wire.Lease{Relay: r.self, Viewers: r.viewers.own}, r.self)
}
