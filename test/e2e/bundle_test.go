package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"barrage/test/harness"
)

func openBundle(t *testing.T, n *harness.Node, query, lastID string) *harness.Stream {
	t.Helper()
	var header http.Header
	if lastID != "" {
		header = harness.Header("Last-Event-ID", lastID)
	}
	s, err := n.Anyone().Open(t.Context(), "/stream?"+query, header)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if e, err := s.Next(); err != nil || e.Kind != harness.KindRetry {
		t.Fatalf("a stream must open with retry: got %+v, %v", e, err)
	}
	return s
}

// untilComment gives the next comment and the resume id that comes with it.
func untilComment(t *testing.T, s *harness.Stream) (harness.Comment, string) {
	t.Helper()
	e, err := s.Until(harness.IsComment)
	if err != nil {
		t.Fatal(err)
	}
	var c harness.Comment
	if err := json.Unmarshal([]byte(e.Data), &c); err != nil {
		t.Fatal(err)
	}
	return c, e.ID
}

func TestSeveralVideosOverOneConnectionResumeTogether(t *testing.T) {
	n := harness.Start(t)
	ops := n.User("ops", "admin")
	s := openBundle(t, n, "videos=red,blue,green,blue", "")
	if e, err := s.Until(harness.Named("viewers")); err != nil || !strings.Contains(e.Data, `"liveVideoId"`) {
		t.Fatalf("got %+v, %v", e, err)
	}
	var all []harness.Comment
	for i := range 12 {
		all = append(all, post(t, ops, []string{"red", "blue", "green"}[i%3], fmt.Sprint(i)))
	}
	var ids []string
	for i := range all {
		c, id := untilComment(t, s)
		if c != all[i] || id == c.ID || len(id) > 128 {
			t.Errorf("comment %d: got %+v with the resume id %q", i, c, id)
		}
		ids = append(ids, id)
	}
	if err := ops.Delete(t.Context(), "red", all[0].ID); err != nil {
		t.Fatal(err)
	}
	e, err := s.Until(harness.Named("delete"))
	var deleted struct{ ID, LiveVideoID string }
	if err != nil || json.Unmarshal([]byte(e.Data), &deleted) != nil || deleted.ID != all[0].ID || deleted.LiveVideoID != "red" {
		t.Errorf("got %+v, %v", e, err)
	}
	s.Close()
	n.Restart()
	again := openBundle(t, n, "videos=green,red,blue", ids[4])
	for i := 5; i < len(all); i++ {
		if c, _ := untilComment(t, again); c != all[i] {
			t.Errorf("resumed behind 4: got %+v, not %+v", c, all[i])
		}
	}
	last := openBundle(t, n, "history=3&videos=red,green,blue", "")
	for i := 9; i < 12; i++ {
		if c, _ := untilComment(t, last); c != all[i] {
			t.Errorf("history=3: got %+v, not %+v", c, all[i])
		}
	}
}

func TestVideosOfAStreamAreChecked(t *testing.T) {
	n := harness.Start(t)
	many := strings.TrimSuffix(strings.Repeat("v%d,", 21), ",")
	for i := range 21 {
		many = strings.Replace(many, "%d", fmt.Sprint(i), 1)
	}
	twenty := many[:strings.LastIndex(many, ",")]
	for query, status := range map[string]int{
		"": 400, "videos=": 400, "videos=a,,b": 400, "videos=a,b%20c": 400, "videos=" + many: 400,
		"videos=a,b&lastEventId=5": 400, "videos=a,b&lastEventId=xx": 400, "videos=a,b&rate=0": 400, "videos=a,b&history=201": 400,
		"videos=" + twenty: 0, "videos=a": 0, "videos=a&lastEventId=5": 0, "videos=a,b&rate=1000": 0, "videos=a,b&rate=1001": 400,
	} {
		s, err := n.Anyone().Open(t.Context(), "/stream?"+query, nil)
		if err == nil {
			s.Close()
		}
		if got := harness.StatusOf(err); got != status {
			t.Errorf("?%.60s: status %d, not %d", query, got, status)
		}
	}
}

func TestASampledStreamSaysWhatItLeavesOut(t *testing.T) {
	n := harness.Start(t)
	ops := n.User("ops", "admin")
	s := openedStream(t, n, n.Anyone(), "room", "rate=2", nil)
	if _, err := s.Until(harness.Named("viewers")); err != nil {
		t.Fatal(err)
	}
	postMany(t, ops, "room", 60)
	shown := 0
	e, err := s.Until(func(e harness.Event) bool {
		if harness.IsComment(e) {
			shown++
		}
		return e.Name == "sampled"
	})
	var sampled struct{ Shown, Total int }
	if err != nil || json.Unmarshal([]byte(e.Data), &sampled) != nil || sampled.Shown != shown || sampled.Total <= shown {
		t.Errorf("after %d comments: %+v, %v", shown, e, err)
	}
}
