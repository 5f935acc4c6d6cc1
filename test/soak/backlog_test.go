//go:build soak

package soak

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"barrage/persistence/datadir"
	"barrage/persistence/journal"
	"barrage/test/harness"
	"barrage/test/servers"
)

const (
	backlogRecords = 7_000_000
	backlogRate    = 2000 // a second, when they were posted
	backlogPosts   = 100  // a second while it drains
	// What a drain may add to the node's memory: two batches on their way (one
	// is read while the other is sent), as records, columns and blocks.
	backlogMemory = 100 // MB
)

// TestBacklog drains an hour of comments that ClickHouse was away for. It must
// take no memory to speak of, and nobody who posts may notice.
func TestBacklog(t *testing.T) {
	f := newFigures(t)
	ch := startClickHouse(t)
	// The node has seen ClickHouse once, as one that runs has.
	n := harness.Start(t, nodeWith(ch))
	n.Terminate()
	ch.Stop()
	c, contents := fillBacklog(t, n.Data)
	total := uint64(scaled(t, backlogRecords))
	f.add("journal", float64(c.bytes)/1e6, "MB of records")

	began := time.Now()
	n.Launch()
	awaitReady(t, n)
	f.add("start, the embedded store catching up", time.Since(began).Seconds(), "s")
	client := n.Anyone()
	l := startLoad(n, []string{"live"}, backlogPosts)
	before := watchMemory(t, n.PID())
	time.Sleep(scaledTime(t, 20*time.Second))
	before.stop()
	f.add("records that wait", metric(t, client, lagRecords), "")

	resetPeak(t, n.PID())
	during := watchMemory(t, n.PID())
	cpuNode, cpuServer := cpuOf(t, n.PID()), 0.0
	ch.Start()
	back := time.Now()
	waiting := metric(t, client, lagRecords)
	began = drainDownTo(t, client, waiting-1) // the pump's pause after a failure
	took := drainDownTo(t, client, 10*backlogPosts).Sub(began)
	cpuNode, cpuServer = cpuOf(t, n.PID())-cpuNode, cpuOf(t, ch.PID())
	during.stop()
	f.add("first batch after ClickHouse was back", began.Sub(back).Seconds(), "s")
	f.add("drained in, from then on", took.Seconds(), "s")
	f.add("drained", (waiting-batchRows)/took.Seconds(), "records a second")
	f.add("CPU of the node for a million records", cpuNode/float64(total)*1e6, "s")
	f.add("CPU of ClickHouse for a million records", cpuServer/float64(total)*1e6, "s")
	f.add("memory before the drain, mean", mean(before.samples), "MB")
	f.add("memory during the drain, mean", mean(during.samples), "MB")
	f.atMost("memory during the drain, second half to first", during.growth(), "times", 1.2)
	f.atMost("memory during the drain, VmHWM", memoryOf(t, n.PID(), "VmHWM"), "MB", 1.3*before.highest()+backlogMemory)

	answered := l.stop(t)
	f.report("posts meanwhile, due to answered", answers(answered))
	drained(t, client, queryPatience)
	for _, p := range answered["live"] {
		contents["live"] = content{contents["live"].comments + 1, contents["live"].sum + p.id}
	}
	began = time.Now()
	checkContents(t, ch, contents)
	f.add("counting it by SQL", time.Since(began).Seconds(), "s")
	checkNotTwice(t, f, ch, total+uint64(len(answered["live"])))
}

// drainDownTo waits until no more than so many records wait, and answers when
// that was.
func drainDownTo(t *testing.T, c *harness.Client, records float64) time.Time {
	t.Helper()
	for began := time.Now(); metric(t, c, lagRecords) > records; time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > time.Hour {
			t.Fatalf("it does not drain: %.0f records are left", metric(t, c, lagRecords))
		}
	}
	return time.Now()
}

// fillBacklog writes an hour into a node's journal.
func fillBacklog(t *testing.T, data string) (*corpus, map[string]content) {
	t.Helper()
	number, err := datadir.NodeNumber(data)
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(journal.Config{Dir: filepath.Join(data, "journal")})
	if err != nil {
		t.Fatal(err)
	}
	n := scaled(t, backlogRecords)
	begin := time.Now().Add(-time.Duration(n) * time.Second / backlogRate)
	c := newCorpus(t, number, begin)
	contents := c.fill(t, j, n, backlogRate)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return c, contents
}

// awaitReady waits longer than the harness does.
func awaitReady(t *testing.T, n *harness.Node) {
	t.Helper()
	client := n.Anyone()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		answer, err := client.Do(t.Context(), http.MethodGet, "/readyz", nil, nil)
		if err == nil && answer.Status == http.StatusOK {
			return
		}
		select {
		case <-n.Exited():
			t.Fatal("the node ended before it served")
		default:
		}
		if time.Since(began) > queryPatience {
			t.Fatalf("the node did not serve within %s", queryPatience)
		}
	}
}

// checkNotTwice says how many rows are there more than once, before they are
// merged: none, as no batch had to be sent again.
func checkNotTwice(t *testing.T, f *figures, ch *servers.ClickHouse, want uint64) {
	t.Helper()
	rows := ch.Number(t, "SELECT count() FROM barrage.comments")
	f.add("rows beyond one for each comment", float64(rows)-float64(want), "")
}
