package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// floorEnv makes the test binary act as the child of --floor.
const floorEnv = "BARRAGE_BENCH_TEST_FLOOR"

func TestMain(m *testing.M) {
	if os.Getenv(floorEnv) != "" {
		if err := FloorChild(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// testConfig is a short run. Nothing in it depends on how fast the machine is:
// the run waits for what is missing as long as a slow one may take.
func testConfig(s *testServer) Config {
	cfg := DefaultConfig()
	cfg.URL, cfg.JWTSecret = s.URL, "secret"
	cfg.Viewers, cfg.Rate, cfg.Duration, cfg.PostWorkers = 20, 200, 300*time.Millisecond, 4
	cfg.Warmup, cfg.Idle, cfg.Quiet = 50*time.Millisecond, 0, true
	cfg.PostDeadline, cfg.Settle = 20*time.Second, 20*time.Second
	cfg.FloorCommand = []string{"env", floorEnv + "=1", os.Args[0]}
	return cfg
}

// runTest runs cfg and returns its report.
func runTest(ctx context.Context, t *testing.T, cfg Config) (*Report, error) {
	t.Helper()
	cfg.Out = filepath.Join(t.TempDir(), "report.json")
	var out bytes.Buffer
	err := Run(ctx, cfg, &out, &out)
	text, readErr := os.ReadFile(cfg.Out)
	if readErr != nil {
		t.Fatalf("no report: %v, the run ended with %v", readErr, err)
	}
	var r Report
	if e := json.Unmarshal(text, &r); e != nil {
		t.Fatalf("the report is no JSON: %v; the run ended with %v", e, err)
	}
	if t.Failed() {
		t.Log(out.String())
	}
	return &r, err
}

func TestHonestServers(t *testing.T) {
	for _, c := range []struct {
		packing string
		readers int
	}{{"", 1}, {"", 2}, {"segments", 1}, {"context", 2}} {
		t.Run(fmt.Sprintf("packing %q, %d readers", c.packing, c.readers), func(t *testing.T) {
			t.Parallel()
			s := newTestServer(t, func(s *testServer) { s.packing = c.packing })
			cfg := testConfig(s)
			cfg.Gzip, cfg.Readers = c.packing != "", c.readers
			cfg.PID = os.Getpid()
			cfg.HTML = filepath.Join(t.TempDir(), "report.html")
			r, err := runTest(t.Context(), t, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if r.Joins.Joined != 20 || r.Posts.Offered != 60 || r.Posts.Answered != 60 {
				t.Errorf("%d joined, %d of %d posts answered", r.Joins.Joined, r.Posts.Answered, r.Posts.Offered)
			}
			if n := r.Deliveries.Latency.Count; n != 20*60 {
				t.Errorf("%d latencies measured, want one for each viewer and measured comment: 1200", n)
			}
			if n := r.Deliveries.LastViewer.Count; n != 60 {
				t.Errorf("%d times to the last viewer, want 60", n)
			}
			if r.Server == nil || r.Server.Threads == 0 {
				t.Errorf("figures of the server: %+v", r.Server)
			}
			page, err := os.ReadFile(cfg.HTML)
			if err != nil || !strings.Contains(string(page), "<polyline") || strings.Contains(string(page), "http-equiv") {
				t.Errorf("HTML report: %v, %d bytes", err, len(page))
			}
		})
	}
}

// What a server does wrong to a single viewer is found, in every coding.
func TestDishonestServers(t *testing.T) {
	only := func(viewer, comment int, then func(event string) string) func(int, int, string) string {
		return func(v, c int, event string) string {
			if v == viewer && c == comment {
				return then(event)
			}
			return event
		}
	}
	swap := func() func(int, int, string) string {
		var held string // only seen by viewer 5
		return func(v, c int, event string) string {
			switch {
			case v == 5 && c == 20:
				held = event
				return ""
			case v == 5 && c == 21:
				return event + held
			}
			return event
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(viewer, comment int, event string) string
		// lost, doubled, out of order
		want [3]int64
	}{
		{"drops one", only(3, 20, func(string) string { return "" }), [3]int64{1, 0, 0}},
		{"drops the last", only(3, 69, func(string) string { return "" }), [3]int64{1, 0, 0}},
		{"doubles one", only(7, 20, func(e string) string { return e + e }), [3]int64{0, 1, 0}},
		{"swaps two", nil, [3]int64{0, 0, 1}},
	} {
		packings := []string{"", "segments", "context"}
		if testing.Short() {
			packings = packings[1:2]
		}
		for _, packing := range packings {
			t.Run(fmt.Sprintf("%s, packing %q", c.name, packing), func(t *testing.T) {
				t.Parallel()
				s := newTestServer(t, func(s *testServer) {
					s.packing, s.spoil = packing, c.spoil
					if s.spoil == nil {
						s.spoil = swap()
					}
				})
				cfg := testConfig(s)
				cfg.Gzip = true
				if c.name == "drops the last" {
					cfg.Settle = 5 * time.Second // what others get late is no loss of theirs
				}
				r, err := runTest(t.Context(), t, cfg)
				if !errors.Is(err, ErrIncorrect) {
					t.Errorf("the run ended with %v, want %v", err, ErrIncorrect)
				}
				v := r.Correctness.Verdict
				if got := [3]int64{v.Lost, v.Doubled, v.OutOfOrder}; got != c.want || v.Faulty != 1 {
					t.Errorf("lost, doubled, out of order are %v at %d viewers, want %v at 1: %v", got, v.Faulty, c.want, v.Examples)
				}
			})
		}
	}
}

// A gap that is announced is no loss.
func TestAnnouncedGap(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(s *testServer) {
		s.spoil = func(viewer, comment int, event string) string {
			switch {
			case viewer != 4 || comment < 20 || comment > 23:
				return event
			case comment == 23:
				return fmt.Sprintf("event: gap\ndata: {\"after\":\"%d\",\"before\":\"%d\"}\n\n", firstTestID+19, firstTestID+24)
			default:
				return ""
			}
		}
	})
	r, err := runTest(t.Context(), t, testConfig(s))
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Correctness; c.Announced != 4 || c.Gaps != 1 || c.Lost != 0 {
		t.Errorf("%d announced by %d gaps, %d lost; want 4 by 1, 0", c.Announced, c.Gaps, c.Lost)
	}
}

func TestStreamThatMakesNoSense(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(s *testServer) {
		s.spoil = func(viewer, comment int, event string) string {
			if viewer == 2 && comment == 10 {
				return "id: nonsense\ndata: {}\n\n"
			}
			return event
		}
	})
	r, err := runTest(t.Context(), t, testConfig(s))
	if !errors.Is(err, ErrIncorrect) || r.Correctness.Garbled != 1 || !strings.Contains(r.Correctness.Fault, "nonsense") {
		t.Errorf("the run ended with %v, %d streams not understood: %s", err, r.Correctness.Garbled, r.Correctness.Fault)
	}
}

func TestRetriesKeepTheirKey(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(s *testServer) {
		s.refuse = func(w http.ResponseWriter, attempt int) bool {
			switch attempt % 5 {
			case 1:
				w.Header().Set("Retry-After", "0")
				http.Error(w, "later", http.StatusServiceUnavailable)
			case 2:
				panic(http.ErrAbortHandler) // cuts the connection
			default:
				return false
			}
			return true
		}
	})
	r, err := runTest(t.Context(), t, testConfig(s))
	if err != nil {
		t.Fatal(err)
	}
	if r.Posts.Answered != 60 || r.Posts.Retries["503"] == 0 || r.Posts.Retries["network"] == 0 {
		t.Errorf("%d answered, retries %v", r.Posts.Answered, r.Posts.Retries)
	}
}

func TestRefusingServer(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(s *testServer) {
		s.refuse = func(w http.ResponseWriter, _ int) bool {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return true
		}
	})
	var out bytes.Buffer
	err := Run(t.Context(), testConfig(s), &out, &out)
	if err == nil || !strings.Contains(err.Error(), "who are you?") {
		t.Errorf("the run ended with %v, want the server's words", err)
	}
}

// Connections that the server ends are resumed with Last-Event-ID, and nothing
// is missing.
func TestCutStreamsResume(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(s *testServer) {
		s.refuse = func(_ http.ResponseWriter, attempt int) bool {
			if attempt == 20 || attempt == 40 {
				s.cutAll()
			}
			return false
		}
	})
	r, err := runTest(t.Context(), t, testConfig(s))
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Correctness; c.Cuts < 20 || c.Reconnects < 20 {
		t.Errorf("%d streams ended by the server, %d resumed; want 20 and more", c.Cuts, c.Reconnects)
	}
}

