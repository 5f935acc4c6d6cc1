package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/test/harness"
)

// Every row of the contract that is about rooms, at one node and in a cluster
// at nodes that don't own the room. What waits for moderators is in
// held_test.go.
func TestRooms(t *testing.T) {
	t.Parallel()
	inArenas(t, []string{"--moderation-repeat-limit=3"}, func(t *testing.T, a *arena) {
		t.Run("answers and threads", func(t *testing.T) { threads(t, a) })
		t.Run("reactions", func(t *testing.T) { reactionsOf(t, a) })
		t.Run("bad reactions", func(t *testing.T) { badReactions(t, a) })
		t.Run("what a video shows", func(t *testing.T) { videoFields(t, a) })
		t.Run("what an admin sets", func(t *testing.T) { settings(t, a) })
		t.Run("bad settings", func(t *testing.T) { badSettings(t, a) })
		t.Run("pins", func(t *testing.T) { pins(t, a) })
		t.Run("mutes", func(t *testing.T) { mutes(t, a) })
		t.Run("bad mutes", func(t *testing.T) { badMutes(t, a) })
		t.Run("slow mode", func(t *testing.T) { slowMode(t, a) })
		t.Run("repeats", func(t *testing.T) { repeats(t, a) })
		t.Run("ended", func(t *testing.T) { endedRoom(t, a) })
		t.Run("audit", func(t *testing.T) { audit(t, a) })
		t.Run("lobby", func(t *testing.T) { lobby(t, a) })
		t.Run("roles", func(t *testing.T) { roles(t, a) })
		t.Run("methods", func(t *testing.T) { roomMethods(t, a) })
		t.Run("keys", func(t *testing.T) { keysOfRefused(t, a) })
	})
}

