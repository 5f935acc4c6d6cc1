package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/test/idp"
)

// newTestSessions starts a login, and an Authority that asks it for sessions.
func newTestSessions(t *testing.T, c *clock, change func(*Config)) (*idp.Provider, *Authority) {
	t.Helper()
	login := idp.Start(t)
	a := newTestAuthority(t, func(config *Config) {
		config.IntrospectionURL, config.IntrospectionClient, config.IntrospectionSecret = login.IntrospectionURL(), idp.Client, idp.Secret
		config.IntrospectionTTL, config.IntrospectionNegativeTTL, config.Now = 15*time.Second, 5*time.Second, c.Now
		if change != nil {
			change(config)
		}
	})
	return login, a
}

func TestSessionsAreAskedForAndRemembered(t *testing.T) {
	c := newClock()
	login, a := newTestSessions(t, c, nil)
	login.Session("good", map[string]any{"sub": "ann", "name": "Ann", "role": "admin", "exp": c.Now().Add(time.Hour).Unix()})
	for range 3 {
		g, err := a.Session(t.Context(), "good")
		if err != nil || g.User != (User{ID: "ann", Name: "Ann", Role: RoleAdmin}) || !g.Remote() {
			t.Fatalf("%+v, %v", g, err)
		}
		if _, err := a.Bearer(t.Context(), "bad"); !isInvalid(err) {
			t.Fatal(err)
		}
	}
	asked := func(want int) {
		t.Helper()
		if got := login.Questions(); got != want {
			t.Errorf("asked %d times, want %d", got, want)
		}
	}
	asked(2)
	g, _ := a.Session(t.Context(), "good")
	login.Session("good", nil)
	login.Session("bad", map[string]any{"sub": "bob"})
	c.pass(5 * time.Second)
	if g, err := a.Session(t.Context(), "bad"); err != nil || g.User.ID != "bob" {
		t.Errorf("a session that has begun: %+v, %v", g, err)
	}
	asked(3)
	if err := a.Again(t.Context(), g); err != nil {
		t.Errorf("remembered: %v", err)
	}
	c.pass(10 * time.Second)
	if err := a.Again(t.Context(), g); !isInvalid(err) {
		t.Errorf("a stream of a session that has ended: %v", err)
	}
	asked(4)
}

func TestAnAnswerIsNotRememberedBeyondItsExpiry(t *testing.T) {
	c := newClock()
	login, a := newTestSessions(t, c, nil)
	login.Session("token", map[string]any{"sub": "ann", "exp": c.Now().Add(3 * time.Second).Unix()})
	if _, err := a.Session(t.Context(), "token"); err != nil {
		t.Fatal(err)
	}
	c.pass(3 * time.Second)
	// The endpoint still says that it is active: clocks differ.
	if _, err := a.Session(t.Context(), "token"); !isInvalid(err) {
		t.Errorf("expired: %v", err)
	}
	if login.Questions() != 2 {
		t.Errorf("asked %d times", login.Questions())
	}
}

