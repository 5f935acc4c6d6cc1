package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"barrage/test/harness"
)

func TestUserWhoPostsTooOftenIsToldWhenToTryAgain(t *testing.T) {
	n := harness.Start(t, harness.Flags("--limits-posts-per-second=0.1", "--limits-posts-burst=3"))
	ann := n.User("ann", "viewer")
	postMany(t, ann, "a", 2)
	post(t, ann, "b", "the limit is over all rooms")
	answer := do(t, ann, http.MethodPost, "/comments/a", `{"message":"too many"}`, nil)
	expectProblem(t, answer, http.StatusTooManyRequests)
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	if err != nil || seconds < 1 || seconds > 11 {
		t.Errorf("Retry-After is %q", answer.Header.Get("Retry-After"))
	}
	post(t, n.User("bob", "viewer"), "a", "another user is free")
	for _, role := range []string{"moderator", "admin"} {
		postMany(t, n.User("back end "+role, role), "back", 10)
	}
	if got := messages(history(t, ann, "a")); got != "0 1 another user is free" {
		t.Errorf("history is %q", got)
	}
	eventually(t, func() error {
		_, err := ann.Post(t.Context(), "a", "later", nil)
		return err
	})
}

func TestAddressLimitIsOffByDefaultAndCanBeSet(t *testing.T) {
	free := harness.Start(t)
	for i := range 40 {
		post(t, free.User(fmt.Sprint("user", i), "viewer"), "room", "hello")
	}
	n := harness.Start(t, harness.Flags("--limits-posts-per-second-per-address=1"))
	refused := 0
	for i := range 40 {
		_, err := n.User(fmt.Sprint("user", i), "viewer").Post(t.Context(), "room", "hello", nil)
		if harness.StatusOf(err) == http.StatusTooManyRequests {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if refused == 0 {
		t.Error("40 posts at once from one address, all taken")
	}
}

// A status other than 200 ends an EventSource for good: who can't be let in
// now is sent away with the time to come back.
func TestStreamsOverALimitAreToldToComeBack(t *testing.T) {
	for _, flag := range []string{"--limits-streams-per-node=2", "--limits-streams-per-address=2"} {
		n := harness.Start(t, harness.Flags(flag))
		first := openedStream(t, n, n.Anyone(), "room", "", nil)
		openedStream(t, n, n.Anyone(), "room", "", nil)
		third := n.Stream(t, n.Anyone(), "room", "", nil)
		e, err := third.Next()
		if err != nil || e.Kind != harness.KindRetry || e.Retry < 1e9 {
			t.Errorf("%s: got %+v, %v", flag, e, err)
		}
		if e, err := third.Next(); err == nil {
			t.Errorf("%s: the stream goes on with %+v", flag, e)
		}
		mark := post(t, n.User("ann", "viewer"), "room", "hello")
		if got, err := first.NextComment(); err != nil || got != mark {
			t.Errorf("%s: who is in got %+v, %v", flag, got, err)
		}
		first.Close()
		eventually(t, func() error { // the place is free again
			s, err := n.Anyone().Open(t.Context(), "/comments/room/stream", nil)
			if err != nil {
				return err
			}
			defer s.Close()
			if _, err := s.Next(); err != nil {
				return err
			}
			select {
			case e, open := <-s.Events:
				if !open {
					return fmt.Errorf("still full")
				}
				if harness.Named("viewers")(e) {
					return nil
				}
				return fmt.Errorf("got %+v", e)
			case <-t.Context().Done():
				return t.Context().Err()
			}
		})
	}
}
