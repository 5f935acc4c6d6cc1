//go:build soak

package soak

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"barrage/test/harness"
	"barrage/test/servers"
)

const (
	outageRooms   = 20
	outageViewers = 200
	outagePosts   = 2000 // a second
)

// TestOutage kills ClickHouse under load. Nobody who posts or watches may
// notice, nor who reads recent history; afterwards nothing may be missing.
func TestOutage(t *testing.T) {
	f := newFigures(t)
	ch := startClickHouse(t)
	n := harness.Start(t, nodeWith(ch))
	rooms := make([]string, outageRooms)
	for i := range rooms {
		rooms[i] = fmt.Sprintf("room-%02d", i)
	}
	viewers, leave := watch(t, n, rooms, outageViewers/outageRooms)
	defer leave()

	l := startLoad(n, rooms, outagePosts)
	time.Sleep(2 * time.Second) // connections are made, buffers grow
	pages := startPages(n, rooms, l)
	began := time.Now()
	time.Sleep(scaledTime(t, 30*time.Second))
	ch.Kill()
	killed := time.Now()
	time.Sleep(scaledTime(t, 60*time.Second))
	ch.Start()
	back := time.Now()
	backlog := metric(t, n.Anyone(), lagRecords)
	for metric(t, n.Anyone(), lagSeconds) > 2*batchDelay.Seconds() && time.Since(back) < queryPatience {
		time.Sleep(50 * time.Millisecond)
	}
	f.add("caught up after ClickHouse was back, posts going on", time.Since(back).Seconds(), "s")
	time.Sleep(time.Until(back.Add(scaledTime(t, 30*time.Second))))
	answered := l.stop(t)
	pages.stop(t, f)
	f.add("records that waited when ClickHouse was back", backlog, "")
	f.add("the rest after the last post", drained(t, n.Anyone(), queryPatience).Seconds(), "s")

	f.report("posts, due to answered", answers(answered))
	checkStreams(t, f, viewers, answered, [...]time.Time{began, killed, back})
	leave()
	checkHistory(t, ch, n, answered)
}

// checkStreams compares what viewers got with what was answered, and how late
// it was before, during and after the outage.
func checkStreams(t *testing.T, f *figures, viewers []*viewer, answered map[string][]posted, from [3]time.Time) {
	t.Helper()
	names := []string{"before", "during", "after"}
	var due, answer [3]latencies
	for _, v := range viewers {
		want := answered[v.room]
		slices.SortFunc(want, func(a, b posted) int { return cmp.Compare(a.id, b.id) })
		for end := time.Now().Add(harness.Patience); !v.reached(len(want)) && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		if err := v.check(want); err != nil {
			t.Error(err)
			continue
		}
		for i, p := range want {
			phase := 2
			for phase >= 0 && p.due.Before(from[phase]) {
				phase--
			}
			if phase >= 0 {
				due[phase].add(v.came[i].at.Sub(p.due))
				// It may come before the author has his answer.
				answer[phase].add(max(0, v.came[i].at.Sub(p.answered)))
			}
		}
	}
	for i, name := range names {
		f.report("stream "+name+" the outage, due to delivered", &due[i])
		f.add("stream "+name+" the outage, answered to delivered, p99", answer[i].at(99), "ms")
	}
	f.atMost("stream p99 (due to delivered), during the outage to before", due[1].at(99)/due[0].at(99), "times", 1.5)
}

// pages reads recent history of every room each second, as long as it runs.
type pages struct {
	cancel context.CancelFunc
	ended  sync.WaitGroup
	took   latencies
	faults []error
}

func startPages(n *harness.Node, rooms []string, l *load) *pages {
	ctx, cancel := context.WithCancel(context.Background())
	p := &pages{cancel: cancel}
	client := n.Anyone()
	p.ended.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			for _, room := range rooms {
				p.read(client, "/comments/"+room)
				// More than the owner keeps in memory ago: from the store.
				if id := l.newest(room, 2500); id != 0 {
					p.read(client, fmt.Sprint("/comments/", room, "?pageSize=50&cursor=", id))
				}
			}
		}
	})
	return p
}

func (p *pages) read(client *harness.Client, path string) {
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	began := time.Now()
	answer, err := client.Do(ctx, http.MethodGet, path, nil, nil)
	if err == nil && answer.Status != http.StatusOK {
		err = answer
	}
	if err != nil {
		p.faults = append(p.faults, fmt.Errorf("%s: %w", path, err))
	}
	p.took.add(time.Since(began))
}

func (p *pages) stop(t *testing.T, f *figures) {
	t.Helper()
	p.cancel()
	p.ended.Wait()
	if len(p.faults) > 0 {
		t.Errorf("%d pages of recent history failed; the first: %v", len(p.faults), p.faults[0])
	}
	f.report("pages of recent history", &p.took)
}

// checkHistory looks for each answered comment in ClickHouse, and pages through
// the rooms at their node, and at a new one that has all of it from ClickHouse.
func checkHistory(t *testing.T, ch *servers.ClickHouse, n *harness.Node, answered map[string][]posted) {
	t.Helper()
	other := harness.Start(t, nodeWith(ch))
	for room, all := range answered {
		want := make([]uint64, len(all))
		for i, p := range all {
			want[i] = p.id
		}
		slices.Sort(want)
		if err := same(ids(t, ch, "visible_comments", room), want); err != nil {
			t.Errorf("%s in ClickHouse: %v", room, err)
		}
		for name, from := range map[string]*harness.Node{"its node": n, "a new node": other} {
			if err := walk(t.Context(), newReader(from), room, 0, want, nil); err != nil {
				t.Errorf("%s at %s: %v", room, name, err)
			}
		}
	}
}
