package actors

import (
	"runtime"
	"slices"
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
	// video is the live video of a relay, "" for a bundle: its events name theirs.
	video string

	classes   []*class
	users     map[string][]*viewer // those of users who are known, by their ids
	fans      []*fanRef
	busy      int // fan-outs with a frame that isn't done
	lastFrame time.Time
	timer     bool // a frameTimer is under way
	sampled   bool // a sampledTimer is under way
}

// class is the viewers that get the same frames: all comments (rate 0), or a
// sample of so many a second; moderators see what is held, too.
type class struct {
	rate    int
	held    bool
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
// gets a sample only, with the state of a room among them or not; spans are for
// frames of several live videos.
func (a *audience) send(events []ringEvent, spans, state bool, more ...[]byte) {
	now := a.node.now()
	sent := false
	for _, c := range a.classes {
		chosen, extra := events, more
		if c.sampler != nil {
			chosen = c.sampler.choose(events, now)
			if news := c.sampler.news(a.video, now); news != nil {
				extra = slices.Concat(extra, news)
			} else if !a.sampled && c.sampler.tally.leftOut() {
				a.sampled = true
				a.node.after(sampledPeriod, a.self, sampledTimer{})
			}
		}
		frame := compose(chosen, extra...)
		if frame == nil {
			continue
		}
		frame.state = state
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
		if news := c.sampler.news(a.video, a.node.now()); news != nil {
			frame := newFrame(news...)
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

// tell gives moderators and users what they alone may see. What all may see
// goes with the next frame.
func (a *audience) tell(e roomEvents) {
	if frame := stateFrame(e.moderators); frame != nil {
		for _, c := range a.classes {
			for _, fan := range c.fans {
				if c.held && fan.viewers > 0 {
					a.node.root.Send(fan.pid, &fanQuiet{frame})
				}
			}
		}
	}
	for _, u := range e.users {
		var frame *Frame
		for _, v := range a.users[u.userID] {
			if u.held && v.who.moderator {
				continue
			}
			if frame == nil {
				frame = stateFrame([][]byte{u.event})
			}
			a.direct(v, frame)
		}
	}
}

// direct gives one viewer a frame, between those of its fan-out.
func (a *audience) direct(v *viewer, frame *Frame) {
	if v.fan != nil && frame != nil {
		a.node.root.Send(v.fan.pid, &fanViewer{v, frame})
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
	c := a.class(v.config.Rate, v.who.moderates())
	if v.who != nil && v.who.userID != "" {
		if a.users == nil {
			a.users = map[string][]*viewer{}
		}
		a.users[v.who.userID] = append(a.users[v.who.userID], v)
	}
	fan := a.fan(c)
	fan.viewers++
	v.fan = fan
	a.node.root.Send(fan.pid, &addViewer{v, m})
}

func (a *audience) remove(v *viewer) {
	v.fan.viewers--
	if v.who != nil && v.who.userID != "" {
		if left := without(a.users[v.who.userID], v); len(left) > 0 {
			a.users[v.who.userID] = left
		} else {
			delete(a.users, v.who.userID)
		}
	}
	a.node.root.Send(v.fan.pid, &removeViewer{v})
}

func (a *audience) class(rate int, held bool) *class {
	for _, c := range a.classes {
		if c.rate == rate && c.held == held {
			return c
		}
	}
	c := &class{rate: rate, held: held}
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
