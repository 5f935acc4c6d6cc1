package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"barrage/test/harness"
)

// heldComment is a comment as its author and moderators see it while it waits.
type heldComment struct {
	harness.Comment
	Held   bool   `json:"held"`
	Reason string `json:"reason"`
}

func heldOf(t *testing.T, c *harness.Client, video string) []heldComment {
	t.Helper()
	var page struct {
		Comments []heldComment `json:"comments"`
	}
	if err := do(t, c, http.MethodGet, "/videos/"+video+"/held", nil, nil).JSON(&page); err != nil {
		t.Fatal(err)
	}
	return page.Comments
}

func TestWordsAreMaskedHeldAndBlocked(t *testing.T) {
	words := filepath.Join(t.TempDir(), "words.txt")
	if err := os.WriteFile(words, []byte("darn\n敏感\n[mask]\n*poop*\n傻瓜\n[hold]\nmaybe\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := harness.Start(t, harness.Flags("--moderation-words-file="+words, "--moderation-links=hold", "--moderation-max-links=1"))
	ann, mo := n.User("ann", "viewer"), n.User("mo", "moderator")
	s := openedStream(t, n, n.Anyone(), "room", "", nil)
	for _, row := range []struct {
		message string
		status  int
		kept    string
	}{
		{"hello 弹幕", http.StatusCreated, "hello 弹幕"},
		{"oh poop!", http.StatusCreated, "oh ****!"},
		{"你是傻瓜吗", http.StatusCreated, "你是**吗"},
		{"DARN", http.StatusForbidden, ""},
		{"敏-感", http.StatusForbidden, ""},
		{"maybe", http.StatusAccepted, "maybe"},
		{"see example.com", http.StatusCreated, "see example.com"},
		{"see example.com and example.org, poop", http.StatusAccepted, "see example.com and example.org, ****"},
	} {
		answer := do(t, ann, http.MethodPost, "/comments/room", map[string]string{"message": row.message}, nil)
		if answer.Status != row.status {
			t.Errorf("%q: %v", row.message, answer)
			continue
		}
		if row.status == http.StatusForbidden {
			p, err := readProblem(answer)
			if err != nil || p.Type != "urn:barrage:problem:blocked" || strings.Contains(strings.ToLower(p.Detail), "darn") {
				t.Errorf("%q: %+v, %v", row.message, p, err)
			}
			continue
		}
		var c heldComment
		if err := answer.JSON(&c); err != nil || c.Message != row.kept || c.Held != (row.status == http.StatusAccepted) || c.Reason != "" {
			t.Errorf("%q: %+v, %v", row.message, c, err)
		}
	}
	const visible = "hello 弹幕 oh ****! 你是**吗 see example.com"
	if got := messages(history(t, n.Anyone(), "room")); got != visible {
		t.Errorf("history is %q", got)
	}
	shown, err := s.Comments(4)
	if err != nil || messages(shown) != visible {
		t.Errorf("shown %q, %v", messages(shown), err)
	}
	waiting := heldOf(t, mo, "room")
	if len(waiting) != 2 || waiting[0].Reason != "word-list" || waiting[1].Reason != "link" {
		t.Errorf("waiting: %+v", waiting)
	}
	// Who keeps order may say so.
	if c := post(t, mo, "room", "darn, no maybe"); c.Message != "darn, no maybe" {
		t.Errorf("a moderator's words: %+v", c)
	}
}

// Who picks his own name could have it say to everybody what a comment may not.
func TestNamesOfGuestsKeepToTheRules(t *testing.T) {
	words := filepath.Join(t.TempDir(), "words.txt")
	if err := os.WriteFile(words, []byte("darn\n[mask]\npoop\n[hold]\nmaybe\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := harness.Start(t, harness.Flags("--auth-guest", "--moderation-words-file="+words, "--moderation-links=hold"))
	for _, name := range []string{"darn", "Ann ＤＡＲＮ", "poop", "maybe", "spam.com", "see http://spam.example/x"} {
		answer := do(t, n.Anyone(), http.MethodPost, "/guest", map[string]string{"name": name}, nil)
		expectKind(t, answer, http.StatusForbidden, "blocked")
		if p, err := readProblem(answer); err != nil || !strings.Contains(p.Detail, "name") || strings.Contains(string(answer.Body), "token\":") {
			t.Errorf("%q: %s", name, answer.Body)
		}
	}
	becomeGuest(t, n, "Darnell 弹幕")
	// What the site calls its users is its own business.
	named := n.SignedToken(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "ann", "name": "darn"})
	if c := post(t, n.Client(named), "room", "hello"); c.UserName != "darn" {
		t.Errorf("got %+v", c)
	}
}

func TestAListOfWordsIsReadAgainWithoutARestart(t *testing.T) {
	words := filepath.Join(t.TempDir(), "words.txt")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(words, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	n := harness.Start(t, harness.Flags("--moderation-words-file="+words, "--limits-posts-per-second=0"))
	ann := n.User("ann", "viewer")
	status := func(message string) int {
		return do(t, ann, http.MethodPost, "/comments/room", map[string]string{"message": message}, nil).Status
	}
	if status("one") != http.StatusForbidden || status("two") != http.StatusCreated {
		t.Fatal("the list is not in force")
	}
	write("[block]\ntwo\n")
	eventually(t, func() error {
		if got := status("two"); got != http.StatusForbidden {
			return fmt.Errorf("a new word: %d", got)
		}
		return nil
	})
	if got := status("one"); got != http.StatusCreated {
		t.Errorf("a word that is no more in the list: %d", got)
	}
	write("[nonsense]\n")
	waitForLog(t, n, "the last good one goes on")
	if got := status("two"); got != http.StatusForbidden {
		t.Errorf("after a bad list: %d", got)
	}
}

func TestABadListOfWordsIsSaidAtTheStart(t *testing.T) {
	words := filepath.Join(t.TempDir(), "words.txt")
	if err := os.WriteFile(words, []byte("fine\n[nonsense]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := harness.Command(t, "serve", "--data", t.TempDir(), "--http", "127.0.0.1:0", "--moderation-words-file", words).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "line 2") {
		t.Errorf("%v: %s", err, output)
	}
}

func TestASitesOwnServiceDecides(t *testing.T) {
	asked := make(chan map[string]string, 100)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var text map[string]string
		if err := json.NewDecoder(r.Body).Decode(&text); err != nil || r.Header.Get("X-Barrage-Signature") == "" {
			t.Errorf("%v, %v", err, r.Header)
		}
		asked <- text
		switch action := text["message"]; action {
		case "mask":
			_, _ = io.WriteString(w, `{"action":"mask","message":"something else"}`)
		case "fail":
			w.WriteHeader(http.StatusBadGateway)
		default:
			_, _ = io.WriteString(w, `{"action":"`+action+`"}`)
		}
	}))
	defer service.Close()
	n := harness.Start(t, harness.Flags("--moderation-webhook-url="+service.URL, "--moderation-webhook-timeout=30s", "--moderation-webhook-away=hold"),
		harness.Env("BARRAGE_MODERATION_WEBHOOK_SECRET=a key"))
	ann := n.User("ann", "viewer")
	for message, want := range map[string]int{
		"allow": http.StatusCreated, "mask": http.StatusCreated, "hold": http.StatusAccepted, "block": http.StatusForbidden, "fail": http.StatusAccepted,
	} {
		if answer := do(t, ann, http.MethodPost, "/comments/room", map[string]string{"message": message}, nil); answer.Status != want {
			t.Errorf("%s: %v", message, answer)
		}
		if text := <-asked; text["message"] != message || text["liveVideoId"] != "room" || text["userId"] != "ann" {
			t.Errorf("asked about %v", text)
		}
	}
	if got := history(t, n.Anyone(), "room"); len(got) != 2 {
		t.Errorf("history is %q", messages(got))
	}
	// A masked post that is sent again under its key is the same post.
	for range 2 {
		answer := do(t, ann, http.MethodPost, "/comments/room", map[string]string{"message": "mask"}, harness.Header("Idempotency-Key", "k"))
		if answer.Status != http.StatusCreated || !strings.Contains(string(answer.Body), "something else") {
			t.Errorf("%v", answer)
		}
	}
	if got := history(t, n.Anyone(), "room"); len(got) != 3 {
		t.Errorf("history is %q", messages(got))
	}
}
