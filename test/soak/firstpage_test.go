//go:build soak

package soak

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"barrage/persistence/clickhouse"
	"barrage/test/harness"
	"barrage/test/servers"
)

const (
	hotRoom  = "hot"
	hotPosts = 100 // a second
)

// testFirstPage measures how often a hot room's first page can be read, alone
// and while others page deep through another room. ClickHouse is on the same
// machine: how many pages it may read at once says what it leaves to the node.
func testFirstPage(t *testing.T, ch *servers.ClickHouse, want []uint64) {
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		t.Skip("it needs wrk, the Debian package of this name")
	}
	f := newFigures(t)
	for i, others := range []struct {
		name  string
		reads int
		pause time.Duration
	}{
		{" (200 who scroll)", clickhouse.DefaultConcurrentReads, scrolling},
		{" (200 without a pause)", clickhouse.DefaultConcurrentReads, 0},
		{" (200 without a pause, 2 reads at once)", 2, 0},
	} {
		n := harness.Start(t, nodeWith(ch), harness.Flags(fmt.Sprint("--clickhouse-concurrent-reads=", others.reads)))
		w := wrkRun{program: wrk, node: n}
		l := startLoad(n, []string{hotRoom}, hotPosts)
		time.Sleep(2 * time.Second)
		if i == 0 {
			// What this machine gives to any answer: a floor for those that mean something.
			floor := w.measure(t, f, "/healthz", "answers of /healthz, alone")
			f.add("answers of /healthz, alone", floor, "a second")
			alone := w.measure(t, f, "/comments/"+hotRoom, "first pages, alone")
			f.add("first pages, alone", alone, "a second")
			f.add("first pages to answers of /healthz", alone/floor, "times")
		}
		rate := besideDeep(t, f, ch, &w, want, others.pause, others.name)
		f.report("posts meanwhile, due to answered"+others.name, answers(l.stop(t)))
		if i == 0 {
			f.atLeast("first pages beside deep pagers"+others.name, rate, "a second", 30_000)
		} else {
			f.add("first pages beside deep pagers"+others.name, rate, "a second")
		}
		n.Terminate()
	}
}

// besideDeep measures first pages while clients page deep.
func besideDeep(t *testing.T, f *figures, ch *servers.ClickHouse, w *wrkRun, want []uint64, pause time.Duration, at string) (rate float64) {
	t.Helper()
	client := w.node.Anyone()
	deep := startDeep(w.node, want, pause)
	time.Sleep(time.Second)
	before, queries, cpu := deep.count(), metric(t, client, queriesSent), cpuOf(t, ch.PID())
	began := time.Now()
	rate = w.measure(t, f, "/comments/"+hotRoom, "first pages beside deep pagers"+at)
	pages, took := float64(deep.count()-before), time.Since(began).Seconds()
	f.add("deep pages"+at, pages/took, "a second")
	f.add("queries for a deep page"+at, (metric(t, client, queriesSent)-queries)/pages, "")
	f.add("processors that ClickHouse used"+at, (cpuOf(t, ch.PID())-cpu)/took, "")
	deep.stop(t)
	f.report("deep pages"+at, &deep.took)
	return rate
}

var (
	wrkRate   = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkErrors = regexp.MustCompile(`(?m)^\s+(Non-2xx|Socket errors).*$`)
	wrkP99    = regexp.MustCompile(`99%\s+([\d.]+)(us|ms|s)`)
)

// wrkRun runs wrk against a node.
type wrkRun struct {
	program string
	node    *harness.Node
}

// measure answers how many answers a second there are. It notes how many for
// each second of the node's CPU time, too, which says more where others need
// the processors.
func (w *wrkRun) measure(t *testing.T, f *figures, path, name string) (perSecond float64) {
	t.Helper()
	duration := fmt.Sprintf("%ds", max(3, scaled(t, 30)))
	cpu := cpuOf(t, w.node.PID())
	began := time.Now()
	out, err := exec.Command(w.program, "-t1", "-c64", "-d"+duration, "--latency", w.node.URL+path).CombinedOutput()
	text := string(out)
	if err != nil {
		t.Fatalf("wrk: %v\n%s", err, text)
	}
	processors := (cpuOf(t, w.node.PID()) - cpu) / time.Since(began).Seconds()
	if bad := wrkErrors.FindString(text); bad != "" {
		t.Errorf("wrk: %s", bad)
	}
	rate := wrkRate.FindStringSubmatch(text)
	if rate == nil {
		t.Fatalf("wrk says no rate:\n%s", text)
	}
	if perSecond, err = strconv.ParseFloat(rate[1], 64); err != nil {
		t.Fatal(err)
	}
	f.add(name+", for each CPU-second of the node", perSecond/processors, "")
	if p99 := wrkP99.FindStringSubmatch(text); p99 != nil {
		if d, err := time.ParseDuration(p99[1] + p99[2]); err == nil {
			f.add(name+", p99", float64(d)/float64(time.Millisecond), "ms")
		}
	}
	return perSecond
}
