package httpedge

import (
	"testing"
	"time"
)

func TestABucketAllowsItsBurstAndThenItsRate(t *testing.T) {
	now := time.Unix(1000, 0)
	b := newBuckets(10, 30)
	for i := range 30 {
		if ok, _ := b.take("ann", now); !ok {
			t.Fatalf("post %d of a burst of 30 is refused", i+1)
		}
	}
	ok, wait := b.take("ann", now)
	if ok || wait <= 0 || wait > 100*time.Millisecond {
		t.Errorf("post 31: %v, wait %v", ok, wait)
	}
	if ok, _ := b.take("bob", now); !ok {
		t.Error("another user is refused")
	}
	if ok, _ := b.take("ann", now.Add(101*time.Millisecond)); !ok {
		t.Error("a tenth of a second later it is still refused")
	}
	b.take("carl", now.Add(2*sweepEvery))
	if len(b.byName) != 1 {
		t.Errorf("%d buckets are kept, though all but one are full", len(b.byName))
	}
}

func TestStreamsAreCountedPerNodeAddressAndUser(t *testing.T) {
	a := newAdmission(Config{MaxStreams: 4, StreamsPerAddress: 3, StreamsPerUser: 2})
	enter := func(address, user string, want refusal) func() {
		t.Helper()
		got, leave := a.enter(address, user)
		if got != want {
			t.Fatalf("%s from %s: %q, not %q", user, address, got, want)
		}
		return leave
	}
	first := enter("1", "ann", admitted)
	second := enter("1", "ann", admitted)
	enter("1", "ann", refusedUser)
	third := enter("1", "", admitted)
	enter("1", "", refusedAddress)
	fourth := enter("2", "", admitted)
	enter("3", "", refusedNode)
	for _, leave := range []func(){first, second, third, fourth} {
		leave()
	}
	if a.open != 0 || len(a.byAddress) != 0 || len(a.byUser) != 0 {
		t.Errorf("when all have left, %d streams, %v and %v are counted", a.open, a.byAddress, a.byUser)
	}
}

func TestJoinsPerSecondAreLimited(t *testing.T) {
	a := newAdmission(Config{JoinsPerSecond: 5})
	refused := 0
	for range 100 {
		if r, _ := a.enter("1", ""); r == refusedJoins {
			refused++
		}
	}
	if refused < 80 {
		t.Errorf("%d of 100 joins at once were refused at 5 a second", refused)
	}
}
