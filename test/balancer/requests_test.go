package balancer

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"barrage/test/harness"
)

// homeOf answers which of the nodes a request goes to.
func homeOf(t *testing.T, c *harness.Client, nodes []*fake, path string) int {
	t.Helper()
	for _, n := range nodes {
		n.requests()
	}
	get(t, c, path, nil)
	home := -1
	for i, n := range nodes {
		switch count := n.requests(); {
		case count == 0:
		case count == 1 && home < 0:
			home = i
		default:
			t.Fatalf("GET %s went to more than one node", path)
		}
	}
	if home < 0 {
		t.Fatalf("GET %s went to no node", path)
	}
	return home
}

func TestAllOfAVideoGoesToOneNodeAndVideosGoToAll(t *testing.T) {
	forEach(t, func(t *testing.T, b balancer) {
		fakes, addrs := startFakes(t, func(http.ResponseWriter, *http.Request) {})
		c := b.start(t, addrs).client(t, "", false)
		share := make([]int, len(fakes))
		for i := range 60 {
			video := fmt.Sprintf("video-%d", i)
			home := homeOf(t, c, fakes, "/comments/"+video)
			share[home]++
			for _, path := range []string{
				"/comments/" + video + "/stream", "/comments/" + video + "?cursor=1&pageSize=5", "/comments/" + video + "/17/replies",
				"/videos/" + video, "/comments/" + video + "/stream?token=t&videos=x", "/stream?videos=" + video,
				"/stream?lastEventId=3&videos=" + video + "&rate=5",
			} {
				if got := homeOf(t, c, fakes, path); got != home {
					t.Errorf("%s goes to node %d, %s to node %d", path, got, video, home)
				}
			}
		}
		for i, n := range share {
			if n < 6 {
				t.Errorf("node %d has %d of 60 videos", i, n)
			}
		}
	})
}

// sent is what a node gets of a request.
func TestWhatANodeIsTold(t *testing.T) {
	forEach(t, func(t *testing.T, b balancer) {
		told := make(chan *http.Request, 1)
		_, addrs := startFakes(t, func(_ http.ResponseWriter, r *http.Request) { told <- r })
		f := b.start(t, addrs)
		for _, overTLS := range []bool{false, true} {
			get(t, f.client(t, "", overTLS), "/comments/room/stream?lastEventId=7",
				harness.Header("X-Forwarded-For", "1.2.3.4", "Last-Event-ID", "17", "Accept-Encoding", "gzip", "Cookie", "session=s"))
			r := <-told
			want := map[string]string{
				"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": map[bool]string{false: "http", true: "https"}[overTLS],
				"Last-Event-Id": "17", "Accept-Encoding": "gzip", "Cookie": "session=s",
			}
			for name, value := range want {
				if got := strings.Join(r.Header.Values(name), " and "); got != value {
					t.Errorf("over TLS %t: %s is %q, want %q", overTLS, name, got, value)
				}
			}
			if r.Proto != "HTTP/1.1" || r.URL.RawQuery != "lastEventId=7" {
				t.Errorf("%s %s", r.Proto, r.URL)
			}
		}
	})
}

const message = `{"message":"hello"}`

// A post is sent to a second node if the first took no connection, or if its
// key makes it the same post.
func TestAPostIsSentTwiceOnlyWithAKey(t *testing.T) {
	const body = `{"status":503,"detail":"full"}`
	unavailable := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, body)
	}
	created := func(w http.ResponseWriter, r *http.Request) {
		if got, err := io.ReadAll(r.Body); err != nil || string(got) != message {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusCreated)
	}
	forEach(t, func(t *testing.T, b balancer) {
		fakes, addrs := startFakes(t, created)
		c := b.start(t, addrs).client(t, "", false)
		// The connection to a fake is cut where it is asked to hang up; so each
		// case has a video of its own.
		for i, test := range []struct {
			name     string
			home     http.HandlerFunc // nil: it takes no connections
			key      string
			status   int
			atOthers int
		}{
			{"no answer, without a key", hangUp, "", 0, 0},
			{"no answer, with a key", hangUp, "k", http.StatusCreated, 1},
			{"503, without a key", unavailable, "", http.StatusServiceUnavailable, 0},
			{"503, with a key", unavailable, "k", http.StatusCreated, 1},
			{"no connection, without a key", nil, "", http.StatusCreated, 1},
			{"no connection, with a key", nil, "k", http.StatusCreated, 1},
		} {
			t.Run(test.name, func(t *testing.T) {
				path := fmt.Sprintf("/comments/room%d", i)
				home := homeOf(t, c, fakes, path)
				if test.home != nil {
					fakes[home].set(test.home)
					defer fakes[home].set(created)
				} else {
					fakes[home].stop()
					defer fakes[home].start(t)
				}
				header := http.Header{}
				if test.key != "" {
					header.Set("Idempotency-Key", test.key)
				}
				answer, err := c.Do(t.Context(), http.MethodPost, path, message, header)
				if err != nil { // HAProxy may hang up as the node did
					answer = &harness.Answer{Status: http.StatusBadGateway}
				}
				others := 0
				for i, n := range fakes {
					if i != home {
						others += n.requests()
					}
				}
				if test.status != 0 && answer.Status != test.status || test.status == 0 && answer.Status < 500 || others != test.atOthers {
					t.Errorf("%v, and %d requests at other nodes; want status %d and %d", answer, others, test.status, test.atOthers)
				}
				if answer.Status == http.StatusServiceUnavailable && test.status != 0 &&
					(string(answer.Body) != body || answer.Header.Get("Retry-After") != "3") {
					t.Errorf("the node's answer became %v, %v", answer, answer.Header)
				}
			})
		}
		// All say 503: so does the balancer, in the nodes' words.
		for _, n := range fakes {
			n.set(unavailable)
		}
		if answer := do(t, c, http.MethodPost, "/comments/room", message, harness.Header("Idempotency-Key", "k")); answer.Status != http.StatusServiceUnavailable ||
			string(answer.Body) != body || answer.Header.Get("Retry-After") != "3" {
			t.Errorf("all say 503: %v, %v", answer, answer.Header)
		}
	})
}

