package cluster

import (
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"golang.org/x/sync/semaphore"

	"barrage/actors/wire"
	"barrage/cluster/membership"
)

// maxOffers is how many live videos a node hands over at a time.
const maxOffers = 64

// rebalance moves live videos to who owns them now, and asks nodes that came
// (back) for what they may have of those that stay.
func (m *Member) rebalance(old, view *membership.View) {
	joined := m.joined(old, view)
	limit := semaphore.NewWeighted(maxOffers)
	for id, pid := range m.lookup.all() {
		owner, ok := view.Owner(id)
		switch {
		case !ok:
		case owner.Address != m.system.Address():
			if limit.Acquire(m.ctx, 1) != nil {
				return
			}
			m.wg.Go(func() {
				defer limit.Release(1)
				m.offer(id, pid, view)
			})
		default:
			for _, address := range joined {
				m.system.Root.Send(pid, &wire.Activate{LiveVideoId: id, From: address, Offered: true})
			}
		}
	}
}

// reconnect has new members spoken to over connections that hold: one of an
// earlier time may be dead, which takes seconds to show.
func (m *Member) reconnect(old, view *membership.View) {
	for _, address := range m.joined(old, view) {
		if !m.peers.answeredLately(address) {
			m.connections.cut(address, latelyAnswered)
		}
	}
}

// joined gives the addresses of the nodes that came.
func (m *Member) joined(old, view *membership.View) (addresses []string) {
	if len(old.Members) == 0 {
		return nil
	}
	for _, member := range view.Members {
		if _, known := old.Find(member.ID); !known && member.Address != m.system.Address() {
			addresses = append(addresses, member.Address)
		}
	}
	return addresses
}

// offer has the owner of a live video take it over from this node. It ends
// when it has, or when there are other members: then it is offered anew.
func (m *Member) offer(id string, pid *actor.PID, view *membership.View) {
	for pause := firstPause; m.lookup.local(id) == pid && m.ctx.Err() == nil; pause = min(2*pause, longestPause) {
		now := m.View() // of a later revision, perhaps
		if !same(now, view) {
			return
		}
		owner, _ := now.Owner(id)
		offer := &wire.Activate{LiveVideoId: id, View: now.Revision, Offered: true, From: m.system.Address()}
		answer, err := m.ask(m.ctx, owner.Address, offer, tryTimeout)
		if fault := faultOf(answer); fault.GetCode() == wire.Code_MOVED && fault.Owner != "" && fault.Owner != m.system.Address() {
			// It has seen a change that comes here late, or never if this node leaves.
			answer, err = m.ask(m.ctx, fault.Owner, offer, doubtfulTimeout)
		}
		if err == nil && faultOf(answer).GetCode() == wire.Code_OK {
			pause = tryTimeout // it claims it
		}
		for waited := time.Duration(0); waited < pause && m.lookup.local(id) == pid; waited += firstPause {
			select {
			case <-m.ctx.Done():
				return
			case <-time.After(firstPause + rand.N(firstPause)): //nolint:gosec // jitter is no secret
			}
		}
	}
}
