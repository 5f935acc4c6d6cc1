package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"barrage/test/harness"
)

// remove deletes a comment and answers what is left.
func (h *halfAway) remove(t *testing.T, all []harness.Comment, id string) []harness.Comment {
	t.Helper()
	if err := h.ops.Delete(t.Context(), "room", id); err != nil {
		t.Fatal(err)
	}
	expectProblem(t, do(t, h.ops, http.MethodGet, "/comments/room/"+id, nil, nil), http.StatusNotFound)
	return slices.DeleteFunc(all, func(c harness.Comment) bool { return c.ID == id })
}

// The batch delay is long: ClickHouse doesn't know of the deletion when pages
// are read.
func TestDeletedFromClickHouseIsGoneAtOnceAndForGood(t *testing.T) {
	t.Parallel()
	h := startHalfAway(t, harness.Flags("--clickhouse-batch-delay=2s"))
	h.postRecent(t)
	h.proxy.Refuse(false)
	caughtUp(t, h.n)
	all := h.all()
	parent, answer := h.thread, h.old[len(h.old)-3]
	for _, c := range []harness.Comment{h.old[0], h.old[30], answer, h.recent[5]} {
		all = h.remove(t, all, c.ID)
	}
	h.expectWhole(t, all)
	h.n.Kill() // before or after ClickHouse was told
	h.n.Start()
	h.expectWhole(t, all)
	all = h.remove(t, all, parent.ID)
	caughtUp(t, h.n)
	expectInClickHouse(t, h.ch, "room", all)
	h.n.Restart()
	if got := history(t, h.n.Anyone(), "room"); !slices.Equal(got, all) {
		t.Errorf("%d comments, want %d", len(got), len(all))
	}
	if v := video(t, h.n.Anyone(), "room"); v.Comments != len(all) {
		t.Errorf("the count says %d, want %d", v.Comments, len(all))
	}
}

func TestDeletedWhileClickHouseIsAwayIsGoneAtOnceAndForGood(t *testing.T) {
	t.Parallel()
	h := startHalfAway(t)
	h.postRecent(t)
	recent := slices.Clone(h.recent)
	for _, i := range []int{3, 30, 59} {
		recent = h.remove(t, recent, h.recent[i].ID)
	}
	expect := func(when string) {
		t.Helper()
		page, err := h.n.Anyone().Page(t.Context(), "room", fmt.Sprint("pageSize=", len(recent)))
		if err != nil || !slices.Equal(page.Comments, backwards(recent)) {
			t.Errorf("%s: %q, %v", when, messages(page.Comments), err)
		}
		if v := video(t, h.n.Anyone(), "room"); v.Comments != len(h.old)+len(recent) {
			t.Errorf("%s: the count says %d, want %d", when, v.Comments, len(h.old)+len(recent))
		}
	}
	expect("at once")
	// Whose comment it is can't be known; it must not seem to be deleted.
	if err := expectNotNow(do(t, h.ops, http.MethodDelete, "/comments/room/"+h.old[9].ID, nil, nil)); err != nil {
		t.Errorf("a comment that is away: %v", err)
	}
	h.n.Kill()
	h.n.Start()
	expect("after a crash")
	h.proxy.Refuse(false)
	caughtUp(t, h.n)
	all := append(slices.Clone(h.old), recent...)
	h.expectWhole(t, all)
	expectInClickHouse(t, h.ch, "room", all)
	h.n.Restart()
	h.expectWhole(t, all)
}
