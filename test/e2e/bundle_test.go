package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"barrage/test/harness"
)

// openBundle opens one stream over several live videos and reads its retry
// line.
func openBundle(t *testing.T, n *harness.Node, query string, header http.Header) *harness.Stream {
	t.Helper()
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

// longestSafeID is the most bytes of a Last-Event-ID that browsers send to
// another origin without asking first (the Fetch standard, "CORS-safelisted
// request-header"), and isUnsafe the characters that they ask for.
const longestSafeID = 128

func isUnsafe(r rune) bool {
	return r < ' ' || r > '~' || strings.ContainsRune(`"():<>?@[\]{}`, r)
}

// readBundle reads n comments and answers them with the last event id. Order
// is only promised within a live video.
func readBundle(t *testing.T, s *harness.Stream, n int) (byVideo map[string][]harness.Comment, lastID string) {
	t.Helper()
	byVideo = map[string][]harness.Comment{}
	for range n {
		e, err := s.Until(func(e harness.Event) bool { return harness.IsComment(e) || e.Name == "gap" })
		if err != nil || e.Name == "gap" {
			t.Fatalf("%+v, %v, after %v", e, err, byVideo)
		}
		var c harness.Comment
		if err := json.Unmarshal([]byte(e.Data), &c); err != nil {
			t.Fatal(err)
		}
		if len(e.ID) > longestSafeID || strings.ContainsFunc(e.ID, isUnsafe) {
			t.Errorf("the id %q makes browsers ask before they come back", e.ID)
		}
		byVideo[c.LiveVideoID], lastID = append(byVideo[c.LiveVideoID], c), e.ID
	}
	return byVideo, lastID
}

func TestSeveralLiveVideosOverOneStreamResumeWhole(t *testing.T) {
	n := harness.Start(t)
	ops := n.User("ops", "admin")
	for _, encoding := range []string{"identity", "gzip"} {
		header := harness.Header("Accept-Encoding", encoding)
		want := map[string][]harness.Comment{}
		a, b, c := "a-"+encoding, "b-"+encoding, "c-"+encoding // where nobody was before
		videos := "videos=" + a + "," + b + "," + c
		say := func(video string) {
			want[video] = append(want[video], post(t, ops, video, fmt.Sprint(len(want[video]))))
		}
		expect := func(when string, got map[string][]harness.Comment) {
			t.Helper()
			for _, video := range []string{a, b, c} {
				if messages(got[video]) != messages(want[video]) {
					t.Errorf("%s %s: %s got %q, want %q", encoding, when, video, messages(got[video]), messages(want[video]))
				}
			}
			clear(want)
		}
		s := openBundle(t, n, videos, header)
		for _, room := range []string{a, b, c} { // the stream's head is there before its viewer
			eventually(t, func() error {
				if v := video(t, ops, room); v.Viewers != 1 {
					return fmt.Errorf("%s has %d viewers", room, v.Viewers)
				}
				return nil
			})
		}
		for i := range 30 {
			say([]string{a, b, c}[i%3])
		}
		got, last := readBundle(t, s, 30)
		expect("live", got)
		s.Close()
		for _, when := range []string{"while away", "over a crash"} {
			for range 5 {
				say(a)
			}
			say(c) // nothing in b
			if when == "over a crash" {
				n.Kill()
				n.Start()
				ops = n.User("ops", "admin")
			}
			header.Set("Last-Event-ID", last)
			s = openBundle(t, n, videos, header)
			say(b)
			got, last = readBundle(t, s, 7)
			expect(when, got)
			s.Close()
		}
	}
}

func TestBundlesAreRefusedWhenTheyMakeNoSense(t *testing.T) {
	n := harness.Start(t)
	for _, query := range []string{
		"", "videos=", "videos=a,,b", "videos=a.b", "videos=a,a%20b", "videos=" + numbered(21), "videos=a&lastEventId=!",
		"videos=a&history=x", "videos=a&rate=x",
	} {
		answer := do(t, n.Anyone(), http.MethodGet, "/stream?"+query, nil, nil)
		if answer.Status != http.StatusBadRequest {
			t.Errorf("%s: %v", query, answer)
		}
	}
	openBundle(t, n, "videos="+numbered(20), nil)
}

func numbered(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint("v", i)
	}
	return url.QueryEscape(strings.Join(names, ","))
}

func TestSampledStreamSaysWhatItLeftOut(t *testing.T) { sampledStream(t, harness.Start(t), "room") }

func sampledStream(t *testing.T, n *harness.Node, room string) {
	t.Helper()
	ops := n.User("ops", "admin")
	s := openedStream(t, n, n.Anyone(), room, "rate=5", nil)
	all := postMany(t, ops, room, 300)
	shown, toldShown, toldTotal := 0, 0, 0
	last := ""
	for toldTotal < len(all) {
		e, err := s.Next()
		if err != nil {
			t.Fatalf("%d shown; told %d of %d: %v", shown, toldShown, toldTotal, err)
		}
		switch {
		case harness.IsComment(e):
			shown++
			if last != "" && !harness.Less(last, e.ID) {
				t.Errorf("%s comes after %s", e.ID, last)
			}
			last = e.ID
		case e.Name == "sampled":
			var told struct{ Shown, Total int }
			if err := json.Unmarshal([]byte(e.Data), &told); err != nil || e.HasID || told.Shown > told.Total {
				t.Fatalf("%+v, %v", e, err)
			}
			toldShown, toldTotal = toldShown+told.Shown, toldTotal+told.Total
		case e.Name == "gap":
			t.Fatalf("a gap: %s", e.Data)
		}
	}
	if shown == 0 || shown == len(all) || shown != toldShown || toldTotal != len(all) {
		t.Errorf("%d shown; told %d of %d; posted %d", shown, toldShown, toldTotal, len(all))
	}
}
