package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"barrage/test/harness"
	"barrage/test/servers"
)

const lagLine, caughtUpLine = "lacks the newest history", "has caught up"

func TestLagIsWarnedOfOnceAndItsEndIsSaid(t *testing.T) {
	ch := clickHouse(t)
	p := servers.StartProxy(t, ch.Addr())
	// A busy machine may lag for a second again, which is to be warned of.
	n := harness.Start(t, keptIn(p.Addr()), harness.Flags("--clickhouse-lag-warning=5s"))
	l := startLoad(t, n, "room")
	l.arrives(ch, "before")
	p.Refuse(true)
	eventually(t, func() error {
		r, err := n.Anyone().Ready(t.Context()) // 200 throughout
		if err != nil {
			t.Fatal(err)
		}
		if r.History.Warning == "" || r.History.LagRecords == 0 || r.History.LagSeconds < 6 {
			return fmt.Errorf("/readyz says %+v", *r.History)
		}
		return nil
	})
	waitForLog(t, n, "level=WARN", lagLine, "records=")
	if seconds := metric(t, n, "barrage_clickhouse_lag_seconds"); seconds < 5 {
		t.Errorf("the metric says %v s", seconds)
	}
	p.Refuse(false)
	waitForLog(t, n, "level=INFO", caughtUpLine)
	r, err := n.Anyone().Ready(t.Context())
	if err != nil || r.Status != "ready" || r.History.Warning != "" {
		t.Errorf("afterwards /readyz says %+v, %v", r, err)
	}
	l.check(ch)
	if warned, over := logged(n, lagLine), logged(n, caughtUpLine); warned != 1 || over != 1 {
		t.Errorf("%d lines warn, %d say that it is over", warned, over)
	}
}

// A comment after a long silence waits for others to be inserted with; that is
// no lag.
func TestFirstCommentAfterASilenceIsNoLag(t *testing.T) {
	ch := clickHouse(t)
	n := harness.Start(t, keptIn(ch.Addr()), harness.Flags("--clickhouse-batch-delay=500ms", "--clickhouse-lag-warning=5s"))
	ops := n.User("ops", "admin")
	post(t, ops, "room", "before")
	caughtUp(t, n)
	during(t, 10*time.Second)
	posted := time.Now()
	post(t, ops, "room", "after")
	eventually(t, func() error {
		r, err := n.Anyone().Ready(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The insert itself may be slow, and the node looks once a second whether
		// there is nothing to insert, or later if the machine stands still.
		age := time.Since(posted)
		if r.History.LagSeconds > age.Seconds()+4 || r.History.Warning != "" && age < time.Second {
			t.Fatalf("%s after the comment /readyz says %+v", age, *r.History)
		}
		if r.History.LagRecords > 0 {
			return errors.New("it isn't inserted yet")
		}
		return nil
	})
}
