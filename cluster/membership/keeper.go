package membership

import (
	"context"
	"errors"
	"time"
)

// keeper is what only the goroutine knows that keeps the registration.
type keeper struct {
	registered bool      // as far as is known
	refreshAt  time.Time // when the number and the marks are due
	rejoinAt   time.Time // not to join again before
	rejoined   time.Time
	delay      time.Duration // between two times of joining again
}

// keep looks after the registration until ctx ends.
func (c *Consul) keep(ctx context.Context) {
	updates := outage{log: c.config.Log, what: "telling Consul that the node lives"}
	c.keeper.refreshAt = time.Now().Add(jitter(refreshEvery))
	timer := time.NewTimer(c.config.beat())
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-c.kick:
		case <-ctx.Done():
			return
		}
		c.config.hold("keep")
		start := c.pulse.start() // before check: a halt after that makes the update look older than it is
		c.pulse.check()
		err := c.keepOnce(ctx, start)
		c.mu.Lock()
		c.mute = err != nil
		c.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			updates.failed(err)
			c.stats.failedUpdates.Add(1)
		} else if err == nil {
			updates.over()
		}
		timer.Reset(c.config.beat())
	}
}

func (c *Consul) keepOnce(ctx context.Context, start int64) error {
	c.mu.Lock()
	out, twin, unclaimed := c.out, c.twin, c.latest.epoch.Epoch != c.claimed
	c.mu.Unlock()
	if out {
		return c.rejoin(ctx, start, twin)
	}
	if err := c.update(ctx, start); err != nil {
		return err
	}
	now := time.Now()
	if !unclaimed && now.Before(c.keeper.refreshAt) {
		return nil
	}
	if err := c.refresh(ctx, start); err != nil {
		return err
	}
	c.keeper.refreshAt = now.Add(jitter(refreshEvery))
	return nil
}

// update says that the node lives, and registers it if it isn't registered.
func (c *Consul) update(ctx context.Context, start int64) error {
	self := c.Self()
	if c.keeper.registered {
		attempt, cancel := context.WithTimeout(ctx, c.config.patience())
		err := c.backend.update(attempt, self.ID)
		cancel()
		if err == nil {
			c.pulse.updated(start)
			return nil
		}
		if !errors.Is(err, errUnknown) {
			return err
		}
		c.config.Log.Warn("Consul does not know this node any more, which registers again", "member", self.ID)
		c.keeper.registered = false
	}
	return c.register(ctx, start, self)
}

func (c *Consul) register(ctx context.Context, start int64, m Member) error {
	attempt, cancel := context.WithTimeout(ctx, c.config.FailureTimeout)
	defer cancel()
	if err := c.backend.register(attempt, m); err != nil {
		return err
	}
	c.stats.registrations.Add(1)
	c.keeper.registered = true
	c.pulse.updated(start)
	return nil
}

// refresh claims the node's number again: once a day, and when Consul has lost
// its state.
func (c *Consul) refresh(ctx context.Context, start int64) error {
	c.mu.Lock()
	latest := c.latest
	c.mu.Unlock()
	self := c.Self()
	number, err := c.claim(ctx, self.Number, c.othersNumbers())
	if err != nil {
		return err
	}
	if number != self.Number {
		c.config.Log.Warn("another node has this node's number", "number", self.Number, "new", number)
		self.Number = number
		c.setSelf(self)
		c.queue.add(func() { c.config.Renumbered(number) })
		c.keeper.registered = false
		if err := c.register(ctx, start, c.Self()); err != nil {
			return err // tried again by update
		}
	}
	c.mu.Lock()
	c.claimed = latest.epoch.Epoch
	c.mu.Unlock()
	attempt, cancel := context.WithTimeout(ctx, c.config.FailureTimeout)
	defer cancel()
	return c.forgetMarks(attempt, latest)
}

// rejoin makes the node a member again, under a new ID.
func (c *Consul) rejoin(ctx context.Context, start int64, twin string) error {
	now := time.Now()
	if now.Before(c.keeper.rejoinAt) {
		return nil
	}
	if twin != "" {
		c.keeper.rejoinAt = now.Add(c.config.grace())
		c.config.Log.Error("another process took this node's place: do two have the same data folder or address?", "member", twin)
		return nil
	}
	old := c.Self()
	if err := c.mark(ctx, old.ID, "its node joins again"); err != nil {
		return err
	}
	attempt, cancel := context.WithTimeout(ctx, c.config.FailureTimeout)
	defer cancel()
	if err := c.backend.deregister(attempt, old.ID); err != nil {
		return err
	}
	// Self has the new ID before a view can have it.
	self := old
	self.ID = newID(self.Node)
	c.mu.Lock()
	c.setSelf(self)
	c.memory.self = self.ID
	c.out = false
	c.mu.Unlock()
	c.keeper.registered = false
	c.stats.rejoins.Add(1)
	c.config.Log.Warn("the others went on without this node, which joins again", "member", self.ID, "before", old.ID)
	// Who is put out again and again has something wrong with it.
	if now.Sub(c.keeper.rejoined) > time.Minute {
		c.keeper.delay = 0
	}
	c.keeper.rejoined, c.keeper.rejoinAt = now, now.Add(c.keeper.delay)
	c.keeper.delay = min(max(2*c.keeper.delay, c.config.beat()), time.Minute)
	return c.register(ctx, start, self) // tried again by update
}
