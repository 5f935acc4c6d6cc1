package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"barrage/actors/wire"
	"barrage/cluster/membership"
	"barrage/persistence"
)

// peers knows which other members can be reached, by asking them again and
// again, and what they say of themselves.
type peers struct {
	*Member
	pid *actor.PID

	mu    sync.Mutex
	known map[string]*peer // by member id
	// answers are the times of each address's last.
	answers map[string]time.Time
}

// peer is another member.
type peer struct {
	address string
	// missed is how many pings in a row were not answered. They are counted,
	// not timed: a node that was stopped itself doesn't take all others for
	// gone when it wakes up.
	missed  int
	outside bool // it can't reach Consul, and wants to hear of the view
	// archivedBelow is that of its last Ping.
	archivedBelow uint64
	told          bool // it has sent a Ping
	skew          time.Duration
}

const (
	pingName   = "barrage-ping"
	pingPeriod = 500 * time.Millisecond
	// doubtfulAfter and unreachableAfter are so many pings without an answer.
	// Consul notices a node that died much sooner than the latter.
	doubtfulAfter    = 3
	unreachableAfter = 10
	// latelyAnswered is longer than from one ping to the next.
	latelyAnswered = 2 * pingPeriod
	// leavingTime is how long a node that was heard of is waited for, though it
	// is no member any more: less than it takes until a dead one is none.
	leavingTime = 2 * time.Second
)

func newPeers(m *Member) (*peers, error) {
	p := &peers{Member: m, known: map[string]*peer{}, answers: map[string]time.Time{}}
	var err error
	p.pid, err = m.system.Root.SpawnNamed(actor.PropsFromFunc(p.receive), pingName)
	if err != nil {
		return nil, fmt.Errorf("starting the pings: %w", err)
	}
	return p, nil
}

// run asks the other members until ctx ends.
func (p *peers) run(ctx context.Context) {
	tick := time.NewTicker(pingPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.ping()
		}
	}
}

func (p *peers) ping() {
	joined := *p.members.Load()
	view, self := joined.View(), joined.Self()
	ping := &wire.Ping{
		Member: self.ID, Node: self.Node, Address: self.Address,
		View: view.Revision, ViewFresh: joined.Fresh(), NowMs: time.Now().UnixMilli(),
		ArchivedBelow: p.storage.ArchivedBelow(),
	}
	changed := false
	p.mu.Lock()
	current := map[string]bool{}
	for _, m := range view.Members {
		if m.ID == self.ID {
			continue
		}
		current[m.ID] = true
		known := p.known[m.ID]
		if known == nil {
			known = &peer{address: m.Address}
			p.known[m.ID] = known
		}
		known.missed++
		changed = changed || known.missed == unreachableAfter
		if known.missed == unreachableAfter {
			p.log.Warn("another node can't be reached", "node", m.Name, "address", m.Address)
		}
		own := &wire.Ping{
			Member: ping.Member, Node: ping.Node, Address: ping.Address, View: ping.View, ViewFresh: ping.ViewFresh,
			NowMs: ping.NowMs, ArchivedBelow: ping.ArchivedBelow, Archived: p.storage.Confirm(m.ID),
		}
		if known.outside {
			own.Members = wireMembers(view)
		}
		p.system.Root.RequestWithCustomSender(actor.NewPID(m.Address, pingName), own, p.pid)
	}
	for id := range p.known {
		if !current[id] {
			delete(p.known, id)
		}
	}
	for address, at := range p.answers {
		if time.Since(at) > leavingTime {
			delete(p.answers, address)
		}
	}
	p.mu.Unlock()
	if changed {
		p.update()
	}
}

func (p *peers) receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *wire.Ping:
		joined := p.members.Load()
		if joined == nil || ctx.Sender() == nil {
			return
		}
		ctx.Send(ctx.Sender(), &wire.Pong{Member: (*joined).Self().ID})
		p.heard(*joined, m)
	case *wire.Pong:
		p.answered(m.Member)
	}
}

