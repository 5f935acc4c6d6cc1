package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"barrage/test/harness"
)

func TestResumeGoesOnAfterTheLastEvent(t *testing.T) {
	n := harness.Start(t, smallMemory)
	ops := n.User("ops", "admin")
	all := postMany(t, ops, "room", 260)
	resume := func(from int, query string, header http.Header) {
		t.Helper()
		s := openedStream(t, n, n.Anyone(), "room", query, header)
		defer s.Close()
		all = append(all, post(t, ops, "room", fmt.Sprint("live", len(all))))
		want := all[from+1:]
		got, err := s.Comments(len(want))
		if err != nil || messages(got) != messages(want) {
			t.Errorf("from %d (%s %v): got %q, %v", from, query, header, messages(got), err)
		}
	}
	for _, from := range []int{0, 60, 258, 259} { // far in the store, its edge, memory, nothing missed
		resume(from, "", harness.Header("Last-Event-ID", all[from].ID))
		resume(from, "lastEventId="+all[from].ID, nil)
		resume(from, "history=5", harness.Header("Last-Event-ID", all[from].ID))
		// A client that began with a query has that in its URL for ever; the
		// header says where it is now.
		resume(from, "lastEventId="+all[0].ID, harness.Header("Last-Event-ID", all[from].ID))
		resume(from, "", harness.Header("Last-Event-ID", all[from].ID, "Accept-Encoding", "gzip"))
	}
	if err := ops.Delete(t.Context(), "room", all[30].ID); err != nil {
		t.Fatal(err)
	}
	resume(30, "", harness.Header("Last-Event-ID", all[30].ID)) // the resume point itself is gone
}

func TestResumeOverARestart(t *testing.T) {
	n := harness.Start(t)
	ops := n.User("ops", "admin")
	f := n.Anyone().Follow(t.Context(), "room", "", nil)
	if err := f.Joined(); err != nil {
		t.Fatal(err)
	}
	all := postMany(t, ops, "room", 20)
	if err := f.Reach(all[19].ID); err != nil {
		t.Fatal(err)
	}
	n.Kill()
	n.Start()
	all = append(all, postMany(t, ops, "room", 20)...)
	n.Restart()
	all = append(all, postMany(t, ops, "room", 20)...)
	if err := f.Reach(all[59].ID); err != nil {
		t.Fatal(err)
	}
	if err := f.Check(); err != nil {
		t.Error(err)
	}
	if got := f.Comments(); messages(got) != messages(all) {
		t.Errorf("got %q", messages(got))
	}
}

// What a stream delivers and what history has between the ends of its gaps is
// together everything.
func TestResumeTooFarBackIsAGapThatHistoryFills(t *testing.T) {
	n := harness.Start(t, smallMemory, harness.Flags("--stream-replay-limit=10"))
	ops := n.User("ops", "admin")
	all := postMany(t, ops, "room", 260)
	s := openedStream(t, n, n.Anyone(), "room", "", harness.Header("Last-Event-ID", all[4].ID))
	last := post(t, ops, "room", "live")
	all = append(all, last)
	var got []harness.Comment
	var gaps []string
	for len(got) == 0 || got[len(got)-1].ID != last.ID {
		e, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case harness.IsComment(e):
			c, err := e.Comment()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, c)
		case e.Name == "gap":
			gaps = append(gaps, e.Data)
			got = append(got, readGap(t, n, e)...)
		}
	}
	if len(gaps) == 0 || messages(got) != messages(all[5:]) {
		t.Errorf("with the gaps %s filled: got %q", gaps, messages(got))
	}
	if err := harness.Rising(got); err != nil {
		t.Error(err)
	}
}

// readGap fetches what a gap event says was not delivered.
func readGap(t *testing.T, n *harness.Node, e harness.Event) []harness.Comment {
	t.Helper()
	var gap struct{ After, Before string }
	if err := json.Unmarshal([]byte(e.Data), &gap); err != nil || !decimal.MatchString(gap.After) || !decimal.MatchString(gap.Before) || e.HasID {
		t.Fatalf("gap %+v, %v", e, err)
	}
	rows, err := n.Anyone().Walk(t.Context(), "/comments/room", url.Values{"since": {gap.After}, "pageSize": {"100"}})
	if err != nil {
		t.Fatal(err)
	}
	var missed []harness.Comment
	for _, c := range rows {
		if harness.Less(c.ID, gap.Before) {
			missed = append(missed, c)
		}
	}
	return missed
}

// Viewers join, leave and come back at all moments while others post; each
// must have everything from its first comment on, once and in order.
func TestJoiningAndResumingUnderLoadLosesAndDoublesNothing(t *testing.T) {
	n := harness.Start(t, smallMemory, harness.Flags("--stream-heartbeat=200ms"))
	ops := n.User("ops", "admin")
	first := post(t, ops, "room", "first")
	var writers, viewers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := range 150 {
				if _, err := ops.Post(t.Context(), "room", fmt.Sprintf("%d-%d", w, i), nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	encodings := []string{"identity", "gzip"}
	seen := make([][]harness.Comment, 6)
	for v := range seen {
		viewers.Go(func() {
			anyone, last := n.Anyone(), first.ID
			header := harness.Header("Accept-Encoding", encodings[v%2])
			for range 40 { // many short streams
				header.Set("Last-Event-ID", last)
				s, err := anyone.Open(t.Context(), "/comments/room/stream", header)
				if err != nil {
					t.Error(err)
					return
				}
				for range 5 + v {
					e, err := s.Next()
					if err != nil || e.Name == "gap" {
						t.Errorf("viewer %d: %+v, %v", v, e, err)
						break
					}
					if !harness.IsComment(e) {
						continue
					}
					c, err := e.Comment()
					if err != nil {
						t.Error(err)
					}
					seen[v], last = append(seen[v], c), c.ID
				}
				s.Close()
				if len(seen[v]) >= 450 {
					return
				}
			}
		})
	}
	writers.Wait()
	viewers.Wait()
	all := history(t, ops, "room")
	for v, got := range seen {
		if len(got) == 0 || len(got) > len(all)-1 {
			t.Errorf("viewer %d got %d of %d", v, len(got), len(all)-1)
			continue
		}
		for i, c := range got {
			if c != all[i+1] {
				t.Errorf("viewer %d: comment %d is %+v, want %+v", v, i, c, all[i+1])
				break
			}
		}
	}
}
