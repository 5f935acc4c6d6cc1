package httpedge

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
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

func TestARefusalTellsABadTokenFromNone(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) { c.RequireTokenToRead = true })
	expired, err := edge.auth.sign(&user{id: "ann", role: roleViewer}, -time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	const none, bad = `Bearer realm="barrage"`, `Bearer realm="barrage", error="invalid_token"`
	for _, row := range []struct{ path, header, challenge string }{
		{"/comments/v", "X: x", none},
		{"/comments/v/stream?token=", "X: x", none},
		{"/comments/v", "Authorization: Basic YW5uOmFubg==", none},
		{"/comments/v", "Authorization: Bearer", none},
		{"/comments/v", "Authorization: Bearer garbage", bad},
		{"/comments/v", "Authorization: Bearer " + expired, bad},
		{"/comments/v", "X-Session-Token: nobodys", bad},
		{"/comments/v", "Cookie: session=" + expired, bad},
		{"/comments/v/stream?token=" + expired, "X: x", bad},
		{"/comments/v", "Authorization: Bearer " + strings.Repeat("x", identity.MaxTokenBytes+1), bad},
	} {
		a := answerOf(t, askFor(t, address, row.path, row.header))
		if got := a.header.Get("WWW-Authenticate"); a.status != http.StatusUnauthorized || got != row.challenge {
			t.Errorf("%.40s %.40s: %d, %s", row.path, row.header, a.status, got)
		}
	}
}
