package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"barrage/test/harness"
	"barrage/test/idp"
)

// login starts a site's login with a key of each kind, and a node that trusts it.
func login(t *testing.T, flags ...string) (*idp.Provider, *harness.Node) {
	t.Helper()
	p := idp.Start(t)
	p.AddKey("r", jwt.SigningMethodRS256)
	p.AddKey("e", jwt.SigningMethodES256)
	p.AddKey("d", jwt.SigningMethodEdDSA)
	all := append([]string{
		"--auth-jwks-url=" + p.JWKSURL(), "--auth-jwks-refresh=200ms", "--auth-issuer=https://login.example", "--auth-audience=live",
		"--auth-introspection-url=" + p.IntrospectionURL(), "--auth-introspection-client-id=" + idp.Client,
		"--auth-introspection-ttl=100ms", "--auth-introspection-negative-ttl=50ms", "--auth-recheck=200ms",
	}, flags...)
	return p, harness.Start(t, harness.Flags(all...), harness.Env("BARRAGE_AUTH_INTROSPECTION_CLIENT_SECRET="+idp.Secret))
}

func claimsOf(user string) jwt.MapClaims {
	return jwt.MapClaims{"sub": user, "iss": "https://login.example", "aud": "live", "exp": time.Now().Add(time.Hour).Unix()}
}

// secretFile writes a file that holds what only the node may know.
func secretFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	replaceFile(t, path, content)
	return path
}

func replaceFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".next", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		t.Fatal(err)
	}
}

