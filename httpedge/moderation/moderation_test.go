package moderation

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func moderator(t *testing.T, config Config) *Moderator {
	t.Helper()
	config.Registry, config.Log = prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	m, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTheStrictestCheckDecides(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "words"), "[mask]\npoop\n[hold]\nmaybe\n[block]\ndarn\n")
	m := moderator(t, Config{WordsFile: path, Links: Links{Action: Hold}})
	for _, c := range []struct {
		message string
		want    Verdict
	}{
		{"fine", Verdict{Allow, "fine", ""}},
		{"poop", Verdict{Mask, "****", ReasonWordList}},
		{"poop spam.com", Verdict{Hold, "**** spam.com", ReasonLink}},
		{"maybe spam.com", Verdict{Hold, "maybe spam.com", ReasonWordList}},
		{"darn spam.com", Verdict{Block, "darn spam.com", ReasonWordList}},
	} {
		if v := m.Check(t.Context(), Text{Message: c.message}); v != c.want {
			t.Errorf("%q: %+v, want %+v", c.message, v, c.want)
		}
	}
}

func TestANameIsCheckedByTheListAndForLinksAlone(t *testing.T) {
	url := service(t, func(http.ResponseWriter, *http.Request) { t.Error("the service was asked about a name") })
	path := write(t, filepath.Join(t.TempDir(), "words"), "[mask]\npoop\n[hold]\nmaybe\n[block]\ndarn\n")
	m := moderator(t, Config{WordsFile: path, Links: Links{Action: Hold}, Webhook: Webhook{URL: url, Away: Block}})
	for name, want := range map[string]Action{
		"Ann": Allow, "Ann poop": Mask, "maybe": Hold, "DARN": Block, "spam.com": Hold, "Mr. Darnell": Allow,
	} {
		if v := m.CheckName(name); v.Action != want {
			t.Errorf("%q: %+v, want %v", name, v, want)
		}
	}
}

func TestAChangedListIsReadAgainAndABadOneIsNot(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "words"), "one\n")
	m := moderator(t, Config{WordsFile: path})
	blocked := func(message string) bool { return m.Check(t.Context(), Text{Message: message}).Action == Block }
	// A second apart, so that the times of the file differ on any file system.
	at := time.Now()
	change := func(text string) {
		at = at.Add(time.Second)
		write(t, path, text)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		m.refresh()
	}
	change("two\n")
	if blocked("one") || !blocked("two") {
		t.Error("the list was not read again")
	}
	change("[nonsense]\n")
	if !blocked("two") {
		t.Error("a list that is no good has taken the place of a good one")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	m.refresh()
	if !blocked("two") {
		t.Error("a list that is gone has taken the place of a good one")
	}
	change("three\n")
	if blocked("two") || !blocked("three") {
		t.Error("a list that came back was not read")
	}
}

func TestAListThatCannotBeReadAtTheStartIsAnError(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "none"), write(t, filepath.Join(dir, "bad"), "[bad]"), dir} {
		_, err := New(Config{WordsFile: path, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			t.Errorf("%s was read", path)
		}
	}
}

func TestActionsHaveNames(t *testing.T) {
	for _, a := range []Action{Allow, Mask, Hold, Block} {
		if got, err := ParseAction(a.String()); err != nil || got != a {
			t.Errorf("%v: %v, %v", a, got, err)
		}
	}
	if _, err := ParseAction("Block"); err == nil {
		t.Error("names are in lower case")
	}
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
