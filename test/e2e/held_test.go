package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"barrage/test/harness"
)

// wordList has "dubious" hold a comment, "rude" mask a word, and "foul" block.
func wordList(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "words.txt")
	if err := os.WriteFile(path, []byte("foul\n[mask]\nrude\n[hold]\ndubious\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHeldComments(t *testing.T) {
	t.Parallel()
	inArenas(t, []string{"--moderation-words-file=" + wordList(t)}, func(t *testing.T, a *arena) {
		t.Run("shown to author and moderators", func(t *testing.T) { heldIsShown(t, a) })
		t.Run("approved", func(t *testing.T) { heldIsApproved(t, a) })
		t.Run("rejected", func(t *testing.T) { heldIsRejected(t, a) })
		t.Run("deleted", func(t *testing.T) { heldIsDeleted(t, a) })
		t.Run("at the end", func(t *testing.T) { heldAtTheEnd(t, a) })
		t.Run("keys", func(t *testing.T) { keysOfModerated(t, a) })
		t.Run("pages", func(t *testing.T) { heldOnPages(t, a) })
	})
}

// hold posts a comment that is held.
func (s *somebody) hold(t *testing.T, room, message, parent string) harness.Shown {
	t.Helper()
	body := map[string]string{"message": message}
	if parent != "" {
		body["parentId"] = parent
	}
	answer := s.do(t, http.MethodPost, "/comments/"+room, body)
	var held harness.Shown
	expectStatus(t, answer, http.StatusAccepted, &held)
	if !held.Held || held.ID == "" || held.Message != message || held.Reason != "" {
		t.Errorf("held is %+v", held)
	}
	if want := "/comments/" + room + "/" + held.ID; answer.Header.Get("Location") != want {
		t.Errorf("Location is %q, want %q", answer.Header.Get("Location"), want)
	}
	return held
}

func texts(all []harness.Shown) string {
	var texts []string
	for _, c := range all {
		texts = append(texts, c.Message)
	}
	return strings.Join(texts, ", ")
}

func heldIsShown(t *testing.T, a *arena) {
	room := a.room(t, "held")
	ann, bob, mo, ad, anyone := a.user("ann", "viewer"), a.user("bob", "viewer"), a.user("mo", "moderator"), a.user("ad", "admin"), a.anyone()
	streams := map[string]*harness.Stream{
		"ann": ann.stream(t, room, ""), "bob": bob.stream(t, room, ""), "mo": mo.stream(t, room, ""), "anyone": anyone.stream(t, room, ""),
	}
	ann.post(t, room, "fine")
	held := ann.hold(t, room, "a dubious comment", "")
	bobs := bob.hold(t, room, "dubious too", "")
	bob.post(t, room, "fine as well")
	path := "/comments/" + room + "/" + held.ID
	for name, row := range map[string]struct {
		who    *somebody
		sees   string // of those that wait
		status int    // of ann's
		reason string
	}{
		"author":     {ann, "a dubious comment", http.StatusOK, ""},
		"other":      {bob, "dubious too", http.StatusNotFound, ""},
		"moderator":  {mo, "a dubious comment, dubious too", http.StatusOK, "word-list"},
		"admin":      {ad, "a dubious comment, dubious too", http.StatusOK, "word-list"},
		"third user": {a.user("cy", "viewer"), "", http.StatusNotFound, ""},
	} {
		for range a.nodes {
			list, err := row.who.next().Held(t.Context(), room)
			if err != nil || texts(list) != row.sees {
				t.Errorf("%s sees %q, %v", name, texts(list), err)
			}
			for _, query := range []string{"", "sort=asc", "since=1", "pageSize=2"} {
				page := shown(t, row.who, room, query)
				if texts(page.Held) != row.sees || strings.Contains(texts(page.Comments), "dubious") {
					t.Errorf("%s, %q: the page has %q and %q", name, query, texts(page.Comments), texts(page.Held))
				}
				list = append(list, page.Held...)
			}
			for _, c := range list {
				if !c.Held || c.Reason != row.reason || c.ReplyCount != 0 {
					t.Errorf("%s sees %+v", name, c)
				}
			}
			answer := row.who.do(t, http.MethodGet, path, nil)
			if answer.Status != row.status {
				t.Errorf("%s: %v", name, answer)
			}
			if row.status == http.StatusOK {
				var c harness.Shown
				if expectStatus(t, answer, http.StatusOK, &c); !c.Held || c.Message != held.Message || c.Reason != row.reason {
					t.Errorf("%s sees %+v", name, c)
				}
			}
		}
	}
	expectProblem(t, anyone.do(t, http.MethodGet, path, nil), http.StatusNotFound)
	expectProblem(t, anyone.do(t, http.MethodGet, "/videos/"+room+"/held", nil), http.StatusUnauthorized)
	if body := anyone.do(t, http.MethodGet, "/comments/"+room, nil).Body; strings.Contains(string(body), `"held":`) {
		t.Errorf("anybody sees %s", body)
	}
	// It is no comment: nobody answers it, reacts to it or pins it.
	expectProblem(t, ann.do(t, http.MethodPost, "/comments/"+room, map[string]string{"message": "re", "parentId": held.ID}), http.StatusBadRequest)
	expectProblem(t, ann.do(t, http.MethodPost, "/comments/"+room+"/reactions", map[string]string{"type": "like", "commentId": held.ID}), http.StatusNotFound)
	expectProblem(t, ad.do(t, http.MethodPut, "/videos/"+room, map[string]string{"pinnedCommentId": held.ID}), http.StatusNotFound)
	expectProblem(t, bob.do(t, http.MethodDelete, path, nil), http.StatusNotFound)
	expectProblem(t, mo.do(t, http.MethodGet, path+"/replies", nil), http.StatusNotFound)
	if v, err := anyone.next().Room(t.Context(), room); err != nil || v.Comments != 2 {
		t.Errorf("%d comments, %v", v.Comments, err)
	}
	// Streams tell whom it concerns, also who joins later.
	told := func(s *harness.Stream, id, reason string) {
		t.Helper()
		var e struct {
			LiveVideoID string
			Comment     harness.Shown
		}
		if err := json.Unmarshal([]byte(wait(t, s, "held", id)), &e); err != nil || e.LiveVideoID != room || e.Comment.ID != id || !e.Comment.Held || e.Comment.Reason != reason {
			t.Errorf("told %+v, %v", e, err)
		}
	}
	told(streams["ann"], held.ID, "")
	told(streams["mo"], held.ID, "word-list")
	told(streams["mo"], bobs.ID, "word-list")
	told(streams["bob"], bobs.ID, "")
	told(ann.stream(t, room, "history=5"), held.ID, "")
	late := mo.stream(t, room, "")
	told(late, held.ID, "word-list")
	told(late, bobs.ID, "word-list")
	mo.post(t, room, "the end")
	for _, name := range []string{"bob", "anyone"} {
		for {
			e, err := streams[name].Next()
			if err != nil {
				t.Fatal(err)
			}
			if own := name == "bob" && strings.Contains(e.Data, bobs.ID); strings.Contains(e.Data, "dubious") && !own {
				t.Errorf("%s was told %s", name, e.Data)
			}
			if strings.Contains(e.Data, "the end") {
				break
			}
		}
	}
}

func heldIsApproved(t *testing.T, a *arena) {
	room := a.room(t, "approved")
	ann, mo, anyone := a.user("ann", "viewer"), a.user("mo", "moderator"), a.anyone()
	thread := ann.post(t, room, "thread")
	held := ann.hold(t, room, "a dubious answer", thread.ID)
	between := ann.post(t, room, "between")
	authors, moderators, others := ann.stream(t, room, ""), mo.stream(t, room, ""), anyone.stream(t, room, "")
	var posted harness.Comment
	answer := mo.do(t, http.MethodPost, "/videos/"+room+"/held/"+held.ID+"/approve", nil)
	expectStatus(t, answer, http.StatusCreated, &posted)
	if posted.ID == held.ID || !harness.Less(between.ID, posted.ID) || posted.Message != held.Message || posted.UserID != "ann" || posted.ParentID != thread.ID {
		t.Errorf("approved as %+v, held was %+v", posted, held)
	}
	if want := "/comments/" + room + "/" + posted.ID; answer.Header.Get("Location") != want || strings.Contains(string(answer.Body), "held") {
		t.Errorf("got %s, Location %q", answer.Body, answer.Header.Get("Location"))
	}
	for _, s := range []*harness.Stream{authors, moderators, others} {
		wait(t, s, "", posted.ID)
	}
	for _, s := range []*harness.Stream{ann.stream(t, room, ""), anyone.stream(t, room, "")} {
		s.Close()
	}
	resolved := mo.stream(t, room, "")
	if err := mo.next().Delete(t.Context(), room, between.ID); err != nil {
		t.Fatal(err)
	}
	wait(t, resolved, "delete", between.ID) // nothing that waited was told before
	if got := messages(history(t, anyone.next(), room)); got != "thread a dubious answer" {
		t.Errorf("history is %q", got)
	}
	page := shown(t, ann, room, "sort=asc")
	if len(page.Held) != 0 || page.Comments[0].ReplyCount != 1 {
		t.Errorf("the page is %+v", page)
	}
	expectProblem(t, ann.do(t, http.MethodGet, "/comments/"+room+"/"+held.ID, nil), http.StatusNotFound)
	// Once is enough: again is the same, and it can't be rejected any more.
	var again harness.Comment
	expectStatus(t, mo.do(t, http.MethodPost, "/videos/"+room+"/held/"+held.ID+"/approve", nil), http.StatusCreated, &again)
	if again != posted {
		t.Errorf("approved again as %+v, was %+v", again, posted)
	}
	expectProblem(t, mo.do(t, http.MethodPost, "/videos/"+room+"/held/"+held.ID+"/reject", nil), http.StatusNotFound)
	if got := len(history(t, anyone.next(), room)); got != 2 {
		t.Errorf("%d comments", got)
	}
}

func heldIsRejected(t *testing.T, a *arena) {
	room := a.room(t, "rejected")
	ann, mo, anyone := a.user("ann", "viewer"), a.user("mo", "moderator"), a.anyone()
	ann.post(t, room, "fine")
	held := ann.hold(t, room, "very dubious", "")
	authors, moderators := ann.stream(t, room, ""), mo.stream(t, room, "")
	expectStatus(t, mo.do(t, http.MethodPost, "/videos/"+room+"/held/"+held.ID+"/reject", nil), http.StatusNoContent, nil)
	for _, s := range []*harness.Stream{authors, moderators} {
		if data := wait(t, s, "held", `"resolved":"rejected"`); !strings.Contains(data, `"id":"`+held.ID+`"`) {
			t.Errorf("told %s", data)
		}
	}
	for _, who := range []*somebody{ann, mo} {
		expectProblem(t, who.do(t, http.MethodGet, "/comments/"+room+"/"+held.ID, nil), http.StatusNotFound)
		if list, err := who.next().Held(t.Context(), room); err != nil || len(list) != 0 {
			t.Errorf("still waits: %+v, %v", list, err)
		}
	}
	expectProblem(t, mo.do(t, http.MethodPost, "/videos/"+room+"/held/"+held.ID+"/approve", nil), http.StatusNotFound)
	if got := messages(history(t, anyone.next(), room)); got != "fine" {
		t.Errorf("history is %q", got)
	}
	same(t, "reject ann mo, hold ann ", func() (string, error) {
		events, err := mo.next().Audit(t.Context(), room, "10")
		var all []string
		for _, e := range events {
			all = append(all, e.Kind+" "+e.UserID+" "+e.ActorID)
		}
		return strings.Join(all, ", "), err
	})
}

// heldIsDeleted checks that an author may take back what waits, and that who
// keeps order may throw it away where it stands.
func heldIsDeleted(t *testing.T, a *arena) {
	room := a.room(t, "taken-back")
	ann, bob, mo, anyone := a.user("ann", "viewer"), a.user("bob", "viewer"), a.user("mo", "moderator"), a.anyone()
	key := harness.Header("Idempotency-Key", "k")
	var first harness.Shown
	expectStatus(t, do(t, ann.next(), http.MethodPost, "/comments/"+room, message("dubious"), key), http.StatusAccepted, &first)
	second := ann.hold(t, room, "dubious too", "")
	authors, moderators := ann.stream(t, room, ""), mo.stream(t, room, "")
	remove := func(who *somebody, id string, status int) {
		t.Helper()
		answer := who.do(t, http.MethodDelete, "/comments/"+room+"/"+id, nil)
		if answer.Status != status {
			t.Errorf("got %v, want %d", answer, status)
		}
	}
	remove(bob, first.ID, http.StatusNotFound)
	remove(anyone, first.ID, http.StatusUnauthorized)
	remove(ann, first.ID, http.StatusNoContent)
	remove(mo, second.ID, http.StatusNoContent)
	for _, id := range []string{first.ID, second.ID} {
		for _, s := range []*harness.Stream{authors, moderators} {
			if data := wait(t, s, "held", `"resolved":"rejected"`); !strings.Contains(data, `"id":"`+id+`"`) {
				t.Errorf("told %s", data)
			}
		}
		remove(ann, id, http.StatusNotFound)
		expectProblem(t, ann.do(t, http.MethodGet, "/comments/"+room+"/"+id, nil), http.StatusNotFound)
		expectProblem(t, mo.do(t, http.MethodPost, "/videos/"+room+"/held/"+id+"/approve", nil), http.StatusNotFound)
	}
	if list, err := mo.next().Held(t.Context(), room); err != nil || len(list) != 0 {
		t.Errorf("still waits: %+v, %v", list, err)
	}
	again := do(t, ann.next(), http.MethodPost, "/comments/"+room, message("dubious"), key)
	expectKind(t, again, http.StatusForbidden, "forbidden")
	if strings.Contains(string(again.Body), "moderator") {
		t.Errorf("who has taken it back is told %s", again.Body)
	}
}

// heldAtTheEnd checks that nothing is posted behind the end of a live video.
func heldAtTheEnd(t *testing.T, a *arena) {
	room := a.room(t, "late")
	ann, mo, ad := a.user("ann", "viewer"), a.user("mo", "moderator"), a.user("ad", "admin")
	first, second := ann.hold(t, room, "dubious", ""), ann.hold(t, room, "dubious too", "")
	set := func(state string) {
		t.Helper()
		if _, err := ad.next().SetRoom(t.Context(), room, map[string]any{"state": state}); err != nil {
			t.Fatal(err)
		}
	}
	decide := func(id, verdict string) *harness.Answer {
		return mo.do(t, http.MethodPost, "/videos/"+room+"/held/"+id+"/"+verdict, nil)
	}
	set("ended")
	expectKind(t, decide(first.ID, "approve"), http.StatusConflict, "ended")
	if list, err := mo.next().Held(t.Context(), room); err != nil || texts(list) != "dubious, dubious too" {
		t.Errorf("waiting: %q, %v", texts(list), err)
	}
	if got := history(t, mo.next(), room); len(got) != 0 {
		t.Errorf("history is %q", messages(got))
	}
	expectStatus(t, decide(second.ID, "reject"), http.StatusNoContent, nil)
	set("live")
	expectStatus(t, decide(first.ID, "approve"), http.StatusCreated, nil)
}

// keysOfModerated checks that a key holds for what was sent, whatever became
// of that.
func keysOfModerated(t *testing.T, a *arena) {
	room := a.room(t, "moderated")
	ann, mo := a.user("ann", "viewer"), a.user("mo", "moderator")
	send := func(key, message string) *harness.Answer {
		t.Helper()
		return do(t, ann.next(), http.MethodPost, "/comments/"+room, map[string]string{"message": message}, harness.Header("Idempotency-Key", key))
	}
	again := func(key, message string, first *harness.Answer) {
		t.Helper()
		for range 2 {
			if got := send(key, message); got.Status != first.Status || string(got.Body) != string(first.Body) {
				t.Errorf("%s again: %v, first was %v", key, got, first)
			}
		}
		expectProblem(t, send(key, message+" with more"), http.StatusUnprocessableEntity)
	}
	masked := send("masked", "how rude of you")
	var c harness.Comment
	if expectStatus(t, masked, http.StatusCreated, &c); c.Message != "how **** of you" {
		t.Errorf("masked is %q", c.Message)
	}
	again("masked", "how rude of you", masked)
	// What it was masked to is not what was sent.
	expectProblem(t, send("masked", "how **** of you"), http.StatusUnprocessableEntity)
	held := send("held", "dubious")
	var waits harness.Shown
	expectStatus(t, held, http.StatusAccepted, &waits)
	again("held", "dubious", held)
	expectKind(t, send("blocked", "how foul"), http.StatusForbidden, "blocked")
	if answer := send("blocked", "how nice"); answer.Status != http.StatusCreated {
		t.Errorf("the key of what was blocked: %v", answer)
	}
	posted, err := mo.next().Approve(t.Context(), room, waits.ID)
	if err != nil {
		t.Fatal(err)
	}
	answer := send("held", "dubious")
	if expectStatus(t, answer, http.StatusCreated, &c); c != posted {
		t.Errorf("the key of what was approved: %v, want %+v", answer, posted)
	}
	if got := messages(history(t, mo.next(), room)); got != "how **** of you how nice dubious" {
		t.Errorf("history is %q", got)
	}
	// Those who keep order say what they like.
	mo.post(t, room, "foul, rude and dubious")
}

// heldOnPages checks that what waits is on the page that it would be on, and on
// no other.
func heldOnPages(t *testing.T, a *arena) {
	room := a.room(t, "pages")
	ann, mo := a.user("ann", "viewer"), a.user("mo", "moderator")
	var all, waiting []string
	for i := range 20 {
		text := fmt.Sprint("c", i)
		if i%3 == 1 {
			text = fmt.Sprint("dubious ", i)
			waiting = append(waiting, ann.hold(t, room, text, "").ID)
		} else {
			ann.post(t, room, text)
		}
		all = append(all, text)
	}
	for _, sort := range []string{"asc", "desc"} {
		for _, size := range []int{1, 2, 3, 7, 13, 14, 50} {
			seen := map[string]int{}
			for cursor, pages := "", 0; ; pages++ {
				query := fmt.Sprintf("sort=%s&pageSize=%d%s", sort, size, cursor)
				page := shown(t, mo, room, query)
				inOrder := append(slices.Clone(page.Comments), page.Held...)
				slices.SortFunc(inOrder, func(x, y harness.Shown) int {
					if harness.Less(x.ID, y.ID) {
						return -1
					}
					return 1
				})
				for i, c := range inOrder {
					seen[c.Message]++
					// Together they are a part of the room without a hole.
					if i > 0 && slices.Index(all, c.Message) != slices.Index(all, inOrder[i-1].Message)+1 {
						t.Errorf("%s: %s is followed by %s", query, inOrder[i-1].Message, c.Message)
					}
				}
				if page.NextCursor == nil || pages > len(all) {
					break
				}
				cursor = "&cursor=" + *page.NextCursor
			}
			for _, text := range all {
				if seen[text] != 1 {
					t.Errorf("%s, %d a page: %s was there %d times", sort, size, text, seen[text])
				}
			}
		}
	}
	// Answers that wait are with their thread's answers only.
	thread := ann.post(t, room, "thread")
	ann.hold(t, room, "dubious answer", thread.ID)
	var page harness.ShownPage
	if err := mo.next().Get(t.Context(), "/comments/"+room+"/"+thread.ID+"/replies", &page); err != nil || texts(page.Held) != "dubious answer" || len(page.Comments) != 0 {
		t.Errorf("got %+v, %v", page, err)
	}
	if list, err := mo.next().Held(t.Context(), room); err != nil || len(list) != len(waiting)+1 || list[0].ID != waiting[0] {
		t.Errorf("%d wait, want %d, the oldest first: %v", len(list), len(waiting)+1, err)
	}
}
