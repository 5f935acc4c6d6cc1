//go:build soak

package soak

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/test/harness"
	"barrage/test/servers"
)

// TestDeepPaging reads a long history that a node has from ClickHouse alone.
func TestDeepPaging(t *testing.T) {
	ch := startClickHouse(t)
	began := time.Now()
	fillHistory(t, ch)
	want := ids(t, ch, "comments", bigRoom)
	fmt.Printf("figure: filling ClickHouse with %d comments %s s\n", 2*len(want), number(time.Since(began).Seconds()))
	t.Run("Pages", func(t *testing.T) { testPages(t, ch, want) })
	t.Run("Walk", func(t *testing.T) { testWalk(t, ch, want) })
	t.Run("FirstPage", func(t *testing.T) { testFirstPage(t, ch, want) })
}

// kind is a way to ask for a page.
type kind struct {
	name  string
	query func(r *rand.Rand) (room, query string)
}

// kindsOf are the ways to get into a room with these comments, and into those
// of the small rooms whose owners have been started.
func kindsOf(want []uint64, started int) []kind {
	anyOf := func(r *rand.Rand) uint64 { return want[r.IntN(len(want))] }
	big := func(name, format string, id func(r *rand.Rand) uint64) kind {
		return kind{name, func(r *rand.Rand) (string, string) { return bigRoom, fmt.Sprintf(format, id(r)) }}
	}
	return []kind{
		// What the owner has in memory is no more than the last 2000.
		big("newest pages that are not in memory", "cursor=%d", func(r *rand.Rand) uint64 { return want[len(want)-2001-r.IntN(1000)] }),
		big("pages anywhere, newest first", "cursor=%d", anyOf),
		big("pages anywhere, oldest first", "sort=asc&cursor=%d", anyOf),
		big("pages anywhere, of 100", "pageSize=100&cursor=%d", anyOf),
		big("since anywhere", "since=%d", anyOf),
		big("the oldest page, newest first", "cursor=%d", func(r *rand.Rand) uint64 { return want[10+r.IntN(100)] }),
		big("the oldest page, oldest first", "sort=asc&cursor=%d", func(r *rand.Rand) uint64 { return want[r.IntN(100)] }),
		{"small rooms, at random times", func(r *rand.Rand) (string, string) {
			return smallRoom(r.IntN(started)), fmt.Sprintf("cursor=%d", anyOf(r))
		}},
	}
}

func testPages(t *testing.T, ch *servers.ClickHouse, want []uint64) {
	f := newFigures(t)
	first := func() (string, string) { return bigRoom, "" }
	var big, cold, warm latencies
	for range 3 {
		n := harness.Start(t, nodeWith(ch))
		ask(t, newReader(n), 1, &big, first)
		n.Terminate()
	}
	f.add("first page of the big room right after the start, longest of 3", big.at(100), "ms")
	n := harness.Start(t, nodeWith(ch))
	r := newReader(n)
	started := 0
	queries := metric(t, n.Anyone(), queriesSent)
	ask(t, r, scaled(t, 300), &cold, func() (string, string) { started++; return smallRoom(started - 1), "" })
	f.add("queries for the first page of a small room", (metric(t, n.Anyone(), queriesSent)-queries)/float64(started), "")
	f.report("first page of a small room, as read from ClickHouse", &cold)
	ask(t, r, 1, new(latencies), first) // starts the owner
	ask(t, r, scaled(t, 2000), &warm, first)
	f.report("first page of the big room, from memory", &warm)

	kinds := kindsOf(want, started)
	for _, clients := range []int{1, 8} {
		took := make([]latencies, len(kinds))
		queries := metric(t, n.Anyone(), queriesSent)
		askInTurn(t, r, clients, scaled(t, 500), kinds, took)
		beside := fmt.Sprintf(", %d at a time", clients)
		f.add("queries for a page"+beside, (metric(t, n.Anyone(), queriesSent)-queries)/float64(len(kinds)*scaled(t, 500)), "")
		for i, k := range kinds {
			f.report(k.name+beside, &took[i])
			f.atMost(k.name+beside+": p99 to that of a first page from ClickHouse", took[i].at(99)/cold.at(99), "times", 3)
			if i > 0 {
				f.atMost(k.name+beside+": p99 to that of the newest", took[i].at(99)/took[0].at(99), "times", 3)
			}
		}
	}
}

// askInTurn reads so many pages of each kind with some clients: a round of all
// kinds after the other, each in another order, so that what else goes on, and
// what the node learned from the page before, hits all of them alike.
func askInTurn(t *testing.T, r *reader, clients, each int, kinds []kind, took []latencies) {
	t.Helper()
	var order []int
	shuffle := rand.New(rand.NewPCG(1, 1))
	for range each {
		order = append(order, shuffle.Perm(len(kinds))...)
	}
	var next atomic.Int64
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for {
				n := int(next.Add(1)) - 1
				if n >= len(order) {
					return
				}
				k := order[n]
				room, query := kinds[k].query(random)
				began := time.Now()
				if _, _, err := r.page(t.Context(), room, query); err != nil {
					t.Errorf("%s?%s: %v", room, query, err)
					return
				}
				took[k].add(time.Since(began))
			}
		})
	}
	all.Wait()
}

// ask reads so many pages, one after the other.
func ask(t *testing.T, r *reader, n int, took *latencies, query func() (room, query string)) {
	t.Helper()
	for range n {
		room, q := query()
		began := time.Now()
		if _, _, err := r.page(t.Context(), room, q); err != nil {
			t.Fatalf("%s?%s: %v", room, q, err)
		}
		took.add(time.Since(began))
	}
}

// walkPosts a second go into the room that is walked through.
const walkPosts = 50

// testWalk pages through the big room, oldest first, while others post there.
func testWalk(t *testing.T, ch *servers.ClickHouse, want []uint64) {
	f := newFigures(t)
	n := harness.Start(t, nodeWith(ch))
	l := startLoad(n, []string{bigRoom}, walkPosts)
	var took latencies
	began := time.Now()
	if err := walk(t.Context(), newReader(n), bigRoom, 0, want, &took); err != nil {
		t.Error(err)
	}
	f.add("pages of 100 on the way through the big room", float64(len(took.all))/time.Since(began).Seconds(), "a second")
	f.report("such a page", &took)
	answered := l.stop(t)
	f.report("posts meanwhile, due to answered", answers(answered))
	var added []uint64
	for _, p := range answered[bigRoom] {
		added = append(added, p.id)
	}
	slices.Sort(added)
	if err := walk(t.Context(), newReader(n), bigRoom, want[len(want)-1], added, nil); err != nil {
		t.Errorf("what was posted meanwhile: %v", err)
	}
}
