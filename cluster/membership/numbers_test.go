package membership

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhichNumberIsChosen(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	at := func(node string, age time.Duration) holder { return holder{Node: node, Seen: now.Add(-age).Unix()} }
	full := func(age func(n int) time.Duration) map[int]holder {
		all := map[int]holder{}
		for n := range numbers {
			all[n] = at("other", age(n))
		}
		return all
	}
	young := func(int) time.Duration { return time.Hour }
	for name, c := range map[string]struct {
		had    int
		taken  map[int]holder
		others []int
		want   int // -1: none
	}{
		"none before":                  {-1, nil, nil, 7},
		"the former":                   {3, nil, nil, 3},
		"the former, still its own":    {3, map[int]holder{3: at("me", 40*24*time.Hour)}, nil, 3},
		"its own though another says":  {3, map[int]holder{3: at("me", time.Hour)}, []int{3}, 3},
		"the former, now another's":    {3, map[int]holder{3: at("other", time.Hour)}, nil, 7},
		"the former, another lives":    {3, nil, []int{3}, 7},
		"forgotten, but its own":       {-1, map[int]holder{9: at("me", time.Hour)}, nil, 9},
		"free ones after the start":    {-1, map[int]holder{7: at("other", 0)}, []int{8, 9}, 10},
		"an old one isn't taken first": {-1, map[int]holder{7: at("other", 400*24*time.Hour)}, nil, 8},
		"none is free":                 {-1, full(young), nil, -1},
		"the oldest, if none is free": {-1, full(func(n int) time.Duration {
			return time.Duration(n%100) * 24 * time.Hour
		}), []int{99}, 199},
	} {
		others := map[int]bool{}
		for _, n := range c.others {
			others[n] = true
		}
		got, ok := choose("me", c.had, c.taken, others, 7, now)
		if ok != (c.want >= 0) || ok && got != c.want {
			t.Errorf("%s: %d, %t, not %d", name, got, ok, c.want)
		}
	}
}

func TestManyNodesHaveNumbersOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(failure)
		joined := make(chan *node)
		const n = 30
		for i := range n {
			go func() { joined <- join(t, f, i, func(c *Config) { c.Number = 5 }) }()
		}
		var all []*node
		numbers := map[int]bool{}
		for range n {
			member := <-joined
			all = append(all, member)
			numbers[member.Self().Number] = true
		}
		if len(numbers) != n || !numbers[5] {
			t.Errorf("%d numbers: %v", len(numbers), numbers)
		}
		time.Sleep(failure)
		for _, m := range all {
			if len(m.View().Members) != n || m.View().Revision != all[0].View().Revision {
				t.Errorf("%d members at %d", len(m.View().Members), m.View().Revision)
			}
		}
		leaveAll(all)
	})
}

// Consul has lost its state while a node was cut off; another one, which knows
// nothing of it, got its number.
func TestANumberThatAnotherNodeHasIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(failure)
		first := join(t, f, 1)
		number := first.Self().Number
		first.link.setCut(true)
		f.setDown(true)
		time.Sleep(time.Second)
		f.restart(true)
		second := join(t, f, 2, func(c *Config) { c.Number = number })
		if second.Self().Number != number {
			t.Fatalf("the second has %d", second.Self().Number)
		}
		first.link.setCut(false)
		time.Sleep(3 * failure)
		if got := first.Self(); got.Number == number || !slices.Equal(first.renumbered(), []int{got.Number}) || got.Name != nameOf(got.Number) {
			t.Errorf("the first is %+v and was told %v", got, first.renumbered())
		}
		if m, _ := second.View().Find(first.Self().ID); m != first.Self() {
			t.Errorf("the second sees %+v", m)
		}
		if len(second.renumbered()) > 0 {
			t.Errorf("the second was renumbered: %v", second.renumbered())
		}
		leaveAll([]*node{first, second})
	})
}

func TestAJoinerLeavesNumbersToThoseWhoLostThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := three(t)
		before := ids(all[0].View())
		f.setDown(true)
		time.Sleep(time.Second)
		f.restart(true)
		late := join(t, f, 4, func(c *Config) { c.Number = all[0].Self().Number })
		time.Sleep(2 * failure)
		for _, n := range all {
			if len(n.renumbered()) > 0 || n.Self().Number == late.Self().Number {
				t.Errorf("%+v, renumbered %v", n.Self(), n.renumbered())
			}
		}
		late.sees("n1 n2 n3 n4")
		for _, v := range late.seen() {
			if who(v) != "n1 n2 n3 n4" {
				t.Errorf("the joiner was told of %q", who(v))
			}
		}
		late.leave()
		synctest.Wait()
		unchanged(t, all, before, 0)
		leaveAll(all)
	})
}

func TestNumbersAndMarksAreLookedAfterDaily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calm = 10 * time.Minute // ten days of the usual timeout are many beats
		f := newFake(calm)
		slow := func(c *Config) { c.FailureTimeout = calm }
		n := join(t, f, 1, slow)
		key := "barrage/numbers/" + n.Self().Name[len("node-"):]
		seen := func() int64 {
			f.mu.Lock()
			defer f.mu.Unlock()
			var h holder
			if err := json.Unmarshal(f.keys[key].value, &h); err != nil {
				t.Error(err)
			}
			return h.Seen
		}
		join(t, f, 2, slow).leave()
		marks := func() int {
			all, _ := f.list(t.Context(), "barrage/cluster/gone/")
			return len(all)
		}
		if marks() != 1 {
			t.Errorf("%d marks", marks())
		}
		revision := n.View().Revision
		time.Sleep(markLife + 3*refreshEvery)
		if age := time.Since(time.Unix(seen(), 0)); age > 2*refreshEvery {
			t.Errorf("it was last seen %s ago", age)
		}
		if marks() != 0 {
			t.Errorf("%d marks", marks())
		}
		if n.View().Revision <= revision || who(n.View()) != "n1" {
			t.Errorf("%q at %d, after %d", who(n.View()), n.View().Revision, revision)
		}
		n.leave()
	})
}
