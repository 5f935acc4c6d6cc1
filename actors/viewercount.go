package actors

import (
	"maps"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"barrage/actors/wire"
)

// viewerCount is what a relay knows of how many watch.
type viewerCount struct {
	own    uint64 // of this relay
	total  uint64 // on all nodes, as the owner says
	news   bool   // total is to be told to the viewers
	made   *Frame // for those who join, of madeOf viewers
	madeOf uint64

	reported   uint64
	reportedAt time.Time
	timer      bool
}

type (
	viewersTimer struct{}
	// leasesTimer has an owner look for leases that have run out.
	leasesTimer struct{}
)

// viewersPeriod is the shortest time between two reports of a count: to the
// owner, and from it to the viewers.
const viewersPeriod = time.Second

// reportViewers tells the owner of a changed count, once in a while.
func (r *relay) reportViewers() {
	c := &r.viewers
	if c.own == c.reported || c.timer || r.owner == nil {
		return
	}
	now := r.node.now()
	if wait := viewersPeriod - now.Sub(c.reportedAt); wait > 0 {
		c.timer = true
		r.node.after(wait, r.self, viewersTimer{})
		return
	}
	c.reported, c.reportedAt = c.own, now
	r.renew()
}

// frame is the count for a viewer that joins, shared by all who join at that
// time; nil before it is known.
func (c *viewerCount) frame(liveVideoID string) *Frame {
	if c.total == 0 {
		return nil
	}
	if c.made == nil || c.madeOf != c.total {
		c.made, c.madeOf = newFrame(viewersEvent(liveVideoID, c.total)), c.total
	}
	return c.made
}

// subscriptions are what the owner knows of who watches.
type subscriptions struct {
	relays map[string]*subscription // by the relay's PID
	told   uint64                   // to the relays
	toldAt time.Time
	timer  bool
	// watched says that a leasesTimer is under way.
	watched bool
}

// subscription is a relay's lease with the owner.
type subscription struct {
	relay   *actor.PID
	viewers uint64
	nextSeq uint64
	until   time.Time
	unheard unheard
}

// watchLeases looks after the leases while there are any: a relay whose node
// died says nothing, and its viewers are not to be counted for long.
func (l *liveVideo) watchLeases() {
	if a := &l.subscriptions; !a.watched && len(a.relays) > 0 && !l.retired {
		a.watched = true
		l.node.after(leaseTime/2, l.self, leasesTimer{})
	}
}

func (l *liveVideo) onLeasesTimer() {
	a := &l.subscriptions
	a.watched = false
	now, before := l.node.now(), len(a.relays)
	maps.DeleteFunc(a.relays, func(_ string, s *subscription) bool { return now.After(s.until) })
	l.watchLeases()
	if len(a.relays) < before && !l.retired {
		l.tellViewers()
	}
}

func (a *subscriptions) viewers() (n uint64) {
	for _, s := range a.relays {
		n += s.viewers
	}
	return n
}

// largeAudience is where the exact count matters less than the writes that it
// costs to tell it: above, only a change of 1 % is told at once, a smaller one
// every largeAudiencePeriod.
const (
	largeAudience       = 1000
	largeAudiencePeriod = 10 * time.Second
)

// tellViewers tells the relays of a changed count, once in a while.
func (l *liveVideo) tellViewers() {
	a := &l.subscriptions
	n := a.viewers()
	l.listCounts()
	if n == a.told || a.timer {
		return
	}
	period := viewersPeriod
	if change := max(n, a.told) - min(n, a.told); n > largeAudience && change*100 < n {
		period = largeAudiencePeriod
	}
	now := l.node.now()
	if wait := period - now.Sub(a.toldAt); wait > 0 {
		a.timer = true
		l.node.after(min(wait, viewersPeriod), l.self, viewersTimer{})
		return
	}
	a.told, a.toldAt = n, now
	l.publish(&wire.Publish{Viewers: n, ViewersChanged: true})
}
