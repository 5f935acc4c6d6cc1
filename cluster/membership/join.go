package membership

import (
	"context"
	"math/rand/v2"
	"time"
)

// join makes the node a member: it finds out how things stand, claims a number,
// registers, and waits until Consul shows it.
func (c *Consul) join(ctx context.Context) error {
	outage := outage{log: c.config.Log, what: "joining the cluster"}
	for {
		err := c.prepare(ctx)
		if err == nil {
			err = c.enter(ctx)
		}
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		outage.failed(err)
		if !pause(ctx, jitter(c.config.beat())) {
			return context.Cause(ctx)
		}
	}
	outage.over()
	return c.run(ctx)
}

// run starts what keeps the membership, and waits for the first view.
func (c *Consul) run(ctx context.Context) error {
	running, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.pulse.reset() // Join may have been slow
	c.wg.Go(func() { c.beatPulse(running) })
	c.wg.Go(func() { c.keep(running) })
	c.wg.Go(func() { c.watch(running) })
	hint := time.NewTicker(10 * time.Second)
	defer hint.Stop()
	for {
		select {
		case <-c.joined:
			return nil
		case <-hint.C:
			c.config.Log.Warn("Consul took the registration, but doesn't show it: may the token read nodes and the service, and is the datacenter the agent's?")
		case <-ctx.Done():
			stop()
			c.wg.Wait()
			attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.config.patience())
			defer cancel()
			if err := c.withdraw(attempt); err != nil {
				c.config.Log.Warn("taking back the registration", "error", err)
			}
			return context.Cause(ctx)
		}
	}
}

// prepare waits until it is clear who the members are: those whose fate nobody
// has decided would be owners in one view and not in the other.
func (c *Consul) prepare(ctx context.Context) error {
	told := time.Time{}
	var youngUntil time.Time
	var young uint64
	for {
		if err := c.step(ctx, 0, nil); err != nil {
			c.lost()
			return err
		}
		r := c.latest
		now := time.Now()
		if young != r.epoch.Epoch {
			young = r.epoch.Epoch
			// By two clocks, which may differ.
			age := min(max(now.Sub(time.UnixMilli(r.epoch.Made)), 0), c.config.youth())
			youngUntil = now.Add(c.config.youth() - age)
		}
		waits, twin, err := c.undecided(ctx, r)
		if err != nil {
			return err
		}
		if twin != "" && now.Sub(told) > 10*time.Second && !told.IsZero() {
			c.config.Log.Error("a node with this node's id is a member: was its data folder copied?", "node", c.config.Node, "at", twin)
		}
		if twin != "" && (told.IsZero() || now.Sub(told) > 10*time.Second) {
			told = now
		}
		if !waits && twin == "" && !now.Before(youngUntil) {
			return nil
		}
		if !pause(ctx, jitter(c.config.FailureTimeout/20)) {
			return context.Cause(ctx)
		}
	}
}

// undecided says whether there are members that may be dead, and where another
// process is a member with this node's id. What a former process of this node
// left is cleared away.
func (c *Consul) undecided(ctx context.Context, r *reading) (waits bool, twin string, err error) {
	self := c.Self()
	for _, i := range r.instances {
		m, bad := i.member()
		if _, marked := r.marks[i.id]; marked || bad != nil || i.id == self.ID {
			continue
		}
		switch {
		case m.Address == self.Address, m.Node == self.Node && i.health != passing:
			// Nobody else can be at this address now.
			if err := c.mark(ctx, i.id, "its node has started anew"); err != nil {
				return false, "", err
			}
			attempt, cancel := context.WithTimeout(ctx, c.config.FailureTimeout)
			err := c.backend.deregister(attempt, i.id)
			cancel()
			if err != nil {
				// Another agent has it: the mark is enough.
				c.config.Log.Debug("deregistering a former membership", "error", err)
			}
		case m.Node == self.Node:
			twin = m.Address
		case i.health != passing:
			waits = true
		}
	}
	return waits, twin, nil
}

// enter claims a number and registers.
func (c *Consul) enter(ctx context.Context) error {
	self := c.Self()
	number, err := c.claim(ctx, self.Number, c.othersNumbers())
	if err != nil {
		return err
	}
	self.Number = number
	c.setSelf(self)
	c.mu.Lock()
	c.claimed = c.latest.epoch.Epoch
	c.memory.self = self.ID
	c.mu.Unlock()
	return c.register(ctx, c.pulse.start(), c.Self())
}

// othersNumbers are those that other nodes say they have.
func (c *Consul) othersNumbers() map[int]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[int]bool{}
	for _, i := range c.latest.instances {
		_, marked := c.latest.marks[i.id]
		if m, err := i.member(); err == nil && !marked && m.Node != c.config.Node {
			all[m.Number] = true
		}
	}
	for _, m := range c.memory.members {
		if m.Node != c.config.Node {
			all[m.Number] = true
		}
	}
	return all
}

// jitter keeps nodes that failed together from trying together.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d) //nolint:gosec // no secret
}
