package httpedge

import (
	"bufio"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"barrage/httpedge/identity"
)

// noSessions writes a sessions file that has none.
func noSessions(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sessions.yaml")
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newTestAuth makes an authenticator that knows the tokens of a secret, and looks
// up sessions in a file that has none.
func newTestAuth(t testing.TB, cors *cors) *authenticator {
	t.Helper()
	authority, err := identity.New(identity.Config{
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Secret: []byte("secret"), SessionsFile: noSessions(t),
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

// The site's own login may call its cookie so, too. Where nobody could know whose
// it is, it keeps nobody from reading.
func TestACookieThatIsNotForHereSaysNothing(t *testing.T) {
	for name, file := range map[string]string{"without sessions": "", "with sessions": noSessions(t)} {
		t.Run(name, func(t *testing.T) { cookieRound(t, file) }) // one node at a time
	}
}

func cookieRound(t *testing.T, file string) {
	t.Helper()
	edge, address := newTestEdge(t, func(c *Config) { c.Identity.SessionsFile = file })
	expired, err := edge.auth.sign(&user{id: "ann", role: roleViewer}, -time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	read := http.StatusOK
	if file != "" { // it may be a session that is over
		read = http.StatusUnauthorized
	}
	for _, row := range []struct {
		path, header string
		status       int
	}{
		{"/comments/v", "Cookie: session=s%3Aof-the-site.x", read},
		{"/videos/v", "Cookie: session=of.the.site", read},
		{"/comments/v/stream", "Cookie: session=of-the-site", read},
		{"/videos/v/held", "Cookie: session=of-the-site", http.StatusUnauthorized},
		{"/comments/v", "Cookie: session=" + expired, http.StatusUnauthorized},
		{"/comments/v", "X-Session-Token: of-the-site", http.StatusUnauthorized},
		{"/comments/v", "Authorization: Bearer of-the-site", http.StatusUnauthorized},
		{"/comments/v/stream?token=of-the-site", "Cookie: session=of-the-site", http.StatusUnauthorized},
	} {
		conn := askFor(t, address, row.path, row.header)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != row.status {
			t.Errorf("sessions %q, %s, %.40s: %d", file, row.path, row.header, res.StatusCode)
		}
		_ = conn.Close() // a stream has no end
		_ = res.Body.Close()
	}
	const post = "POST /comments/v HTTP/1.1\r\nHost: x\r\nCookie: session=of-the-site\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"message\":\"m\"}"
	mustAsk(t, dial(t, address), post, http.StatusUnauthorized)
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
