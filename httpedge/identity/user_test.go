package identity

import (
	"strings"
	"testing"
	"time"

	"barrage/actors"
)

func TestANameIsSeen(t *testing.T) {
	for name, want := range map[string]string{
		"Ann": "Ann", "\u202eAnn": "\u202eAnn", "👩\u200d👧": "👩\u200d👧", " 安\n": "安", ".": ".", "a\u0301": "a\u0301",
		"": "", " \t": "", "\u200b": "", "\ufeff\u00a0\u2060": "", "\u00ad": "", "\u202e \u2066": "", "\u3164": "", "\ufe0f": "",
		strings.Repeat("\u200b", actors.MaxUserName) + "Ann": "",
	} {
		if got := CleanName(name); got != want {
			t.Errorf("%q became %q", name, got)
		}
		if user, err := newUser("ann", name, ""); err != nil || user.Name != want {
			t.Errorf("a token with the name %q is of %+v, %v", name, user, err)
		}
	}
}

func FuzzName(f *testing.F) {
	f.Add("Ann\r\n\x00\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		if name := CleanName(s); strings.ContainsAny(name, "\r\n\x00\u2028\u2029") || len([]rune(name)) > actors.MaxUserName {
			t.Errorf("%q became the name %q", s, name)
		}
	})
}

func FuzzToken(f *testing.F) {
	a := newTestAuthority(f, func(c *Config) {
		c.JWKSFile = writeFile(f, `{"keys":[`+jwkEC+`,"kid":"e"},`+jwkRSA+`,"kid":"r"},`+jwkOKP+`,"kid":"d"}]}`)
	})
	token, err := a.Sign(User{ID: "ann"}, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("e30.e30.")
	f.Add("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.")
	// {"alg":"ES256","kid":"e"}, {"alg":"RS256","kid":"r"}, {"alg":"EdDSA","kid":"d"}
	f.Add("eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJzdWIiOiJhbm4ifQ.AAAA")
	f.Add("eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.eyJzdWIiOiJhbm4ifQ.AAAA")
	f.Add("eyJhbGciOiJFZERTQSIsImtpZCI6ImQifQ.eyJzdWIiOiJhbm4ifQ.AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		// Nobody can make a token without a key: what is good is the one above.
		if g, err := a.Bearer(t.Context(), s); err == nil && s != token {
			t.Errorf("%q is a token of %+v", s, g.User)
		} else if err != nil && !isInvalid(err) {
			t.Errorf("%q: %v", s, err)
		}
	})
}
