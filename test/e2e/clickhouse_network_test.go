package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"barrage/test/harness"
	"barrage/test/servers"
)

func TestClickHouseThatAnswersTooLateLosesAndDoublesNothing(t *testing.T) {
	ch := clickHouse(t)
	p := servers.StartProxy(t, ch.Addr())
	n := harness.Start(t, keptIn(p.Addr()), harness.Flags("--clickhouse-insert-timeout=1s", "--clickhouse-read-timeout=1s"))
	l := startLoad(t, n, "a", "b")
	during(t, 500*time.Millisecond)
	// Too late for the whole of an insert: the server takes a batch, and the
	// node doesn't hear of it; and then too late for anything.
	for _, delay := range []time.Duration{600 * time.Millisecond, 3 * time.Second} {
		p.SetDelay(delay)
		waitForFailures(t, n, 2)
	}
	l.has("a", 200) // some of which are deleted
	if got, err := n.Anyone().Page(t.Context(), "a", "pageSize=100"); err != nil || len(got.Comments) != 100 {
		t.Errorf("meanwhile the first page has %d comments, %v", len(got.Comments), err)
	}
	p.SetDelay(0)
	l.check(ch)
}

// TestClickHouseTenSecondsLateHoldsUpNobody: within the usual time limits
// inserts succeed late, and pages are given up.
func TestClickHouseTenSecondsLateHoldsUpNobody(t *testing.T) {
	ch := clickHouse(t)
	p := servers.StartProxy(t, ch.Addr())
	n := harness.Start(t, keptIn(p.Addr()))
	l := startLoad(t, n, "a", "b")
	during(t, 500*time.Millisecond)
	p.SetDelay(10 * time.Second)
	during(t, 12*time.Second)
	l.has("a", 200)
	if got, err := n.Anyone().Page(t.Context(), "a", "pageSize=100"); err != nil || len(got.Comments) != 100 {
		t.Errorf("meanwhile the first page has %d comments, %v", len(got.Comments), err)
	}
	p.SetDelay(0)
	l.check(ch)
	// Whoever waits for an insert waits for the ten seconds. A machine that stands
	// still makes a post late, but not as late.
	if slowest := l.slowest(); slowest >= 8*time.Second {
		t.Errorf("a post took %s", slowest)
	}
}

func TestConnectionsResetInTheMiddleOfBatchesLoseAndDoubleNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // places to cut at, not secrets
	ch := clickHouse(t)
	p := servers.StartProxy(t, ch.Addr())
	n := harness.Start(t, keptIn(p.Addr()))
	l := startLoad(t, n, "a", "b")
	deadline := time.Now().Add(harness.Patience)
	for round := 0; round < 25 || metric(t, n, insertFailures) < 5; round++ {
		if time.Now().After(deadline) {
			t.Fatalf("only %v inserts failed", metric(t, n, insertFailures))
		}
		p.ResetAfter(int64(300 + random.IntN(6000)))
		during(t, 150*time.Millisecond)
	}
	p.ResetAfter(0)
	l.check(ch)
}

func TestAnotherAddressTakesOver(t *testing.T) {
	t.Parallel()
	ch := clickHouse(t)
	one, two := servers.StartProxy(t, ch.Addr()), servers.StartProxy(t, ch.Addr())
	one.Refuse(true)
	n := harness.Start(t, keptIn(one.Addr(), two.Addr()), littleHere,
		harness.Flags("--clickhouse-insert-timeout=1s", "--clickhouse-read-timeout=2s"))
	l := startLoad(t, n, "room")
	during(t, 300*time.Millisecond)
	l.arrives(ch, "by-the-second")
	one.Refuse(false)
	two.Refuse(true) // it dies under load
	l.arrives(ch, "by-the-first")
	during(t, 300*time.Millisecond)
	one.Blackhole(true) // it hangs
	two.Refuse(false)
	l.arrives(ch, "by-the-second-again")
	visible := l.check(ch)["room"]
	// Readers find the one that is well, too.
	n.Restart()
	eventually(t, func() error {
		early, err := n.Anyone().Page(t.Context(), "room", "sort=asc")
		if err == nil && messages(early.Comments) != messages(visible[:10]) {
			err = fmt.Errorf("the first page is %q", messages(early.Comments))
		}
		return err
	})
}
