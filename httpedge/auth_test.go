package httpedge

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/valyala/fasthttp"

	"barrage/actors"
)

func TestOnlyGoodTokensAreTaken(t *testing.T) {
	secret := []byte("a secret of at least thirty-two bytes")
	a := &authenticator{secret: secret, cookie: "session", cors: newCORS(nil)}
	now := time.Now()
	sign := func(method jwt.SigningMethod, key any, c jwt.MapClaims) string {
		token, err := jwt.NewWithClaims(method, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := jwt.MapClaims{"sub": "ann", "name": "Ann\n弹幕\x00", "role": "moderator", "exp": now.Add(time.Hour).Unix()}
	u, err := a.verify(sign(jwt.SigningMethodHS256, secret, good))
	if err != nil || u.id != "ann" || u.name != "Ann 弹幕" || !u.moderates() {
		t.Errorf("a good token is of %+v: %v", u, err)
	}
	if u, err := a.verify(sign(jwt.SigningMethodHS256, secret, jwt.MapClaims{"sub": "x", "role": "root"})); err != nil || u.role != roleViewer {
		t.Errorf("an unknown role became %+v: %v", u, err)
	}
	for name, token := range map[string]string{
		"empty":           "",
		"no token":        "x.y.z",
		"alg none":        sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good),
		"another alg":     sign(jwt.SigningMethodHS512, secret, good),
		"RS256":           sign(jwt.SigningMethodRS256, rsaKey, good),
		"another secret":  sign(jwt.SigningMethodHS256, []byte("another secret"), good),
		"expired":         sign(jwt.SigningMethodHS256, secret, jwt.MapClaims{"sub": "a", "exp": now.Add(-time.Second).Unix()}),
		"not yet valid":   sign(jwt.SigningMethodHS256, secret, jwt.MapClaims{"sub": "a", "nbf": now.Add(time.Hour).Unix()}),
		"no sub":          sign(jwt.SigningMethodHS256, secret, jwt.MapClaims{"name": "a"}),
		"sub is a number": sign(jwt.SigningMethodHS256, secret, jwt.MapClaims{"sub": 7}),
		"sub too long":    sign(jwt.SigningMethodHS256, secret, jwt.MapClaims{"sub": strings.Repeat("x", actors.MaxUserID+1)}),
		"control in sub":  sign(jwt.SigningMethodHS256, secret, jwt.MapClaims{"sub": "a\nb"}),
	} {
		var p *problem
		if u, err := a.verify(token); !errors.As(err, &p) || p.Status != fasthttp.StatusUnauthorized {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
	}
}

func TestARememberedTokenStillExpires(t *testing.T) {
	a := &authenticator{secret: []byte("secret"), cors: newCORS(nil)}
	token, err := a.sign(&user{id: "ann"}, time.Second, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	first, err := a.verify(token)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := a.verify(token); err != nil || again != first {
		t.Errorf("a good token is not remembered: %v, %v", again, err)
	}
	if until := a.verified[token].until; time.Until(until) > time.Second {
		t.Errorf("a token that is good for a second is remembered until %v", until)
	}
	a.verified[token] = verifiedUser{first, time.Now()}
	deadline := time.Now().Add(10 * time.Second)
	for err == nil && time.Now().Before(deadline) {
		_, err = a.verify(token)
	}
	if err == nil {
		t.Error("an expired token is still good")
	}
}

func TestACookieIsNoGoodForOtherSitesPages(t *testing.T) {
	a := &authenticator{secret: []byte("secret"), cookie: "session", cors: newCORS([]string{"https://friend.example"})}
	token, err := a.sign(&user{id: "ann", role: roleViewer}, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for origin, allowed := range map[string]bool{
		"": true, "http://chat.example": true, "https://chat.example": true, "https://friend.example": true,
		"https://evil.example": false, "https://chat.example.evil.example": false, "null": false,
	} {
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.SetMethod("POST")
		ctx.Request.SetHost("chat.example")
		ctx.Request.Header.SetCookie("session", token)
		if origin != "" {
			ctx.Request.Header.Set("Origin", origin)
		}
		if _, err := a.user(&ctx); (err == nil) != allowed {
			t.Errorf("Origin %q: %v", origin, err)
		}
	}
}

func FuzzToken(f *testing.F) {
	a := &authenticator{secret: []byte("secret"), cors: newCORS(nil)}
	token, err := a.sign(&user{id: "ann"}, time.Hour, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, s string) {
		if u, err := a.verify(s); err == nil && (u.id != "ann" || s[:len(s)/2] != token[:len(s)/2]) {
			t.Errorf("%q is a token of %+v", s, u)
		}
	})
}

func FuzzName(f *testing.F) {
	f.Add("Ann\r\n\x00\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		if name := cleanName(s); strings.ContainsAny(name, "\r\n\x00\u2028\u2029") || len([]rune(name)) > actors.MaxUserName {
			t.Errorf("%q became the name %q", s, name)
		}
	})
}
