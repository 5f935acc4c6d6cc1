package actors

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
)

// next is the next message with comments that a follower is sent; nil if there
// is none in time.
func (f *follower) next(t *testing.T, patience time.Duration) (p *wire.Publish) {
	t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case told := <-f.told:
			if p, ok := told.(*wire.Publish); ok && len(p.Rows) > 0 {
				return p
			}
		case <-deadline:
			return nil
		}
	}
}

func TestASlowNodeIsSentNothingUntilItHasCaughtUp(t *testing.T) {
	const most = 64 << 10
	n := newTestNode(t, func(c *Config) { c.UnheardBytes = most })
	slow, quick, old := n.follower(), n.follower(), n.follower()
	first := slow.subscribe(&wire.Subscribe{})
	quick.subscribe(&wire.Subscribe{})
	old.subscribe(&wire.Subscribe{})
	lease := func(f *follower, next uint64) *wire.LeaseAnswer {
		return n.ask("v", &wire.Lease{Relay: f.pid, NextSeq: proto.Uint64(next)}).(*wire.LeaseAnswer)
	}
	lease(slow, 0)
	got, bytes := uint64(0), 0
	for i := range 400 {
		n.post("v", fmt.Sprint(i, strings.Repeat("弹", 300)))
		p := quick.next(t, 10*time.Second)
		if p == nil {
			t.Fatal("a quick node is sent nothing")
		}
		lease(quick, p.Seq+1)
		if old.next(t, 10*time.Second) == nil {
			t.Fatal("a node that does not say how far it has got is sent nothing")
		}
		if p := slow.next(t, time.Second); p != nil {
			got, bytes = p.Seq+1, bytes+proto.Size(p)
		} else {
			break
		}
	}
	if bytes < most || bytes > most+most/8 {
		t.Fatalf("the slow node was sent %d bytes that it has not read", bytes)
	}
	if answer := lease(slow, 0); answer.NextSeq <= got {
		t.Errorf("it is not told that it misses something: %v", answer)
	}
	resubscribe := &wire.Subscribe{Relay: slow.pid, Activation: first.Activation, After: 1}
	if answer := n.ask("v", resubscribe).(*wire.Subscribed); answer.GetFault().GetCode() != wire.Code_UNAVAILABLE {
		t.Errorf("it gets more although it has read nothing: %v", answer)
	}
	resubscribe.NextSeq = got
	if answer := slow.subscribe(resubscribe); answer.NextSeq <= got || len(answer.Rows) == 0 {
		t.Errorf("it is told %v", answer)
	}
	n.post("v", "on it goes")
	if slow.next(t, 10*time.Second) == nil {
		t.Error("it has caught up, and is sent nothing")
	}
}
