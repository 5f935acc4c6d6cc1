package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/test/harness"
)

// How order is kept in a room; TestRooms runs these.

// oddUsers are ids that a path must carry percent-encoded.
var oddUsers = []string{"ann", "a/b", "a%b", "ä ö?#&", "..", "held", strings.Repeat("x", 128), "你好"}

func mutes(t *testing.T, a *arena) {
	room := a.room(t, "mutes")
	mo := a.user("mo", "moderator")
	for _, id := range oddUsers {
		t.Run(id, func(t *testing.T) {
			user := a.user(id, "viewer")
			user.post(t, room, "before "+id)
			own, others := user.stream(t, room, ""), a.user("bob", "viewer").stream(t, room, "")
			var muted harness.Mute
			path := "/videos/" + room + "/mutes/" + escape(id)
			expectStatus(t, mo.do(t, http.MethodPut, path, `{"seconds":600}`), http.StatusOK, &muted)
			if muted.UserID != id || muted.MutedUntil == nil {
				t.Fatalf("got %+v", muted)
			}
			until, err := time.Parse("2006-01-02T15:04:05.000Z", *muted.MutedUntil)
			if left := time.Until(until); err != nil || left < 500*time.Second || left > 601*time.Second {
				t.Errorf("until %s (%v)", *muted.MutedUntil, err)
			}
			if data := wait(t, own, "muted", `"muted":true`); !strings.Contains(data, *muted.MutedUntil) {
				t.Errorf("told %s", data)
			}
			expectKind(t, user.do(t, http.MethodPost, "/comments/"+room, `{"message":"while"}`), http.StatusForbidden, "muted")
			v, err := user.next().Room(t.Context(), room)
			if err != nil || !v.You.Muted || v.You.MutedUntil != *muted.MutedUntil {
				t.Errorf("got %+v, %v", v.You, err)
			}
			// It is of this live video alone, and of this user.
			user.post(t, a.room(t, "other"), "here it goes")
			a.user("bob", "viewer").post(t, room, "bob may, after "+id)
			// For good.
			expectStatus(t, mo.do(t, http.MethodPut, path, `{"seconds":0}`), http.StatusOK, &muted)
			if muted.MutedUntil = nil; !hasMute(t, mo, room, id) {
				t.Error("not in the list")
			}
			v, err = user.next().Room(t.Context(), room)
			if err != nil || !v.You.Muted || v.You.MutedUntil != "" {
				t.Errorf("got %+v, %v", v.You, err)
			}
			for range 2 { // also who is not muted
				expectStatus(t, mo.do(t, http.MethodDelete, path, nil), http.StatusNoContent, nil)
			}
			wait(t, own, "muted", `"muted":false`)
			user.post(t, room, "after "+id)
			if hasMute(t, mo, room, id) {
				t.Error("still in the list")
			}
			// Nobody else was told.
			for {
				e, err := others.Next()
				if err != nil {
					t.Fatal(err)
				}
				if e.Name == "muted" {
					t.Errorf("bob was told %s", e.Data)
				}
				if harness.IsComment(e) && strings.Contains(e.Data, `"message":"after `) {
					break
				}
			}
		})
	}
	t.Run("a short one ends by itself", func(t *testing.T) {
		user := a.user("short", "viewer")
		expectStatus(t, mo.do(t, http.MethodPut, "/videos/"+room+"/mutes/short", `{"seconds":1}`), http.StatusOK, nil)
		eventually(t, func() error {
			_, err := user.next().Post(t.Context(), room, "at last", nil)
			return err
		})
		if hasMute(t, mo, room, "short") {
			t.Error("still in the list")
		}
	})
	t.Run("who keeps order is not muted", func(t *testing.T) {
		expectStatus(t, mo.do(t, http.MethodPut, "/videos/"+room+"/mutes/mo", `{"seconds":60}`), http.StatusOK, nil)
		mo.post(t, room, "order")
	})
}

