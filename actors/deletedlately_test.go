package actors

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"barrage/persistence"
)

// deletionsIn gives the ids that a stream says are deleted.
func deletionsIn(got string) (ids []string) {
	for _, part := range strings.Split(got, "event: delete\ndata: {\"id\":\"")[1:] {
		id, _, _ := strings.Cut(part, `"`)
		ids = append(ids, id)
	}
	return ids
}

// Who comes from another node may have been there when a comment was deleted
// here: what its last comment lies behind here, it need not have seen there.
func TestWhoResumesIsToldAgainWhatWasDeletedLately(t *testing.T) {
	n := newTestNode(t, nil)
	videos := []string{"v", "w"}
	streams := map[string]func(after uint64) *testConn{
		"of one live video": func(after uint64) *testConn {
			return n.watch("v", ViewerConfig{Resume: true, After: after})
		},
		"a sample": func(after uint64) *testConn {
			return n.watch("v", ViewerConfig{Resume: true, After: after, Rate: 1000})
		},
		"of several": func(after uint64) *testConn {
			return n.watch("", ViewerConfig{Videos: videos, Resume: true, Positions: []uint64{after, 0}})
		},
	}
	check := func(when string, after uint64, want ...uint64) {
		t.Helper()
		for name, open := range streams {
			c := open(after)
			got := deletionsIn(c.untilHas(t, "event: viewers")) // behind what it is told at first
			var ids []string
			for _, id := range want {
				ids = append(ids, FormatID(id))
			}
			if fmt.Sprint(got) != fmt.Sprint(ids) {
				t.Errorf("%s, a stream %s is told that %v are deleted, and not %v", when, name, got, ids)
			}
			c.viewer.HungUp()
		}
	}
	a, b, c := n.post("v", "a"), n.post("v", "b"), n.post("v", "c")
	n.ask("v", deleteOf(a))
	last := n.post("v", "last")
	check("with nobody watching meanwhile", last, a)
	watching := n.watch("v", ViewerConfig{})
	both := n.watch("", ViewerConfig{Videos: videos})
	watching.untilHas(t, `"viewers":2`)
	both.untilHas(t, `"viewers":2`)
	n.ask("v", deleteOf(b))
	for _, c := range []*testConn{watching, both} {
		c.untilHas(t, `event: delete`)
	}
	check("before the last comment", n.post("v", "last again"), a, b)
	check("at the comment before", c, a, b)
}

func TestDeletionsAreToldAgainForABoundedTimeAndNumber(t *testing.T) {
	now := time.Now()
	r := newRing(100, 1<<20)
	for id := range uint64(maxDeletedLately + 10) {
		r.addDelete(id+1, []byte("x"), now)
	}
	if list, numbers := r.late.before(r.end(), 0); len(list) != maxDeletedLately || list[0].id != 11 || numbers != (span{10, maxDeletedLately + 10}) {
		t.Errorf("%d are remembered, from %d on, %v", len(list), list[0].id, numbers)
	}
	if list, _ := r.late.before(r.end()-3, 0); len(list) != maxDeletedLately-3 {
		t.Errorf("%d are told beside the last three", len(list))
	}
	for after, want := range map[time.Duration]int{toldApart - time.Second: maxDeletedLately, toldApart + time.Second: 0} {
		if list, _ := r.late.before(r.end(), persistence.FirstIDAt(now.Add(after))); len(list) != want {
			t.Errorf("%d are told to who has a comment of %s later", len(list), after)
		}
	}
	shared := r.late.frame(r.end(), 0)
	if shared == nil || shared != r.late.frame(r.end(), 0) {
		t.Error("the same deletions are two frames")
	}
	r.addDelete(5000, []byte("x"), now.Add(answerMemory+time.Second))
	if list, _ := r.late.before(r.end(), 0); len(list) != 1 || list[0].id != 5000 {
		t.Errorf("a minute later %d are remembered", len(list))
	}
}
