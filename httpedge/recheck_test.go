package httpedge

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"barrage/actors"
	"barrage/httpedge/identity"
	"barrage/test/idp"
)

// testViewer is an ender that notes what happens to it.
type testViewer struct {
	mu          sync.Mutex
	let, hungUp int
	closed      func() // called when it is let go; nil: its client doesn't read
}

func (v *testViewer) LetGo() {
	v.mu.Lock()
	v.let++
	v.mu.Unlock()
	if v.closed != nil {
		v.closed()
	}
}

func (v *testViewer) HungUp() {
	v.mu.Lock()
	v.hungUp++
	v.mu.Unlock()
}

func (v *testViewer) counts() (let, hungUp int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.let, v.hungUp
}

// TestStreamsAreCheckedOnceInEachPeriod: whatever the slots, a token that is no
// good any more ends its stream within a period, and others go on.
func TestStreamsAreCheckedOnceInEachPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, bad, away := &identity.Grant{}, &identity.Grant{}, &identity.Grant{}
		var mu sync.Mutex
		checks := map[*identity.Grant]int{}
		revoked := false
		again := func(_ context.Context, g *identity.Grant) error {
			mu.Lock()
			defer mu.Unlock()
			checks[g]++
			switch {
			case g == bad && revoked:
				return &identity.InvalidError{Reason: "revoked"}
			case g == away:
				return identity.ErrUnavailable
			}
			return nil
		}
		r := newRechecks(again, 30*time.Second, prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		viewers := map[*identity.Grant][]*testViewer{}
		const each = 100
		for _, g := range []*identity.Grant{good, bad, away} {
			for range each {
				v := &testViewer{}
				v.closed = r.watch(&user{grant: g}, v, nil)
				viewers[g] = append(viewers[g], v)
			}
		}
		deaf := &testViewer{} // it is let go, and its client doesn't take the end
		r.watch(&user{grant: bad}, deaf, nil)
		r.run(ctx)
		const period = 30*time.Second/recheckSlots*recheckSlots + time.Millisecond
		time.Sleep(period)
		synctest.Wait()
		mu.Lock()
		for name, g := range map[string]*identity.Grant{"good": good, "bad": bad, "away": away} {
			if n := checks[g]; n != len(viewers[g]) && (g != bad || n != each+1) {
				t.Errorf("%s: %d checks of %d streams in a period", name, n, len(viewers[g]))
			}
		}
		revoked = true
		mu.Unlock()
		time.Sleep(period)
		synctest.Wait()
		for g, all := range viewers {
			for _, v := range all {
				if let, hungUp := v.counts(); (let == 1) != (g == bad) || hungUp != 0 {
					t.Fatalf("a stream was let go %d times and cut %d times", let, hungUp)
				}
			}
		}
		if let, hungUp := deaf.counts(); let != 1 || hungUp != 0 {
			t.Errorf("let go %d times, cut %d times", let, hungUp)
		}
		time.Sleep(period)
		synctest.Wait()
		if let, hungUp := deaf.counts(); let != 1 || hungUp == 0 {
			t.Errorf("a stream whose client takes no end: let go %d times, cut %d times", let, hungUp)
		}
	})
}

func TestStreamsWithoutATokenAreNotRegistered(t *testing.T) {
	r := newRechecks(nil, time.Minute, prometheus.NewRegistry())
	called := 0
	closed := r.watch(nil, nil, func() { called++ })
	closed()
	if n := r.local.size() + r.remote.size(); n != 0 || called != 1 {
		t.Errorf("%d registered, closed %d times", n, called)
	}
	if allocs := testing.AllocsPerRun(100, func() { r.watch(nil, nil, closed) }); allocs != 0 {
		t.Errorf("it takes %v allocations", allocs)
	}
}

func (w *wheel) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, slot := range w.slots {
		n += len(slot)
	}
	return n
}

