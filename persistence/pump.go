package persistence

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// endGrace is how long a store that was told to give up may take for that; one
// that hangs in a dead disk must not keep the process from ending.
const endGrace = time.Second

// Pump moves a journal's records into a store, in order and all of them: what
// fails is tried again for as long as it takes, while the journal keeps it.
type Pump struct {
	cfg PumpConfig

	startOnce  sync.Once
	soft, hard context.Context // done: drain and end; end at once
	drain, end context.CancelFunc
	done       chan struct{} // closed when the goroutine has ended
	drainErr   error         // set before done is closed

	applied atomic.Uint64
	synced  atomic.Uint64
	oldest  atomic.Int64 // time of the oldest entry in hand, ms; 0: none
	moved   atomic.Int64 // time of the last progress, ms
	idle    atomic.Int64 // last time that nothing was left to do, ms

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when applied rises
}

// NewPump makes a pump that stands where its store does.
func NewPump(cfg PumpConfig) (*Pump, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Pump{
		cfg:     cfg.withDefaults(),
		done:    make(chan struct{}),
		changed: make(chan struct{}),
	}
	p.hard, p.end = context.WithCancel(context.Background())
	p.soft, p.drain = context.WithCancel(p.hard)
	p.applied.Store(uint64(cfg.Store.AppliedLSN()))
	p.moved.Store(time.Now().UnixMilli())
	return p, nil
}

// Start begins to pump.
func (p *Pump) Start() {
	p.startOnce.Do(func() { go p.run() })
}

// Stop applies everything that is durable, syncs, trims, and ends the pump. If
// that takes longer than ctx allows, the rest stays in the journal for the next
// start and the error says so.
func (p *Pump) Stop(ctx context.Context) error {
	p.startOnce.Do(func() { close(p.done) }) // never started: nothing to wait for
	p.drain()
	defer p.end()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.end()
		select {
		case <-p.done:
		case <-time.After(endGrace):
		}
		return fmt.Errorf("pump: stopped at %d of %d: %w", p.Applied(), p.cfg.Log.LastLSN(), context.Cause(ctx))
	}
	return p.drainErr
}

// Applied is the last position that history shows.
func (p *Pump) Applied() LSN { return LSN(p.applied.Load()) }

// WaitApplied returns once history shows everything up to a position.
func (p *Pump) WaitApplied(ctx context.Context, lsn LSN) error {
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if p.Applied() >= lsn {
			return nil
		}
		select {
		case <-changed:
		case <-p.done:
			if p.Applied() >= lsn {
				return nil
			}
			return fmt.Errorf("pump: %w", ErrClosed)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// PumpStats is how far history is behind the journal.
type PumpStats struct {
	Applied LSN // history shows up to here
	Synced  LSN // history keeps up to here, whatever happens
	Depth   uint64
	// Lag is the age of the oldest record that history does not show.
	Lag time.Duration
}

// Stats may be asked often.
func (p *Pump) Stats() PumpStats {
	s := PumpStats{Applied: p.Applied(), Synced: LSN(p.synced.Load())}
	last := p.cfg.Log.LastLSN()
	if last <= s.Applied {
		p.idle.Store(time.Now().UnixMilli())
		return s
	}
	s.Depth = uint64(last - s.Applied)
	since := p.oldest.Load()
	if since == 0 {
		// Nothing in hand: between two batches, or the journal can't be read.
		since = max(p.moved.Load(), p.idle.Load())
	}
	s.Lag = max(0, time.Since(time.UnixMilli(since)))
	return s
}

// advance makes a new position known.
func (p *Pump) advance(to LSN) {
	p.applied.Store(uint64(to))
	p.moved.Store(time.Now().UnixMilli())
	p.oldest.Store(0)
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
}
