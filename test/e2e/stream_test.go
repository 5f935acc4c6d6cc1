package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"barrage/test/harness"
)

func TestStreamHeadIsWhatProxiesAndBrowsersNeed(t *testing.T) {
	streamHeads(t, harness.Start(t), "room")
}

func streamHeads(t *testing.T, n *harness.Node, room string) {
	t.Helper()
	for _, path := range []string{"/comments/" + room + "/stream", "/comments/" + room} {
		for _, encoding := range []string{"identity", "gzip", "gzip, deflate, br, zstd"} {
			ctx, cancel := context.WithCancel(t.Context())
			s, err := n.Anyone().Open(ctx, path, harness.Header("Accept", "text/event-stream", "Accept-Encoding", encoding))
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			for name, want := range map[string]string{
				"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no",
			} {
				if got := s.Header.Get(name); got != want {
					t.Errorf("%s (%s): %s is %q", path, encoding, name, got)
				}
			}
			zipped := s.Header.Get("Content-Encoding") == "gzip"
			if encoding == "identity" && s.Header.Get("Content-Encoding") != "" || encoding == "gzip" && !zipped {
				t.Errorf("%s (%s): Content-Encoding %q", path, encoding, s.Header.Get("Content-Encoding"))
			}
			if vary := strings.Join(s.Header.Values("Vary"), ","); zipped && !strings.Contains(vary, "Accept-Encoding") {
				t.Errorf("%s (%s): Vary is %q", path, encoding, vary)
			}
			e, err := s.Next()
			if err != nil || e.Kind != harness.KindRetry || e.Retry < 100*time.Millisecond || e.Retry > time.Minute {
				t.Errorf("%s (%s): it opens with %+v, %v", path, encoding, e, err)
			}
			cancel()
		}
	}
}

func TestRetryHasJitter(t *testing.T) {
	n := harness.Start(t, harness.Flags("--stream-retry=1s", "--stream-retry-jitter=4s"))
	seen := map[time.Duration]bool{}
	for range 12 {
		s := n.Stream(t, n.Anyone(), "room", "", nil)
		e, err := s.Next()
		if err != nil || e.Retry < time.Second || e.Retry > 5*time.Second {
			t.Fatalf("got %+v, %v", e, err)
		}
		seen[e.Retry] = true
	}
	if len(seen) < 3 {
		t.Errorf("12 streams, only these retries: %v", seen)
	}
}

func TestCommentsComeLiveToAllEncodings(t *testing.T) {
	n := harness.Start(t)
	ops := n.User("ops", "admin")
	plain := openedStream(t, n, n.Anyone(), "room", "", nil)
	zipped := openedStream(t, n, n.Anyone(), "room", "", harness.Header("Accept-Encoding", "gzip"))
	other := openedStream(t, n, n.Anyone(), "elsewhere", "", nil)
	all := postMany(t, ops, "room", 200)
	for name, s := range map[string]*harness.Stream{"identity": plain, "gzip": zipped} {
		got, err := s.Comments(len(all))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range got {
			if got[i] != all[i] {
				t.Fatalf("%s: comment %d is %+v, want %+v", name, i, got[i], all[i])
			}
		}
	}
	mark := post(t, ops, "elsewhere", "only here")
	if got, err := other.NextComment(); err != nil || got != mark {
		t.Errorf("another room got %+v, %v", got, err)
	}
}

func TestHistoryOpensAStreamWithTheLastComments(t *testing.T) {
	historyOpens(t, harness.Start(t, smallMemory), "room")
}

func historyOpens(t *testing.T, n *harness.Node, room string) {
	t.Helper()
	ops := n.User("ops", "admin")
	all := postMany(t, ops, room, 260)
	for _, count := range []int{0, 1, 199, 200} {
		s := openedStream(t, n, n.Anyone(), room, fmt.Sprint("history=", count), nil)
		last := post(t, ops, room, "live")
		all = append(all, last)
		got, err := s.Comments(count + 1)
		if err != nil || messages(got) != messages(all[len(all)-1-count:]) {
			t.Errorf("history=%d: got %q, %v", count, messages(got), err)
		}
		s.Close()
	}
	short := openedStream(t, n, n.Anyone(), room+"-new", "history=200", nil)
	mark := post(t, ops, room+"-new", "first")
	if got, err := short.NextComment(); err != nil || got != mark {
		t.Errorf("an empty room: %+v, %v", got, err)
	}
}

func TestHeartbeatAfterSilence(t *testing.T) {
	n := harness.Start(t, harness.Flags("--stream-heartbeat=200ms"))
	for _, encoding := range []string{"identity", "gzip"} {
		s := openedStream(t, n, n.Anyone(), "room", "", harness.Header("Accept-Encoding", encoding))
		for range 3 {
			if _, err := s.Until(func(e harness.Event) bool { return e.Kind == harness.KindNote }); err != nil {
				t.Fatalf("%s: %v", encoding, err)
			}
		}
		mark := post(t, n.User("ops", "admin"), "room", "still there")
		if got, err := s.NextComment(); err != nil || got != mark {
			t.Errorf("%s: %+v, %v", encoding, got, err)
		}
		s.Close()
	}
}

func TestViewersAreCountedAndTold(t *testing.T) {
	n := harness.Start(t)
	first := openedStream(t, n, n.Anyone(), "room", "", nil)
	expectViewers := func(want int) {
		t.Helper()
		_, err := first.Until(func(e harness.Event) bool {
			var told struct{ Viewers *int }
			if !harness.Named("viewers")(e) {
				return false
			}
			if err := json.Unmarshal([]byte(e.Data), &told); err != nil || told.Viewers == nil || e.HasID {
				t.Errorf("got %+v, %v", e, err)
				return false
			}
			return *told.Viewers == want
		})
		if err != nil {
			t.Fatalf("waiting for %d viewers: %v", want, err)
		}
		eventually(t, func() error {
			if got := video(t, n.Anyone(), "room").Viewers; got != want {
				return fmt.Errorf("GET /videos says %d viewers, want %d", got, want)
			}
			return nil
		})
	}
	expectViewers(1)
	others := []*harness.Stream{}
	for range 4 {
		others = append(others, openedStream(t, n, n.Anyone(), "room", "", nil))
	}
	expectViewers(5)
	for _, s := range others[1:] {
		s.Close()
	}
	expectViewers(2)
	others[0].Close()
	expectViewers(1)
	first.Close()
	eventually(t, func() error {
		if got := video(t, n.Anyone(), "room").Viewers; got != 0 {
			return fmt.Errorf("nobody watches, yet %d viewers", got)
		}
		return nil
	})
}

func TestStreamTakesTheTokenWhereAnEventSourceCanPutIt(t *testing.T) {
	n := harness.Start(t, harness.Flags("--auth-require-token-to-read"))
	token := n.Token("ann", "viewer")
	for name, row := range map[string]struct {
		query  string
		header http.Header
		status int
	}{
		"nothing":   {"", nil, http.StatusUnauthorized},
		"header":    {"", harness.Header("Authorization", "Bearer "+token), 0},
		"cookie":    {"", harness.Header("Cookie", "a=b; session="+token+"; c=d"), 0},
		"query":     {"?token=" + token, nil, 0},
		"bad query": {"?token=" + token[:len(token)-3], nil, http.StatusUnauthorized},
	} {
		s, err := n.Anyone().Open(t.Context(), "/comments/room/stream"+row.query, row.header)
		if harness.StatusOf(err) != row.status || row.status == 0 && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			s.Close()
		}
	}
	if strings.Contains(n.Logs(), token[len(token)-20:]) {
		t.Error("the token is in the log")
	}
}