func TestTheRegistryHasWhatIsOpen(t *testing.T) {
	r := newRechecks(func(context.Context, *identity.Grant) error { return nil }, time.Minute, prometheus.NewRegistry())
	random := rand.New(rand.NewPCG(1, 2))
	reader := &user{grant: &identity.Grant{}}
	var open []func()
	closed := 0
	for range 10_000 {
		if len(open) == 0 || random.IntN(100) < 52 {
			open = append(open, r.watch(reader, &testViewer{}, func() { closed++ }))
			continue
		}
		i := random.IntN(len(open))
		open[i]()
		open[i] = open[len(open)-1]
		open = open[:len(open)-1]
	}
	if got := r.local.size(); got != len(open) || closed+len(open) == 0 {
		t.Fatalf("%d registered, %d open", got, len(open))
	}
	for slot, all := range r.local.slots {
		for i, s := range all {
			if int(s.slot) != slot || int(s.index) != i {
				t.Fatalf("slot %d, index %d has one of %d, %d", slot, i, s.slot, s.index)
			}
		}
	}
	for _, end := range open {
		end()
	}
	if r.local.size() != 0 {
		t.Error("streams that are gone are registered")
	}
}

// remoteGrant is that of a token that is asked for elsewhere.
func remoteGrant(t *testing.T) *identity.Grant {
	t.Helper()
	login := idp.Start(t)
	login.Session("token", map[string]any{"sub": "ann"})
	authority, err := identity.New(identity.Config{
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
		IntrospectionURL: login.IntrospectionURL(), IntrospectionClient: idp.Client, IntrospectionSecret: idp.Secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	slow, err := authority.Session(t.Context(), "token")
	if err != nil || !slow.Remote() {
		t.Fatal(slow, err)
	}
	return slow
}

// TestASlowLoginHoldsUpNobodyElse: tokens that are asked for elsewhere wait
// apart from those that this node knows.
func TestASlowLoginHoldsUpNobodyElse(t *testing.T) {
	slow := remoteGrant(t)
	synctest.Test(t, func(t *testing.T) {
		again := func(ctx context.Context, g *identity.Grant) error {
			if g.Remote() {
				<-ctx.Done()
				return identity.ErrUnavailable
			}
			return &identity.InvalidError{Reason: "revoked"}
		}
		r := newRechecks(again, 30*time.Second, prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 1000 {
			r.watch(&user{grant: slow}, &testViewer{}, nil)
		}
		v := &testViewer{}
		r.watch(&user{grant: &identity.Grant{}}, v, nil)
		r.run(ctx)
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if let, _ := v.counts(); let != 1 {
			t.Errorf("a stream whose token this node knows was let go %d times", let)
		}
	})
}

// TestARoundIsOverInTimeWithALoginThatTakesItsTime: so many tokens are asked
// for at a time, and no more.
func TestARoundIsOverInTimeWithALoginThatTakesItsTime(t *testing.T) {
	slow := remoteGrant(t)
	synctest.Test(t, func(t *testing.T) {
		const streams, latency = 3200, 400 * time.Millisecond // 20 s of questions; 80 s with a quarter of them at a time
		var mu sync.Mutex
		asked, open, most := 0, 0, 0
		again := func(context.Context, *identity.Grant) error {
			mu.Lock()
			asked, open = asked+1, open+1
			most = max(most, open)
			mu.Unlock()
			time.Sleep(latency)
			mu.Lock()
			open--
			mu.Unlock()
			return nil
		}
		r := newRechecks(again, 30*time.Second, prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range streams {
			r.watch(&user{grant: slow}, &testViewer{}, nil)
		}
		r.run(ctx)
		time.Sleep(33 * time.Second)
		mu.Lock()
		if asked < streams || most != recheckQuestions {
			t.Errorf("%d of %d streams were checked in a round, %d at a time", asked, streams, most)
		}
		mu.Unlock()
		cancel()
		time.Sleep(10 * time.Second) // what is asked is answered
	})
}

func BenchmarkSweep(b *testing.B) {
	r := newRechecks(func(context.Context, *identity.Grant) error { return nil }, time.Minute, prometheus.NewRegistry())
	reader := &user{grant: &identity.Grant{}}
	for range 100_000 {
		r.watch(reader, &testViewer{}, nil)
	}
	var due []*watched
	b.ReportAllocs()
	for b.Loop() {
		for slot := range recheckSlots {
			due = r.local.due(slot, due)
			r.sweep(b.Context(), due)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/stream")
}

// BenchmarkWatch is what a stream with a token costs beside its viewer.
func BenchmarkWatch(b *testing.B) {
	r := newRechecks(nil, time.Minute, prometheus.NewRegistry())
	reader, viewer := &user{grant: &identity.Grant{}}, actors.Viewer{}
	b.ReportAllocs()
	for b.Loop() {
		r.watch(reader, viewer, nil)
	}
}
