package httpedge

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
)

// reactionOwner adds up what sessions say, as an owner does.
type reactionOwner struct {
	mu       sync.Mutex
	totals   map[uint64]map[counter]uint64 // by session
	requests []*wire.React
	pause    time.Duration // until it answers
	fault    func(m *wire.React) *wire.Fault
	lost     func(m *wire.React) bool // counted, but the answer does not arrive

	uncounted []uint64 // that a fault is about
}

func (o *reactionOwner) Request(ctx context.Context, _ string, message proto.Message) (proto.Message, error) {
	m := message.(*wire.React)
	select {
	case <-time.After(o.pause):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests = append(o.requests, m)
	if o.fault != nil {
		if fault := o.fault(m); fault != nil {
			return &wire.ReactAnswer{Fault: fault, Uncounted: o.uncounted}, nil
		}
	}
	if o.totals == nil {
		o.totals = map[uint64]map[counter]uint64{}
	}
	if o.totals[m.Session] == nil {
		o.totals[m.Session] = map[counter]uint64{}
	}
	for _, t := range m.Targets {
		for _, c := range t.Counts {
			at := counter{t.CommentId, c.Type}
			o.totals[m.Session][at] = max(o.totals[m.Session][at], c.SessionTotal)
		}
	}
	if o.lost != nil && o.lost(m) {
		return nil, context.DeadlineExceeded
	}
	return &wire.ReactAnswer{}, nil
}

func (o *reactionOwner) total(c counter) (n uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, session := range o.totals {
		n += session[c]
	}
	return n
}

func newTestReactors(o *reactionOwner) *reactors {
	return newReactors(func() requester { return o }, 8*time.Second)
}

// countAll counts reactions at the same time and gives how many were refused.
func countAll(a *reactors, video string, all ...reaction) (refused int) {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, r := range all {
		wg.Go(func() { errs[i] = a.count(video, r) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			refused++
		}
	}
	return refused
}

func TestReactionsThatComeMeanwhileShareARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &reactionOwner{pause: 10 * time.Millisecond}
		a := newTestReactors(o)
		var all []reaction
		for i := range 1000 {
			all = append(all, reaction{kind: []string{"like", "love"}[i%2], count: 1 + i%3, comment: uint64(i % 2 * 7)})
		}
		if refused := countAll(a, "v", all...); refused != 0 {
			t.Errorf("%d were refused", refused)
		}
		want := map[counter]uint64{}
		for _, r := range all {
			want[counter{r.comment, r.kind}] += uint64(r.count)
		}
		for c, n := range want {
			if got := o.total(c); got != n {
				t.Errorf("%v: %d, want %d", c, got, n)
			}
		}
		if len(o.requests) > 3 {
			t.Errorf("%d requests", len(o.requests))
		}
		for i, m := range o.requests {
			if m.Session != o.requests[0].Session || m.Seq != uint64(i+1) {
				t.Errorf("request %d is %d of session %d", i, m.Seq, m.Session)
			}
		}
	})
}

func TestASessionEndsWhereItsSumsAreNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lose := true
		o := &reactionOwner{lost: func(*wire.React) bool { return lose }}
		a := newTestReactors(o)
		err := a.count("v", reaction{kind: "like", count: 5})
		if p := new(problem); !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable || p.retryAfter == 0 {
			t.Errorf("got %v", err)
		}
		lose = false
		for range 3 {
			if err := a.count("v", reaction{kind: "like", count: 2}); err != nil {
				t.Error(err)
			}
		}
		// What was lost was counted, as it happens, and no more than once.
		if got := o.total(counter{0, "like"}); got != 11 || len(o.totals) != 2 {
			t.Errorf("%d in %d sessions", got, len(o.totals))
		}
		if last := o.requests[3]; last.Seq != 3 || last.Targets[0].Counts[0].SessionTotal != 6 {
			t.Errorf("the last request is %v", last)
		}
	})
}

func TestReactionsEndByTheDeadlineOfTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &reactionOwner{pause: time.Hour}
		a := newTestReactors(o)
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second / 2)
				came := time.Now()
				if err := a.count("v", reaction{kind: "like", count: 1}); err == nil {
					t.Error("counted")
				}
				if waited := time.Since(came); waited > 8*time.Second {
					t.Errorf("one that came after %v waited %v", came.Sub(began), waited)
				}
			})
		}
		wg.Wait()
	})
}

func TestARefusalIsForAllThatWentWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := true
		o := &reactionOwner{fault: func(*wire.React) *wire.Fault {
			if ended {
				return &wire.Fault{Code: wire.Code_ENDED}
			}
			return nil
		}}
		a := newTestReactors(o)
		if refused := countAll(a, "v", reaction{kind: "like", count: 1}, reaction{kind: "like", count: 1}); refused != 2 {
			t.Errorf("%d refused", refused)
		}
		ended = false
		if err := a.count("v", reaction{kind: "like", count: 1}); err != nil || o.total(counter{0, "like"}) != 1 {
			t.Errorf("%v, %d counted", err, o.total(counter{0, "like"}))
		}
	})
}

func TestOnlyWhatWasNotCountedIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &reactionOwner{uncounted: []uint64{7}, fault: func(*wire.React) *wire.Fault { return &wire.Fault{Code: wire.Code_UNAVAILABLE} }}
		a := newTestReactors(o)
		if err := a.count("v", reaction{kind: "like", count: 1}); err != nil {
			t.Errorf("what was counted is refused: %v", err)
		}
		if err := a.count("v", reaction{kind: "like", count: 1, comment: 7}); err == nil {
			t.Error("what was not counted is not refused")
		}
		if o.requests[0].Session == o.requests[1].Session {
			t.Error("the session goes on, though its sums are others")
		}
	})
}

func TestASessionKeepsABoundedNumberOfSums(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &reactionOwner{}
		a := newTestReactors(o)
		n := 2*maxSessionCounters + 10
		var all []reaction
		for i := range n {
			all = append(all, reaction{kind: "like", count: 1, comment: uint64(i + 1)})
		}
		if refused := countAll(a, "v", all...); refused != 0 {
			t.Errorf("%d refused", refused)
		}
		counted := map[counter]bool{}
		for _, session := range o.totals {
			if len(session) > maxSessionCounters {
				t.Errorf("a session with %d sums", len(session))
			}
			for c := range maps.Keys(session) {
				counted[c] = true
			}
		}
		if len(counted) != n || len(o.totals) < 3 {
			t.Errorf("%d counted in %d sessions", len(counted), len(o.totals))
		}
		for _, m := range o.requests {
			if len(m.Targets) > maxBatchCounters {
				t.Errorf("a request with %d targets", len(m.Targets))
			}
		}
	})
}

func TestIdleReactorsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &reactionOwner{}
		a := newTestReactors(o)
		for _, video := range []string{"a", "b"} {
			if err := a.count(video, reaction{kind: "like", count: 1}); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(sessionIdle + time.Minute)
		if err := a.count("c", reaction{kind: "like", count: 1}); err != nil || len(a.byVideo) != 1 {
			t.Errorf("%v, %d are known", err, len(a.byVideo))
		}
	})
}
