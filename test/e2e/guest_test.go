package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"barrage/test/harness"
)

type guest struct{ Token, UserID string }

func becomeGuest(t *testing.T, n *harness.Node, name string) guest {
	t.Helper()
	answer := do(t, n.Anyone(), http.MethodPost, "/guest", map[string]string{"name": name}, nil)
	var g guest
	if answer.Status < 200 || answer.Status > 299 || json.Unmarshal(answer.Body, &g) != nil || g.Token == "" || g.UserID == "" {
		t.Fatalf("guest %q: %v", name, answer)
	}
	return g
}

func TestGuestsCanPostWhereTheyAreWelcome(t *testing.T) {
	n := harness.Start(t, harness.Flags("--auth-guest"))
	ann, other := becomeGuest(t, n, "Ann 安"), becomeGuest(t, n, "Ann 安")
	if ann.UserID == other.UserID {
		t.Error("two guests are one user")
	}
	c := post(t, n.Client(ann.Token), "room", "hello")
	if c.UserID != ann.UserID || c.UserName != "Ann 安" {
		t.Errorf("got %+v", c)
	}
	answer := do(t, n.Client(other.Token), http.MethodDelete, "/comments/room/"+c.ID, nil, nil)
	expectProblem(t, answer, http.StatusForbidden)
	n.Kill()
	n.Start()
	if err := n.Client(ann.Token).Delete(t.Context(), "room", c.ID); err != nil {
		t.Errorf("a guest's own comment, after a restart: %v", err)
	}
	for _, body := range []string{
		`{"name":""}`, `{"name":"   "}`, `{"name":"\u200b"}`, `{"name":" \u2060\u00ad "}`, `{}`, `{"name":7}`, `{"name":"` + strings.Repeat("x", 500) + `"}`, `[]`, `{`,
	} {
		expectProblem(t, do(t, n.Anyone(), http.MethodPost, "/guest", body, nil), http.StatusBadRequest)
	}
}

// Otherwise who may post no more would go on as another guest.
func TestNewGuestsCountInTheLimitOfTheirAddress(t *testing.T) {
	n := harness.Start(t, harness.Flags("--auth-guest", "--limits-posts-per-second-per-address=0.001", "--http-trusted-proxies=127.0.0.0/8"))
	ask := func(name, address string) *harness.Answer {
		return do(t, n.Anyone(), http.MethodPost, "/guest", `{"name":"`+name+`"}`, harness.Header("X-Forwarded-For", address))
	}
	expectProblem(t, ask("", "192.0.2.1"), http.StatusBadRequest) // uses nothing up
	var ann guest
	expectStatus(t, ask("Ann", "192.0.2.1"), http.StatusOK, &ann)
	expectKind(t, ask("Bob", "192.0.2.1"), http.StatusTooManyRequests, "rate-limited")
	answer := do(t, n.Client(ann.Token), http.MethodPost, "/comments/room", message("hello"), harness.Header("X-Forwarded-For", "192.0.2.1"))
	expectKind(t, answer, http.StatusTooManyRequests, "rate-limited")
	expectStatus(t, ask("Cat", "192.0.2.2"), http.StatusOK, nil)
}

func TestWithoutGuestsThereIsNoWayIn(t *testing.T) {
	n := harness.Start(t)
	answer := do(t, n.Anyone(), http.MethodPost, "/guest", `{"name":"Ann"}`, nil)
	if answer.Status != http.StatusNotFound && answer.Status != http.StatusForbidden {
		t.Error(answer)
	}
	expectProblem(t, answer, answer.Status)
	if strings.Contains(string(answer.Body), "token\":") {
		t.Errorf("a token was given: %s", answer.Body)
	}
}
