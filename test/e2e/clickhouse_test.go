package e2e

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"barrage/test/harness"
	"barrage/test/servers"
)

// Whatever happens to ClickHouse: no post fails, viewers see all, and in the
// end ClickHouse has each answered comment once. The files clickhouse_*_test.go
// each let something happen to it.

// clickHouse starts a real server.
func clickHouse(t *testing.T) *servers.ClickHouse {
	t.Helper()
	return servers.StartClickHouse(t, servers.ClickHouseOptions{})
}

// dsn is what a node is given for the database at some addresses.
func dsn(addrs ...string) string {
	return "clickhouse://default:@" + strings.Join(addrs, ",") + "/barrage"
}

// keptIn has a node's history in ClickHouse, in small batches.
func keptIn(addrs ...string) harness.Option {
	return harness.Flags("--clickhouse="+dsn(addrs...), "--clickhouse-batch-delay=100ms", "--stream-heartbeat=200ms")
}

// littleHere lets a node have in memory and on its own disk only what is newest.
var littleHere = harness.Flags("--clickhouse-local-retention=1s", "--videos-recent-comments=200")

// caughtUp waits until ClickHouse has all that the node has.
func caughtUp(t *testing.T, n *harness.Node) {
	t.Helper()
	eventually(t, func() error {
		r, err := n.Anyone().Ready(t.Context())
		switch {
		case err != nil:
			return err
		case r.History == nil || r.History.Store != "clickhouse":
			return fmt.Errorf("/readyz says %+v", r)
		case r.History.LagRecords > 0:
			return fmt.Errorf("ClickHouse lacks %d records", r.History.LagRecords)
		}
		return nil
	})
}

// expectInClickHouse checks that analysts see these comments and no others,
// each once.
func expectInClickHouse(t *testing.T, ch *servers.ClickHouse, room string, want []harness.Comment) {
	t.Helper()
	rows := ch.Rows(t, "SELECT toString(comment_id), message FROM barrage.visible_comments WHERE live_video_id = ? ORDER BY comment_id", room)
	same := slices.EqualFunc(rows, want, func(row []string, c harness.Comment) bool { return row[0] == c.ID && row[1] == c.Message })
	if !same {
		ids := map[string]int{}
		for _, row := range rows {
			ids[row[0]]++
		}
		lost, doubled := 0, 0
		for _, c := range want {
			switch n := ids[c.ID]; {
			case n == 0:
				lost++
			case n > 1:
				doubled++
			}
		}
		t.Errorf("%s: ClickHouse shows %d comments, want %d; %d lost, %d doubled", room, len(rows), len(want), lost, doubled)
	}
	replies := ch.Number(t, "SELECT uniqExact(comment_id) FROM (SELECT * FROM barrage.replies FINAL) WHERE live_video_id = ? AND deleted = 0", room)
	answers := slices.DeleteFunc(slices.Clone(want), func(c harness.Comment) bool { return c.ParentID == "" })
	if replies != uint64(len(answers)) {
		t.Errorf("%s: ClickHouse has %d answers to others, want %d", room, replies, len(answers))
	}
	sum := ch.Number(t, "SELECT toUInt64(sum(comments)) FROM barrage.comments_per_minute WHERE live_video_id = ?", room)
	if sum != uint64(len(want)) {
		t.Errorf("%s: by minutes these are %d comments, want %d", room, sum, len(want))
	}
}

// waitForLog waits for a line that has all of the given words in it.
func waitForLog(t *testing.T, n *harness.Node, words ...string) {
	t.Helper()
	eventually(t, func() error {
		if logged(n, words...) == 0 {
			return fmt.Errorf("no line of the log has %q", words)
		}
		return nil
	})
}

// logged counts lines that have all of the given words in them.
func logged(n *harness.Node, words ...string) int {
	lines := 0
	for line := range strings.Lines(n.Logs()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(strings.ToLower(line), strings.ToLower(w)) }) {
			lines++
		}
	}
	return lines
}

func metric(t *testing.T, n *harness.Node, series string) float64 {
	t.Helper()
	value, err := n.Anyone().Metric(t.Context(), series)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

const (
	insertFailures = `barrage_clickhouse_failures_total{operation="insert"}`
	setAside       = "barrage_clickhouse_set_aside_records_total"
)

// waitForFailures waits until so many more inserts have failed.
func waitForFailures(t *testing.T, n *harness.Node, more int) {
	t.Helper()
	before := metric(t, n, insertFailures)
	eventually(t, func() error {
		if now := metric(t, n, insertFailures); now < before+float64(more) {
			return fmt.Errorf("%v inserts have failed, want %d more than %v", now, more, before)
		}
		return nil
	})
}

// expectNotNow checks for an answer that only time can make better.
func expectNotNow(answer *harness.Answer) error {
	if answer.Status != 503 {
		return fmt.Errorf("got %w, want status 503", answer)
	}
	if _, err := readProblem(answer); err != nil {
		return err
	}
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err != nil || seconds < 1 {
		return fmt.Errorf("Retry-After is %q", answer.Header.Get("Retry-After"))
	}
	return nil
}

// during lets load go on for a while.
func during(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	<-ctx.Done()
}
