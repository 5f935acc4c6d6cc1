package actors

import (
	"testing"
	"time"

	"barrage/actors/wire"
)

// A relay whose node died says nothing any more. In a room in which nothing
// else happens, its viewers are counted no longer than its lease.
func TestViewersOfADeadNodeAreNotCountedForLong(t *testing.T) {
	clock := &testClock{at: time.Now()}
	n := newTestNode(t, func(c *Config) { c.Now = clock.now })
	dead, alive := n.follower(), n.follower()
	dead.subscribe(&wire.Subscribe{Viewers: 500})
	alive.subscribe(&wire.Subscribe{Viewers: 3})
	owner := n.owners.get("v")
	viewers := func() uint64 { return n.ask("v", &wire.ReadVideo{}).(*wire.Video).Viewers }
	if got := viewers(); got != 503 {
		t.Fatalf("%d viewers", got)
	}
	look := func(after time.Duration) {
		clock.add(after)
		n.ask("v", &wire.Lease{Relay: alive.pid, Viewers: 3})
		n.owners.system.Root.Send(owner, leasesTimer{})
	}
	look(leaseTime - time.Second)
	if got := viewers(); got != 503 {
		t.Errorf("%d viewers, within the lease", got)
	}
	look(2 * time.Second)
	if got := viewers(); got != 3 {
		t.Errorf("%d viewers, after the lease", got)
	}
	for deadline := time.After(10 * time.Second); ; {
		select {
		case told := <-alive.told:
			if p, ok := told.(*wire.Publish); ok && p.ViewersChanged && p.Viewers == 3 {
				return
			}
		case <-deadline:
			t.Fatal("the other node is not told")
		}
	}
}
