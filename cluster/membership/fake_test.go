package membership

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// fake is a Consul in memory: one server that is the agent of all.
type fake struct {
	ttl time.Duration

	mu       sync.Mutex
	index    uint64
	services uint64 // index of the last change of an instance
	kept     map[string]*fakeInstance
	keys     map[string]pair
	changed  chan struct{} // closed, and replaced, at each change
	down     bool
	paused   chan struct{} // closed at the end of a pause; nil: none
	overdue  []func()      // what ran out during the pause
}

type fakeInstance struct {
	instance
	timer *time.Timer
}

func newFake(ttl time.Duration) *fake {
	f := &fake{ttl: ttl, index: 1000, changed: make(chan struct{})}
	f.kept, f.keys = map[string]*fakeInstance{}, map[string]pair{}
	return f
}

// change is called with mu held.
func (f *fake) change() uint64 {
	f.index++
	close(f.changed)
	f.changed = make(chan struct{})
	return f.index
}

// begin waits out a pause, and locks.
func (f *fake) begin(ctx context.Context) error {
	for {
		f.mu.Lock()
		paused, down := f.paused, f.down
		if paused == nil && !down {
			if err := ctx.Err(); err != nil {
				f.mu.Unlock()
				return err
			}
			return nil
		}
		f.mu.Unlock()
		if down {
			return errors.New("connection refused")
		}
		select {
		case <-paused:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *fake) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
	f.change()
}

// restart has the server come back after it was down. An agent begins with
// critical checks.
func (f *fake) restart(stateLost bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.kept {
		i.timer.Stop()
		i.health = unheard
	}
	if stateLost {
		f.kept, f.keys, f.index = map[string]*fakeInstance{}, map[string]pair{}, 10
	}
	f.down = false
	f.services = f.change()
	for _, i := range f.kept {
		i.timer.Reset(f.ttl)
	}
}

func (f *fake) pause() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paused = make(chan struct{})
}

// resume has timers come before requests, as is the worse for members.
func (f *fake) resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, run := range f.overdue {
		run()
	}
	close(f.paused)
	f.paused, f.overdue = nil, nil
}

func (f *fake) instances(ctx context.Context, since uint64, wait time.Duration) ([]instance, uint64, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for ended := wait <= 0 || since == 0; ; {
		if err := f.begin(ctx); err != nil {
			return nil, 0, err
		}
		if ended || f.services != since {
			defer f.mu.Unlock()
			var all []instance
			for _, i := range f.kept {
				all = append(all, i.instance)
			}
			return all, max(f.services, 1), nil
		}
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-timeout.C:
			ended = true
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

func (f *fake) list(ctx context.Context, prefix string) (all []pair, err error) {
	if err := f.begin(ctx); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	for key, p := range f.keys {
		if rest, ok := strings.CutPrefix(key, prefix); ok {
			all = append(all, pair{rest, p.value, p.index})
		}
	}
	return all, nil
}

func (f *fake) put(ctx context.Context, key string, value []byte, at uint64) (bool, error) {
	if err := f.begin(ctx); err != nil {
		return false, err
	}
	defer f.mu.Unlock()
	if f.keys[key].index != at {
		return false, nil
	}
	f.keys[key] = pair{key, slices.Clone(value), f.change()}
	return true, nil
}

func (f *fake) remove(ctx context.Context, key string) error {
	if err := f.begin(ctx); err != nil {
		return err
	}
	defer f.mu.Unlock()
	delete(f.keys, key)
	f.change()
	return nil
}

func (f *fake) register(ctx context.Context, m Member) error {
	if err := f.begin(ctx); err != nil {
		return err
	}
	defer f.mu.Unlock()
	f.add(instance{id: m.ID, address: m.Address, meta: metaOf(m)})
	return nil
}

// add is called with mu held.
func (f *fake) add(i instance) {
	i.created = f.change()
	f.services = i.created
	if old := f.kept[i.id]; old != nil {
		i.created = old.created
		old.timer.Stop()
	}
	added := &fakeInstance{instance: i}
	added.timer = time.AfterFunc(f.ttl, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		expire := func() {
			if f.kept[i.id] == added && added.health != expired {
				added.health = expired
				f.services = f.change()
			}
		}
		if f.paused != nil {
			f.overdue = append(f.overdue, expire)
		} else if !f.down {
			expire()
		}
	})
	f.kept[i.id] = added
}

func (f *fake) update(ctx context.Context, id string) error {
	if err := f.begin(ctx); err != nil {
		return err
	}
	defer f.mu.Unlock()
	i := f.kept[id]
	if i == nil {
		return errUnknown
	}
	i.timer.Reset(f.ttl)
	if i.health != passing {
		i.health = passing
		f.services = f.change()
	}
	return nil
}

func (f *fake) deregister(ctx context.Context, id string) error {
	if err := f.begin(ctx); err != nil {
		return err
	}
	defer f.mu.Unlock()
	if i := f.kept[id]; i != nil {
		i.timer.Stop()
		delete(f.kept, id)
		f.services = f.change()
	}
	return nil
}

func (f *fake) close() {}

// link is one node's way to the fake; it can be cut, when nothing is answered.
type link struct {
	*fake
	mu  sync.Mutex
	cut chan struct{}
}

func (l *link) setCut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if cut {
		l.cut = make(chan struct{})
	} else {
		close(l.cut)
		l.cut = nil
	}
}

func (l *link) through(ctx context.Context) error {
	l.mu.Lock()
	cut := l.cut
	l.mu.Unlock()
	if cut == nil {
		return nil
	}
	select {
	case <-cut:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *link) instances(ctx context.Context, since uint64, wait time.Duration) ([]instance, uint64, error) {
	if err := l.through(ctx); err != nil {
		return nil, 0, err
	}
	all, index, err := l.fake.instances(ctx, since, wait)
	if lost := l.through(ctx); lost != nil {
		return nil, 0, lost
	}
	return all, index, err
}

func (l *link) list(ctx context.Context, prefix string) ([]pair, error) {
	if err := l.through(ctx); err != nil {
		return nil, err
	}
	return l.fake.list(ctx, prefix)
}

func (l *link) put(ctx context.Context, key string, value []byte, at uint64) (bool, error) {
	if err := l.through(ctx); err != nil {
		return false, err
	}
	return l.fake.put(ctx, key, value, at)
}

func (l *link) register(ctx context.Context, m Member) error {
	if err := l.through(ctx); err != nil {
		return err
	}
	return l.fake.register(ctx, m)
}

func (l *link) update(ctx context.Context, id string) error {
	if err := l.through(ctx); err != nil {
		return err
	}
	return l.fake.update(ctx, id)
}

func (l *link) deregister(ctx context.Context, id string) error {
	if err := l.through(ctx); err != nil {
		return err
	}
	return l.fake.deregister(ctx, id)
}
