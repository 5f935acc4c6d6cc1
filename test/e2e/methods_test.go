package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"barrage/test/harness"
)

// methodsOf says which methods a path must take; those of rooms are in
// roles_test.go.
var methodsOf = map[string][]string{
	"/comments/room":           {"GET", "HEAD", "POST", "OPTIONS"},
	"/comments/room/1":         {"GET", "HEAD", "DELETE", "OPTIONS"},
	"/comments/room/1/replies": {"GET", "HEAD", "OPTIONS"},
	"/comments/room/stream":    {"GET", "HEAD", "OPTIONS"},
	"/videos/room":             {"GET", "HEAD", "PUT", "OPTIONS"},
	"/healthz":                 {"GET", "HEAD", "OPTIONS"},
	"/readyz":                  {"GET", "HEAD", "OPTIONS"},
	"/metrics":                 {"GET", "HEAD", "OPTIONS"},
	"/":                        {"GET", "HEAD", "OPTIONS"},
}

func TestOtherMethodsAreRefusedWithAllow(t *testing.T) {
	n := harness.Start(t)
	admin := n.User("ad", "admin")
	for path, methods := range methodsOf {
		for _, method := range []string{"POST", "PATCH", "DELETE", "PUT", "TRACE", "PROPFIND"} {
			if slices.Contains(methods, method) {
				continue
			}
			answer := do(t, admin, method, path, nil, nil)
			expectProblem(t, answer, http.StatusMethodNotAllowed)
			allow := strings.Split(strings.ReplaceAll(answer.Header.Get("Allow"), " ", ""), ",")
			if !slices.Contains(allow, "GET") || slices.Contains(allow, method) {
				t.Errorf("%s %s: Allow is %q", method, path, answer.Header.Get("Allow"))
			}
			for _, want := range methods {
				if (want == "POST" || want == "DELETE") && !slices.Contains(allow, want) {
					t.Errorf("%s %s: Allow is %q and lacks %s", method, path, allow, want)
				}
			}
		}
	}
}

// Paths that look like that of a comment say of no comment's methods that they
// were possible.
func TestAllowIsExactBesideComments(t *testing.T) {
	n := harness.Start(t)
	admin := n.User("ad", "admin")
	for path, allow := range map[string]string{
		"/comments/room/stream": "GET, HEAD, OPTIONS", "/comments/room/reactions": "POST, OPTIONS", "/comments/room/ws": "GET, OPTIONS",
	} {
		taken := strings.Split(allow, ", ")
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
			if slices.Contains(taken, method) {
				if method == "GET" && strings.HasSuffix(path, "/stream") {
					continue // it goes on
				}
				if answer := do(t, admin, method, path, nil, nil); answer.Status == http.StatusMethodNotAllowed {
					t.Errorf("%s %s: %v", method, path, answer)
				}
				continue
			}
			answer := do(t, admin, method, path, nil, nil)
			if got := answer.Header.Get("Allow"); answer.Status != http.StatusMethodNotAllowed || got != allow {
				t.Errorf("%s %s: %v, Allow is %q, want %q", method, path, answer, got, allow)
			}
		}
	}
}

func TestOptionsSaysWhatIsAllowed(t *testing.T) {
	n := harness.Start(t)
	for path, methods := range methodsOf {
		answer := do(t, n.Anyone(), http.MethodOptions, path, nil, nil)
		allow := strings.Split(answer.Header.Get("Allow"), ", ")
		if slices.Sort(allow); answer.Status != http.StatusNoContent || !slices.Equal(allow, slices.Sorted(slices.Values(methods))) {
			t.Errorf("%s: %v, Allow %q", path, answer, answer.Header.Get("Allow"))
		}
	}
	expectProblem(t, do(t, n.Anyone(), http.MethodOptions, "/nothing", nil, nil), http.StatusNotFound)
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	n := harness.Start(t)
	c := post(t, n.User("ann", "viewer"), "room", "hello")
	for _, path := range []string{
		"/comments/room", "/comments/room/" + c.ID, "/comments/room/" + c.ID + "/replies", "/videos/room",
		"/comments/room/1", "/comments/room?pageSize=x", "/healthz", "/readyz", "/metrics", "/",
	} {
		get := do(t, n.Anyone(), http.MethodGet, path, nil, nil)
		head := do(t, n.Anyone(), http.MethodHead, path, nil, nil)
		if head.Status != get.Status || len(head.Body) != 0 || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") {
			t.Errorf("%s: GET %d %q, HEAD %d %q with %d bytes", path, get.Status, get.Header.Get("Content-Type"),
				head.Status, head.Header.Get("Content-Type"), len(head.Body))
		}
	}
	// The head of a stream is answered and that is all: nobody joins the room.
	head := do(t, n.Anyone(), http.MethodHead, "/comments/room/stream", nil, nil)
	if head.Status != http.StatusOK || head.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("stream: %v, %v", head, head.Header)
	}
	if got := video(t, n.Anyone(), "room").Viewers; got != 0 {
		t.Errorf("%d viewers", got)
	}
}
