package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"barrage/test/harness"
)

var (
	decimal   = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)
	timestamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
)

func TestPostAnswersTheCommentAndItsLocation(t *testing.T) {
	n := harness.Start(t)
	ann := n.User("ann", "viewer")
	before := time.Now().Add(-time.Second)
	answer := do(t, ann, http.MethodPost, "/comments/room", `{"message":"  Hello, 弹幕! \n<b>&</b> \u2028 👋🏽\t."}`, nil)
	if answer.Status != http.StatusCreated {
		t.Fatal(answer)
	}
	c := history(t, ann, "room")[0]
	if c.Message != "Hello, 弹幕! \n<b>&</b> \u2028 👋🏽\t." {
		t.Errorf("message %q", c.Message)
	}
	if !decimal.MatchString(c.ID) || c.UserID != "ann" || c.LiveVideoID != "room" || c.ParentID != "" {
		t.Errorf("got %+v", c)
	}
	if strings.Contains(string(answer.Body), "parentId") || strings.Contains(string(answer.Body), "userName") {
		t.Errorf("fields that have no value are shown: %s", answer.Body)
	}
	at, err := time.Parse(time.RFC3339, c.CreatedAt)
	if err != nil || !timestamp.MatchString(c.CreatedAt) || at.Before(before) || at.After(time.Now().Add(time.Second)) {
		t.Errorf("createdAt %q", c.CreatedAt)
	}
	if got, want := answer.Header.Get("Location"), "/comments/room/"+c.ID; got != want {
		t.Errorf("Location %q, want %q", got, want)
	}
	if got := answer.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		t.Errorf("Content-Type %q", got)
	}
	one := do(t, n.Anyone(), http.MethodGet, answer.Header.Get("Location"), nil, nil)
	if one.Status != http.StatusOK || strings.TrimSpace(string(one.Body)) != strings.TrimSpace(string(answer.Body)) {
		t.Errorf("at Location is %v, was answered %s", one, answer.Body)
	}
}

func TestUserIDIsTheTokensNeverTheBodys(t *testing.T) {
	n := harness.Start(t)
	answer := do(t, n.User("ann", "viewer"), http.MethodPost, "/comments/room",
		`{"message":"hi","userId":"bob","id":"1","createdAt":"2000-01-01T00:00:00.000Z","liveVideoId":"other"}`, nil)
	all := history(t, n.Anyone(), "room")
	switch answer.Status {
	case http.StatusBadRequest:
		if len(all) != 0 {
			t.Errorf("refused and kept: %+v", all)
		}
	case http.StatusCreated:
		if len(all) != 1 || all[0].UserID != "ann" || all[0].ID == "1" || strings.HasPrefix(all[0].CreatedAt, "2000") || all[0].LiveVideoID != "room" {
			t.Errorf("got %+v", all)
		}
	default:
		t.Error(answer)
	}
}

func TestMessageLengthIsCountedInCodePoints(t *testing.T) {
	n := harness.Start(t)
	ann := n.User("ann", "viewer")
	longest := strings.Repeat("😀", 500)
	if got := post(t, ann, "room", " "+longest+"\n"); got.Message != longest {
		t.Errorf("%d bytes came back of %d", len(got.Message), len(longest))
	}
	if _, err := ann.Post(t.Context(), "room", longest+"x", nil); harness.StatusOf(err) != http.StatusBadRequest {
		t.Errorf("501 code points: %v", err)
	}
}

func TestIDsRiseWithEachPost(t *testing.T) {
	n := harness.Start(t)
	all := postMany(t, n.User("ops", "admin"), "room", 50)
	if err := harness.Rising(all); err != nil {
		t.Error(err)
	}
	n.Kill()
	n.Start()
	all = append(all, post(t, n.User("ops", "admin"), "room", "after a crash"))
	if err := harness.Rising(all); err != nil {
		t.Error(err)
	}
}

func TestRepliesAreListedOldestFirst(t *testing.T) {
	n := harness.Start(t)
	ann := n.User("ann", "moderator")
	parent := post(t, ann, "room", "question")
	other := post(t, ann, "room", "another")
	var want []harness.Comment
	for _, text := range []string{"one", "two", "three"} {
		reply, err := ann.Reply(t.Context(), "room", parent.ID, text)
		if err != nil {
			t.Fatal(err)
		}
		if reply.ParentID != parent.ID {
			t.Errorf("parentId %q, want %q", reply.ParentID, parent.ID)
		}
		want = append(want, reply)
	}
	got, err := n.Anyone().Walk(t.Context(), "/comments/room/"+parent.ID+"/replies", map[string][]string{"pageSize": {"2"}})
	if err != nil || messages(got) != messages(want) {
		t.Errorf("got %q, %v", messages(got), err)
	}
	if got, err := n.Anyone().Walk(t.Context(), "/comments/room/"+other.ID+"/replies", map[string][]string{}); err != nil || len(got) != 0 {
		t.Errorf("replies to a comment without any: %q, %v", messages(got), err)
	}
	if got := messages(history(t, ann, "room")); got != "question another one two three" {
		t.Errorf("history is %q", got)
	}
}