func escape(id string) string {
	var b strings.Builder
	for _, c := range []byte(id) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

func hasMute(t *testing.T, mo *somebody, room, user string) bool {
	t.Helper()
	all, err := mo.next().Mutes(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(all, func(m harness.Mute) bool { return m.UserID == user && m.By == "mo" })
}

func badMutes(t *testing.T, a *arena) {
	room := a.room(t, "nomutes")
	mo := a.user("mo", "moderator")
	for body, status := range map[string]int{
		`{}`:                      http.StatusBadRequest,
		`{"seconds":-1}`:          http.StatusBadRequest,
		`{"seconds":315360001}`:   http.StatusBadRequest,
		`{"seconds":1.5}`:         http.StatusBadRequest,
		`{"seconds":"5"}`:         http.StatusBadRequest,
		`{"seconds":null}`:        http.StatusBadRequest,
		`nothing`:                 http.StatusBadRequest,
		strings.Repeat(" ", 9000): http.StatusRequestEntityTooLarge,
	} {
		expectProblem(t, mo.do(t, http.MethodPut, "/videos/"+room+"/mutes/ann", body), status)
	}
	for _, user := range []string{"%00", "%ff", "%zz", strings.Repeat("x", 129), "a%0ab"} {
		// A path like this is sent as it is: a client library would refuse it.
		path := "/videos/" + room + "/mutes/" + user
		if user == "%zz" {
			continue // not even a URL
		}
		for _, method := range []string{http.MethodPut, http.MethodDelete} {
			expectProblem(t, mo.do(t, method, path, `{"seconds":5}`), http.StatusBadRequest)
		}
	}
	expectStatus(t, mo.do(t, http.MethodPut, "/videos/"+room+"/mutes/ann", `{"seconds":315360000}`), http.StatusOK, nil)
	expectStatus(t, mo.do(t, http.MethodDelete, "/videos/"+room+"/mutes/ann", nil), http.StatusNoContent, nil)
	if all, err := mo.next().Mutes(t.Context(), room); err != nil || len(all) != 0 {
		t.Errorf("somebody is muted: %+v, %v", all, err)
	}
}

func slowMode(t *testing.T, a *arena) {
	room := a.room(t, "slow")
	admin, ann, bob := a.user("ad", "admin"), a.user("ann", "viewer"), a.user("bob", "viewer")
	ann.post(t, room, "before")
	if _, err := admin.next().SetRoom(t.Context(), room, map[string]any{"slowModeSeconds": 600}); err != nil {
		t.Fatal(err)
	}
	answer := ann.do(t, http.MethodPost, "/comments/"+room, `{"message":"too soon"}`)
	expectKind(t, answer, http.StatusTooManyRequests, "slow-mode")
	bob.post(t, room, "the first of bob")
	expectKind(t, bob.do(t, http.MethodPost, "/comments/"+room, `{"message":"too soon"}`), http.StatusTooManyRequests, "slow-mode")
	admin.post(t, room, "one")
	admin.post(t, room, "two")
	if _, err := admin.next().SetRoom(t.Context(), room, map[string]any{"slowModeSeconds": 0}); err != nil {
		t.Fatal(err)
	}
	ann.post(t, room, "as I like")
	ann.post(t, room, "as often as I like")
}

func repeats(t *testing.T, a *arena) {
	room := a.room(t, "repeats")
	ann, bob, mo := a.user("ann", "viewer"), a.user("bob", "viewer"), a.user("mo", "moderator")
	for _, text := range []string{"Buy this!", "buy THIS", "ＢＵＹ　this"} {
		ann.post(t, room, text)
	}
	expectKind(t, ann.do(t, http.MethodPost, "/comments/"+room, `{"message":"buy…this"}`), http.StatusTooManyRequests, "repeated")
	ann.post(t, room, "buy that")
	bob.post(t, room, "buy this")
	for range 5 {
		mo.post(t, room, "do not buy this")
	}
	ann.post(t, a.room(t, "repeats"), "buy this")
}

func endedRoom(t *testing.T, a *arena) {
	room := a.room(t, "ended")
	admin, ann, mo := a.user("ad", "admin"), a.user("ann", "viewer"), a.user("mo", "moderator")
	c := ann.post(t, room, "before")
	if _, err := admin.next().SetRoom(t.Context(), room, map[string]any{"state": "ended"}); err != nil {
		t.Fatal(err)
	}
	for _, who := range []*somebody{ann, mo, admin} {
		expectKind(t, who.do(t, http.MethodPost, "/comments/"+room, `{"message":"late"}`), http.StatusConflict, "ended")
		expectKind(t, who.do(t, http.MethodPost, "/comments/"+room, `{"message":"late","parentId":"`+c.ID+`"}`), http.StatusConflict, "ended")
		expectKind(t, who.do(t, http.MethodPost, "/comments/"+room+"/reactions", `{"type":"like"}`), http.StatusConflict, "ended")
	}
	// Reading goes on, and so does keeping order.
	if got := messages(history(t, ann.next(), room)); got != "before" {
		t.Errorf("history is %q", got)
	}
	expectStatus(t, mo.do(t, http.MethodPut, "/videos/"+room+"/mutes/bob", `{"seconds":5}`), http.StatusOK, nil)
	expectStatus(t, ann.do(t, http.MethodDelete, "/comments/"+room+"/"+c.ID, nil), http.StatusNoContent, nil)
	if _, err := admin.next().SetRoom(t.Context(), room, map[string]any{"state": "live"}); err != nil {
		t.Fatal(err)
	}
	ann.post(t, room, "and on")
	if err := ann.next().React(t.Context(), room, "like", 1, ""); err != nil {
		t.Error(err)
	}
}
