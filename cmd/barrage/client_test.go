package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"3": 3 * time.Second, " 2 ": 2 * time.Second, "-1": 0, "": 0, "soon": 0,
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second, "Fri, 02 Jan 2026 03:04:00 GMT": 0,
	} {
		if got := parseRetryAfter(text, now); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestPersistWaitsAsLongAsTheNodeAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began, tries := time.Now(), 0
		err := persist(ctx, func() error {
			tries++
			if tries < 3 {
				return &problem{Status: http.StatusServiceUnavailable, retryAfter: 7 * time.Second}
			}
			return nil
		}, func(error, time.Duration) {})
		if err != nil || tries != 3 || time.Since(began) != 14*time.Second {
			t.Errorf("%d tries in %s: %v", tries, time.Since(began), err)
		}
	})
}

func TestPersistGivesUpForGoodReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for _, row := range []struct {
			err   error
			tries int
		}{
			{&problem{Status: http.StatusForbidden}, 1},
			{&problem{Status: http.StatusTooManyRequests, retryAfter: time.Hour}, 1}, // after the deadline
			{errors.New("connection refused"), 8},
		} {
			tries := 0
			err := persist(ctx, func() error { tries++; return row.err }, func(error, time.Duration) {})
			if !errors.Is(err, row.err) || tries != row.tries {
				t.Errorf("%v: %d tries, %v", row.err, tries, err)
			}
		}
	})
}

// fakeNode answers what a test wants and keeps what it was asked.
type fakeNode struct {
	*httptest.Server
	posts []*http.Request
	texts []string
}

func newFakeNode(t *testing.T, statuses ...int) *fakeNode {
	t.Helper()
	f := &fakeNode{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /comments/{video}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		status := statuses[min(len(f.posts), len(statuses)-1)]
		f.posts, f.texts = append(f.posts, r), append(f.texts, string(body))
		if status == http.StatusCreated {
			w.WriteHeader(status)
			fmt.Fprint(w, `{"id":"17","message":"x","createdAt":"2026-01-02T03:04:05.000Z"}`)
			return
		}
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(status)
		fmt.Fprint(w, `{"status":0,"title":"Busy","detail":"come back\u001b[2J later"}`)
	})
	mux.HandleFunc("POST /guest", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"token":"guest-token","userId":"g"}`)
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func command(t *testing.T, stdin string, args ...string) (out, errOut string, status int) {
	t.Helper()
	var o, e strings.Builder
	status = run(args, strings.NewReader(stdin), &o, &e)
	return o.String(), e.String(), status
}

func TestPostTriesAgainAsTheSameComment(t *testing.T) {
	node := newFakeNode(t, http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusCreated)
	out, errOut, status := command(t, "", "post", "room", "hello \"you\"", "--url", node.URL, "--guest", "Ann")
	if status != 0 || out != "17\n" || strings.Count(errOut, "trying again") != 2 || strings.Contains(errOut, "\x1b") {
		t.Fatalf("status %d, %q, %q", status, out, errOut)
	}
	keys := map[string]bool{}
	for i, r := range node.posts {
		keys[r.Header.Get("Idempotency-Key")] = true
		var body map[string]string
		if err := json.Unmarshal([]byte(node.texts[i]), &body); err != nil || len(body) != 1 || body["message"] != `hello "you"` {
			t.Errorf("it sent %q", node.texts[i])
		}
		if r.Header.Get("Authorization") != "Bearer guest-token" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("it sent %v", r.Header)
		}
	}
	if len(node.posts) != 3 || len(keys) != 1 || keys[""] {
		t.Errorf("%d posts with keys %v", len(node.posts), keys)
	}
}

func TestPostStopsAtARefusal(t *testing.T) {
	node := newFakeNode(t, http.StatusForbidden)
	_, errOut, status := command(t, "", "post", "room", "x", "--url", node.URL, "--token", "t")
	if status != 1 || len(node.posts) != 1 || !strings.Contains(errOut, "403: come back") {
		t.Errorf("status %d after %d posts, %q", status, len(node.posts), errOut)
	}
}
