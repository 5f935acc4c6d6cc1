package e2e

import (
	"encoding/json"
	"net/http"
	"testing"

	"barrage/test/harness"
)

func TestDeleteIsForAuthorModeratorAndAdmin(t *testing.T) {
	n := harness.Start(t)
	ann := n.User("ann", "viewer")
	for _, row := range []struct {
		name   string
		who    *harness.Client
		status int
	}{
		{"unknown", n.Anyone(), http.StatusUnauthorized},
		{"another viewer", n.User("bob", "viewer"), http.StatusForbidden},
		{"author", n.User("ann", "viewer"), http.StatusNoContent},
		{"moderator", n.User("mo", "moderator"), http.StatusNoContent},
		{"admin", n.User("ad", "admin"), http.StatusNoContent},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := post(t, ann, "room", row.name)
			answer := do(t, row.who, http.MethodDelete, "/comments/room/"+c.ID, nil, nil)
			one := do(t, ann, http.MethodGet, "/comments/room/"+c.ID, nil, nil)
			if row.status != http.StatusNoContent {
				expectProblem(t, answer, row.status)
				if one.Status != http.StatusOK {
					t.Errorf("refused, and yet: %v", one)
				}
				return
			}
			if answer.Status != row.status || len(answer.Body) != 0 {
				t.Errorf("got %v", answer)
			}
			expectProblem(t, one, http.StatusNotFound)
			again := do(t, row.who, http.MethodDelete, "/comments/room/"+c.ID, nil, nil)
			expectProblem(t, again, http.StatusNotFound)
		})
	}
	if got := messages(history(t, ann, "room")); got != "unknown another viewer" {
		t.Errorf("history is %q", got)
	}
	if v := video(t, ann, "room"); v.Comments != 2 {
		t.Errorf("the count says %d", v.Comments)
	}
}

func TestDeletedStaysDeletedOverACrashAndViewersAreTold(t *testing.T) {
	n := harness.Start(t)
	ann := n.User("ann", "viewer")
	all := postMany(t, ann, "room", 5)
	s := openedStream(t, n, n.Anyone(), "room", "", nil)
	if err := ann.Delete(t.Context(), "room", all[2].ID); err != nil {
		t.Fatal(err)
	}
	e, err := s.Until(harness.Named("delete"))
	if err != nil {
		t.Fatal(err)
	}
	var told struct{ ID string }
	if err := json.Unmarshal([]byte(e.Data), &told); err != nil || told.ID != all[2].ID || e.HasID {
		t.Errorf("got %+v, %v", e, err)
	}
	n.Kill()
	n.Start()
	if got := messages(history(t, n.Anyone(), "room")); got != "0 1 3 4" {
		t.Errorf("history is %q", got)
	}
	replay := openedStream(t, n, n.Anyone(), "room", "", harness.Header("Last-Event-ID", all[0].ID))
	got, err := replay.Comments(3)
	if err != nil || messages(got) != "1 3 4" {
		t.Errorf("replayed %q, %v", messages(got), err)
	}
}

func TestRepliesOutliveTheirParent(t *testing.T) {
	n := harness.Start(t)
	ann := n.User("ann", "moderator")
	parent := post(t, ann, "room", "question")
	if _, err := ann.Reply(t.Context(), "room", parent.ID, "answer"); err != nil {
		t.Fatal(err)
	}
	if err := ann.Delete(t.Context(), "room", parent.ID); err != nil {
		t.Fatal(err)
	}
	if got := messages(history(t, ann, "room")); got != "answer" {
		t.Errorf("history is %q", got)
	}
	answer := do(t, ann, http.MethodPost, "/comments/room", map[string]string{"message": "late", "parentId": parent.ID}, nil)
	if answer.Status < 400 || answer.Status > 499 {
		t.Errorf("a reply to a comment that is gone: %v", answer)
	}
}
