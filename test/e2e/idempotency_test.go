package e2e

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"barrage/test/harness"
)

func TestSameKeyGetsTheFirstAnswerAgainEvenAfterACrash(t *testing.T) {
	n := harness.Start(t)
	ann, key := n.User("ann", "viewer"), harness.Header("Idempotency-Key", "key-1")
	first := do(t, ann, http.MethodPost, "/comments/room", `{"message":"once"}`, key)
	if first.Status != http.StatusCreated {
		t.Fatal(first)
	}
	same := func(when string) {
		t.Helper()
		again := do(t, ann, http.MethodPost, "/comments/room", `{"message":"once"}`, key)
		if again.Status != http.StatusCreated && again.Status != http.StatusOK || string(again.Body) != string(first.Body) ||
			again.Header.Get("Location") != first.Header.Get("Location") {
			t.Errorf("%s: got %v (Location %q), first was %v", when, again, again.Header.Get("Location"), first)
		}
		other := do(t, ann, http.MethodPost, "/comments/room", `{"message":"another"}`, key)
		expectProblem(t, other, http.StatusUnprocessableEntity)
		if got := messages(history(t, ann, "room")); got != "once" {
			t.Errorf("%s: history is %q", when, got)
		}
	}
	same("at once")
	n.Kill()
	n.Start()
	same("after a crash")
	n.Restart()
	same("after a restart")
}

func TestKeyIsItsUsersAndVideosOwn(t *testing.T) {
	n := harness.Start(t)
	key := harness.Header("Idempotency-Key", strings.Repeat("k", 128))
	ids := map[string]bool{}
	for _, user := range []string{"ann", "bob"} {
		for _, room := range []string{"a", "b"} {
			c, err := n.User(user, "viewer").Post(t.Context(), room, "hello", key)
			if err != nil {
				t.Fatal(err)
			}
			ids[c.ID] = true
		}
	}
	if len(ids) != 4 {
		t.Errorf("%d comments of 4", len(ids))
	}
}

func TestRefusedPostLeavesItsKeyFree(t *testing.T) {
	n := harness.Start(t)
	ann, key := n.User("ann", "viewer"), harness.Header("Idempotency-Key", "key")
	refused := do(t, ann, http.MethodPost, "/comments/room", `{"message":""}`, key)
	expectProblem(t, refused, http.StatusBadRequest)
	if _, err := ann.Post(t.Context(), "room", "fine", key); err != nil {
		t.Error(err)
	}
}

func TestManyAtOnceWithOneKeyPostOnce(t *testing.T) {
	n := harness.Start(t)
	ops := n.User("ops", "admin")
	for round := range 20 {
		key := harness.Header("Idempotency-Key", strings.Repeat("x", round+1))
		var all sync.WaitGroup
		ids := make([]string, 8)
		for i := range ids {
			all.Go(func() {
				c, err := ops.Post(t.Context(), "room", "the same", key)
				if err != nil {
					t.Error(err)
				}
				ids[i] = c.ID
			})
		}
		all.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("round %d: two comments, %v", round, ids)
			}
		}
	}
	if got := len(history(t, ops, "room")); got != 20 {
		t.Errorf("%d comments of 20", got)
	}
}
