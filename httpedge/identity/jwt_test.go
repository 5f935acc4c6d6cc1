package identity

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"barrage/actors"
	"barrage/test/idp"
)

// newTestLogin starts a login with a key of each kind, and an Authority that
// has fetched them.
func newTestLogin(t testing.TB, change func(*Config)) (*idp.Provider, *Authority) {
	t.Helper()
	login := idp.Start(t)
	login.AddKey("r", jwt.SigningMethodRS256)
	login.AddKey("e", jwt.SigningMethodES256)
	login.AddKey("d", jwt.SigningMethodEdDSA)
	a := newTestAuthority(t, func(c *Config) {
		c.JWKSURL = login.JWKSURL()
		if change != nil {
			change(c)
		}
	})
	if err := a.keyURL.refetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	return login, a
}

func TestGoodTokensAreOfTheirUsers(t *testing.T) {
	login, a := newTestLogin(t, func(c *Config) {
		c.Issuer, c.Audience, c.Leeway = "https://login.example", []string{"chat", "live"}, 30*time.Second
	})
	now := time.Now()
	said := jwt.MapClaims{
		"sub": "ann", "name": "Ann\n弹幕\x00", "role": "moderator", "iss": "https://login.example", "aud": "live",
		"exp": now.Add(time.Hour).Unix(), "nbf": now.Unix(),
	}
	want := User{ID: "ann", Name: "Ann 弹幕", Role: RoleModerator}
	for name, token := range map[string]string{
		"HS256":              sign(t, jwt.SigningMethodHS256, secret, said, nil),
		"HS256 with a kid":   sign(t, jwt.SigningMethodHS256, secret, said, map[string]any{"kid": "of the site"}),
		"RS256":              login.Sign("r", said, nil),
		"ES256":              login.Sign("e", said, nil),
		"EdDSA":              login.Sign("d", said, nil),
		"without kid":        login.Sign("e", said, map[string]any{"kid": nil}),
		"several audiences":  login.Sign("e", with(said, jwt.MapClaims{"aud": []string{"other", "chat"}}), nil),
		"within the leeway":  login.Sign("e", with(said, jwt.MapClaims{"exp": now.Add(-20 * time.Second).Unix()}), nil),
		"nbf in the leeway":  login.Sign("e", with(said, jwt.MapClaims{"nbf": now.Add(20 * time.Second).Unix()}), nil),
		"without an expiry":  login.Sign("e", with(said, jwt.MapClaims{"exp": nil}), nil),
		"issued in future":   login.Sign("e", with(said, jwt.MapClaims{"iat": now.Add(time.Hour).Unix()}), nil),
		"fractional seconds": login.Sign("e", with(said, jwt.MapClaims{"exp": float64(now.Unix()) + 99.5}), nil),
	} {
		g, err := a.Bearer(t.Context(), token)
		if err != nil || g.User != want {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
	for role, want := range map[any]string{nil: RoleViewer, "root": RoleViewer, "Admin": RoleViewer, "admin": RoleAdmin, "viewer": RoleViewer} {
		g, err := a.Bearer(t.Context(), login.Sign("e", with(said, jwt.MapClaims{"role": role}), nil))
		if err != nil || g.User.Role != want {
			t.Errorf("role %v: %+v, %v", role, g, err)
		}
	}
	id := strings.Repeat("x", actors.MaxUserID)
	if g, err := a.Bearer(t.Context(), login.Sign("e", with(said, jwt.MapClaims{"sub": id}), nil)); err != nil || g.User.ID != id {
		t.Errorf("the longest id: %+v, %v", g, err)
	}
}

func TestTokensThatAreNoGoodAreRefused(t *testing.T) {
	login, a := newTestLogin(t, func(c *Config) {
		c.Issuer, c.Audience, c.Leeway = "https://login.example", []string{"live"}, 30*time.Second
	})
	other := idp.Start(t)
	other.AddKey("r", jwt.SigningMethodRS256)
	other.AddKey("e", jwt.SigningMethodES256)
	other.AddKey("unknown", jwt.SigningMethodES256)
	now := time.Now()
	said := jwt.MapClaims{"sub": "ann", "role": "admin", "iss": "https://login.example", "aud": "live", "exp": now.Add(time.Hour).Unix()}
	public, ok := login.Public("r").(*rsa.PublicKey)
	if !ok {
		t.Fatal("no RSA key")
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	hs := func(key any, changes jwt.MapClaims, header map[string]any) string {
		return sign(t, jwt.SigningMethodHS256, key, with(said, changes), header)
	}
	good := login.Sign("e", said, nil)
	parts := strings.Split(good, ".")
	kid := func(kid any) map[string]any { return map[string]any{"kid": kid} }
	for name, token := range map[string]string{
		"empty":                              "",
		"no token":                           "x.y.z",
		"dots":                               "..",
		"no signature":                       parts[0] + "." + parts[1] + ".",
		"claims of another":                  parts[0] + "." + strings.Split(login.Sign("e", with(said, jwt.MapClaims{"sub": "bob"}), nil), ".")[1] + "." + parts[2],
		"a byte more":                        good + "A",
		"padding":                            good + "=",
		"alg none":                           sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, said, nil),
		"alg none of a known kid":            sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, said, kid("e")),
		"alg None":                           login.Sign("e", said, map[string]any{"alg": "None"}),
		"alg that is none":                   login.Sign("e", said, map[string]any{"alg": "XX256"}),
		"alg missing":                        login.Sign("e", said, map[string]any{"alg": nil}),
		"HS512":                              sign(t, jwt.SigningMethodHS512, secret, said, nil),
		"PS256":                              login.Sign("r", said, map[string]any{"alg": "PS256"}),
		"another secret":                     hs([]byte("another secret, just as long as it is"), nil, nil),
		"no secret":                          hs([]byte{}, nil, nil),
		"HS256 with the RSA key's PEM":       hs(asPEM, nil, kid("r")),
		"HS256 with the RSA key's PEM, bare": hs(asPEM, nil, nil),
		"HS256 with the RSA key's DER":       hs(der, nil, kid("r")),
		"HS256 with the RSA modulus":         hs(public.N.Bytes(), nil, kid("r")),
		"HS256 that names a public key":      hs(secret, nil, kid("r")),
		"an RSA key's kid for ES256":         login.Sign("e", said, kid("r")),
		"an EC key's kid for RS256":          login.Sign("r", said, kid("e")),
		"an EC key's kid for EdDSA":          login.Sign("d", said, kid("e")),
		"a stranger's key of a known kid":    other.Sign("r", said, nil),
		"a stranger's key without kid":       other.Sign("e", said, kid(nil)),
		"an unknown kid":                     other.Sign("unknown", said, nil),
		"kid a number":                       login.Sign("e", said, kid(7)),
		"kid a list":                         login.Sign("e", said, kid([]string{"e"})),
		"a key in the header":                other.Sign("e", said, map[string]any{"jwk": idp.JWK(other.Public("e")), "kid": "mine"}),
		"a URL of keys in the header":        other.Sign("e", said, map[string]any{"jku": other.JWKSURL(), "kid": "mine"}),
		"critical headers":                   login.Sign("e", said, map[string]any{"crit": []string{"x"}, "x": 1}),
		"expired beyond the leeway":          login.Sign("e", with(said, jwt.MapClaims{"exp": now.Add(-31 * time.Second).Unix()}), nil),
		"not valid yet beyond the leeway":    login.Sign("e", with(said, jwt.MapClaims{"nbf": now.Add(45 * time.Second).Unix()}), nil),
		"expiry a text":                      login.Sign("e", with(said, jwt.MapClaims{"exp": "soon"}), nil),
		"expiry beyond all numbers":          login.Sign("e", with(said, jwt.MapClaims{"exp": -1e300}), nil),
		"another issuer":                     login.Sign("e", with(said, jwt.MapClaims{"iss": "https://evil.example"}), nil),
		"no issuer":                          login.Sign("e", with(said, jwt.MapClaims{"iss": nil}), nil),
		"another audience":                   login.Sign("e", with(said, jwt.MapClaims{"aud": "shop"}), nil),
		"other audiences":                    login.Sign("e", with(said, jwt.MapClaims{"aud": []string{"shop", "live2"}}), nil),
		"no audience":                        login.Sign("e", with(said, jwt.MapClaims{"aud": nil}), nil),
		"HS256 of another audience":          hs(secret, jwt.MapClaims{"aud": "shop"}, nil),
		"no sub":                             login.Sign("e", with(said, jwt.MapClaims{"sub": nil}), nil),
		"an empty sub":                       login.Sign("e", with(said, jwt.MapClaims{"sub": ""}), nil),
		"sub a number":                       login.Sign("e", with(said, jwt.MapClaims{"sub": 7}), nil),
		"sub too long":                       login.Sign("e", with(said, jwt.MapClaims{"sub": strings.Repeat("x", actors.MaxUserID+1)}), nil),
		"control in sub":                     login.Sign("e", with(said, jwt.MapClaims{"sub": "a\r\nb"}), nil),
		"sub in capitals":                    login.Sign("e", with(said, jwt.MapClaims{"sub": nil, "Sub": "ann"}), nil),
		"expired, with another Exp":          login.Sign("e", with(said, jwt.MapClaims{"exp": now.Add(-time.Hour).Unix(), "Exp": now.Add(time.Hour).Unix()}), nil),
		"half a surrogate pair in sub":       login.Sign("e", with(said, jwt.MapClaims{"sub": json.RawMessage(`"a\ud800"`)}), nil),
		"a byte in sub that is no UTF-8":     login.Sign("e", with(said, jwt.MapClaims{"sub": json.RawMessage("\"a\xff\"")}), nil),
		"role a number":                      login.Sign("e", with(said, jwt.MapClaims{"role": 1}), nil),
		"too large":                          login.Sign("e", with(said, jwt.MapClaims{"x": strings.Repeat("x", MaxTokenBytes)}), nil),
		"much too large":                     strings.Repeat(good, 1000),
	} {
		g, err := a.Bearer(t.Context(), token)
		if !isInvalid(err) {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
		if err != nil && len(token) > 10 && strings.Contains(err.Error(), token[len(token)-10:]) {
			t.Errorf("%s: the token is in the error: %v", name, err)
		}
	}
	if _, err := a.Bearer(t.Context(), good); err != nil {
		t.Errorf("the good token: %v", err)
	}
}

func TestATokenOfTheLargestSizeIsTaken(t *testing.T) {
	a := newTestAuthority(t, nil)
	of := func(n int) string {
		return sign(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"sub": "ann", "x": strings.Repeat("x", n)}, nil)
	}
	n := MaxTokenBytes * 3 / 4
	for len(of(n)) > MaxTokenBytes {
		n--
	}
	if _, err := a.Bearer(t.Context(), of(n)); err != nil {
		t.Errorf("%d bytes: %v", len(of(n)), err)
	}
	if _, err := a.Bearer(t.Context(), of(n+3)); !errors.Is(err, errTooLong) {
		t.Errorf("%d bytes: %v", len(of(n+3)), err)
	}
}

func TestARememberedTokenStillExpires(t *testing.T) {
	c := newClock()
	a := newTestAuthority(t, func(config *Config) { config.Now, config.Leeway = c.Now, 10*time.Second })
	token, err := a.Sign(User{ID: "ann"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	first, err := a.Bearer(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	c.pass(69 * time.Second)
	if again, err := a.Bearer(t.Context(), token); err != nil || again != first {
		t.Errorf("a good token is not remembered: %v, %v", again, err)
	}
	if err := a.Again(t.Context(), first); err != nil {
		t.Errorf("a stream of it: %v", err)
	}
	c.pass(2 * time.Second)
	if _, err := a.Bearer(t.Context(), token); !isInvalid(err) {
		t.Errorf("an expired token is still good: %v", err)
	}
	if err := a.Again(t.Context(), first); !isInvalid(err) {
		t.Errorf("a stream of it: %v", err)
	}
}

func TestSignedTokensHaveWhatIsAskedFor(t *testing.T) {
	a := newTestAuthority(t, func(c *Config) { c.Issuer, c.Audience = "us", []string{"live", "chat"} })
	token, err := a.Sign(User{ID: "guest-1", Name: "Ann", Role: RoleViewer}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if g, err := a.Bearer(t.Context(), token); err != nil || g.User != (User{ID: "guest-1", Name: "Ann", Role: RoleViewer}) {
		t.Errorf("%+v, %v", g, err)
	}
}

// BenchmarkBearer is what a token costs a request: one that was found good
// before, and one that comes for the first time.
func BenchmarkBearer(b *testing.B) {
	login, a := newTestLogin(b, nil)
	said := jwt.MapClaims{"sub": "ann", "name": "Ann", "role": "viewer", "exp": time.Now().Add(time.Hour).Unix()}
	for name, token := range map[string]string{
		"HS256": sign(b, jwt.SigningMethodHS256, secret, said, nil), "RS256": login.Sign("r", said, nil),
		"ES256": login.Sign("e", said, nil), "EdDSA": login.Sign("d", said, nil),
	} {
		b.Run(name+"/first", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.jwt.check(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/again", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Bearer(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
