package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"barrage/test/harness"
)

func TestHistoryReadsPageByPageInBothOrders(t *testing.T) {
	n := harness.Start(t)
	all := postMany(t, n.User("ops", "admin"), "room", 25)
	page, err := n.Anyone().Page(t.Context(), "room", "")
	if err != nil {
		t.Fatal(err)
	}
	if messages(page.Comments) != "24 23 22 21 20 19 18 17 16 15" || page.NextCursor == nil {
		t.Errorf("the first page is %q, cursor %v", messages(page.Comments), page.NextCursor)
	}
	for _, size := range []string{"1", "7", "25", "100"} {
		for _, sort := range []string{"asc", "desc"} {
			got, err := n.Anyone().Walk(t.Context(), "/comments/room", url.Values{"pageSize": {size}, "sort": {sort}})
			if err != nil || len(got) != len(all) {
				t.Errorf("%s by %s: %d comments, %v", sort, size, len(got), err)
				continue
			}
			for i := range got {
				want := all[i]
				if sort == "desc" {
					want = all[len(all)-1-i]
				}
				if got[i] != want {
					t.Errorf("%s by %s: at %d is %+v, want %+v", sort, size, i, got[i], want)
				}
			}
		}
	}
}

func TestEmptyHistoryIsAnEmptyList(t *testing.T) {
	n := harness.Start(t)
	for _, path := range []string{"/comments/never", "/comments/never?since=1", "/comments/never?sort=asc"} {
		answer := do(t, n.Anyone(), http.MethodGet, path, nil, nil)
		if got := string(answer.Body); answer.Status != http.StatusOK || trimmed(got) != `{"comments":[],"nextCursor":null}` {
			t.Errorf("%s: %d %s", path, answer.Status, got)
		}
	}
}

func trimmed(json string) string { return string([]byte(json)[:len(json)-countTrailing(json)]) }

func countTrailing(s string) int {
	n := 0
	for n < len(s) && s[len(s)-1-n] == '\n' {
		n++
	}
	return n
}

func TestCursorStaysWhereItIsWhileOthersPostAndDelete(t *testing.T) {
	n := harness.Start(t)
	ops := n.User("ops", "admin")
	all := postMany(t, ops, "room", 20)
	first, err := ops.Page(t.Context(), "room", "pageSize=5")
	if err != nil || first.NextCursor == nil {
		t.Fatal(first, err)
	}
	postMany(t, ops, "room", 5)
	for _, gone := range []int{15, 14, 13, 3} { // at the cursor, right behind it, further on
		if err := ops.Delete(t.Context(), "room", all[gone].ID); err != nil {
			t.Fatal(err)
		}
	}
	rest, err := ops.Walk(t.Context(), "/comments/room", url.Values{"pageSize": {"5"}, "cursor": {*first.NextCursor}})
	if got := messages(rest); err != nil || got != "12 11 10 9 8 7 6 5 4 2 1 0" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestSinceReadsWhatCameAfter(t *testing.T) {
	n := harness.Start(t)
	ops := n.User("ops", "admin")
	all := postMany(t, ops, "room", 30)
	page, err := ops.Page(t.Context(), "room", "since="+all[9].ID)
	if err != nil || messages(page.Comments) != "10 11 12 13 14 15 16 17 18 19" || page.NextCursor == nil {
		t.Errorf("got %q, %v, %v", messages(page.Comments), page.NextCursor, err)
	}
	got, err := ops.Walk(t.Context(), "/comments/room", url.Values{"since": {all[9].ID}, "pageSize": {"7"}})
	if err != nil || len(got) != 20 || got[0] != all[10] || harness.Rising(got) != nil {
		t.Errorf("got %q, %v", messages(got), err)
	}
	if err := ops.Delete(t.Context(), "room", all[9].ID); err != nil {
		t.Fatal(err)
	}
	page, err = ops.Page(t.Context(), "room", "pageSize=1&since="+all[9].ID)
	if err != nil || messages(page.Comments) != "10" {
		t.Errorf("after an id that is gone: %q, %v", messages(page.Comments), err)
	}
	page, err = ops.Page(t.Context(), "room", "since="+all[29].ID)
	if err != nil || len(page.Comments) != 0 || page.NextCursor != nil {
		t.Errorf("after the last: %+v, %v", page, err)
	}
}

// smallMemory makes a node keep as little in memory as it can be told to: 200
// comments of a live video.
var smallMemory = harness.Flags("--videos-recent-comments=200", "--stream-ring-comments=200")

// History is more than memory holds here, so that reads cross from what the
// owner has to what the store has.
func TestHistoryIsWholeAcrossMemoryAndStore(t *testing.T) {
	n := harness.Start(t, smallMemory)
	ops := n.User("ops", "admin")
	want := postMany(t, ops, "room", 290)
	for round := range 3 {
		if err := ops.Delete(t.Context(), "room", want[40].ID); err != nil {
			t.Fatal(err)
		}
		want = append(want[:40:40], want[41:]...)
		got := history(t, ops, "room")
		if messages(got) != messages(want) {
			t.Fatalf("round %d: got %q", round, messages(got))
		}
		for _, c := range []harness.Comment{want[0], want[45], want[len(want)-1]} {
			if one, err := ops.One(t.Context(), "room", c.ID); err != nil || one != c {
				t.Errorf("round %d: got %+v, %v, want %+v", round, one, err, c)
			}
		}
		want = append(want, post(t, ops, "room", fmt.Sprint("more", round)))
		n.Restart()
		ops = n.User("ops", "admin")
	}
}

func TestLiveVideosAreApart(t *testing.T) {
	n := harness.Start(t)
	ops := n.User("ops", "admin")
	a, b := post(t, ops, "a", "in a"), post(t, ops, "A", "in A")
	if got := history(t, ops, "a"); len(got) != 1 || got[0] != a {
		t.Errorf("a has %+v", got)
	}
	answer := do(t, ops, http.MethodGet, "/comments/a/"+b.ID, nil, nil)
	expectProblem(t, answer, http.StatusNotFound)
	answer = do(t, ops, http.MethodDelete, "/comments/a/"+b.ID, nil, nil)
	expectProblem(t, answer, http.StatusNotFound)
	if got := history(t, ops, "A"); len(got) != 1 || got[0] != b {
		t.Errorf("A has %+v", got)
	}
}