// heard takes what another member says.
func (p *peers) heard(joined members, m *wire.Ping) {
	p.mu.Lock()
	known := p.known[m.Member]
	if known != nil {
		known.outside, known.archivedBelow, known.told = !m.ViewFresh, m.ArchivedBelow, true
		known.skew = time.Since(time.UnixMilli(m.NowMs))
	}
	p.mu.Unlock()
	if known == nil && !m.ViewFresh {
		// One that is no member any more and doesn't know: it can't hear it
		// from Consul.
		own := joined.View()
		self := joined.Self()
		p.system.Root.RequestWithCustomSender(actor.NewPID(m.Address, pingName), &wire.Ping{
			Member: self.ID, Node: self.Node, Address: self.Address, View: own.Revision, ViewFresh: joined.Fresh(),
			NowMs: time.Now().UnixMilli(), ArchivedBelow: p.storage.ArchivedBelow(), Members: wireMembers(own),
		}, p.pid)
	}
	if len(m.Archived) > 0 {
		p.storage.Confirmed(m.Node, m.Archived)
	}
	if len(m.Members) > 0 {
		joined.Heard(viewOf(m), m.ViewFresh)
	}
}

// answered notes that a member can be reached.
func (p *peers) answered(member string) {
	p.mu.Lock()
	known := p.known[member]
	back := known != nil && known.missed >= unreachableAfter
	if known != nil {
		known.missed = 0
		p.answers[known.address] = time.Now()
	}
	p.mu.Unlock()
	if back {
		p.log.Info("another node can be reached again", "address", known.address)
		// Not on the actor's goroutine: it answers pings.
		p.wg.Go(p.update)
	}
}

// reachable says whether a member can be reached, as far as is known.
func (p *peers) reachable(member string) bool {
	if p == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.known[member]
	return known == nil || known.missed < unreachableAfter
}

// answeredLately says whether the node at an address has answered just now.
func (p *peers) answeredLately(address string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.answers[address]) < latelyAnswered
}

// wellAt says whether the node at an address has answered lately.
func (p *peers) wellAt(address string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range p.known {
		if known.address == address {
			return known.missed < doubtfulAfter
		}
	}
	for _, member := range p.View().Members {
		if member.Address == address {
			return true // it is new
		}
	}
	// No member any more; one that leaves in order still answers.
	return time.Since(p.answers[address]) < leavingTime
}

// heardFrom notes that a node is there.
func (p *peers) heardFrom(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[address] = time.Now()
}

// lost notes that the connection to a node has ended: what it answered before
// says nothing of the next one.
func (p *peers) lost(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.answers, address)
}

// skew is by how much the clocks of the others differ, at most.
func (p *peers) skew() (most time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range p.known {
		most = max(most, known.skew.Abs())
	}
	return most
}

// ArchivedBelow is the id below which ClickHouse has all that the other
// members had; 0: not known.
func (m *Member) ArchivedBelow() uint64 {
	joined := m.members.Load()
	if joined == nil {
		return 0
	}
	self := (*joined).Self().ID
	below := ^uint64(0)
	m.peers.mu.Lock()
	defer m.peers.mu.Unlock()
	for _, member := range (*joined).View().Members {
		known := m.peers.known[member.ID]
		switch {
		case member.ID == self:
		case known == nil, known.missed < unreachableAfter && !known.told:
			return 0 // it is new
		case known.missed < unreachableAfter:
			below = min(below, known.archivedBelow)
		} // otherwise who has copies of its comments speaks for it
	}
	return below
}

// CompleteFrom is the id from which on the members that can be reached have
// all that those had who went away.
func (m *Member) CompleteFrom() uint64 {
	if m.Partial() {
		return ^uint64(0)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return persistence.FirstIDAt(m.lostAt.Add(lostMargin))
}

// lostMargin is more than clocks differ.
const lostMargin = time.Second

// Partial says that so many members can't be reached that they may have
// comments of which nobody else has a copy.
func (m *Member) Partial() bool {
	joined := m.members.Load()
	if joined == nil {
		return false
	}
	self, away := (*joined).Self().ID, 0
	for _, member := range (*joined).View().Members {
		if member.ID != self && !m.peers.reachable(member.ID) {
			away++
		}
	}
	return away >= max(1, m.config.Copies)
}

func wireMembers(v *membership.View) (members []*wire.ViewMember) {
	for _, m := range v.Members {
		members = append(members, &wire.ViewMember{
			Id: m.ID, Node: m.Node, Name: m.Name, Number: uint32(m.Number), Address: m.Address, Http: m.HTTP,
			Weight: m.Weight, Version: m.Version,
		})
	}
	return members
}

func viewOf(m *wire.Ping) *membership.View {
	members := make([]membership.Member, 0, len(m.Members))
	for _, v := range m.Members {
		members = append(members, membership.Member{
			ID: v.Id, Node: v.Node, Name: v.Name, Number: int(v.Number), Address: v.Address, HTTP: v.Http,
			Weight: v.Weight, Version: v.Version,
		})
	}
	return membership.NewView(members, m.View)
}