func TestAnswersOfIntrospectionAreRead(t *testing.T) {
	c := newClock()
	i := &introspector{now: c.Now, issuer: "https://login.example", audience: []string{"live"}, leeway: 30 * time.Second}
	now := c.Now().Unix()
	const (
		good = "good"
		no   = "no good"
		away = "no answer"
	)
	for answer, want := range map[string]string{
		`{"active":true,"sub":"ann"}`:                                            good,
		`{"active":true,"sub":"ann","iss":"https://login.example","aud":"live"}`: good,
		`{"active":true,"sub":"ann","aud":["shop","live"]}`:                      good,
		fmt.Sprintf(`{"active":true,"sub":"ann","exp":%d}`, now-29):              good,
		fmt.Sprintf(`{"active":true,"sub":"ann","exp":%d.5}`, now-30):            good,
		fmt.Sprintf(`{"active":true,"sub":"ann","nbf":%d}`, now+30):              good,
		`{"active":true,"sub":"ann","exp":1e300}`:                                good,
		fmt.Sprintf(`{"active":true,"sub":"ann","exp":%d}`, now-30):              no,
		`{"active":true,"sub":"ann","exp":-1e300}`:                               no,
		`{"active":true,"sub":"ann","exp":0}`:                                    no,
		fmt.Sprintf(`{"active":true,"sub":"ann","nbf":%d}`, now+31):              no,
		`{"active":false}`:                                         no,
		`{"active":false,"sub":"ann"}`:                             no,
		`{"active":true}`:                                          no,
		`{"active":true,"sub":""}`:                                 no,
		`{"active":true,"sub":"a\u0000b"}`:                         no,
		`{"active":true,"sub":"` + strings.Repeat("x", 129) + `"}`: no,
		`{"active":true,"sub":"ann","iss":"https://evil.example"}`: no,
		`{"active":true,"sub":"ann","aud":["shop"]}`:               no,
		`{"active":true,"sub":"ann","aud":"shop"}`:                 no,
		`{"active":false,"Active":true,"sub":"ann"}`:               no,
		`{"active":true,"Sub":"ann"}`:                              no,
		`{"active":true,"sub":"a\ud800"}`:                          no,
		"{\"active\":true,\"sub\":\"a\xff\"}":                      no,
		`{"active":"true","sub":"ann"}`:                            away,
		`{"active":1,"sub":"ann"}`:                                 away,
		`{"sub":"ann"}`:                                            away,
		`{"active":true,"sub":7}`:                                  away,
		`{"active":true,"sub":"ann","exp":"soon"}`:                 away,
		`{"active":true,"sub":"ann","aud":{}}`:                     away,
		``:                                                         away,
		`null`:                                                     away,
		`[]`:                                                       away,
		`<html>`:                                                   away,
	} {
		g, err := i.read([]byte(answer))
		got := good
		if isInvalid(err) {
			got = no
		} else if err != nil {
			got = away
		}
		if got != want || got == good && g.User.ID != "ann" {
			t.Errorf("%s: %+v, %v", answer, g, err)
		}
	}
	for answer, want := range map[string]User{
		`{"active":true,"sub":"u1","username":"ann","role":"moderator"}`:       {ID: "u1", Name: "ann", Role: RoleModerator},
		`{"active":true,"sub":"u1","name":"\u200b","username":"ann"}`:          {ID: "u1", Name: "ann", Role: RoleViewer},
		`{"active":true,"sub":"u1","name":"Ann","username":"a","role":"god"}`:  {ID: "u1", Name: "Ann", Role: RoleViewer},
		`{"active":true,"sub":"u1","ſub":"u2","role":"viewer","Role":"admin"}`: {ID: "u1", Role: RoleViewer},
	} {
		if g, err := i.read([]byte(answer)); err != nil || g.User != want {
			t.Errorf("%s: %+v, %v", answer, g, err)
		}
	}
}

func TestWhileIntrospectionIsAwayWhatIsKnownHoldsAndTheRestIsUnavailable(t *testing.T) {
	c := newClock()
	out := new(logged)
	login, a := newTestSessions(t, c, func(config *Config) { config.Log = out.log() })
	login.Session("secret-token-1", map[string]any{"sub": "ann"})
	g, err := a.Session(t.Context(), "secret-token-1")
	if err != nil {
		t.Fatal(err)
	}
	unavailable := func(name string) {
		t.Helper()
		if _, err := a.Session(t.Context(), "secret-token-2"); !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	login.Answer("rubbish")
	unavailable("rubbish")
	login.Answer(strings.Repeat(" ", maxAnswerBytes) + `{"active":true,"sub":"ann"}`)
	unavailable("too long an answer")
	login.Answer("")
	login.GoAway()
	for range 2 * tripAfter {
		unavailable("away")
	}
	if _, err := a.Session(t.Context(), "secret-token-1"); err != nil {
		t.Errorf("a remembered session: %v", err)
	}
	c.pass(15 * time.Second)
	if _, err := a.Session(t.Context(), "secret-token-1"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a session that was remembered: %v", err)
	}
	if err := a.Again(t.Context(), g); isInvalid(err) {
		t.Errorf("a stream of it must go on: %v", err)
	}
	login.ComeBack()
	eventually(t, func() error {
		_, err := a.Session(t.Context(), "secret-token-1")
		return err
	})
	if strings.Contains(out.String(), "secret-token") {
		t.Errorf("a token is in the log:\n%s", out.String())
	}
}

// A viewer that makes such tokens up must not lock the others out.
func TestAnAnswerAboutOneTokenIsNoneAboutTheEndpoint(t *testing.T) {
	var status atomic.Int64
	var body atomic.Value
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("token") == "good" {
			_, _ = io.WriteString(w, `{"active":true,"sub":"ann"}`)
			return
		}
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, body.Load().(string))
	}))
	t.Cleanup(endpoint.Close)
	for _, answer := range []struct {
		status int
		body   string
		away   bool
	}{
		{400, "", false},
		{422, "", false},
		{413, "", false},
		{200, `{"active":true,"sub":5}`, false},
		{401, "", true},
		{404, "", true},
		{500, "", true},
		{200, "rubbish", true},
	} {
		status.Store(int64(answer.status))
		body.Store(answer.body)
		a := newTestAuthority(t, func(c *Config) { c.IntrospectionURL = endpoint.URL })
		for n := range 3 * tripAfter {
			if _, err := a.Session(t.Context(), fmt.Sprint("bad", n)); !errors.Is(err, ErrUnavailable) {
				t.Errorf("%+v: %v", answer, err)
			}
		}
		if _, err := a.Session(t.Context(), "good"); errors.Is(err, ErrUnavailable) != answer.away {
			t.Errorf("after %+v a good token: %v", answer, err)
		}
	}
}