// Without nodes, an EventSource must not get an error: it would never come back.
func TestWithoutNodesClientsAreToldToComeBack(t *testing.T) {
	forEach(t, func(t *testing.T, b balancer) {
		fakes, addrs := startFakes(t, func(http.ResponseWriter, *http.Request) {})
		c := b.start(t, addrs).client(t, "", false)
		for _, n := range fakes {
			n.stop()
		}
		for range 8 { // more often than a node is tried
			s, err := c.Open(t.Context(), "/comments/room/stream", nil)
			if err != nil {
				t.Fatal(err)
			}
			if e, err := s.Next(); err != nil || e.Retry.Seconds() < 2 || e.Retry.Seconds() > 8 {
				t.Errorf("%+v, %v", e, err)
			}
			if _, err := s.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("it ends with %v", err)
			}
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				answer := do(t, c, method, "/comments/room", message, nil)
				if answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || answer.Header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%s: %v, %v", method, answer, answer.Header)
				}
			}
		}
		for _, n := range fakes {
			n.start(t)
		}
		eventually(t, func() error {
			if answer := do(t, c, http.MethodGet, "/comments/room", nil, nil); answer.Status != http.StatusOK {
				return fmt.Errorf("after the nodes are back: %w", answer)
			}
			return nil
		})
	})
}

func TestPostsOfAnAddressAreLimited(t *testing.T) {
	forEach(t, func(t *testing.T, b balancer) {
		_, addrs := startFakes(t, func(http.ResponseWriter, *http.Request) {})
		c := b.start(t, addrs, b.fewPosts...).client(t, "", false)
		var last *harness.Answer
		for range 5 {
			last = do(t, c, http.MethodPost, "/comments/room", message, nil)
		}
		if last.Status != http.StatusTooManyRequests || last.Header.Get("Retry-After") == "" || last.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%v, %v", last, last.Header)
		}
		if answer := do(t, c, http.MethodGet, "/comments/room", nil, nil); answer.Status != http.StatusOK {
			t.Errorf("reading: %v", answer)
		}
	})
}

// What is not for everybody; tokens in no log.
func TestMetricsStayInsideAndTokensAreNotLogged(t *testing.T) {
	forEach(t, func(t *testing.T, b balancer) {
		fakes, addrs := startFakes(t, func(http.ResponseWriter, *http.Request) {})
		f := b.start(t, addrs)
		c := f.client(t, "", false)
		if answer := do(t, c, http.MethodGet, "/metrics", nil, nil); answer.Status != http.StatusNotFound {
			t.Errorf("/metrics: %v", answer)
		}
		if answer := do(t, c, http.MethodGet, "/cluster", nil, nil); answer.Status != http.StatusOK {
			t.Errorf("/cluster from this machine: %v", answer)
		}
		path := "/comments/room/stream?token=very-secret"
		get(t, c, path, nil)
		fakes[0].stop()
		for i := range 20 { // also where a node fails
			get(t, c, fmt.Sprintf("/comments/room%d/stream?token=very-secret", i), nil)
		}
		f.program.end(t, 15)
		log := f.log()
		if !strings.Contains(log, "/comments/room/stream") {
			t.Errorf("the requests are not in the log:\n%s", log)
		}
		if strings.Contains(log, "very-secret") {
			t.Errorf("a token is in the log:\n%s", log)
		}
	})
}
