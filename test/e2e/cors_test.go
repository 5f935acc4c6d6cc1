package e2e

import (
	"net/http"
	"strings"
	"testing"

	"barrage/test/harness"
)

const site = "https://live.example.com"

func TestPagesOfAllowedOriginsMayCallWithCredentials(t *testing.T) {
	allowedOrigins(t, harness.Start(t, harness.Flags("--http-cors-origins="+site+",http://localhost:5173")), "room")
}

func allowedOrigins(t *testing.T, n *harness.Node, room string) {
	t.Helper()
	token := n.Token("ann", "viewer")
	for _, origin := range []string{site, "http://localhost:5173"} {
		for name, answer := range map[string]*harness.Answer{
			"history": do(t, n.Anyone(), http.MethodGet, "/comments/"+room, nil, harness.Header("Origin", origin)),
			"post":    do(t, n.Client(token), http.MethodPost, "/comments/"+room, `{"message":"x"}`, harness.Header("Origin", origin)),
			"refusal": do(t, n.Anyone(), http.MethodPost, "/comments/"+room, `{"message":"x"}`, harness.Header("Origin", origin)),
			"video":   do(t, n.Anyone(), http.MethodGet, "/videos/"+room, nil, harness.Header("Origin", origin)),
		} {
			expectCORS(t, name, answer.Header, origin)
		}
		s := n.Stream(t, n.Anyone(), room, "", harness.Header("Origin", origin))
		expectCORS(t, "stream", s.Header, origin)
	}
}

func expectCORS(t *testing.T, name string, h http.Header, origin string) {
	t.Helper()
	if got := h.Get("Access-Control-Allow-Origin"); got != origin {
		t.Errorf("%s: allowed origin is %q, want %q", name, got, origin)
	}
	if got := h.Get("Access-Control-Allow-Credentials"); got != "true" {
		t.Errorf("%s: credentials %q", name, got)
	}
	if !strings.Contains(strings.Join(h.Values("Vary"), ","), "Origin") {
		t.Errorf("%s: Vary is %q", name, h.Values("Vary"))
	}
}

func TestPreflight(t *testing.T) {
	n := harness.Start(t, harness.Flags("--http-cors-origins="+site))
	for path, method := range map[string]string{
		"/comments/room": "POST", "/comments/room/1": "DELETE", "/comments/room/stream": "GET", "/videos/room": "GET",
	} {
		answer := do(t, n.Anyone(), http.MethodOptions, path, nil, harness.Header(
			"Origin", site, "Access-Control-Request-Method", method,
			"Access-Control-Request-Headers", "authorization,content-type,idempotency-key,last-event-id"))
		if answer.Status != http.StatusNoContent && answer.Status != http.StatusOK || len(answer.Body) != 0 {
			t.Errorf("%s: %v", path, answer)
		}
		expectCORS(t, path, answer.Header, site)
		if got := answer.Header.Get("Access-Control-Allow-Methods"); !strings.Contains(got, method) {
			t.Errorf("%s: allowed methods are %q", path, got)
		}
		allowed := strings.ToLower(strings.Join(answer.Header.Values("Access-Control-Allow-Headers"), ","))
		for _, header := range []string{"authorization", "content-type", "idempotency-key", "last-event-id"} {
			if !strings.Contains(allowed, header) {
				t.Errorf("%s: header %s is not among %q", path, header, allowed)
			}
		}
	}
}

func TestPagesOfOtherOriginsAreNotAllowed(t *testing.T) {
	for name, flags := range map[string][]string{"none configured": nil, "another configured": {"--http-cors-origins=" + site}} {
		n := harness.Start(t, harness.Flags(flags...))
		for _, origin := range []string{"https://evil.example", "null", site + ".evil.example", strings.ToUpper(site) + "x", "http://live.example.com"} {
			for _, answer := range []*harness.Answer{
				do(t, n.Anyone(), http.MethodGet, "/comments/room", nil, harness.Header("Origin", origin)),
				do(t, n.Anyone(), http.MethodOptions, "/comments/room", nil, harness.Header("Origin", origin, "Access-Control-Request-Method", "POST")),
			} {
				if got := answer.Header.Get("Access-Control-Allow-Origin"); got != "" {
					t.Errorf("%s: %s may read: %q", name, origin, got)
				}
			}
		}
	}
}

func TestAnyOriginNeverMeansAnyOriginWithAStarAndCredentials(t *testing.T) {
	n := harness.Start(t, harness.Flags("--http-cors-origins=*"))
	answer := do(t, n.Anyone(), http.MethodGet, "/comments/room", nil, harness.Header("Origin", site))
	allowed := answer.Header.Get("Access-Control-Allow-Origin")
	if allowed != "*" && allowed != site {
		t.Errorf("allowed origin is %q", allowed)
	}
	if allowed == "*" && answer.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Error("browsers refuse a star with credentials")
	}
}
