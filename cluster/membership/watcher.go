package membership

import (
	"context"
	"time"
)

// beatPulse stamps the time until ctx ends.
func (c *Consul) beatPulse(ctx context.Context) {
	ticker := time.NewTicker(c.config.FailureTimeout / 20)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			c.config.hold("pulse")
			c.pulse.check()
		case <-ctx.Done():
			return
		}
	}
}

// watch reads Consul until ctx ends, and acts on it.
func (c *Consul) watch(ctx context.Context) {
	reads := outage{log: c.config.Log, what: "reading the members from Consul"}
	wait, delay := time.Duration(0), time.Duration(0)
	for ctx.Err() == nil {
		attempt, cancel := context.WithCancel(ctx)
		wake := func() { cancel() }
		c.pulse.wake.Store(&wake) // before pending: no halt is between them
		halt := c.pulse.pending()
		if halt != nil {
			// What was asked before the halt may be answered as it was then.
			wait = 0
		}
		err := c.step(attempt, wait, halt)
		woken := attempt.Err() != nil
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			reads.over()
			delay = 0
			wait = c.wait()
		case woken:
			c.lost()
			wait = 0
		default:
			reads.failed(err)
			c.stats.failedReads.Add(1)
			c.lost()
			delay = min(max(2*delay, c.config.FailureTimeout/30), c.config.beat())
			if !c.pauseOrHalt(ctx, jitter(delay)) {
				return
			}
		}
	}
}

// pauseOrHalt waits, but not after a halt.
func (c *Consul) pauseOrHalt(ctx context.Context, d time.Duration) bool {
	paused, cancel := context.WithCancel(ctx)
	defer cancel()
	wake := func() { cancel() }
	c.pulse.wake.Store(&wake)
	pause(paused, d)
	return ctx.Err() == nil
}

// wait is how long the next reading waits for news.
func (c *Consul) wait() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait, now := c.config.poll(), time.Now()
	if now.Sub(c.memory.contact) < c.config.FailureTimeout {
		// Others may be marking this node: marks don't end a wait.
		wait = c.config.FailureTimeout / 12
	}
	if !c.again.IsZero() {
		wait = min(wait, c.again.Sub(now))
	}
	return max(wait, 10*time.Millisecond)
}

// lost says that Consul did not answer.
func (c *Consul) lost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = true
}

// step reads Consul once, marks who is out, and reads again until there is
// nobody to mark. A halt is one that ended before.
func (c *Consul) step(ctx context.Context, wait time.Duration, halt *halt) error {
	for range 10 {
		r, err := c.reader.read(ctx, wait)
		if err != nil {
			return err
		}
		c.config.hold("watch")
		out := c.apply(r, halt)
		if len(out) == 0 {
			return nil
		}
		for id, why := range out {
			if err := c.mark(ctx, id, why); err != nil {
				return err
			}
		}
		wait = 0
	}
	return errUnsteady
}

// apply makes a reading the view. It answers whom to mark first, if anybody.
func (c *Consul) apply(r *reading, halt *halt) (out map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if last := c.contact.Load(); c.broken || c.mute || last == 0 || c.pulse.start()-last > int64(c.config.stall()) {
		c.memory.contact = now
	}
	c.broken = false
	c.contact.Store(c.pulse.start())
	c.latest = r
	v := c.config.judge(now, r, &c.memory)
	c.again = v.again
	self := c.memory.self
	own, registered := r.find(self)
	_, marked := r.marks[self]
	// Others may have seen a check that ran out, and mark it yet.
	if halt != nil && halt.member == self && !marked && (halt.late || halt.working && registered && own.health == expired) {
		v.out[self] = "its process stood still"
	}
	if len(v.out) > 0 {
		return v.out
	}
	if self == "" {
		return nil // not registered yet
	}
	c.out, c.twin = marked || v.replaced, ""
	if v.replaced {
		c.twin = c.placeTaker(r)
	}
	if c.out || !registered {
		c.kickKeeper()
	}
	if c.View() != nil || registered && !c.out {
		c.publish(v.members, r.revision)
	}
	if halt != nil {
		c.stats.halts.Add(1)
		c.config.Log.Warn("the process stood still", "for", halt.ended.Sub(halt.began), "member", !c.out)
		c.pulse.done(halt)
		c.queue.add(func() { c.pulse.clear(halt) })
	}
	return nil
}

// placeTaker is who lives in this membership's place. The caller holds mu.
func (c *Consul) placeTaker(r *reading) string {
	self := c.Self()
	for _, i := range r.instances {
		m, bad := i.member()
		if _, marked := r.marks[i.id]; bad == nil && !marked && i.id != self.ID && i.health == passing &&
			(m.Node == self.Node || m.Address == self.Address) {
			return i.id
		}
	}
	return ""
}

func (c *Consul) kickKeeper() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}
