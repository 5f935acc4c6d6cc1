package bench

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(c *Config)
		want   string // part of the error, empty if it is valid
	}{
		{"defaults", func(*Config) {}, ""},
		{"nothing posted needs no token", func(c *Config) { c.JWTSecret, c.Rate = "", 0 }, ""},
		{"url with a slash", func(c *Config) { c.URL += "/" }, ""},
		{"no scheme", func(c *Config) { c.URL = "127.0.0.1:8080" }, "--url"},
		{"https", func(c *Config) { c.URL = "https://127.0.0.1" }, "--url"},
		{"path", func(c *Config) { c.URL += "/comments" }, "--url"},
		{"video", func(c *Config) { c.Video = "a/b" }, "--video"},
		{"no viewers", func(c *Config) { c.Viewers = 0 }, "--viewers"},
		{"all stalled", func(c *Config) { c.Stalled = c.Viewers }, "--stalled"},
		{"message too short for its stamp", func(c *Config) { c.MessageSize = 10 }, "--message-size"},
		{"negative rate", func(c *Config) { c.Rate = -1 }, "--rate"},
		{"no duration", func(c *Config) { c.Duration = 0 }, "--duration"},
		{"no token", func(c *Config) { c.JWTSecret = "" }, "needs a token"},
		{"restart without reconnect", func(c *Config) { c.RestartCmd = "true" }, "--restart-cmd"},
		{"reconnect without posts", func(c *Config) { c.Rate, c.Reconnect, c.RestartCmd = 0, true, "true" }, "--reconnect"},
		{"floor without frames", func(c *Config) { c.Rate, c.Floor = 0, true }, "--floor"},
		{"more viewers than files", func(c *Config) { c.Viewers = 1 << 20 }, "ulimit -n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.JWTSecret = "secret"
			c.change(&cfg)
			err := cfg.Validate()
			switch {
			case c.want == "" && err != nil:
				t.Errorf("Validate: %v", err)
			case c.want != "" && (!errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("Validate: %v; want bad usage with %q", err, c.want)
			}
		})
	}
}

// The key is the secret file's text, not what the text decodes to.
func TestTokensFromDataFolder(t *testing.T) {
	const secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, secretFile), []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.DataDir, cfg.Users, cfg.Role = dir, 3, "admin"
	now := time.Now()
	toks, err := tokens(&cfg, now)
	if err != nil {
		t.Fatal(err)
	}
	subjects := map[string]bool{}
	for _, tok := range toks {
		claims := jwt.MapClaims{}
		if _, err := jwt.ParseWithClaims(tok, claims, func(*jwt.Token) (any, error) { return []byte(secret), nil }, jwt.WithValidMethods([]string{"HS256"})); err != nil {
			t.Fatal(err)
		}
		if claims["role"] != "admin" || claims["name"] == "" || claims["iat"] == nil || claims["exp"] == nil {
			t.Errorf("claims %v", claims)
		}
		subjects[claims["sub"].(string)] = true
	}
	if len(subjects) != 3 {
		t.Errorf("%d users, want 3", len(subjects))
	}
	cfg.DataDir = t.TempDir()
	if _, err := tokens(&cfg, now); !errors.Is(err, ErrUsage) {
		t.Errorf("tokens without a secret file: %v, want bad usage", err)
	}
	cfg.Token = "ready"
	if toks, err := tokens(&cfg, now); err != nil || len(toks) != 1 || toks[0] != "ready" {
		t.Errorf("tokens = %v, %v; want the one given", toks, err)
	}
}
