package httpedge

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"barrage/httpedge/identity"
)

// newTestAuth makes an authenticator that knows the tokens of a secret.
func newTestAuth(t testing.TB, cors *cors) *authenticator {
	t.Helper()
	authority, err := identity.New(identity.Config{
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Secret: []byte("secret"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &authenticator{authority: authority, cookie: "session", cors: cors}
}

func TestACookieIsNoGoodForOtherSitesPages(t *testing.T) {
	a := newTestAuth(t, newCORS([]string{"https://friend.example"}))
	token, err := a.sign(&user{id: "ann", role: roleViewer}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, session := range []string{token, "an opaque session"} {
		for origin, allowed := range map[string]bool{
			"": true, "http://chat.example": true, "https://chat.example": true, "https://friend.example": true,
			"https://evil.example": false, "https://chat.example.evil.example": false, "null": false,
		} {
			var ctx fasthttp.RequestCtx
			ctx.Request.Header.SetMethod("POST")
			ctx.Request.SetHost("chat.example")
			ctx.Request.Header.SetCookie("session", session)
			if origin != "" {
				ctx.Request.Header.Set("Origin", origin)
			}
			want := 0
			if !allowed {
				want = fasthttp.StatusForbidden
			} else if session != token {
				want = fasthttp.StatusUnauthorized
			}
			var p *problem
			if _, err := a.user(&ctx); (err == nil) != (want == 0) || err != nil && (!errors.As(err, &p) || p.Status != want) {
				t.Errorf("Origin %q: %v", origin, err)
			}
		}
	}
}
