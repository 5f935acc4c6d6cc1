package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"barrage/test/harness"
)

func TestTokensThatAreNotGoodAreRefusedEverywhere(t *testing.T) {
	badTokens(t, harness.Start(t), "room")
}

func badTokens(t *testing.T, n *harness.Node, room string) {
	t.Helper()
	claims := func(changes jwt.MapClaims) jwt.MapClaims {
		c := jwt.MapClaims{"sub": "ann", "role": "admin", "exp": time.Now().Add(time.Hour).Unix()}
		for k, v := range changes {
			c[k] = v
			if v == nil {
				delete(c, k)
			}
		}
		return c
	}
	good := n.SignedToken(jwt.SigningMethodHS256, claims(nil))
	parts := strings.Split(good, ".")
	forged, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims(nil)).SignedString([]byte("another secret, just as long as it should be"))
	if err != nil {
		t.Fatal(err)
	}
	mark := post(t, n.User("ann", "viewer"), room, "here before")
	bad := map[string]string{
		"alg none":          n.SignedToken(jwt.SigningMethodNone, claims(nil)),
		"alg HS512":         n.SignedToken(jwt.SigningMethodHS512, claims(nil)),
		"expired":           n.SignedToken(jwt.SigningMethodHS256, claims(jwt.MapClaims{"exp": time.Now().Add(-10 * time.Second).Unix()})),
		"not yet valid":     n.SignedToken(jwt.SigningMethodHS256, claims(jwt.MapClaims{"nbf": time.Now().Add(30 * time.Second).Unix()})),
		"no subject":        n.SignedToken(jwt.SigningMethodHS256, claims(jwt.MapClaims{"sub": nil})),
		"empty subject":     n.SignedToken(jwt.SigningMethodHS256, claims(jwt.MapClaims{"sub": ""})),
		"subject a number":  n.SignedToken(jwt.SigningMethodHS256, claims(jwt.MapClaims{"sub": 7})),
		"expiry a text":     n.SignedToken(jwt.SigningMethodHS256, claims(jwt.MapClaims{"exp": "soon"})),
		"another's key":     forged,
		"no signature":      parts[0] + "." + parts[1] + ".",
		"two parts":         parts[0] + "." + parts[1],
		"other claims":      parts[0] + "." + strings.Split(forged, ".")[1] + "x." + parts[2],
		"garbage":           "garbage",
		"much too long":     strings.Repeat("a", 3000),
		"dots":              "..",
		"spaces in between": "a b c",
	}
	for name, token := range bad {
		for where, header := range map[string]http.Header{
			"header": harness.Header("Authorization", "Bearer "+token),
			"cookie": harness.Header("Cookie", "session="+strings.ReplaceAll(token, " ", "")),
		} {
			answer := do(t, n.Anyone(), http.MethodPost, "/comments/"+room, `{"message":"x"}`, header)
			expectProblem(t, answer, http.StatusUnauthorized)
			if t.Failed() {
				t.Fatalf("%s by %s", name, where)
			}
		}
		answer := do(t, n.Anyone(), http.MethodGet, "/comments/"+room+"/stream?token="+strings.ReplaceAll(token, " ", "+"), nil, nil)
		expectProblem(t, answer, http.StatusUnauthorized)
		answer = do(t, n.Anyone(), http.MethodGet, "/comments/"+room, nil, harness.Header("Authorization", "Bearer "+token))
		expectProblem(t, answer, http.StatusUnauthorized)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	for name, header := range map[string]http.Header{
		"none":        nil,
		"basic":       harness.Header("Authorization", "Basic YW5uOmFubg=="),
		"bearer only": harness.Header("Authorization", "Bearer "),
	} {
		answer := do(t, n.Anyone(), http.MethodPost, "/comments/"+room, `{"message":"x"}`, header)
		expectProblem(t, answer, http.StatusUnauthorized)
		if got := answer.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
			t.Errorf("%s: WWW-Authenticate is %q", name, got)
		}
	}
	if got := history(t, n.Anyone(), room); len(got) != 1 || got[0] != mark {
		t.Errorf("a refused post is in history: %+v", got)
	}
	if strings.Contains(n.Logs(), forged[len(forged)-20:]) {
		t.Error("a token is in the log")
	}
}

func TestTokenByHeaderCookieAndItsClaims(t *testing.T) {
	n := harness.Start(t, harness.Flags("--auth-cookie-name=who"))
	token := n.SignedToken(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "user-17", "name": "Ann 安", "exp": time.Now().Add(time.Hour).Unix(),
	})
	for name, header := range map[string]http.Header{
		"header":            harness.Header("Authorization", "Bearer "+token),
		"lower case scheme": harness.Header("Authorization", "bearer "+token),
		"cookie":            harness.Header("Cookie", "session=other; who="+token),
	} {
		c, err := n.Anyone().Post(t.Context(), "room", "hello", header)
		if err != nil || c.UserID != "user-17" || c.UserName != "Ann 安" {
			t.Errorf("%s: got %+v, %v", name, c, err)
		}
	}
	// Without a role the bearer is a viewer, and an unknown role gives nothing.
	other := post(t, n.User("bob", "viewer"), "room", "bob's")
	for _, role := range []any{nil, "root", "Admin", 1} {
		claims := jwt.MapClaims{"sub": "eve", "exp": time.Now().Add(time.Hour).Unix()}
		if role != nil {
			claims["role"] = role
		}
		eve := n.Client(n.SignedToken(jwt.SigningMethodHS256, claims))
		answer := do(t, eve, http.MethodDelete, "/comments/room/"+other.ID, nil, nil)
		if answer.Status != http.StatusForbidden && answer.Status != http.StatusUnauthorized {
			t.Errorf("role %v: %v", role, answer)
		}
	}
}

func TestReadingCanNeedAToken(t *testing.T) {
	n := harness.Start(t, harness.Flags("--auth-require-token-to-read=true"))
	ann := n.User("ann", "viewer")
	c := post(t, ann, "room", "secret")
	for _, path := range []string{
		"/comments/room", "/comments/room?since=1", "/comments/room/" + c.ID, "/comments/room/" + c.ID + "/replies",
		"/comments/room/stream", "/videos/room",
	} {
		expectProblem(t, do(t, n.Anyone(), http.MethodGet, path, nil, nil), http.StatusUnauthorized)
		if !strings.HasSuffix(path, "/stream") {
			if answer := do(t, ann, http.MethodGet, path, nil, nil); answer.Status != http.StatusOK {
				t.Errorf("%s: %v", path, answer)
			}
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/"} {
		if answer := do(t, n.Anyone(), http.MethodGet, path, nil, nil); answer.Status != http.StatusOK {
			t.Errorf("%s: %v", path, answer)
		}
	}
}

func TestSecretIsMadeOnceAndKept(t *testing.T) {
	n := harness.Start(t)
	before := n.Secret()
	if len(before) < 32 {
		t.Errorf("the secret has only %d bytes", len(before))
	}
	ann := n.User("ann", "viewer")
	n.Kill()
	n.Start()
	if string(n.Secret()) != string(before) {
		t.Error("another secret after a restart")
	}
	post(t, ann, "room", "an old token is good")
	if strings.Contains(n.Logs(), string(before)) {
		t.Error("the secret is in the log")
	}
}

func TestSecretBySettingWins(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	n := harness.Start(t, harness.Env("BARRAGE_AUTH_JWT_SECRET="+secret))
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	post(t, n.Client(token), "room", "hello")
	if strings.Contains(n.Logs(), secret) {
		t.Error("the secret is in the log")
	}
}
