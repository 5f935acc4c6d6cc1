package moderation

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// service is a site's webhook on loopback.
func service(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL
}

func TestAWebhookDecides(t *testing.T) {
	url := service(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s, %v", r.Method, r.Header.Get("Content-Type"), err)
		}
		if r.Header.Get("X-Barrage-Signature") != Sign("secret", r.Header.Get("X-Barrage-Timestamp"), body) {
			t.Error("the signature does not fit")
		}
		var text map[string]string
		if err := json.Unmarshal(body, &text); err != nil || text["liveVideoId"] != "v" || text["userId"] != "ann" || text["userName"] != "安" {
			t.Errorf("%s, %v", body, err)
		}
		_, _ = io.WriteString(w, text["message"]) // the tests say what to answer
	})
	m := moderator(t, Config{Webhook: Webhook{URL: url, Secret: "secret", Away: Hold, Timeout: time.Minute, Clean: func(s string) (string, error) {
		if s == "" {
			return "", errors.New("empty")
		}
		return s, nil
	}}})
	for answer, want := range map[string]Verdict{
		`{"action":"allow"}`:                {Action: Allow},
		`{"action":"allow","message":"x"}`:  {Action: Allow},
		`{"action":"hold","more":1}`:        {Action: Hold, Reason: ReasonWebhook},
		`{"action":"block"}`:                {Action: Block, Reason: ReasonWebhook},
		`{"action":"mask","message":"***"}`: {Action: Mask, Message: "***", Reason: ReasonWebhook},
		`{"action":"mask"}`:                 {Action: Hold, Reason: ReasonWebhook},
		`{"action":"ban"}`:                  {Action: Hold, Reason: ReasonWebhookAway},
		`{}`:                                {Action: Hold, Reason: ReasonWebhookAway},
		`no`:                                {Action: Hold, Reason: ReasonWebhookAway},
	} {
		if want.Message == "" {
			want.Message = answer
		}
		if v := m.Check(t.Context(), Text{"v", "ann", "安", answer}); v != want {
			t.Errorf("%s: %+v, want %+v", answer, v, want)
		}
		// Refusals in a row would open the circuit.
		m.Check(t.Context(), Text{"v", "ann", "安", `{"action":"allow"}`})
	}
}

func TestTextsGoOnWithoutTheWebhookAsItIsSet(t *testing.T) {
	var asked atomic.Int64
	failing := service(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	})
	for _, away := range []Action{Allow, Hold, Block} {
		asked.Store(0)
		m := moderator(t, Config{Webhook: Webhook{URL: failing, Away: away, Timeout: time.Minute}})
		for range 3 * failuresToOpen {
			v := m.Check(t.Context(), Text{Message: "hello"})
			if v.Action != away || v.Message != "hello" || (v.Reason == ReasonWebhookAway) != (away != Allow) {
				t.Fatalf("%+v, want %v", v, away)
			}
		}
		if n := asked.Load(); n != failuresToOpen {
			t.Errorf("asked %d times; a service that fails is left alone after %d", n, failuresToOpen)
		}
	}
}

// Whoever finds a text for which there is no good answer must not switch the
// service off for others.
func TestATextThatTheWebhookDoesNotTakeIsNoFailure(t *testing.T) {
	for name, odd := range map[string]http.HandlerFunc{
		"400": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) },
		"413": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) },
		"422": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnprocessableEntity) },
		"too long a mask": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"action":"mask","message":"too long"}`)
		},
	} {
		url := service(t, func(w http.ResponseWriter, r *http.Request) {
			if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), "evil") {
				_, _ = io.WriteString(w, `{"action":"block"}`)
				return
			}
			odd(w, r)
		})
		m := moderator(t, Config{Webhook: Webhook{URL: url, Away: Hold, Timeout: time.Minute, Clean: func(string) (string, error) {
			return "", errors.New("too long")
		}}})
		for range 3 * failuresToOpen {
			if v := m.Check(t.Context(), Text{Message: "odd"}); v.Action != Hold || v.Message != "odd" {
				t.Errorf("%s: %+v", name, v)
			}
		}
		if v := m.Check(t.Context(), Text{Message: "evil"}); v.Action != Block {
			t.Errorf("after %s another text is %+v", name, v)
		}
	}
}

func TestASlowWebhookIsNotWaitedFor(t *testing.T) {
	release := make(chan struct{})
	url := service(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(release) })
	m := moderator(t, Config{Webhook: Webhook{URL: url, Away: Block, Timeout: 20 * time.Millisecond}})
	if v := m.Check(t.Context(), Text{Message: "hello"}); v.Action != Block || v.Reason != ReasonWebhookAway {
		t.Errorf("%+v", v)
	}
}

func TestSoManyTextsAreAskedAboutAtOnce(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	url := service(t, func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-release
		_, _ = io.WriteString(w, `{"action":"allow"}`)
	})
	m := moderator(t, Config{Webhook: Webhook{URL: url, Away: Hold, Timeout: time.Minute, Concurrent: 1}})
	first := make(chan Verdict)
	go func() { first <- m.Check(context.Background(), Text{Message: "hello"}) }()
	<-entered
	if v := m.Check(t.Context(), Text{Message: "hello"}); v.Action != Hold {
		t.Errorf("the second: %+v", v)
	}
	close(release)
	if v := <-first; v.Action != Allow {
		t.Errorf("the first: %+v", v)
	}
}

func TestRedirectsAndHugeAnswersAreNoAnswers(t *testing.T) {
	other := service(t, func(http.ResponseWriter, *http.Request) { t.Error("texts went elsewhere") })
	for _, answer := range []http.HandlerFunc{
		func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other, http.StatusTemporaryRedirect)
		},
		func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"action":"allow","x":"`+strings.Repeat("x", maxWebhookAnswer)+`"}`)
		},
	} {
		m := moderator(t, Config{Webhook: Webhook{URL: service(t, answer), Away: Block, Timeout: time.Minute}})
		if v := m.Check(t.Context(), Text{Message: "hello"}); v.Action != Block {
			t.Errorf("%+v", v)
		}
	}
}

func TestSettingsOfAWebhookAreChecked(t *testing.T) {
	for _, c := range []struct {
		webhook Webhook
		good    bool
	}{
		{Webhook{}, true},
		{Webhook{URL: "https://example.com/x"}, true},
		{Webhook{URL: "ftp://example.com"}, false},
		{Webhook{URL: "example.com"}, false},
		{Webhook{URL: "http://%"}, false},
		{Webhook{URL: "http://x", Away: Mask}, false},
		{Webhook{URL: "http://x", Timeout: -1}, false},
	} {
		if err := c.webhook.Validate(); (err == nil) != c.good {
			t.Errorf("%+v: %v", c.webhook, err)
		}
	}
}

func FuzzWebhookAnswer(f *testing.F) {
	f.Add([]byte(`{"action":"mask","message":"*"}`))
	f.Add([]byte(`{"action":1}`))
	w := webhook{}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if v, err := w.verdict(raw, "text"); err == nil && v.Action != Mask && v.Message != "text" {
			t.Errorf("%q: %+v", raw, v)
		}
	})
}
