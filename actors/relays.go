package actors

import (
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// relays is the actor that knows which relays the node has. All joins and
// leaves go through it, so that a relay is never stopped while a viewer is on
// its way to it.
type relays struct {
	node  *Node
	known map[string]*knownRelay
	// ending: streams are let go, so no more are taken.
	ending bool
}

type knownRelay struct {
	pid     *actor.PID
	used    *atomic.Bool // it has had comments
	viewers int
	// emptied counts how often the last viewer left.
	emptied int
}

// relayEmpty comes a while after a relay's last viewer has left.
type relayEmpty struct {
	liveVideoID string
	emptied     int
}

// relayLinger is how long a relay without viewers stays: who comes back is
// served from its ring.
const relayLinger = 30 * time.Second

// unusedRelayLinger is how long one stays that has had nothing to serve.
const unusedRelayLinger = time.Second

func (r *relays) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *join:
		if r.ending {
			ctx.Send(m.viewer.self, letGo{})
			return
		}
		m.viewer.entered = true
		ctx.Send(r.enter(m.viewer.video), m)
	case *leave:
		// One whose client had gone before, or that came while streams were
		// ending, was never here.
		if m.viewer.entered {
			r.leave(ctx, m.viewer.video, m)
		}
	case *tap:
		ctx.Send(r.enter(m.video), m)
	case *untap:
		r.leave(ctx, m.video, m)
	case *restate:
		if known, ok := r.known[m.viewer.video]; ok {
			ctx.Send(known.pid, m)
		}
	case *tapCount:
		if known, ok := r.known[m.video]; ok {
			ctx.Send(known.pid, m.count)
		}
	case relayEmpty:
		known, ok := r.known[m.liveVideoID]
		if ok && known.viewers == 0 && known.emptied == m.emptied {
			delete(r.known, m.liveVideoID)
			ctx.Poison(known.pid)
		}
	case *ringRows:
		if known, ok := r.known[m.video]; ok {
			ctx.Send(known.pid, m)
		} else {
			m.answer <- nil
		}
	case ownersChanged, connectionLost:
		for _, known := range r.known {
			ctx.Send(known.pid, m)
		}
	case endStreams:
		r.ending = true
		for _, known := range r.known {
			ctx.Send(known.pid, m)
		}
	}
}

// enter counts somebody who comes to a relay, and starts it if need be.
func (r *relays) enter(video string) *actor.PID {
	known, ok := r.known[video]
	if !ok {
		known = &knownRelay{used: new(atomic.Bool)}
		known.pid = r.spawn(video, known.used)
		r.known[video] = known
	}
	known.viewers++
	return known.pid
}

// spawn starts a relay, or a bundle.
func (r *relays) spawn(video string, used *atomic.Bool) *actor.PID {
	// The system's id keeps what is sent to a relay of an earlier process from
	// this one.
	return r.node.root.SpawnPrefix(actor.PropsFromProducer(func() actor.Actor {
		if videos := bundleVideos(video); len(videos) > 1 {
			return newBundle(r.node, video, videos, used)
		}
		return &relay{
			node: r.node, liveVideoID: video, used: used,
			room:     newRoomView(video),
			ring:     newRing(r.node.config.RingComments, r.node.config.RingBytes),
			backlogs: map[uint64]*backlog{},
		}
	}), "relay/"+r.node.config.System.ID+"/")
}

// leave tells a relay that somebody goes.
func (r *relays) leave(ctx actor.Context, video string, message any) {
	known, ok := r.known[video]
	if !ok {
		return
	}
	ctx.Send(known.pid, message)
	if known.viewers--; known.viewers == 0 {
		known.emptied++
		linger := relayLinger
		if !known.used.Load() {
			linger = unusedRelayLinger
		}
		r.node.after(linger, ctx.Self(), relayEmpty{video, known.emptied})
	}
}
