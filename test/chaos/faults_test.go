package chaos

import (
	"context"
	"fmt"
	"time"

	"barrage/test/chaos/verify"
	"barrage/test/harness"
)

const (
	// settles is how long after a cut-off its effects may still be seen: both
	// sides find each other, and merge.
	settles = 15 * time.Second
	// whole is how long the cluster may take to be whole again.
	whole = harness.Patience
)

// fault is something that is done to the cluster, and undone.
type fault struct {
	name string
	cuts bool // it needs a network
	long bool // not in the short form
	// run does it to a node, and returns when it is undone. middle is called
	// while it is in effect.
	run func(s *step, middle func())
	// Faults of servers have these in place of run; they happen alone, or begin
	// before a node's fault and end in the middle of it.
	begin, end func(s *step)
}

// step is a fault at work.
type step struct {
	w      *world
	fault  *fault
	victim int
	node   *harness.Node
	name   string // of the victim
	label  string // of the fault, with what is beside it
	probe  *probe
	scale  float64 // of waiting times
}

// pauseBounds: of other faults pauses are told. ClickHouse has no part in them.
var pauseBounds = map[string]time.Duration{
	"graceful leave": time.Second, "graceful leave, " + clickHouseKilled: time.Second,
	"kill -9": 5 * time.Second, "kill -9, " + clickHouseKilled: 5 * time.Second,
}

var faults = []*fault{
	{name: "graceful leave", run: func(s *step, middle func()) {
		s.say("SIGTERM")
		from := time.Now()
		if status := s.node.Terminate(); status != 0 {
			s.w.note(verify.Row{What: s.label, Figure: fmt.Sprint("exit status ", status), ToReach: "0"})
		}
		s.say("has left after %s", time.Since(from).Round(time.Millisecond))
		s.wait(3)
		s.paused(s.label, from)
		middle()
		s.wait(s.between(2, 6))
		s.comeBack("join after a leave")
	}},
	{name: "kill -9", run: func(s *step, middle func()) {
		s.say("SIGKILL")
		from := time.Now()
		s.node.Kill()
		s.wait(7) // the bound, and some more
		s.paused(s.label, from)
		middle()
		s.wait(s.between(0, 8))
		s.comeBack("join after kill -9")
	}},
	{name: "kill -9 and start at once", long: true, run: func(s *step, middle func()) {
		s.say("SIGKILL")
		from := time.Now()
		s.node.Kill()
		middle()
		s.start()
		s.wait(5)
		s.paused(s.label, from)
	}},
	{name: stopped5, run: func(s *step, middle func()) { s.stopFor(5*time.Second, middle) }},
	{name: "stopped for 30 s", long: true, run: func(s *step, middle func()) { s.stopFor(30*time.Second, middle) }},
	{name: "stopped for over a minute", long: true, run: func(s *step, middle func()) { s.stopFor(apartForLong, middle) }},
	{name: "down for over a minute", long: true, run: func(s *step, middle func()) {
		s.say("SIGKILL")
		from := time.Now()
		s.node.Kill()
		middle()
		time.Sleep(time.Until(from.Add(apartForLong)))
		s.start()
		s.wait(5)
		s.paused(s.label, from)
	}},
	{name: "data lost", run: func(s *step, middle func()) {
		s.say("SIGKILL, and its data is gone")
		from := time.Now()
		s.node.Kill()
		s.node.LoseData()
		middle()
		s.wait(s.between(0, 8))
		s.start()
		s.wait(5)
		s.paused(s.label, from)
	}},
	cut("Consul", "one way, out", true), cut("Consul", "one way, in", true), cut("Consul", "both ways", true),
	cut("the others", "one way, out", true), cut("the others", "one way, in", true), cut("the others", "both ways", false),
	cut("both", "one way, out", true), cut("both", "one way, in", true), cut("both", "both ways", true),
	longCut("the others"), longCut("both"),
	consul("Consul restarted", true, func(s *step) {}),
	consul(consulStateLost, true, func(s *step) { s.w.cluster.Consul.LoseState() }),
	{
		name: clickHouseKilled, long: true,
		begin: func(s *step) {
			s.w.say("ClickHouse: SIGKILL")
			s.w.clickHouse.Kill()
		},
		end: func(s *step) {
			s.w.clickHouse.Start()
			s.w.say("ClickHouse is back")
		},
	},
}

const (
	stopped5         = "stopped for 5 s"
	consulStateLost  = "Consul restarted, its state lost"
	clickHouseKilled = "ClickHouse killed"
)

func consul(name string, long bool, between func(s *step)) *fault {
	return &fault{
		name: name, long: long,
		begin: func(s *step) {
			s.w.say("Consul: SIGKILL")
			s.w.cluster.Consul.Kill()
			between(s)
		},
		end: func(s *step) {
			s.w.cluster.Consul.Start()
			s.w.say("Consul is back")
		},
	}
}

// apartForLong is longer than nodes remember what they answered and deleted.
const apartForLong = 80 * time.Second

// cut cuts a node off from others for some seconds.
func cut(from, how string, long bool) *fault {
	return cutFor(fmt.Sprintf("cut off from %s, %s", from, how), from, how, long, func(s *step) { s.wait(s.between(3, 15)) })
}

// longCut cuts a node off for over a minute.
func longCut(from string) *fault {
	return cutFor(fmt.Sprintf("cut off from %s for over a minute", from), from, "both ways", true, func(*step) { time.Sleep(apartForLong) })
}