func shown(t *testing.T, s *somebody, room, query string) harness.ShownPage {
	t.Helper()
	page, err := s.next().Shown(t.Context(), room, query)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func threads(t *testing.T, a *arena) {
	room, elsewhere := a.room(t, "threads"), a.room(t, "elsewhere")
	ann, bob := a.user("ann", "viewer"), a.user("bob", "viewer")
	first := ann.post(t, room, "first")
	second := ann.post(t, room, "second")
	reply := func(s *somebody, parent, message string) harness.Comment {
		t.Helper()
		c, err := s.next().Reply(t.Context(), room, parent, message)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one := reply(bob, first.ID, "to the first")
	two := reply(ann, one.ID, "to the answer")
	reply(bob, second.ID, "to the second")
	if one.ParentID != first.ID || two.ParentID != first.ID {
		t.Errorf("parents %s and %s, want %s: an answer to an answer is of the same thread", one.ParentID, two.ParentID, first.ID)
	}
	// Counts are on every page, and gone with the answers.
	counts := func(query string) string {
		var all []string
		for _, c := range shown(t, a.anyone(), room, query).Comments {
			if c.ReplyCount > 0 || c.ParentID == "" {
				all = append(all, fmt.Sprint(c.Message, " ", c.ReplyCount))
			}
		}
		return strings.Join(all, ", ")
	}
	for query, want := range map[string]string{
		"": "second 1, first 2", "pageSize=50": "second 1, first 2", "sort=asc": "first 2, second 1",
		"since=" + first.ID: "second 1", "cursor=" + second.ID: "first 2", "sort=asc&pageSize=1": "first 2",
	} {
		if got := counts(query); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
	replies, err := a.anyone().next().Walk(t.Context(), "/comments/"+room+"/"+first.ID+"/replies", map[string][]string{"pageSize": {"1"}})
	if err != nil || messages(replies) != "to the first to the answer" {
		t.Errorf("the thread is %q, %v", messages(replies), err)
	}
	expectStatus(t, ann.do(t, http.MethodDelete, "/comments/"+room+"/"+two.ID, nil), http.StatusNoContent, nil)
	if got := counts(""); got != "second 1, first 1" {
		t.Errorf("after a deletion: %s", got)
	}
	// A parent must be of the same live video, and be there.
	other := ann.post(t, elsewhere, "elsewhere")
	for name, parent := range map[string]string{"of another video": other.ID, "that never was": "7", "that is deleted": two.ID} {
		answer := ann.do(t, http.MethodPost, "/comments/"+room, map[string]string{"message": "lost", "parentId": parent})
		if answer.Status != http.StatusBadRequest {
			t.Errorf("an answer to one %s: %v", name, answer)
		}
	}
	// A key holds for what was sent, though it is kept another way.
	key := harness.Header("Idempotency-Key", "thread")
	body := map[string]string{"message": "again", "parentId": one.ID}
	var was string
	for range 3 {
		answer := do(t, ann.next(), http.MethodPost, "/comments/"+room, body, key)
		if answer.Status != http.StatusCreated || was != "" && string(answer.Body) != was {
			t.Errorf("got %v, before %s", answer, was)
		}
		was = string(answer.Body)
	}
	body["parentId"] = first.ID
	expectProblem(t, do(t, ann.next(), http.MethodPost, "/comments/"+room, body, key), http.StatusUnprocessableEntity)
}

func reactionsOf(t *testing.T, a *arena) {
	room := a.room(t, "reactions")
	ann, bob, mo := a.user("ann", "viewer"), a.user("bob", "viewer"), a.user("mo", "moderator")
	c := ann.post(t, room, "hello")
	watching := a.anyone().stream(t, room, "")
	send := func(s *somebody, kind string, count int, comment string) {
		t.Helper()
		if err := s.next().React(t.Context(), room, kind, count, comment); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	answer := bob.do(t, http.MethodPost, "/comments/"+room+"/reactions", `{"type":"like"}`)
	if answer.Status != http.StatusAccepted || string(answer.Body) != `{"accepted":1}` {
		t.Errorf("got %v", answer)
	}
	send(ann, "love", 2, "")
	send(ann, "like", 3, c.ID)
	send(bob, "like", 1, c.ID)
	send(bob, "fire", 50, c.ID)
	for range 10 { // nobody limits a moderator
		send(mo, "clap", 50, "")
	}
	want := `{"clap":500,"like":1,"love":2}`
	same(t, want, func() (string, error) {
		v, err := a.anyone().next().Room(t.Context(), room)
		text, _ := json.Marshal(v.Reactions)
		return string(text), err
	})
	for _, query := range []string{"", "sort=asc", "pageSize=1", "since=1"} {
		same(t, "map[fire:50 like:4]", func() (string, error) {
			page, err := a.anyone().next().Shown(t.Context(), room, query)
			if err != nil || len(page.Comments) != 1 {
				return "", fmt.Errorf("%+v, %w", page, err)
			}
			return fmt.Sprint(page.Comments[0].Reactions), nil
		})
	}
	if data := wait(t, watching, "reactions", `"clap":500`); !strings.Contains(data, `"liveVideoId":"`+room+`"`) || !strings.Contains(data, `"love":2`) {
		t.Errorf("the totals are %s", data)
	}
	// Who joins is told the totals.
	wait(t, a.anyone().stream(t, room, ""), "reactions", `"clap":500`)
	// Beyond the limit of a user nothing is counted.
	refused, accepted := 0, 0
	for range 6 {
		switch answer := bob.do(t, http.MethodPost, "/comments/"+room+"/reactions", `{"type":"wow","count":50}`); answer.Status {
		case http.StatusAccepted:
			accepted += 50
		default:
			expectKind(t, answer, http.StatusTooManyRequests, "rate-limited")
			refused++
		}
	}
	if refused == 0 {
		t.Error("300 reactions at once were accepted")
	}
	same(t, fmt.Sprint(accepted), func() (string, error) {
		v, err := a.anyone().next().Room(t.Context(), room)
		return fmt.Sprint(v.Reactions["wow"]), err
	})
}

func badReactions(t *testing.T, a *arena) {
	room := a.room(t, "bad")
	ann := a.user("ann", "moderator")
	c := ann.post(t, room, "hello")
	path := "/comments/" + room + "/reactions"
	for body, status := range map[string]int{
		`{"type":"boo"}`:                  http.StatusBadRequest,
		`{"type":"LIKE"}`:                 http.StatusBadRequest,
		`{}`:                              http.StatusBadRequest,
		`{"type":null}`:                   http.StatusBadRequest,
		`{"type":"like","count":0}`:       http.StatusBadRequest,
		`{"type":"like","count":51}`:      http.StatusBadRequest,
		`{"type":"like","count":-1}`:      http.StatusBadRequest,
		`{"type":"like","count":1.5}`:     http.StatusBadRequest,
		`{"type":"like","count":"1"}`:     http.StatusBadRequest,
		`{"type":"like","commentId":""}`:  http.StatusBadRequest,
		`{"type":"like","commentId":"0"}`: http.StatusBadRequest,
		`{"type":"like","commentId":"x"}`: http.StatusBadRequest,
		`{"type":"like","commentId":7}`:   http.StatusBadRequest,
		`{"type":"like","commentId":"7"}`: http.StatusNotFound,
		`[]`:                              http.StatusBadRequest,
		`{"type":"like"}{}`:               http.StatusBadRequest,
		`{"type":"like","x":"` + strings.Repeat("x", 9000) + `"}`: http.StatusRequestEntityTooLarge,
	} {
		t.Run(fmt.Sprintf("%.40s", body), func(t *testing.T) { expectProblem(t, ann.do(t, http.MethodPost, path, body), status) })
	}
	expectProblem(t, a.anyone().do(t, http.MethodPost, path, `{"type":"like"}`), http.StatusUnauthorized)
	expectProblem(t, do(t, ann.next(), http.MethodPost, path, `{"type":"like"}`, harness.Header("Content-Type", "text/plain")), http.StatusUnsupportedMediaType)
	expectProblem(t, ann.do(t, http.MethodPost, "/comments/a.b/reactions", `{"type":"like"}`), http.StatusBadRequest)
	expectStatus(t, ann.do(t, http.MethodDelete, "/comments/"+room+"/"+c.ID, nil), http.StatusNoContent, nil)
	answer := ann.do(t, http.MethodPost, path, map[string]string{"type": "like", "commentId": c.ID})
	expectProblem(t, answer, http.StatusNotFound)
	if v, err := ann.next().Room(t.Context(), room); err != nil || len(v.Reactions) != 0 {
		t.Errorf("something was counted: %v, %v", v.Reactions, err)
	}
}

func videoFields(t *testing.T, a *arena) {
	room := a.room(t, "fields")
	ann := a.user("ann", "viewer")
	answer := a.anyone().do(t, http.MethodGet, "/videos/"+room, nil)
	var fields map[string]any
	expectStatus(t, answer, http.StatusOK, &fields)
	for name, want := range map[string]any{
		"liveVideoId": room, "state": "live", "viewers": 0.0, "comments": 0.0, "slowModeSeconds": 0.0,
	} {
		if fields[name] != want {
			t.Errorf("%s is %v, want %v", name, fields[name], want)
		}
	}
	if fmt.Sprint(fields["reactions"]) != "map[]" || fields["owner"] == "" || fmt.Sprint(fields["reactionTypes"]) != "[like love laugh wow sad clap fire]" {
		t.Errorf("got %v", fields)
	}
	for _, absent := range []string{"you", "pinnedCommentId"} {
		if _, there := fields[absent]; there {
			t.Errorf("%s is there: %v", absent, fields)
		}
	}
	ann.post(t, room, "one")
	mine, err := ann.next().Room(t.Context(), room)
	if err != nil || mine.Comments != 1 || mine.You == nil || mine.You.UserID != "ann" || mine.You.Role != "viewer" || mine.You.Muted {
		t.Errorf("got %+v, %v", mine, err)
	}
}

func settings(t *testing.T, a *arena) {
	room := a.room(t, "settings")
	admin := a.user("ad", "admin")
	watching := a.anyone().stream(t, room, "")
	set := func(change map[string]any) harness.Room {
		t.Helper()
		v, err := admin.next().SetRoom(t.Context(), room, change)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := set(map[string]any{"slowModeSeconds": 30}); v.SlowModeSeconds != 30 || v.State != "live" {
		t.Errorf("got %+v", v)
	}
	wait(t, watching, "room", `"slowModeSeconds":30`)
	if v := set(map[string]any{"state": "ended"}); v.SlowModeSeconds != 30 || v.State != "ended" {
		t.Errorf("got %+v", v)
	}
	if data := wait(t, watching, "end", ""); !strings.Contains(data, `"liveVideoId":"`+room+`"`) || !strings.Contains(data, `"state":"ended"`) {
		t.Errorf("end is %s", data)
	}
	late := a.anyone().stream(t, room, "")
	wait(t, late, "end", "ended")
	// Both at once, and nothing.
	if v := set(map[string]any{"slowModeSeconds": 0, "state": "live"}); v.SlowModeSeconds != 0 || v.State != "live" {
		t.Errorf("got %+v", v)
	}
	wait(t, late, "room", `"state":"live"`)
	if v := set(map[string]any{}); v.SlowModeSeconds != 0 || v.State != "live" {
		t.Errorf("got %+v", v)
	}
	if v, err := a.anyone().next().Room(t.Context(), room); err != nil || v.SlowModeSeconds != 0 || v.State != "live" || v.You != nil {
		t.Errorf("got %+v, %v", v, err)
	}
}

func badSettings(t *testing.T, a *arena) {
	room := a.room(t, "unset")
	admin := a.user("ad", "admin")
	path := "/videos/" + room
	for body, status := range map[string]int{
		`{"state":"over"}`:                        http.StatusBadRequest,
		`{"state":1}`:                             http.StatusBadRequest,
		`{"state":""}`:                            http.StatusBadRequest,
		`{"slowModeSeconds":-1}`:                  http.StatusBadRequest,
		`{"slowModeSeconds":3601}`:                http.StatusBadRequest,
		`{"slowModeSeconds":1.5}`:                 http.StatusBadRequest,
		`{"slowModeSeconds":"5"}`:                 http.StatusBadRequest,
		`{"pinnedCommentId":"x"}`:                 http.StatusBadRequest,
		`{"pinnedCommentId":5}`:                   http.StatusBadRequest,
		`{"pinnedCommentId":{}}`:                  http.StatusBadRequest,
		`{"pinnedCommentId":"0"}`:                 http.StatusBadRequest,
		`{"pinnedCommentId":"7"}`:                 http.StatusNotFound,
		`{"state":"ended","pinnedCommentId":"7"}`: http.StatusNotFound,
		`{"state":"ended","slowModeSeconds":-5}`:  http.StatusBadRequest,
		`[]`:                                      http.StatusBadRequest,
		``:                                        http.StatusBadRequest,
		`{"state":"ended","x":"` + strings.Repeat("x", 9000) + `"}`: http.StatusRequestEntityTooLarge,
	} {
		t.Run(fmt.Sprintf("%.40s", body), func(t *testing.T) { expectProblem(t, admin.do(t, http.MethodPut, path, body), status) })
	}
	expectProblem(t, do(t, admin.next(), http.MethodPut, path, `{}`, harness.Header("Content-Type", "text/plain")), http.StatusUnsupportedMediaType)
	if v, err := admin.next().Room(t.Context(), room); err != nil || v.State != "live" || v.SlowModeSeconds != 0 || v.PinnedCommentID != "" {
		t.Errorf("something was set: %+v, %v", v, err)
	}
	// The ends of what is possible.
	for _, body := range []string{`{"slowModeSeconds":3600}`, `{"slowModeSeconds":0}`, `{"pinnedCommentId":""}`, `{"pinnedCommentId":null}`} {
		expectStatus(t, admin.do(t, http.MethodPut, path, body), http.StatusOK, nil)
	}
}

func pins(t *testing.T, a *arena) {
	room := a.room(t, "pins")
	admin, ann := a.user("ad", "admin"), a.user("ann", "viewer")
	c := ann.post(t, room, "pin <me> & \u2028")
	d := ann.post(t, room, "pin me too")
	watching := a.anyone().stream(t, room, "")
	pin := func(id any) {
		t.Helper()
		v, err := admin.next().SetRoom(t.Context(), room, map[string]any{"pinnedCommentId": id})
		if want, _ := id.(string); err != nil || v.PinnedCommentID != want {
			t.Errorf("got %+v, %v", v, err)
		}
	}
	type pinned struct {
		LiveVideoID string
		CommentID   *string
		Comment     *harness.Comment
	}
	told := func(s *harness.Stream, id string, comment *harness.Comment) {
		t.Helper()
		part := `"commentId":null`
		if id != "" {
			part = `"commentId":"` + id + `"`
		}
		var got pinned
		if err := json.Unmarshal([]byte(wait(t, s, "pin", part)), &got); err != nil {
			t.Fatal(err)
		}
		if got.LiveVideoID != room || (got.Comment == nil) != (comment == nil) || comment != nil && *got.Comment != *comment {
			t.Errorf("told %+v, want %+v", got, comment)
		}
	}
	pin(c.ID)
	told(watching, c.ID, &c)
	told(a.anyone().stream(t, room, ""), c.ID, &c)
	pin(d.ID)
	told(watching, d.ID, &d)
	pin(nil)
	told(watching, "", nil)
	pin(c.ID)
	told(watching, c.ID, &c)
	pin("")
	told(watching, "", nil)
	// One that is deleted is pinned no more.
	pin(d.ID)
	told(watching, d.ID, &d)
	expectStatus(t, ann.do(t, http.MethodDelete, "/comments/"+room+"/"+d.ID, nil), http.StatusNoContent, nil)
	told(watching, "", nil)
	if v, err := ann.next().Room(t.Context(), room); err != nil || v.PinnedCommentID != "" {
		t.Errorf("got %+v, %v", v, err)
	}
	answer := admin.do(t, http.MethodPut, "/videos/"+room, map[string]string{"pinnedCommentId": d.ID})
	expectProblem(t, answer, http.StatusNotFound)
}

func audit(t *testing.T, a *arena) {
	room := a.room(t, "audit")
	admin, mo, ann := a.user("ad", "admin"), a.user("mo", "moderator"), a.user("ann", "viewer")
	c := ann.post(t, room, "a comment")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	set := func(change map[string]any) {
		t.Helper()
		_, err := admin.next().SetRoom(t.Context(), room, change)
		must(err)
	}
	must(mo.next().Mute(t.Context(), room, "ann", 60))
	must(mo.next().Unmute(t.Context(), room, "ann"))
	set(map[string]any{"slowModeSeconds": 5})
	set(map[string]any{"pinnedCommentId": c.ID})
	set(map[string]any{"pinnedCommentId": nil})
	set(map[string]any{"state": "ended"})
	set(map[string]any{"state": "live"})
	must(mo.next().Delete(t.Context(), room, c.ID))
	// What was done within one millisecond is in any order.
	want := "ad end, ad pin, ad reopen, ad slow-mode, ad unpin, mo comment_deleted ann, mo mute ann, mo unmute ann"
	for _, size := range []string{"100", "1", "3"} {
		// The store may be a moment behind what is answered.
		same(t, want, func() (string, error) {
			events, err := mo.next().Audit(t.Context(), room, size)
			var all []string
			for i, e := range events {
				all = append(all, strings.TrimSpace(e.ActorID+" "+e.Kind+" "+e.UserID))
				if _, err := time.Parse("2006-01-02T15:04:05.000Z", e.At); err != nil || e.ID == "" || i > 0 && events[i-1].At < e.At {
					t.Errorf("%+v: %v", e, err)
				}
				if (e.Kind == "pin" || e.Kind == "comment_deleted") && e.CommentID != c.ID {
					t.Errorf("%+v is not about %s", e, c.ID)
				}
			}
			slices.Sort(all)
			return strings.Join(all, ", "), err
		})
	}
	for _, query := range []string{"pageSize=0", "pageSize=101", "pageSize=x", "cursor=x", "cursor=1", "cursor=-1-2", "cursor=1-2-3"} {
		expectProblem(t, mo.do(t, http.MethodGet, "/videos/"+room+"/audit?"+query, nil), http.StatusBadRequest)
	}
}

func lobby(t *testing.T, a *arena) {
	admin, ann := a.user("ad", "admin"), a.user("ann", "viewer")
	quiet, busy, over := a.room(t, "lobby"), a.room(t, "lobby"), a.room(t, "lobby")
	for room, n := range map[string]int{quiet: 1, busy: 3, over: 2} {
		for i := range n {
			ann.post(t, room, fmt.Sprint(i))
		}
	}
	for range 3 {
		ann.stream(t, quiet, "")
	}
	ann.stream(t, busy, "")
	if err := ann.next().React(t.Context(), busy, "wow", 7, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.next().SetRoom(t.Context(), over, map[string]any{"state": "ended"}); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{quiet: "quiet", busy: "busy", over: "over"}
	// All pages of the lobby, without the rooms of other tests.
	list := func(query string) (string, error) {
		var all []string
		for cursor := ""; ; {
			page, err := a.anyone().next().Lobby(t.Context(), query+cursor)
			if err != nil {
				return "", err
			}
			for _, v := range page.Videos {
				if name := names[v.LiveVideoID]; name != "" {
					all = append(all, fmt.Sprint(name, " ", v.State, " ", v.Viewers, " ", v.Comments, " ", v.Reactions["wow"]))
				}
			}
			if page.NextCursor == nil {
				return strings.Join(all, ", "), nil
			}
			cursor = "&cursor=" + *page.NextCursor
		}
	}
	byID := map[string]string{quiet: "quiet live 3 1 0", busy: "busy live 1 3 7", over: "over ended 0 2 0"}
	var ordered []string
	for _, id := range slices.Sorted(func(yield func(string) bool) {
		for id := range byID {
			if !yield(id) {
				return
			}
		}
	}) {
		ordered = append(ordered, byID[id])
	}
	for query, want := range map[string]string{
		"":                             "quiet live 3 1 0, busy live 1 3 7",
		"state=live&sort=comments":     "busy live 1 3 7, quiet live 3 1 0",
		"state=ended":                  "over ended 0 2 0",
		"state=all&sort=id":            strings.Join(ordered, ", "),
		"state=all&sort=id&pageSize=1": strings.Join(ordered, ", "),
		"state=all&pageSize=2":         "quiet live 3 1 0, busy live 1 3 7, over ended 0 2 0",
		"state=all&sort=comments":      "busy live 1 3 7, over ended 0 2 0, quiet live 3 1 0",
	} {
		same(t, want, func() (string, error) { return list(query) })
	}
	for _, query := range []string{"state=", "state=x", "sort=x", "sort=", "pageSize=0", "pageSize=101", "cursor=x", "cursor=1-", "sort=id&cursor=5-room"} {
		expectProblem(t, ann.do(t, http.MethodGet, "/videos?"+query, nil), http.StatusBadRequest)
	}
}

// keysOfRefused checks that a refusal leaves a key free, and that what was
// answered before is answered again whatever has become of the room.
func keysOfRefused(t *testing.T, a *arena) {
	room := a.room(t, "keys")
	admin, mo, ann := a.user("ad", "admin"), a.user("mo", "moderator"), a.user("ann", "viewer")
	send := func(key, message string) *harness.Answer {
		t.Helper()
		return do(t, ann.next(), http.MethodPost, "/comments/"+room, map[string]string{"message": message}, harness.Header("Idempotency-Key", key))
	}
	first := send("first", "hello")
	if first.Status != http.StatusCreated {
		t.Fatal(first)
	}
	again := func(when string) {
		t.Helper()
		answer := send("first", "hello")
		if answer.Status != http.StatusCreated || string(answer.Body) != string(first.Body) {
			t.Errorf("%s: %v", when, answer)
		}
		expectProblem(t, send("first", "another"), http.StatusUnprocessableEntity)
	}
	refused := func(when, kind string, status int) {
		t.Helper()
		again(when)
		expectKind(t, send(when, "new"), status, kind)
	}
	if err := mo.next().Mute(t.Context(), room, "ann", 0); err != nil {
		t.Fatal(err)
	}
	refused("muted", "muted", http.StatusForbidden)
	if err := mo.next().Unmute(t.Context(), room, "ann"); err != nil {
		t.Fatal(err)
	}
	set := func(change map[string]any) {
		t.Helper()
		if _, err := admin.next().SetRoom(t.Context(), room, change); err != nil {
			t.Fatal(err)
		}
	}
	set(map[string]any{"slowModeSeconds": 600})
	refused("slow", "slow-mode", http.StatusTooManyRequests)
	set(map[string]any{"slowModeSeconds": 0, "state": "ended"})
	refused("ended", "ended", http.StatusConflict)
	set(map[string]any{"state": "live"})
	for _, key := range []string{"muted", "slow", "ended"} {
		if answer := send(key, "new "+key); answer.Status != http.StatusCreated {
			t.Errorf("the key of what was refused: %v", answer)
		}
	}
}
