//go:build !race

package cluster

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/remote"

	"barrage/actors/wire"
	"barrage/cluster/membership"
)

// endings notes when connections of a node to others end.
type endings struct {
	mu  sync.Mutex
	all []time.Time
}

func (n *testNode) endings() *endings {
	e := &endings{}
	n.member.system.EventStream.Subscribe(func(event any) {
		if _, ok := event.(*remote.EndpointTerminatedEvent); ok {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.all = append(e.all, time.Now())
		}
	})
	return e
}

// since counts those after a time.
func (e *endings) since(began time.Time) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, at := range e.all {
		if at.After(began) {
			n++
		}
	}
	return n
}

// speakTo has a node send something to whoever is at an address.
func (n *testNode) speakTo(address string) {
	n.member.system.Root.Send(actor.NewPID(address, placementName), &wire.ListVideos{})
}

// Nodes are spoken to at their address before they are there: they were there
// before.
func TestANodeThatComesIsSpokenToAtOnceAndNotCutOff(t *testing.T) {
	t.Parallel()
	for name, absence := range map[string]time.Duration{
		"while it is tried":     500 * time.Millisecond,
		"after it was given up": connectTime + 500*time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestCluster(t, 1)
			n, address := c.nodes[0], freePort(t)
			ended := n.endings()
			for began := time.Now(); time.Since(began) < absence; time.Sleep(50 * time.Millisecond) {
				n.speakTo(address)
			}
			c.addAt(address)
			came := time.Now()
			c.members(c.nodes...)
			id := ownedBy(t, c.nodes[1], c.nodes...)
			for began := time.Now(); time.Since(began) < connectTime+500*time.Millisecond; {
				before := time.Now()
				n.mustPost(id, "x")
				if took := time.Since(before); took > 3*connectTime/4 {
					t.Errorf("a post took %s", took)
				}
			}
			if cut := ended.since(came); cut > 0 {
				t.Errorf("%d connections to it have ended", cut)
			}
		})
	}
}

func TestAConnectionThatCanNotBeHadEndsOnce(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c := newTestCluster(t, 1)
	n, began := c.nodes[0], time.Now()
	ended := n.endings()
	n.speakTo(silent.Addr().String())
	if _, err := n.member.ask(t.Context(), freePort(t), &wire.ListVideos{}, 2*connectTime); !errors.Is(err, actor.ErrDeadLetter) {
		t.Errorf("who asked was told %v", err)
	}
	c.eventually("both have ended", func() bool { return ended.since(began) == 2 })
	if took := time.Since(began); took < connectTime || took > connectTime+time.Second {
		t.Errorf("after %s", took)
	}
	time.Sleep(connectTime / 2)
	if all := ended.since(began); all != 2 {
		t.Errorf("two connections have ended %d times", all)
	}
}

// A machine that was cut off comes back under a new id, and the connection to
// it from before may still wait for lost bytes to be sent again.
func TestTheConnectionToANewMemberIsNoOldOne(t *testing.T) {
	t.Parallel()
	c := newTestCluster(t, 2)
	n, other := c.nodes[0], c.nodes[1]
	id := ownedBy(t, other, c.nodes...)
	n.mustPost(id, "one")
	ended, began := n.endings(), time.Now()
	before := other.Self()
	before.ID = "node-2-before"
	comes := func() {
		n.member.reconnect(membership.NewView([]membership.Member{n.Self(), before}, 1), n.View())
	}
	comes()
	n.mustPost(id, "two")
	if ended.since(began) != 0 {
		t.Error("a connection that was just made is cut")
	}
	time.Sleep(latelyAnswered)
	comes()
	if ended.since(began) != 0 {
		t.Error("a connection over which the node answers is cut")
	}
	n.member.peers.lost(other.address) // it has not answered
	comes()
	c.eventually("the old connection has ended", func() bool { return ended.since(began) > 0 })
	n.mustPost(id, "three")
	time.Sleep(latelyAnswered)
	if all := ended.since(began); all != 1 {
		t.Errorf("it has ended %d times", all)
	}
}
