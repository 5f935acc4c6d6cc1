package chaos

import (
	"testing"
	"time"
)

// TestAShortChaosLosesNothing is the short form of TestChaos: one fault of each
// of the usual kinds, networks that are cut left to the long one. It ends with
// time to spare if the machine is slow.
func TestAShortChaosLosesNothing(t *testing.T) {
	// Other tests run beside this one, and the race detector makes it slow.
	length, slack := 75*time.Second, time.Duration(2)
	if testing.Short() {
		length, slack = 15*time.Second, 6
	}
	w := newWorld(t, worldOptions{users: 20, slack: slack})
	c := w.newCrowd()
	begun := time.Now()
	for _, i := range w.random.Perm(len(faults)) {
		f := faults[i]
		if f.long || f.cuts {
			continue
		}
		if time.Since(begun) > length {
			w.say("NOT RUN, there is no time left: %s", f.name)
			continue
		}
		var beside *fault
		if f.name == stopped5 {
			beside = named(consulStateLost)
		}
		w.do(f, beside, 0.2)
	}
	w.finish(c)
}

func named(name string) *fault {
	for _, f := range faults {
		if f.name == name {
			return f
		}
	}
	panic("no fault is called " + name)
}

// TestTheLoadItselfIsSound runs load and verifier against one node that is
// killed: what they find at a cluster is then the cluster's.
func TestTheLoadItselfIsSound(t *testing.T) {
	w := newWorld(t, worldOptions{alone: true, users: 20})
	w.calm = 3 * time.Second
	c := w.newCrowd()
	for range 2 {
		time.Sleep(time.Second)
		w.say("SIGKILL")
		w.cluster.Nodes[0].Kill()
		w.cluster.Nodes[0].Start()
		w.say("is back")
	}
	w.finish(c)
}