func cutFor(name, from, how string, long bool, wait func(s *step)) *fault {
	return &fault{
		name: name, cuts: true, long: long,
		run: func(s *step, middle func()) {
			host := s.w.network.Host(s.name)
			began := time.Now()
			for _, other := range s.w.network.Hosts() {
				consul := other.Name() == harness.ConsulHost
				if other == host || consul && from == "the others" || !consul && from == "Consul" {
					continue
				}
				switch how {
				case "one way, out":
					host.CutOneWay(other)
				case "one way, in":
					other.CutOneWay(host)
				default:
					host.CutFrom(other)
				}
			}
			s.say("is %s", s.fault.name)
			s.wait(3)
			middle()
			wait(s)
			s.w.network.Heal()
			healed := time.Now()
			s.say("is connected again")
			s.becomeWhole()
			s.paused(s.label, began)
			s.w.mu.Lock()
			s.w.seen.Cuts = append(s.w.seen.Cuts, verify.Window{What: s.label + ", " + s.name, From: began.Add(-time.Second), To: healed.Add(settles)})
			s.w.mu.Unlock()
		},
	}
}

func (s *step) stopFor(d time.Duration, middle func()) {
	s.say("SIGSTOP")
	from := time.Now()
	s.node.Pause()
	time.Sleep(d / 2)
	middle()
	time.Sleep(time.Until(from.Add(d)))
	s.node.Resume()
	s.say("SIGCONT")
	s.wait(3)
	s.becomeWhole()
	s.paused(s.label, from)
}

// alone runs a fault of a server by itself.
func (s *step) alone() {
	from := time.Now()
	s.fault.begin(s)
	s.wait(s.between(3, 12))
	s.fault.end(s)
	s.wait(5)
	s.paused(s.label, from)
}

// start starts the node again, and waits until the cluster is whole.
func (s *step) start() {
	s.node.Launch()
	s.say("is started")
	s.becomeWhole()
}

// comeBack is start, with a look at what that does to the room.
func (s *step) comeBack(label string) {
	from := time.Now()
	s.start()
	s.wait(3)
	s.paused(label, from)
}

// becomeWhole waits until all nodes serve and see each other. A node that does
// not come back is a finding; its log shows where it hangs.
func (s *step) becomeWhole() {
	began := time.Now()
	err := s.w.cluster.Whole(whole, s.w.cluster.Nodes...)
	if err == nil {
		s.say("the cluster is whole after %s", time.Since(began).Round(time.Millisecond))
		return
	}
	s.say("THE CLUSTER IS NOT WHOLE: %v", err)
	s.w.note(verify.Row{What: "whole again after: " + s.label, Figure: "no", ToReach: "yes", Findings: []string{err.Error()}})
	for i, n := range s.w.cluster.Nodes {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		m, err := n.Anyone().Cluster(ctx, "")
		cancel()
		s.w.say("%s says: %+v, %v", nodeName(i), m, err)
	}
	if s.node.Running() {
		s.node.Stuck()
	}
	s.node.Launch()
	if err := s.w.cluster.Whole(whole, s.w.cluster.Nodes...); err != nil {
		s.say("STILL NOT: %v", err)
	}
}

// paused notes how long the room of the probe was silent since a time.
func (s *step) paused(label string, from time.Time) {
	if s.probe == nil {
		return
	}
	s.probe.viewer.mu.Lock()
	to := time.Now()
	pause := verify.LongestPause(&s.probe.viewer.seen, verify.Window{From: from, To: to})
	s.probe.viewer.mu.Unlock()
	stall := s.w.stalls.longest(from, to)
	s.say("longest pause of room %s: %s, longest stall of the machine: %s (%s)",
		s.probe.viewer.room, pause.Round(time.Millisecond), stall.Round(time.Millisecond), label)
	pause = max(0, pause-stall)
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.pauses[label] = max(s.w.pauses[label], pause)
}

func (s *step) say(format string, args ...any) {
	s.w.say("%s: %s", s.name, fmt.Sprintf(format, args...))
}

// wait is a time of seconds in which nothing is done.
func (s *step) wait(seconds float64) { time.Sleep(time.Duration(seconds * float64(time.Second))) }

// between draws a number of seconds; the short form takes short ones.
func (s *step) between(least, most float64) float64 {
	return least + (most-least)*s.scale*s.w.random.Float64()
}

// probe is a steady poster to a room that one node owns, and a viewer at
// another: both at nodes that nothing is done to.
type probe struct {
	viewer *viewer
	load   *load
}

// perSecond of a probe.
const probeRate = 20

// newProbe looks for a room that the node owns. nil: there was none to find.
func (s *step) newProbe() *probe {
	var others []int
	for i := range s.w.cluster.Nodes {
		if i != s.victim {
			others = append(others, i)
		}
	}
	room := ""
	for i := 0; i < 60 && room == ""; i++ {
		name := fmt.Sprint("probe-", i)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		owner, err := s.w.cluster.Owner(ctx, s.w.cluster.Nodes[others[0]], name)
		cancel()
		if err != nil {
			s.say("no probe: %v", err)
			break
		}
		if owner == s.node {
			room = name
		}
	}
	if room == "" {
		return nil
	}
	p := &probe{load: s.w.newLoad()}
	p.viewer = s.w.watch(&viewer{name: "probe of " + s.label + " at " + nodeName(others[0]), room: room, home: others[0]}, s.w.watchers())
	if err := p.viewer.joined(); err != nil {
		s.say("no probe: %v", err)
	}
	p.load.start(posting{room: room, home: others, perSecond: probeRate, plain: true})
	s.wait(1.5)
	return p
}

func (p *probe) end() {
	p.load.stop()
	time.Sleep(500 * time.Millisecond) // what was answered last comes
	p.viewer.leave()
}
