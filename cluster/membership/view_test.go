package membership

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/google/uuid"
)

func nodes(n int, name func(i int) string) []Member {
	var all []Member
	for i := range n {
		node := name(i)
		all = append(all, Member{ID: node + "-x", Node: node, Address: "127.0.0.1:" + strconv.Itoa(7000+i), Weight: 1})
	}
	return all
}

func similar(i int) string { return "a" + strconv.Itoa(i) }

// owned is how many of some keys each node owns.
func owned(v *View, keys int) map[string]int {
	all := map[string]int{}
	for i := range keys {
		m, _ := v.Owner("video-" + strconv.Itoa(i))
		all[m.Node]++
	}
	return all
}

func TestEachNodeOwnsItsShareWithinTenPercent(t *testing.T) {
	names := map[string]func(int) string{
		"similar": similar,
		"uuid":    func(int) string { return uuid.NewString() },
		"address": func(int) string { return "" }, // only ports differ
		"long":    func(i int) string { return fmt.Sprintf("the-same-for-all-of-the-nodes-%03d", i) },
	}
	for name, node := range names {
		for _, n := range []int{2, 3, 5, 10, 20} {
			members := nodes(n, node)
			counts := map[string]int{}
			view := NewView(members, 1)
			for i := range 100_000 {
				m, _ := view.Owner("video-" + strconv.Itoa(i))
				counts[m.Address]++
			}
			for _, m := range members {
				if share := float64(counts[m.Address]) * float64(n) / 100_000; math.Abs(share-1) > 0.1 {
					t.Errorf("%s, %d nodes: %s has %.3f of its share", name, n, m.Address, share)
				}
			}
		}
	}
}

// A share of a hundredth of 100,000 is 1,000 give or take 32 by chance alone.
func TestAHundredNodesOwnTheirSharesOfAMillion(t *testing.T) {
	for node, n := range owned(NewView(nodes(100, similar), 1), 1_000_000) {
		if n < 9_000 || n > 11_000 {
			t.Errorf("%s owns %d", node, n)
		}
	}
}

func TestWeightsAreHonoured(t *testing.T) {
	members := nodes(4, similar)
	total := 0.0
	for i, w := range []float64{1, 2, 4, 0.5} {
		members[i].Weight = w
		total += w
	}
	counts := owned(NewView(members, 1), 100_000)
	for _, m := range members {
		if share := float64(counts[m.Node]) / 100_000 * total / m.Weight; math.Abs(share-1) > 0.1 {
			t.Errorf("%s with weight %v has %.3f of its share", m.Node, m.Weight, share)
		}
	}
}

func TestAMemberMovesOnlyItsOwnVideos(t *testing.T) {
	for _, weight := range []float64{1, 3} {
		for _, n := range []int{3, 30, 100} {
			members := nodes(n, similar)
			last := &members[n-1]
			last.Weight = weight
			with, without := NewView(members, 2), NewView(members[:n-1], 1)
			for i := range 5_000 {
				key := "video-" + strconv.Itoa(i)
				rank := slices.DeleteFunc(with.Rank(key, 0), func(m Member) bool { return m.Node == last.Node })
				if !slices.Equal(rank, without.Rank(key, 0)) {
					t.Fatalf("%d nodes, weight %v: %s moved between others", n, weight, key)
				}
			}
		}
	}
}

func TestTheFirstInRankIsTheOwner(t *testing.T) {
	members := nodes(7, similar)
	for _, even := range []bool{true, false} {
		if !even {
			members[3].Weight = 2
		}
		v, put := NewView(members, 1), &View{Members: members}
		for i := range 1_000 {
			key := strconv.Itoa(i)
			owner, _ := v.Owner(key)
			all := v.Rank(key, 0)
			if all[0] != owner || len(all) != len(members) {
				t.Fatalf("%s is owned by %s, and %s is first of %d", key, owner.ID, all[0].ID, len(all))
			}
			for _, n := range []int{1, 2, 5, 7, 100} {
				if got := v.Rank(key, n); !slices.Equal(got, all[:min(n, len(all))]) {
					t.Fatalf("the first %d of %s differ", n, key)
				}
			}
			if got := put.Rank(key, 2); !slices.Equal(got, all[:2]) {
				t.Fatalf("a view that was put together ranks %s otherwise", key)
			}
		}
	}
}

func TestANodeOwnsTheSameUnderANewID(t *testing.T) {
	before := nodes(5, similar)
	after := slices.Clone(before)
	for i := range after {
		after[i].ID = "new-" + strconv.Itoa(9-i)
		after[i].Address = "10.0.0.1:" + strconv.Itoa(9-i)
	}
	a, b := NewView(before, 1), NewView(after, 2)
	for i := range 1_000 {
		x, _ := a.Owner(strconv.Itoa(i))
		y, _ := b.Owner(strconv.Itoa(i))
		if x.Node != y.Node {
			t.Fatalf("%d moved from %s to %s", i, x.Node, y.Node)
		}
	}
}

func TestAViewIsSortedAndFindsItsMembers(t *testing.T) {
	members := nodes(3, similar)
	slices.Reverse(members)
	v := NewView(members, 1)
	if v.Members[0].Node != "a0" || members[0].Node != "a2" {
		t.Error("the view isn't sorted, or sorted what it was given")
	}
	if m, ok := v.Find("a1-x"); !ok || m.Node != "a1" {
		t.Errorf("found %v, %t", m, ok)
	}
	if _, ok := v.Find("nobody"); ok {
		t.Error("nobody was found")
	}
	none := &View{}
	if _, ok := none.Owner("x"); ok || len(none.Rank("x", 3)) != 0 {
		t.Error("an empty view has an owner")
	}
}

func TestOwnerAllocatesNothing(t *testing.T) {
	v := NewView(nodes(100, similar), 1)
	if n := testing.AllocsPerRun(100, func() { v.Owner("some-video") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestANodeAloneIsItsOwnOnlyMember(t *testing.T) {
	a := Alone(Member{ID: "me", Node: "me", Weight: 1})
	owner, ok := a.View().Owner("video")
	if !ok || owner != a.Self() || !a.Sure() || !a.Fresh() || a.View().Revision != 1 {
		t.Errorf("%v, %t", owner, ok)
	}
}

func BenchmarkOwner(b *testing.B) {
	for _, n := range []int{3, 100} {
		for _, weights := range []string{"even", "uneven"} {
			members := nodes(n, similar)
			if weights == "uneven" {
				members[0].Weight = 2
			}
			v := NewView(members, 1)
			b.Run(strconv.Itoa(n)+"/"+weights, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					v.Owner("0190b3f2-7d44-7c6e-9d11-2b6f0e0f6f10")
				}
			})
		}
	}
}

func BenchmarkRankOfTwo(b *testing.B) {
	v := NewView(nodes(100, similar), 1)
	b.ReportAllocs()
	for b.Loop() {
		v.Rank("0190b3f2-7d44-7c6e-9d11-2b6f0e0f6f10", 2)
	}
}
