package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"barrage/actors/wire"
	"barrage/persistence"
)

// counter answers Config.Count, and keeps what it was asked.
type counter struct {
	n       atomic.Int64
	asked   atomic.Int64
	before  atomic.Uint64
	deleted atomic.Pointer[[]uint64]
	during  atomic.Pointer[func()]
}

var errCount = errors.New("can't be counted")

// Count fails as long as the number is below 0.
func (c *counter) Count(_ context.Context, _ string, before uint64, deleted []uint64) (uint64, error) {
	c.asked.Add(1)
	c.before.Store(before)
	c.deleted.Store(&deleted)
	if during := c.during.Load(); during != nil {
		(*during)()
	}
	if n := c.n.Load(); n >= 0 {
		return uint64(n), nil
	}
	return 0, errCount
}

// untilComments waits until so many comments are told.
func (n *testNode) untilComments(want uint64) {
	n.tb.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got := n.ask("v", &wire.ReadVideo{}).(*wire.Video).Comments
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			n.tb.Fatalf("%d comments are told, not %d", got, want)
		}
	}
}

// longRoom has memory's MaxHistory comments and 100 older ones.
func longRoom(t *testing.T) (n *testNode, c *counter, ids []uint64) {
	t.Helper()
	c = &counter{}
	n = newTestNode(t, func(config *Config) { config.RecentComments, config.Count = MaxHistory, c.Count })
	for i := range MaxHistory + 100 {
		ids = append(ids, n.post("v", fmt.Sprint(i)))
	}
	if err := n.pump.WaitApplied(context.Background(), n.journal.LastLSN()); err != nil {
		t.Fatal(err)
	}
	ids = append(ids, n.post("v", "one more lets memory forget what the store has"))
	n.untilComments(uint64(len(ids)))
	if c.asked.Load() != 0 {
		t.Error("what was in memory from its beginning was counted")
	}
	return n, c, ids
}

func TestAnOwnerAfterADeadOneHasOlderCommentsCounted(t *testing.T) {
	n, c, ids := longRoom(t)
	c.n.Store(-1)
	n.owners.Release("v", n.owners.get("v"))
	n.untilComments(uint64(len(ids))) // as the store has counted, for now
	c.n.Store(150)
	n.untilComments(150 + MaxHistory)
	if floor := ids[len(ids)-MaxHistory]; c.before.Load() != floor {
		t.Errorf("counted below %d, not %d", c.before.Load(), floor)
	}
	n.post("v", "one more")
	n.untilComments(150 + MaxHistory + 1)
}

func TestWhatAnotherOwnerDidBelowMemoryIsCountedAgain(t *testing.T) {
	n, c, ids := longRoom(t)
	pid := n.owners.get("v")
	claimed := make(chan *wire.Claimed, 1)
	n.owners.claimFrom = func(_ *wire.Claim, from []string) ([]Claimed, error) {
		return []Claimed{{Address: from[0], Claimed: <-claimed}}, nil
	}
	old := elsewhere(persistence.IDTime(ids[0]).Add(-time.Second), "old")
	for i, answer := range []*wire.Claimed{
		{Rows: []*wire.Row{old}},
		{Deleted: []uint64{ids[0]}},
		{Holds: true},
	} {
		c.n.Store(int64(1000 * (i + 1)))
		claimed <- answer
		n.offer(pid, fmt.Sprint("node ", i), 0)
		n.untilComments(uint64(1000*(i+1) + MaxHistory))
	}
	if !slices.Contains(*c.deleted.Load(), ids[0]) {
		t.Errorf("the owner knows more than %v to be deleted", *c.deleted.Load())
	}
}

func TestADeletionDuringACountIsCountedAgain(t *testing.T) {
	n, c, ids := longRoom(t)
	c.n.Store(101)
	during := func() {
		if c.asked.Load() == 1 {
			if answer := n.ask("v", &wire.DeleteComment{CommentId: ids[0], DeletedBy: "m"}).(*wire.CommentAnswer); answer.Fault != nil {
				t.Errorf("%v", answer)
			}
			c.n.Store(100)
		}
	}
	c.during.Store(&during)
	n.owners.Release("v", n.owners.get("v"))
	n.untilComments(100 + MaxHistory)
	for deadline := time.Now().Add(20 * time.Second); c.asked.Load() < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it was not counted again")
		}
	}
	n.untilComments(100 + MaxHistory)
	n.ask("v", &wire.DeleteComment{CommentId: ids[1], DeletedBy: "m"})
	n.untilComments(99 + MaxHistory)
}

func TestANumberThatIsNotSureIsNotHandedOver(t *testing.T) {
	n, c, ids := longRoom(t)
	if total := n.handOver(n.owners.get("v"), 1).GetTotalComments(); total != uint64(len(ids)) {
		t.Errorf("%d are handed over", total)
	}
	c.n.Store(-1)
	n.post("v", "one more")
	if answer := n.handOver(n.owners.get("v"), 2); answer.TotalComments != nil {
		t.Errorf("%d are handed over", answer.GetTotalComments())
	}
}

// Nodes that are out of reach may have what nobody else has: memory must not
// stand for it, and a number without it is none.
func TestAnOwnerThatIsCutOffDoesNotStandForAllOfHistory(t *testing.T) {
	n, c, ids := longRoom(t)
	n.owners.partial.Store(true)
	n.owners.Release("v", n.owners.get("v"))
	posted := n.post("v", "while it is cut off")
	answer := n.ask("v", &wire.ReadRecent{Limit: 10, Desc: true}).(*wire.RecentRows)
	if answer.Floor <= ids[len(ids)-1] || len(answer.Rows) != 1 || answer.Rows[0].Id != posted {
		t.Errorf("memory has %d comments from %d on", len(answer.Rows), answer.Floor)
	}
	all, err := n.History().Rows(context.Background(), "v", persistence.Range{Limit: 1000})
	if err != nil || !slices.Equal(idsOf(all), append(ids, posted)) {
		t.Errorf("%d comments in history, %v", len(all), err)
	}
	c.n.Store(700)
	n.untilComments(uint64(len(ids) + 1)) // as its store counts
	if answer := n.handOver(n.owners.get("v"), 1); answer.TotalComments != nil || c.asked.Load() != 0 {
		t.Errorf("%d comments are handed over, counted %d times", answer.GetTotalComments(), c.asked.Load())
	}
	n.owners.partial.Store(false)
	n.untilComments(700 + MaxHistory)
}
