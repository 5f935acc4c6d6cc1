package membership

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Consul is a membership that Consul keeps.
type Consul struct {
	config  Config
	backend backend
	reader  *reader // of Join, then of watch
	pulse   *pulse
	queue   *queue

	view    atomic.Pointer[View]
	self    atomic.Pointer[Member]
	contact atomic.Int64  // last answer, as pulse.start; before the first one: 0
	joined  chan struct{} // closed with the first view
	kick    chan struct{} // has the registration looked after at once

	stop context.CancelFunc
	wg   sync.WaitGroup
	left atomic.Bool

	mu      sync.Mutex
	memory  memory
	latest  *reading
	broken  bool      // a reading failed: contact begins anew
	mute    bool      // updates fail: there is no contact
	out     bool      // this membership has ended: join again
	twin    string    // the living member that took this one's place
	claimed uint64    // epoch in which the number was claimed
	again   time.Time // when the latest reading will mean something else

	keeper keeper
	stats  counters
}

type counters struct {
	registrations, rejoins, failedUpdates, failedReads, halts atomic.Uint64
}

// Stats is for metrics.
type Stats struct {
	Registrations uint64    // that Consul took, of this and former memberships
	Rejoins       uint64    // under a new ID
	FailedUpdates uint64    // of the health check
	FailedReads   uint64    // of the members
	Halts         uint64    // times that the process stood still for long
	LastContact   time.Time // the last answer about the members; zero: none yet
	Members       int
	Revision      uint64
	Fresh, Sure   bool
}

// Join waits until Consul has the node as a member, for as long as it takes;
// only ctx, or settings that can't work, end that.
func Join(ctx context.Context, config Config) (*Consul, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("membership: %w", err)
	}
	c := &Consul{
		config: config, backend: config.backend,
		joined: make(chan struct{}), kick: make(chan struct{}, 1),
	}
	c.pulse = newPulse(config, func() string { return c.Self().ID })
	if c.backend == nil {
		client, err := newClient(config)
		if err != nil {
			return nil, err
		}
		c.backend = client
	}
	c.reader = &reader{backend: c.backend, prefix: config.Service + "/cluster/", config: config}
	c.memory = memory{
		gone: map[string]time.Time{}, missing: map[string]time.Time{}, unheard: map[string]time.Time{}, warn: c.warnOnce(),
	}
	c.setSelf(Member{
		ID: newID(config.Node), Node: config.Node, Number: config.Number, Address: config.Address, HTTP: config.HTTP,
		Weight: config.Weight, Version: config.Version,
	})
	c.queue = newQueue()
	if err := c.join(ctx); err != nil {
		c.end()
		return nil, fmt.Errorf("membership: %w", err)
	}
	return c, nil
}

// end stops what runs and lets the queue run out.
func (c *Consul) end() {
	if c.stop != nil {
		c.stop()
	}
	c.wg.Wait()
	c.queue.end()
	c.backend.close()
}

// View is the members. It is cheap.
func (c *Consul) View() *View { return c.view.Load() }

// Self is the node as a member. Its ID changes when it joins again, its number
// when another node has that.
func (c *Consul) Self() Member { return *c.self.Load() }

func (c *Consul) setSelf(m Member) {
	m.Name = nameOf(m.Number)
	c.self.Store(&m)
}

// Fresh says that Consul answered lately: the view is its word.
func (c *Consul) Fresh() bool {
	last := c.contact.Load()
	return last != 0 && c.pulse.start()-last < int64(c.config.FailureTimeout)
}

// Sure says that the view can be acted on. It is false after the process stood
// still, until Consul was asked whether the others went on without it, and
// Changed has returned with what came of that. If Consul does not answer, that
// is for a second, or for the failure timeout after a halt as long as that. It
// is cheap.
func (c *Consul) Sure() bool { return c.pulse.sure() }

// Stats may be asked often.
func (c *Consul) Stats() Stats {
	view := c.View()
	s := Stats{
		Registrations: c.stats.registrations.Load(), Rejoins: c.stats.rejoins.Load(),
		FailedUpdates: c.stats.failedUpdates.Load(), FailedReads: c.stats.failedReads.Load(),
		Halts:   c.stats.halts.Load(),
		Members: len(view.Members), Revision: view.Revision, Fresh: c.Fresh(), Sure: c.Sure(),
	}
	if last := c.contact.Load(); last != 0 {
		s.LastContact = c.pulse.base.Add(time.Duration(last))
	}
	return s
}

// Heard is told of a peer's view, and whether that is fresh. It counts while
// Consul doesn't answer this node but the peer, and if it is newer.
func (c *Consul) Heard(v *View, fresh bool) {
	if !fresh || v == nil || c.Fresh() || v.Revision <= c.View().Revision {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.left.Load() && !c.Fresh() && v.Revision > c.View().Revision {
		c.publish(v.Members, v.Revision)
	}
}

// publish makes a new view, and tells of it if its members are others. The
// caller holds mu.
func (c *Consul) publish(members []Member, revision uint64) {
	old := c.view.Load()
	if old != nil {
		revision = max(revision, old.Revision)
	}
	view := NewView(members, revision)
	same := old != nil && slices.Equal(old.Members, view.Members)
	if same && old.Revision == revision {
		return
	}
	now := time.Now()
	for _, m := range c.memory.members {
		if _, still := view.Find(m.ID); !still {
			c.memory.gone[m.ID] = now
		}
	}
	for id, at := range c.memory.gone {
		if now.Sub(at) > markLife {
			delete(c.memory.gone, id)
		}
	}
	c.memory.members = view.Members
	c.view.Store(view)
	if !same {
		c.queue.add(func() { c.config.Changed(view) })
	}
	if old == nil {
		close(c.joined)
	}
}

// Leave ends the membership: the others see it at once. Everything stops; the
// view stays as it was, less this node, and Changed has been called with that
// when Leave returns. An error says that the others will only see the health
// check run out.
func (c *Consul) Leave(ctx context.Context) error {
	if c.left.Swap(true) {
		return nil
	}
	c.stop()
	c.wg.Wait()
	// Later than this, the check has run out anyway.
	attempt, cancel := context.WithTimeout(ctx, c.config.FailureTimeout)
	defer cancel()
	err := c.withdraw(attempt)
	self := c.Self()
	c.mu.Lock()
	view := c.View()
	c.publish(slices.DeleteFunc(slices.Clone(view.Members), func(m Member) bool { return m.ID == self.ID }), view.Revision)
	c.mu.Unlock()
	c.pulse.ended.Store(true)
	c.pulse.doubt.Store(0)
	c.end()
	select {
	case <-c.queue.ended:
	case <-ctx.Done():
		err = errors.Join(err, ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("leaving the cluster: %w", err)
	}
	return nil
}

// withdraw marks and deregisters this membership.
func (c *Consul) withdraw(ctx context.Context) error {
	id := c.Self().ID
	for {
		err := c.mark(ctx, id, "it left")
		if err == nil {
			err = c.backend.deregister(ctx, id)
		}
		if err == nil || !pause(ctx, c.config.beat()) {
			return err
		}
	}
}

// warnOnce logs each entry that makes no sense once.
func (c *Consul) warnOnce() func(instance, error) {
	const most = 1000
	warned := map[string]bool{}
	return func(i instance, why error) {
		if len(warned) >= most || warned[i.id] {
			return
		}
		warned[i.id] = true
		c.config.Log.Warn("an entry in Consul is ignored", "service", c.config.Service, "id", i.id, "why", why)
	}
}

// pause waits; false if ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
