package actors

import (
	"runtime"

	"github.com/asynkron/protoactor-go/actor"
)

// fanout is the actor that hands frames to a part of an audience. It is an
// actor of its own so that the relay goes on taking comments and joins
// while frames are written.
//
// Its mailbox is what keeps a viewer's stream whole: a viewer is added between
// two frames, with the replay up to the first and all frames from the second.
type fanout struct {
	node    *Node
	home    *actor.PID // the relay or bundle
	index   int
	viewers []*viewer // only here is viewer.slot read or written
}

// fanRef is what an audience knows of a fan-out.
type fanRef struct {
	pid     *actor.PID
	viewers int
	busy    bool // a frame was given to it and is not yet done
}

type (
	addViewer struct {
		viewer  *viewer
		opening *opening
	}
	removeViewer struct{ viewer *viewer }

	// fanFrame asks for a frame to be handed out; home hears fanDone.
	fanFrame struct{ frame *Frame }
	fanDone  struct{ index int }

	// fanQuiet asks for a frame to be handed out that home need not hear of.
	fanQuiet struct{ frame *Frame }

	// fanViewer is for one viewer alone; it may have left.
	fanViewer struct {
		viewer *viewer
		frame  *Frame
	}
)

// writesPerTurn is how many viewers are written to before other goroutines
// get their turn: about 3 ms, so that posts and joins on a node with one
// processor do not wait for a whole fan-out. Each turn costs a wake-up of
// another processor: at 32 writes that was a tenth of all CPU time.
const writesPerTurn = 512

func (f *fanout) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *fanFrame:
		f.hand(m.frame)
		f.node.root.Send(f.home, fanDone{f.index})
	case *fanQuiet:
		f.hand(m.frame)
	case *fanViewer:
		m.viewer.mailbox.PostUserMessage(m.frame)
	case *addViewer:
		m.viewer.slot = len(f.viewers)
		f.viewers = append(f.viewers, m.viewer)
		f.node.root.Send(m.viewer.self, m.opening)
	case *removeViewer:
		f.remove(m.viewer)
	case letGo:
		// A viewer that stops sends a leave message; it is removed then.
		for _, v := range f.viewers {
			f.node.root.Send(v.self, m)
		}
	}
}

func (f *fanout) hand(frame *Frame) {
	for i, v := range f.viewers {
		v.mailbox.PostUserMessage(frame) // as a Send does, without the look-up
		if i%writesPerTurn == writesPerTurn-1 {
			runtime.Gosched()
		}
	}
	f.node.metrics.frames.Inc()
	f.node.metrics.deliveries.Add(float64(len(f.viewers) * frame.comments))
}

// remove takes a viewer out; the last one takes its place.
func (f *fanout) remove(v *viewer) {
	last := len(f.viewers) - 1
	moved := f.viewers[last]
	f.viewers[v.slot] = moved
	moved.slot = v.slot
	f.viewers[last] = nil
	f.viewers = f.viewers[:last]
	// A room that was full once does not keep its size for ever.
	if cap(f.viewers) > 4*len(f.viewers)+1024 {
		f.viewers = append(make([]*viewer, 0, 2*len(f.viewers)), f.viewers...)
	}
}