func TestTokensOfASitesLogin(t *testing.T) {
	p, n := login(t, "--auth-guest")
	for _, kid := range []string{"r", "e", "d"} {
		said := claimsOf("user-" + kid)
		said["name"] = "安"
		if c := post(t, n.Client(p.Sign(kid, said, nil)), "room", "hello"); c.UserID != "user-"+kid || c.UserName != "安" {
			t.Errorf("%s: %+v", kid, c)
		}
	}
	// The node's own tokens have the issuer and the audience, too.
	answer := do(t, n.Anyone(), http.MethodPost, "/guest", `{"name":"Guest"}`, nil)
	var guest struct{ Token, UserID string }
	if err := answer.JSON(&guest); err != nil {
		t.Fatal(err)
	}
	post(t, n.Client(guest.Token), "room", "a guest's")
	p.Session("opaque", map[string]any{"sub": "eve", "username": "Eve"})
	for name, header := range map[string]http.Header{
		"header": harness.Header("X-Session-Token", "opaque"),
		"bearer": harness.Header("Authorization", "Bearer opaque"),
		"cookie": harness.Header("Cookie", "session=opaque"),
	} {
		c, err := n.Anyone().Post(t.Context(), "room", "hello", header)
		if err != nil || c.UserID != "eve" || c.UserName != "Eve" {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	stranger := idp.Start(t)
	stranger.AddKey("r", jwt.SigningMethodRS256)
	wrong := claimsOf("ann")
	wrong["aud"] = "shop"
	for name, header := range map[string]http.Header{
		"a stranger's key":     harness.Header("Authorization", "Bearer "+stranger.Sign("r", claimsOf("ann"), nil)),
		"another audience":     harness.Header("Authorization", "Bearer "+p.Sign("r", wrong, nil)),
		"HS256 without issuer": harness.Header("Authorization", "Bearer "+n.Token("ann", "admin")),
		"no session":           harness.Header("X-Session-Token", "nobody's"),
		"no session, cookie":   harness.Header("Cookie", "session=nobodys"),
	} {
		expectProblem(t, do(t, n.Anyone(), http.MethodPost, "/comments/room", `{"message":"x"}`, header), http.StatusUnauthorized)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	expectProblem(t, do(t, n.Anyone(), http.MethodPost, "/comments/room", `{"message":"x"}`,
		harness.Header("Cookie", "session=opaque", "Origin", "https://evil.example")), http.StatusForbidden)
}

func TestASitesKeysRotateUnderANode(t *testing.T) {
	p, n := login(t)
	old := p.Sign("e", claimsOf("ann"), nil)
	post(t, n.Client(old), "room", "by the old key")
	p.AddKey("next", jwt.SigningMethodEdDSA)
	next := p.Sign("next", claimsOf("ann"), nil)
	eventually(t, func() error {
		_, err := n.Client(next).Post(t.Context(), "room", "by the new key", nil)
		return err
	})
	p.RemoveKey("e")
	eventually(t, func() error {
		if _, err := n.Client(old).Post(t.Context(), "room", "by the old key", nil); harness.StatusOf(err) != http.StatusUnauthorized {
			return fmt.Errorf("a token of a withdrawn key: %v", err)
		}
		return nil
	})
	// While the login is away, its keys are those that were known last.
	p.GoAway()
	for range 3 {
		post(t, n.Client(p.Sign("next", claimsOf("bob"), nil)), "room", "the login is away")
	}
}

func TestKeysOfAFile(t *testing.T) {
	p := idp.Start(t)
	p.AddKey("one", jwt.SigningMethodEdDSA)
	path := secretFile(t, p.JWKS())
	n := harness.Start(t, harness.Flags("--auth-jwks-file="+path))
	post(t, n.Client(p.Sign("one", jwt.MapClaims{"sub": "ann"}, nil)), "room", "of the site")
	post(t, n.User("bob", "viewer"), "room", "of the shared secret")
	p.AddKey("two", jwt.SigningMethodRS256)
	replaceFile(t, path, p.JWKS())
	eventually(t, func() error {
		_, err := n.Client(p.Sign("two", jwt.MapClaims{"sub": "ann"}, nil)).Post(t.Context(), "room", "of the new key", nil)
		return err
	})
}

func TestANodeSaysThatItsLoginIsAway(t *testing.T) {
	p, n := login(t)
	p.Session("opaque", map[string]any{"sub": "eve"})
	post(t, n.Client("opaque"), "room", "the login is there")
	p.GoAway()
	eventually(t, func() error {
		answer := do(t, n.Anyone(), http.MethodPost, "/comments/room", `{"message":"x"}`, harness.Header("X-Session-Token", "opaque"))
		if answer.Status == http.StatusCreated { // remembered
			return answer
		}
		expectProblem(t, answer, http.StatusServiceUnavailable)
		if answer.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		return nil
	})
	// An error status would stop an EventSource for good.
	s, err := n.Anyone().Open(t.Context(), "/comments/room/stream?token=opaque", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if e, err := s.Next(); err != nil || e.Kind != harness.KindRetry {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err := s.Next(); err == nil {
		t.Errorf("the stream goes on: %+v", e)
	}
	// Whoever needs no login notices nothing.
	history(t, n.Anyone(), "room")
	p.ComeBack()
	eventually(t, func() error {
		_, err := n.Client("opaque").Post(t.Context(), "room", "it is back", nil)
		return err
	})
}

func TestTokensAreNotInTheLog(t *testing.T) {
	sessions := secretFile(t, `file-session-5f1c: {userId: ann}`)
	p, n := login(t, "--auth-sessions-file="+sessions)
	jwtGood := p.Sign("e", claimsOf("ann"), nil)
	expired := claimsOf("ann")
	expired["exp"] = time.Now().Add(-time.Hour).Unix()
	p.Session("asked-session-77ab", map[string]any{"sub": "eve"})
	tokens := []string{
		jwtGood, p.Sign("r", expired, nil), p.Sign("d", claimsOf("x"), map[string]any{"kid": "unknown-kid-9c2"}),
		"file-session-5f1c", "asked-session-77ab", "unknown-session-31d", strings.Repeat("long-session-e4a", 600),
	}
	use := func() {
		for _, token := range tokens {
			for _, header := range []http.Header{
				harness.Header("Authorization", "Bearer "+token), harness.Header("Authorization", "Basic "+token),
				harness.Header("X-Session-Token", token), harness.Header("Cookie", "session="+token),
			} {
				for _, path := range []string{"/comments/room", "/comments/room/stream?rate=x", "/nothing"} {
					_ = do(t, n.Anyone(), http.MethodGet, path, nil, header)
				}
				_ = do(t, n.Anyone(), http.MethodPost, "/comments/room", `{"message":"x"}`, header)
			}
			for _, path := range []string{"/comments/room/stream?rate=x&token=", "/stream?videos=!&token=", "/nothing?token=", "/comments/room?token="} {
				_ = do(t, n.Anyone(), http.MethodGet, path+token, nil, nil)
			}
			if s, err := n.Anyone().Open(t.Context(), "/comments/room/stream?token="+token, nil); err == nil {
				s.Close()
			}
		}
	}
	use()
	// A request that is none, and one with headers that are too large.
	for _, text := range []string{
		"GET /comments/room/stream?token=" + jwtGood + " HTTP/9.9 what\r\nauthorization Bearer " + jwtGood + "\r\n\r\n",
		"GET /?token=" + jwtGood + " HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 40<<10) + "\r\nAuthorization: Bearer " + jwtGood + "\r\n\r\n",
	} {
		sendRaw(t, n, text)
	}
	replaceFile(t, sessions, "file-session-5f1c: {userId: [broken}")
	eventually(t, func() error {
		if !strings.Contains(n.Logs(), "can't be read again") {
			return fmt.Errorf("the log has nothing of the broken file:\n%s", n.Logs())
		}
		return nil
	})
	p.GoAway()
	use()
	n.Terminate()
	logs := n.Logs()
	for _, token := range append(tokens, idp.Secret, "unknown-kid-9c2") {
		parts := strings.Split(token, ".")
		for _, part := range append(parts, token[:min(len(token), 16)]) {
			if len(part) > 8 && strings.Contains(logs, part) {
				t.Errorf("%.40s: %.40q is in the log", token, part)
			}
		}
	}
	if !strings.Contains(logs, "a token can't be checked now") {
		t.Error("the log is not at its fullest")
	}
}

// sendRaw sends bytes and waits for the answer's first ones.
func sendRaw(t *testing.T, n *harness.Node, text string) {
	t.Helper()
	conn, err := net.Dial("tcp", n.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(harness.Patience)); err != nil {
		t.Fatal(err)
	}
	// The node may refuse it before all is sent.
	_, _ = io.WriteString(conn, text)
	_, _ = conn.Read(make([]byte, 100))
}
