package httpedge

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"barrage/httpedge/identity"
)

const (
	defaultRecheck = 30 * time.Second
	// recheckSlots is into how many parts the streams are divided: one part is
	// checked at a time, so that a node with many doesn't check all at once.
	recheckSlots = 32
	// recheckQuestions is how many tokens are asked for elsewhere at a time. A
	// round has so many times its length in answers: with answers within 0.1 s,
	// 19,200 in 30 s.
	recheckQuestions = 64
)

// rechecks ends the streams of readers whose token is no good any more. Every
// stream that was opened with a token is checked once in each period; others
// are not known here.
type rechecks struct {
	again func(context.Context, *identity.Grant) error
	every time.Duration
	// Tokens that another server knows are apart: its slowness must not hold up
	// the others.
	local, remote wheel
	revoked       prometheus.Counter
}

// wheel is the streams to check, in slots that take turns.
type wheel struct {
	mu    sync.Mutex
	slots [recheckSlots][]*watched
}

// ender is a connection's viewer.
type ender interface {
	LetGo()  // in good order
	HungUp() // at once
}

// watched is a stream with a token.
type watched struct {
	wheel  *wheel
	grant  *identity.Grant
	viewer ender
	closed func() // what was to be called at the end
	index  int32  // in its slot; -1: taken out
	slot   uint8
	let    bool // it was let go; the sweep's
}

func newRechecks(again func(context.Context, *identity.Grant) error, every time.Duration, registry prometheus.Registerer) *rechecks {
	if every <= 0 {
		every = defaultRecheck
	}
	r := &rechecks{again: again, every: every, revoked: prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "barrage", Name: "streams_revoked_total", Help: "Streams that were ended because their token was no good any more.",
	})}
	registry.MustRegister(r.revoked)
	return r
}

// watch has a viewer let go when its reader's token is no good any more. It
// gives what must be called once when the viewer is gone, which calls closed.
// It is to be called before the viewer is opened.
func (r *rechecks) watch(reader *user, viewer ender, closed func()) func() {
	if reader == nil || reader.grant == nil {
		return closed
	}
	w := &watched{wheel: &r.local, grant: reader.grant, viewer: viewer, closed: closed}
	if w.grant.Remote() {
		w.wheel = &r.remote
	}
	// A slot at random spreads those who come together over the period.
	w.slot = uint8(rand.N(recheckSlots)) //nolint:gosec // spreading is no secret
	w.wheel.add(w)
	return w.end
}

func (w *wheel) add(s *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.index = int32(len(w.slots[s.slot]))
	w.slots[s.slot] = append(w.slots[s.slot], s)
}

// end forgets a stream that is gone.
func (s *watched) end() {
	s.wheel.remove(s)
	if s.closed != nil {
		s.closed()
	}
}

func (w *wheel) remove(s *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	slot := w.slots[s.slot]
	last := slot[len(slot)-1]
	slot[s.index], last.index = last, s.index
	slot[len(slot)-1] = nil
	w.slots[s.slot] = slot[:len(slot)-1]
	s.index = -1
}

// due gives the streams of a slot.
func (w *wheel) due(slot int, into []*watched) []*watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append(into[:0], w.slots[slot]...)
}

// run checks streams until ctx ends, with a goroutine for each wheel.
func (r *rechecks) run(ctx context.Context) {
	go r.turn(ctx, &r.local)
	go r.turn(ctx, &r.remote)
}

func (r *rechecks) turn(ctx context.Context, w *wheel) {
	tick := time.NewTicker(max(r.every/recheckSlots, time.Millisecond))
	defer tick.Stop()
	var due []*watched
	for slot := 0; ; slot = (slot + 1) % recheckSlots {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		due = w.due(slot, due)
		r.sweep(ctx, due)
		clear(due)
	}
}

// sweep checks streams, and lets go of those whose token is no good any more.
func (r *rechecks) sweep(ctx context.Context, due []*watched) {
	var questions errgroup.Group
	questions.SetLimit(recheckQuestions)
	for _, s := range due {
		if !s.grant.Remote() {
			r.check(ctx, s)
			continue
		}
		questions.Go(func() error { r.check(ctx, s); return nil })
	}
	_ = questions.Wait() // none gives an error
}

func (r *rechecks) check(ctx context.Context, s *watched) {
	if s.let {
		s.viewer.HungUp() // its client doesn't take the end
		return
	}
	err := r.again(ctx, s.grant)
	if err == nil {
		return
	}
	var no *identity.InvalidError
	if !errors.As(err, &no) {
		return // while nobody knows, the stream goes on
	}
	s.let = true
	r.revoked.Inc()
	s.viewer.LetGo()
}