func TestChurn(t *testing.T) {
	t.Parallel()
	cfg := testConfig(newTestServer(t, nil))
	cfg.Churn = 200
	r, err := runTest(t.Context(), t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if r.Correctness.Left == 0 {
		t.Error("nobody left")
	}
}

func TestStalledViewersAreReportedApart(t *testing.T) {
	t.Parallel()
	cfg := testConfig(newTestServer(t, nil))
	cfg.Stalled = 5
	r, err := runTest(t.Context(), t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if r.Stalled.Viewers != 5 || r.Deliveries.Latency.Count != 15*60 {
		t.Errorf("%d stalled, %d deliveries measured; want 5, and those of the other 15: 900", r.Stalled.Viewers, r.Deliveries.Latency.Count)
	}
}

func TestReconnect(t *testing.T) {
	t.Parallel()
	cfg := testConfig(newTestServer(t, nil))
	cfg.Reconnect, cfg.RestartCmd, cfg.Missed, cfg.Readers = true, "true", 30, 2
	r, err := runTest(t.Context(), t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Restart; s.CutByTool != 20 || s.Missed != 30 || s.Whole != 20 || s.AllWhole == 0 || s.Latency.Count != 20 {
		t.Errorf("restart %+v", s)
	}
}

func TestOneAtATimeWithFloor(t *testing.T) {
	t.Parallel()
	cfg := testConfig(newTestServer(t, nil))
	cfg.OneAtATime, cfg.Floor, cfg.Readers = true, true, 2
	cfg.Duration = 2 * time.Second // a stall is not all of it
	r, err := runTest(t.Context(), t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if r.Deliveries.CommentsPerFrame != 1 || r.Posts.Answered == 0 {
		t.Errorf("%d answered, %g comments a frame", r.Posts.Answered, r.Deliveries.CommentsPerFrame)
	}
	if f := r.Floor; f == nil || f.Frames == 0 || f.Latency.Count != int64(f.Frames)*20 {
		t.Errorf("floor %+v, warnings %v", f, r.Warnings)
	}
}

func TestFloorOnSchedule(t *testing.T) {
	t.Parallel()
	cfg := testConfig(newTestServer(t, nil))
	cfg.Floor, cfg.FloorFrames, cfg.FloorSendBuffer = true, 100, 1<<16
	r, err := runTest(t.Context(), t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := r.Floor
	if f == nil || f.Frames != 30 || f.Latency.Count != 30*20 || f.LastViewer.Count != 30 || f.RatioP99 == 0 {
		t.Fatalf("floor %+v, warnings %v; want 30 frames to 20 viewers", f, r.Warnings)
	}
}

// A run that is stopped reports what it measured, and isn't a failure.
func TestStoppedRunReports(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s := newTestServer(t, func(s *testServer) {
		s.refuse = func(_ http.ResponseWriter, attempt int) bool {
			if attempt == 40 {
				stop()
			}
			return false
		}
	})
	cfg := testConfig(s)
	cfg.Duration = time.Hour
	r, err := runTest(ctx, t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.Posts.Answered == 0 || r.Deliveries.Latency.Count == 0 {
		t.Errorf("interrupted %t, %d answered, %d deliveries", r.Interrupted, r.Posts.Answered, r.Deliveries.Latency.Count)
	}
}

func TestNothingPosted(t *testing.T) {
	t.Parallel()
	cfg := testConfig(newTestServer(t, nil))
	cfg.Rate, cfg.JWTSecret = 0, ""
	r, err := runTest(t.Context(), t, cfg)
	if err != nil || r.Joins.Joined != 20 {
		t.Errorf("%d joined, %v", r.Joins.Joined, err)
	}
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, nil)
	s.Close()
	var out bytes.Buffer
	if err := Run(t.Context(), testConfig(s), &out, &out); err == nil || errors.Is(err, ErrUsage) {
		t.Errorf("the run ended with %v, want a failure", err)
	}
}

func TestReactionsBesideComments(t *testing.T) {
	s := newTestServer(t, nil)
	cfg := testConfig(s)
	cfg.Reactions, cfg.ReactionCount = 2000, 20
	report, err := runTest(t.Context(), t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	a := report.Reactions
	// What was sent in the warm-up is not in the report.
	if a == nil || a.Refused != 0 || a.Requests == 0 || a.Latency.Count != a.Requests || s.reacted.Load() < a.Requests*20 {
		t.Errorf("got %+v, the server has %d", a, s.reacted.Load())
	}
}

func TestRefusedReactionsAreSaid(t *testing.T) {
	s := newTestServer(t, func(s *testServer) { s.noReactions = true })
	cfg := testConfig(s)
	cfg.Reactions = 2000
	report, err := runTest(t.Context(), t, cfg)
	if err == nil || report.Reactions.Refused != report.Reactions.Requests || !strings.Contains(report.Reactions.RefusedWith, "403") {
		t.Errorf("%v, %+v", err, report.Reactions)
	}
}
