package actors

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"barrage/persistence"
)

// TestAViewerThatLeavesIsNotWaitedFor: whoever resumes at a comment that nobody
// knows may be one of many who make ids up.
func TestAViewerThatLeavesIsNotWaitedFor(t *testing.T) {
	n := newTestNode(t, nil)
	r := &relay{
		node: n.Node, liveVideoID: "v", used: new(atomic.Bool), room: newRoomView("v"),
		ring: newRing(n.config.RingComments, n.config.RingBytes), backlogs: map[uint64]*backlog{},
	}
	ahead := make(chan int)
	type howMany struct{}
	// Viewers come to it as if there were no other.
	n.relays = n.root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		if _, ok := ctx.Message().(howMany); ok {
			ahead <- len(r.ahead)
			return
		}
		r.Receive(ctx)
	}))
	waitedFor := func() int {
		n.root.Send(n.relays, howMany{})
		return <-ahead
	}
	var all []*testConn
	for range 3 {
		c := n.watch("v", ViewerConfig{Resume: true, After: persistence.FirstIDAt(time.Now())})
		c.untilHas(t, "event: viewers")
		all = append(all, c)
	}
	if got := waitedFor(); got != 3 {
		t.Errorf("%d viewers are ahead, not all", got)
	}
	for i, c := range all {
		c.viewer.HungUp()
		eventually(t, "the relay waits for it no more", func() bool { return waitedFor() == 2-i })
	}
}
