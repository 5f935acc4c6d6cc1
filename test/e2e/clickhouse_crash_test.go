package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"barrage/test/harness"
)

func TestClickHouseKilledUnderLoadLosesAndDoublesNothing(t *testing.T) {
	ch := clickHouse(t)
	n := harness.Start(t, keptIn(ch.Addr()))
	l := startLoad(t, n, "a", "b")
	for range 2 {
		during(t, 700*time.Millisecond)
		ch.Kill()
		waitForFailures(t, n, 2)
		during(t, 1500*time.Millisecond)
		if got, err := n.Anyone().Page(t.Context(), "a", "pageSize=100"); err != nil || len(got.Comments) == 0 {
			t.Errorf("without ClickHouse the first page has %d comments, %v", len(got.Comments), err)
		}
		ch.Start()
	}
	visible := l.check(ch)
	// All of it is there without the node's own store, too.
	l.n = harness.Start(t, keptIn(ch.Addr()))
	for room, want := range visible {
		l.checkHistory(room, want)
	}
}

// The node dies again and again when ClickHouse has a batch and the node
// doesn't know yet.
func TestNodeThatDiesBetweenInsertAndCheckpointDoublesNothing(t *testing.T) {
	t.Parallel()
	ch := clickHouse(t)
	n := harness.Start(t, keptIn(ch.Addr()), harness.WithFaults())
	l := startPatientLoad(t, n, "a", "b")
	during(t, 300*time.Millisecond)
	n.Kill()
	ch.Exec(t, "SYSTEM STOP MERGES") // so that what is there twice can be seen
	for _, inserts := range []int{3, 0, 2, 1, 0, 4} {
		n.FaultAt(fmt.Sprintf("inserted:%d", inserts))
		n.Launch()
		if status := n.Wait(); status != -1 {
			t.Fatalf("it ended with status %d", status)
		}
	}
	rows := ch.Number(t, "SELECT count() FROM barrage.comments")
	ids := ch.Number(t, "SELECT uniqExact(comment_id, deleted) FROM barrage.comments")
	if rows <= ids {
		t.Errorf("%d rows for %d records: nothing was inserted again, so this shows nothing", rows, ids)
	}
	ch.Exec(t, "SYSTEM START MERGES")
	n.FaultAt("")
	n.Start()
	l.check(ch)
}

func TestCrashesWithClickHouseLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // moments to kill at, not secrets
	ch := clickHouse(t)
	n := harness.Start(t, keptIn(ch.Addr()), littleHere)
	l := startPatientLoad(t, n, "a", "b")
	for range 8 {
		during(t, time.Duration(50+random.IntN(700))*time.Millisecond)
		n.Kill()
		n.Start()
	}
	l.check(ch)
	if l.tried == 0 {
		t.Error("no post was under way at any crash: the load is too light to show anything")
	}
}
