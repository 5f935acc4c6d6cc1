//go:build !race

package cluster

import (
	"testing"
	"time"

	"barrage/cluster/membership"
	"barrage/persistence"
)

// sees makes a member that sees two others, and what it knows of them.
func sees(copies int, known map[string]*peer) *Member {
	self := &testNode{number: 1}
	var all []membership.Member
	for number := range 3 {
		all = append(all, (&testNode{number: number + 1}).Self())
	}
	self.view.Store(membership.NewView(all, 1))
	m := &Member{config: Config{Copies: copies}}
	m.peers = &peers{Member: m, known: known}
	var joined members = self
	m.members.Store(&joined)
	return m
}

func TestArchivedBelowIsThatOfAllWhoCanBeReached(t *testing.T) {
	for name, c := range map[string]struct {
		two, three *peer
		want       uint64
	}{
		"one is new":             {nil, &peer{told: true, archivedBelow: 9}, 0},
		"one has not told":       {&peer{}, &peer{told: true, archivedBelow: 9}, 0},
		"both have told":         {&peer{told: true, archivedBelow: 7}, &peer{told: true, archivedBelow: 9}, 7},
		"one is out of reach":    {&peer{missed: unreachableAfter}, &peer{told: true, archivedBelow: 9}, 9},
		"both are out of reach":  {&peer{missed: unreachableAfter, told: true, archivedBelow: 7}, &peer{missed: unreachableAfter}, ^uint64(0)},
		"one did not answer yet": {&peer{missed: unreachableAfter - 1, told: true, archivedBelow: 7}, &peer{told: true, archivedBelow: 9}, 7},
	} {
		known := map[string]*peer{}
		for id, p := range map[string]*peer{"node-2": c.two, "node-3": c.three} {
			if p != nil {
				known[id] = p
			}
		}
		if got := sees(2, known).ArchivedBelow(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestAViewIsPartialWithoutSoManyMembersAsHaveCopies(t *testing.T) {
	for _, c := range []struct {
		copies, away int
		want         bool
	}{{0, 0, false}, {0, 1, true}, {1, 1, true}, {2, 1, false}, {2, 2, true}} {
		known := map[string]*peer{"node-2": {}, "node-3": {}}
		for _, id := range []string{"node-2", "node-3"}[:c.away] {
			known[id].missed = unreachableAfter
		}
		m := sees(c.copies, known)
		if got := m.Partial(); got != c.want {
			t.Errorf("%d copies, %d of 3 away: %v", c.copies, c.away, got)
		}
		m.lostAt = time.UnixMilli(1_800_000_000_000)
		want := persistence.FirstIDAt(m.lostAt.Add(lostMargin))
		if c.want {
			want = ^uint64(0)
		}
		if got := m.CompleteFrom(); got != want {
			t.Errorf("%d copies, %d of 3 away: complete from %d, want %d", c.copies, c.away, got, want)
		}
	}
}

func TestTheNumberOfMembersIsThatOfNow(t *testing.T) {
	c := newTestCluster(t, 3)
	n, away := c.nodes[0], c.nodes[2]
	expect := func(when string, members, reachable float64) {
		t.Helper()
		families, err := n.metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
		}
		if got["barrage_cluster_members"] != members || got["barrage_cluster_reachable_members"] != reachable {
			t.Errorf("%s: %v members, %v of them reachable", when, got["barrage_cluster_members"], got["barrage_cluster_reachable_members"])
		}
	}
	expect("all are there", 3, 3)
	away.stop()
	n.member.peers.mu.Lock()
	n.member.peers.known[away.name()] = &peer{address: away.address, missed: unreachableAfter}
	n.member.peers.mu.Unlock()
	n.member.update()
	expect("one can't be reached", 3, 2)
	n.see(2, c.nodes[:2]...)
	expect("it is no member any more", 2, 2)
}
