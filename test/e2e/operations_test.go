package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"barrage/test/harness"
)

func TestLiveVideoSaysHowItStands(t *testing.T) {
	n := harness.Start(t)
	if v := video(t, n.Anyone(), "new"); v.LiveVideoID != "new" || v.State != "live" || v.Viewers != 0 || v.Comments != 0 || v.Owner == "" {
		t.Errorf("one never used: %+v", v)
	}
	postMany(t, n.User("ops", "admin"), "room", 7)
	openedStream(t, n, n.Anyone(), "room", "", nil)
	eventually(t, func() error {
		if v := video(t, n.Anyone(), "room"); v.Comments != 7 || v.Viewers != 1 {
			return fmt.Errorf("got %+v", v)
		}
		return nil
	})
	n.Kill()
	n.Start()
	if v := video(t, n.Anyone(), "room"); v.Comments != 7 || v.Viewers != 0 {
		t.Errorf("after a crash: %+v", v)
	}
}

func TestHealthReadinessAndMetrics(t *testing.T) {
	n := harness.Start(t)
	postMany(t, n.User("ops", "admin"), "room", 3)
	openedStream(t, n, n.Anyone(), "room", "", nil)
	for _, path := range []string{"/healthz", "/readyz"} {
		if answer := do(t, n.Anyone(), http.MethodGet, path, nil, nil); answer.Status != http.StatusOK {
			t.Errorf("%s: %v", path, answer)
		}
	}
	answer := do(t, n.Anyone(), http.MethodGet, "/metrics", nil, nil)
	if answer.Status != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain") {
		t.Fatalf("%v, Content-Type %q", answer, answer.Header.Get("Content-Type"))
	}
	own := 0
	for line := range strings.Lines(string(answer.Body)) {
		name, _, _ := strings.Cut(line, " ")
		if strings.HasPrefix(name, "barrage_") {
			own++
			if strings.Contains(name, "_ms") || strings.Contains(name, "_milliseconds") || strings.Contains(name, "_kb") {
				t.Errorf("%s is not in base units", name)
			}
			if strings.Contains(line, `"room"`) {
				t.Errorf("a label for each live video would grow without bounds: %s", line)
			}
		}
	}
	if own < 5 {
		t.Errorf("only %d series of barrage_", own)
	}
}

func TestDemoPageIsServedWithAStrictPolicy(t *testing.T) {
	n := harness.Start(t)
	answer := do(t, n.Anyone(), http.MethodGet, "/", nil, nil)
	if answer.Status != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
		t.Fatal(answer)
	}
	policy := answer.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("the policy is %q", policy)
	}
	if got := answer.Header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("X-Content-Type-Options is %q", got)
	}
}

func TestNeitherTextsNorTokensAreLogged(t *testing.T) {
	n := harness.Start(t)
	ann := n.User("ann", "viewer")
	post(t, ann, "room", "what-ann-said")
	for _, path := range []string{"/comments/room?token=", "/nothing?token=", "/comments/room/stream?history=x&token="} {
		_ = do(t, ann, http.MethodGet, path+ann.Token, nil, nil) // whatever the answer
	}
	refused := do(t, ann, http.MethodPost, "/comments/room", `{"message":"refused-text","parentId":"1"}`, nil)
	expectProblem(t, refused, http.StatusBadRequest)
	n.Terminate()
	for _, secret := range []string{"what-ann-said", "refused-text", ann.Token[len(ann.Token)-20:]} {
		if strings.Contains(n.Logs(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}