func TestWrongCredentialsOfTheNodeAreNotItsUsersFault(t *testing.T) {
	login, a := newTestSessions(t, newClock(), func(c *Config) { c.IntrospectionSecret = "wrong" })
	login.Session("token", map[string]any{"sub": "ann"})
	if _, err := a.Session(t.Context(), "token"); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}

func TestASlowIntrospectionIsUnavailable(t *testing.T) {
	a := newTestAuthority(t, func(c *Config) {
		c.IntrospectionURL, c.IntrospectionTimeout = "http://"+silentServer(t)+"/", 20*time.Millisecond
	})
	if _, err := a.Session(t.Context(), "token"); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}

func TestThoseWhoComeTogetherShareAQuestion(t *testing.T) {
	login, a := newTestSessions(t, newClock(), nil)
	login.Session("token", map[string]any{"sub": "ann"})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := a.Session(t.Context(), "token"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if login.Questions() != 1 {
		t.Errorf("asked %d times", login.Questions())
	}
}

func TestSoManyQuestionsAreAskedAtATime(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	open, most := 0, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		open++
		most = max(most, open)
		mu.Unlock()
		entered <- struct{}{}
		<-release
		mu.Lock()
		open--
		mu.Unlock()
		_, _ = io.WriteString(w, `{"active":true,"sub":"ann"}`)
	}))
	defer server.Close()
	_, a := newTestSessions(t, newClock(), func(c *Config) { c.IntrospectionURL, c.IntrospectionTimeout = server.URL, time.Minute })
	var all sync.WaitGroup
	for n := range 2 * maxQuestions {
		all.Go(func() {
			if _, err := a.Session(t.Context(), fmt.Sprint("token ", n)); err != nil {
				t.Error(err)
			}
		})
	}
	for range maxQuestions {
		<-entered
	}
	close(release)
	for range maxQuestions {
		<-entered
	}
	all.Wait()
	if most != maxQuestions {
		t.Errorf("%d questions at a time", most)
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	i, err := newIntrospector(Config{Log: new(logged).log(), Now: time.Now}, newMetrics(newTestRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Hour)
	good := digestOf("good")
	i.good.Add(good, remembered{grant: &Grant{}, until: until})
	for n := range 2 * maxRemembered {
		i.bad.Add(digestOf(fmt.Sprint(n)), remembered{no: errNoSession, until: until})
	}
	if i.bad.Len() != maxRemembered {
		t.Errorf("%d bad answers", i.bad.Len())
	}
	if r, ok := i.recall(good); !ok || r.grant == nil {
		t.Error("made up tokens push out a good one")
	}
}

func TestTheFileIsLookedIntoBeforeAnybodyIsAsked(t *testing.T) {
	login, a := newTestSessions(t, newClock(), func(c *Config) { c.SessionsFile = writeFile(t, "of-file: {userId: ann}") })
	login.Session("of-login", map[string]any{"sub": "bob"})
	if g, err := a.Session(t.Context(), "of-file"); err != nil || g.User.ID != "ann" || login.Questions() != 0 {
		t.Errorf("%+v, %v, %d questions", g, err, login.Questions())
	}
	if g, err := a.Session(t.Context(), "of-login"); err != nil || g.User.ID != "bob" {
		t.Errorf("%+v, %v", g, err)
	}
	if _, err := a.Session(t.Context(), "of-nobody"); !isInvalid(err) {
		t.Error(err)
	}
}

func FuzzIntrospection(f *testing.F) {
	f.Add([]byte(`{"active":true,"sub":"ann","name":"Ann","role":"admin","exp":2000000000,"nbf":1,"iss":"i","aud":["live"]}`))
	f.Add([]byte(`{"active":false}`))
	f.Add([]byte(`{"active":true,"sub":"\u0000","aud":"x","exp":1e400}`))
	i := &introspector{now: time.Now, issuer: "i", audience: []string{"live"}}
	f.Fuzz(func(t *testing.T, body []byte) {
		g, err := i.read(body)
		if (g == nil) == (err == nil) {
			t.Fatalf("%+v, %v", g, err)
		}
		if g == nil {
			return
		}
		var said map[string]any
		if json.Unmarshal(body, &said) != nil || !ValidID(g.User.ID) || g.User.Name != CleanName(g.User.Name) || !g.InTime(time.Now()) {
			t.Errorf("%q is of %+v", body, g)
		}
	})
}
