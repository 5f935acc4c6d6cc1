package membership

import (
	"sync"
	"sync/atomic"
	"time"
)

// pulse notices that the process stood still: stopped, or in a machine that
// was. It stamps the time again and again; who finds an old stamp knows.
type pulse struct {
	base    time.Time
	limit   time.Duration // standing still for longer is noticed
	timeout time.Duration // that of failures
	member  func() string // ID of the membership

	stamp  atomic.Int64  // monotonic ns since base
	wall   atomic.Int64  // Unix ns: a machine's sleep isn't in the monotonic clock
	doubt  atomic.Uint64 // number of the halt that others may have used; 0: none
	ended  atomic.Bool
	wake   atomic.Pointer[func()] // has Consul read at once
	update atomic.Int64           // start of the last update that Consul took, as stamp

	mu    sync.Mutex
	halts uint64
	halt  *halt // not looked into yet
}

// halt is a time at which the process stood still.
type halt struct {
	number uint64
	member string    // ID of the membership that stood still
	began  time.Time // no later
	ended  time.Time
	// working: Consul took updates until then. If not, the check may have run
	// out without the halt, and for all members alike.
	working bool
	late    bool // so long that the check has run out because of it
}

func newPulse(c Config, member func() string) *pulse {
	p := &pulse{base: time.Now(), limit: c.stall(), timeout: c.FailureTimeout, member: member}
	p.wall.Store(p.base.UnixNano())
	return p
}

// sure may be called very often.
func (p *pulse) sure() bool {
	// In this order: check raises the doubt before it stamps.
	still := p.stoodStill(time.Now())
	return p.doubt.Load() == 0 && (!still || p.ended.Load())
}

func (p *pulse) stoodStill(now time.Time) bool {
	return int64(now.Sub(p.base))-p.stamp.Load() > int64(p.limit) || now.UnixNano()-p.wall.Load() > int64(p.limit)
}

// reset begins anew.
func (p *pulse) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.halt = nil
	p.doubt.Store(0)
	p.stamp.Store(int64(now.Sub(p.base)))
	p.wall.Store(now.UnixNano())
}

// start is the time, for updated.
func (p *pulse) start() int64 { return int64(time.Since(p.base)) }

// updated says that Consul took an update that was begun at a time.
func (p *pulse) updated(start int64) { p.update.Store(start) }

// check looks whether the process stood still, and stamps.
func (p *pulse) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.stoodStill(now) {
		p.halts++
		h := &halt{number: p.halts, member: p.member(), began: p.base.Add(time.Duration(p.stamp.Load())), ended: now}
		since := h.began
		if updated := p.base.Add(time.Duration(p.update.Load())); h.began.Sub(updated) <= p.timeout/2 {
			h.working, since = true, updated
		}
		h.late = now.Sub(since) >= p.timeout || p.halt != nil && p.halt.late
		p.halt = h
		p.doubt.Store(p.halts)
		if wake := p.wake.Load(); wake != nil {
			(*wake)()
		}
	}
	// Consul can't be asked: others could not either, as far as is known.
	if p.halt != nil && now.Sub(p.halt.ended) > p.answerWithin() {
		p.doubt.Store(0)
	}
	p.stamp.Store(int64(now.Sub(p.base)))
	p.wall.Store(now.UnixNano())
}

// answerWithin is how long Consul has to say what happened meanwhile. After a
// halt in which the check ran out the others have most likely gone on, so that
// a Consul which is merely slow is waited for; posts wait for longer. The
// caller holds mu.
func (p *pulse) answerWithin() time.Duration {
	if p.halt.late {
		return max(p.timeout, time.Second)
	}
	return time.Second
}

// pending is a halt that Consul has not been asked about.
func (p *pulse) pending() *halt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.halt
}

// done ends pending.
func (p *pulse) done(h *halt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.halt == h {
		p.halt = nil
	}
}

// clear ends the doubt that a halt made, but not that of a later one.
func (p *pulse) clear(h *halt) { p.doubt.CompareAndSwap(h.number, 0) }
