package actors

import (
	"runtime"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// audience is the viewers of a relay or a bundle, and when they get their next
// frame. It is a part of that actor's state.
//
// There is no fixed tick: under light load a frame goes out at once. While
// fan-outs are at work on one frame, events gather for the next; so the busier
// a room is, the larger are its frames. A floor on the interval caps the
// writes.
type audience struct {
	node *Node
	self *actor.PID // of the relay or bundle, which hears fanDone and frameTimer

	classes   []*class
	fans      []*fanRef
	busy      int // fan-outs with a frame that isn't done
	lastFrame time.Time
	timer     bool // a frameTimer is under way
	sampled   bool // a sampledTimer is under way
}

// class is the viewers that get the same frames: all comments (rate 0), or a
// sample of so many a second.
type class struct {
	rate    int
	fans    []*fanRef
	sampler *sampler // nil for all comments
}

type (
	// frameTimer comes when the next frame may go out.
	frameTimer struct{}
	// sampledTimer comes when samples' viewers are to hear what is left out,
	// if no frame has told them.
	sampledTimer struct{}
)

// viewersPerFan is how many viewers a fan-out has before its class gets
// another one, up to maxFans.
const viewersPerFan = 512

// maxFans leaves processors to the rest of the node. While all of them run
// goroutines without a pause, Go looks for new requests only every 10 ms.
func maxFans() int { return max(1, runtime.GOMAXPROCS(0)*3/4) }

// ready says whether a frame may go out now. If not, fanDone or frameTimer
// will come when it may.
func (a *audience) ready() bool {
	if a.busy > 0 || a.timer {
		return false
	}
	if early := a.node.config.FrameInterval - a.node.now().Sub(a.lastFrame); early > 0 {
		a.timer = true
		a.node.after(early, a.self, frameTimer{})
		return false
	}
	return true
}

// send gives all viewers a frame of events. more are events of which nobody
// gets a sample only; spans are for frames of several live videos.
func (a *audience) send(events []ringEvent, spans bool, more ...[]byte) {
	now := a.node.now()
	sent := false
	for _, c := range a.classes {
		chosen, extra := events, more
		if c.sampler != nil {
			chosen = c.sampler.choose(events, now)
			if news := c.sampler.news(now); news != nil {
				extra = append(extra[:len(extra):len(extra)], news)
			} else if c.sampler.shown < c.sampler.total && !a.sampled {
				a.sampled = true
				a.node.after(sampledPeriod, a.self, sampledTimer{})
			}
		}
		frame := compose(chosen, extra...)
		if frame == nil {
			continue
		}
		if spans {
			frame.spans = spansOf(chosen)
		}
		for _, fan := range c.fans {
			if fan.viewers > 0 {
				fan.busy, sent = true, true
				a.busy++
				a.node.root.Send(fan.pid, &fanFrame{frame})
			}
		}
	}
	if sent {
		a.lastFrame = now
	}
}

// tellSamples tells the viewers of samples what was left out.
func (a *audience) tellSamples() {
	a.sampled = false
	for _, c := range a.classes {
		if c.sampler == nil {
			continue
		}
		if news := c.sampler.news(a.node.now()); news != nil {
			frame := newFrame(news)
			for _, fan := range c.fans {
				a.node.root.Send(fan.pid, &fanQuiet{frame})
			}
		}
	}
}

// done notes that a fan-out has handed a frame out.
func (a *audience) done(m fanDone) {
	if fan := a.fans[m.index]; fan.busy {
		fan.busy = false
		a.busy--
	}
}

// all gives every fan-out a message.
func (a *audience) all(message any) {
	for _, fan := range a.fans {
		a.node.root.Send(fan.pid, message)
	}
}

// beat keeps silent streams alive through proxies.
func (a *audience) beat() {
	if a.busy > 0 || a.node.now().Sub(a.lastFrame) < a.node.config.Heartbeat {
		return
	}
	a.lastFrame = a.node.now()
	a.all(&fanQuiet{a.node.heartbeatFrame})
}

// add gives a viewer its opening and its place in a fan-out.
func (a *audience) add(v *viewer, m *opening) {
	c := a.class(v.config.Rate)
	fan := a.fan(c)
	fan.viewers++
	v.fan = fan
	a.node.root.Send(fan.pid, &addViewer{v, m})
}

func (a *audience) remove(v *viewer) {
	v.fan.viewers--
	a.node.root.Send(v.fan.pid, &removeViewer{v})
}

func (a *audience) class(rate int) *class {
	for _, c := range a.classes {
		if c.rate == rate {
			return c
		}
	}
	c := &class{rate: rate}
	if rate > 0 {
		c.sampler = newSampler(rate)
	}
	a.classes = append(a.classes, c)
	return c
}

// fan gives the fan-out of a class with the fewest viewers.
func (a *audience) fan(c *class) *fanRef {
	var least *fanRef
	for _, fan := range c.fans {
		if least == nil || fan.viewers < least.viewers {
			least = fan
		}
	}
	if least == nil || (least.viewers >= viewersPerFan && len(c.fans) < maxFans()) {
		f := &fanout{node: a.node, home: a.self, index: len(a.fans)}
		least = &fanRef{pid: a.node.root.Spawn(actor.PropsFromProducer(func() actor.Actor { return f }))}
		c.fans, a.fans = append(c.fans, least), append(a.fans, least)
	}
	return least
}

func (a *audience) stop() {
	for _, fan := range a.fans {
		a.node.root.Stop(fan.pid)
	}
}
