package identity

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"barrage/test/idp"
)

// fetchNow fetches keys however short ago that was done.
func fetchNow(t *testing.T, a *Authority) {
	t.Helper()
	a.keyURL.mu.Lock()
	a.keyURL.began = time.Time{}
	a.keyURL.mu.Unlock()
	_ = a.keyURL.refetch(t.Context())
}

var ann = jwt.MapClaims{"sub": "ann"}

func TestKeysRotate(t *testing.T) {
	c := newClock()
	login, a := newTestLogin(t, func(config *Config) { config.Now = c.Now })
	old := login.Sign("e", ann, nil)
	g, err := a.Bearer(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	// A new key is fetched when the first token names it.
	login.AddKey("e2", jwt.SigningMethodES256)
	c.pass(leastBetweenFetches)
	if _, err := a.Bearer(t.Context(), login.Sign("e2", ann, nil)); err != nil {
		t.Errorf("the new key: %v", err)
	}
	if _, err := a.Bearer(t.Context(), old); err != nil {
		t.Errorf("the old key, still published: %v", err)
	}
	login.RemoveKey("e")
	fetchNow(t, a)
	if _, err := a.Bearer(t.Context(), old); !isInvalid(err) {
		t.Errorf("the old key, withdrawn: %v", err)
	}
	if err := a.Again(t.Context(), g); !isInvalid(err) {
		t.Errorf("a stream of it: %v", err)
	}
	// Another key under the same name is another key.
	login.AddKey("e", jwt.SigningMethodES256)
	fetchNow(t, a)
	if _, err := a.Bearer(t.Context(), old); !isInvalid(err) {
		t.Errorf("another key of its name: %v", err)
	}
	if _, err := a.Bearer(t.Context(), login.Sign("e", ann, nil)); err != nil {
		t.Errorf("a token of that: %v", err)
	}
}

func TestTheLastGoodKeysStayWhileTheURLIsAwayOrServesRubbish(t *testing.T) {
	out := new(logged)
	login, a := newTestLogin(t, func(c *Config) { c.Log = out.log() })
	token := func() string {
		return login.Sign("e", jwt.MapClaims{"sub": "ann", "jti": fmt.Sprint(time.Now().UnixNano())}, nil)
	}
	still := func(name string) {
		t.Helper()
		fetchNow(t, a)
		if _, err := a.Bearer(t.Context(), token()); err != nil {
			t.Errorf("%s: a token of a known key: %v", name, err)
		}
	}
	for _, document := range []string{"rubbish", "<html>", `{"keys":null}`, `{"keys":[{"kty":"oct","k":"AA"}]}`, strings.Repeat(" ", maxJWKSBytes+1)} {
		login.Publish(document)
		still(fmt.Sprintf("%.20q", document))
	}
	login.Publish("")
	login.GoAway()
	still("away")
	// Nobody can know whether the site has begun to sign with another key.
	other := idp.Start(t)
	other.AddKey("new", jwt.SigningMethodES256)
	if _, err := a.Bearer(t.Context(), other.Sign("new", ann, nil)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("an unknown key meanwhile: %v", err)
	}
	login.ComeBack()
	still("back")
	if _, err := a.Bearer(t.Context(), other.Sign("new", ann, nil)); !isInvalid(err) {
		t.Errorf("an unknown key afterwards: %v", err)
	}
	if text := out.String(); strings.Count(text, "can't be fetched") != 1 || strings.Count(text, "can be fetched again") != 1 {
		t.Errorf("the log should say once that the URL is away, and once that it is back:\n%s", text)
	}
}

func TestANodeThatStartsWhileTheURLIsAwayKnowsKeysLater(t *testing.T) {
	login := idp.Start(t)
	login.AddKey("e", jwt.SigningMethodES256)
	login.GoAway()
	a := newTestAuthority(t, func(c *Config) { c.JWKSURL, c.JWKSRefresh = login.JWKSURL(), 50*time.Millisecond })
	run(t, a)
	for _, header := range []map[string]any{nil, {"kid": nil}} {
		if _, err := a.Bearer(t.Context(), login.Sign("e", ann, header)); !errors.Is(err, ErrUnavailable) {
			t.Errorf("before: %v", err)
		}
	}
	login.ComeBack()
	eventually(t, func() error {
		_, err := a.Bearer(t.Context(), login.Sign("e", ann, nil))
		return err
	})
}

func TestAFloodOfUnknownKeysCausesOneFetchInFiveSeconds(t *testing.T) {
	c := newClock()
	login, a := newTestLogin(t, func(config *Config) { config.Now = c.Now })
	stranger := idp.Start(t)
	stranger.AddKey("x", jwt.SigningMethodES256)
	before, _ := login.Fetches()
	for round := range 3 {
		c.pass(leastBetweenFetches)
		var flood sync.WaitGroup
		for i := range 8 {
			flood.Go(func() {
				for j := range 50 {
					kid := fmt.Sprintf("%d-%d-%d", round, i, j)
					if _, err := a.Bearer(t.Context(), stranger.Sign("x", ann, map[string]any{"kid": kid})); !isInvalid(err) {
						t.Errorf("an unknown key: %v", err)
					}
				}
			})
		}
		flood.Wait()
		if fetches, _ := login.Fetches(); fetches != before+round+1 {
			t.Fatalf("round %d: %d fetches", round, fetches-before)
		}
	}
}

func TestKeysThatHaveNotChangedAreNotSentAgain(t *testing.T) {
	login, a := newTestLogin(t, nil)
	login.Tagged()
	for range 3 {
		fetchNow(t, a)
	}
	if whole, unchanged := login.Fetches(); whole != 2 || unchanged != 2 {
		t.Errorf("%d whole, %d unchanged", whole, unchanged)
	}
	login.AddKey("e2", jwt.SigningMethodES256)
	fetchNow(t, a)
	if _, err := a.Bearer(t.Context(), login.Sign("e2", ann, nil)); err != nil {
		t.Error(err)
	}
}

// TestKeysThatTakeTooLong: a URL that accepts and is silent holds a token up for
// the time limit of a fetch, and all who wait share that.
func TestKeysThatTakeTooLong(t *testing.T) {
	silent := silentServer(t)
	a := newTestAuthority(t, func(c *Config) { c.JWKSURL = "http://" + silent + "/jwks.json" })
	a.keyURL.timeout = 50 * time.Millisecond
	stranger := idp.Start(t)
	stranger.AddKey("x", jwt.SigningMethodES256)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := a.Bearer(t.Context(), stranger.Sign("x", ann, nil)); !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestRedirectsOutOfTLSAreNotFollowed(t *testing.T) {
	for from, want := range map[string]bool{"https://a.example/": false, "http://a.example/": true} {
		follow := redirectsTo(from)
		next := requestTo(t, "http://b.example/")
		if err := follow(next, nil); (err == nil) != want {
			t.Errorf("from %s to plain text: %v", from, err)
		}
		if err := follow(requestTo(t, "https://b.example/"), nil); err != nil {
			t.Errorf("from %s to TLS: %v", from, err)
		}
	}
}

func TestAKeyIsFoundForItsAlgorithmOnly(t *testing.T) {
	_, a := newTestLogin(t, nil)
	for kid, alg := range map[string]string{"r": algRS256, "e": algES256, "d": algEdDSA} {
		for _, asked := range algorithms {
			found, known := a.jwt.find(kid, asked)
			if (len(found) == 1) != (asked == alg) || !known {
				t.Errorf("%s for %s: %v, %v", kid, asked, found, known)
			}
			if all, known := a.jwt.find("", asked); len(all) > 1 || known {
				t.Errorf("%s without kid: %v, %v", asked, all, known)
			}
		}
	}
}
