package configs

import (
	"strings"
	"testing"
	"time"
)

func TestWhatIdentitySettingsCanBe(t *testing.T) {
	for _, row := range []struct {
		env  string
		want string // begins the error; "": none
	}{
		{"BARRAGE_AUTH_JWKS_URL=https://login.example.com/keys?v=2", ""},
		{"BARRAGE_AUTH_JWKS_URL=http://127.0.0.1:8081/keys", ""},
		{"BARRAGE_AUTH_JWKS_URL=login.example.com/keys", "auth.jwks_url"},
		{"BARRAGE_AUTH_JWKS_URL=ftp://login.example.com/keys", "auth.jwks_url"},
		{"BARRAGE_AUTH_JWKS_URL=https:///keys", "auth.jwks_url"},
		{"BARRAGE_AUTH_INTROSPECTION_URL=file:///etc/passwd", "auth.introspection_url"},
		{"BARRAGE_AUTH_JWKS_REFRESH=49ms", "auth.jwks_refresh"},
		{"BARRAGE_AUTH_JWKS_REFRESH=50ms", ""},
		{"BARRAGE_AUTH_RECHECK=0", "auth.recheck"},
		{"BARRAGE_AUTH_RECHECK=50ms", ""},
		{"BARRAGE_AUTH_LEEWAY=-1s", "auth.leeway"},
		{"BARRAGE_AUTH_LEEWAY=0", ""},
		{"BARRAGE_AUTH_INTROSPECTION_TIMEOUT=0", "auth.introspection_timeout"},
	} {
		_, err := Load(nil, "", []string{row.env})
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.env, err)
		}
	}
	_, err := Load(nil, "", []string{"BARRAGE_AUTH_INTROSPECTION_CLIENT_SECRET=hush", "BARRAGE_AUTH_INTROSPECTION_CLIENT_SECRET_FILE=x"})
	if err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("two secrets: %v", err)
	}
}

func TestIdentityWarnings(t *testing.T) {
	warned := func(change func(*Auth)) string {
		cfg := Default()
		change(&cfg.Auth)
		return strings.Join(cfg.Warnings(), "\n")
	}
	for name, row := range map[string]struct {
		change func(*Auth)
		want   string // "": no warning
	}{
		"TLS":                 {func(a *Auth) { a.JWKSURL, a.IntrospectionURL = "https://x/k", "https://x/i" }, ""},
		"loopback":            {func(a *Auth) { a.JWKSURL = "http://localhost/k" }, ""},
		"plain text keys":     {func(a *Auth) { a.JWKSURL = "http://login.example.com/k" }, "auth.jwks_url is plain text"},
		"plain text sessions": {func(a *Auth) { a.IntrospectionURL = "http://10.0.0.1/i" }, "auth.introspection_url is plain text"},
		"late recheck":        {func(a *Auth) { a.Recheck = 2 * time.Minute }, "2m0s"},
		"late keys":           {func(a *Auth) { a.JWKSURL, a.JWKSRefresh = "https://x/k", time.Hour }, "1h0m30s"},
		"late sessions":       {func(a *Auth) { a.IntrospectionURL, a.IntrospectionTTL = "https://x/i", time.Hour }, "1h0m30s"},
		"unused secret":       {func(a *Auth) { a.IntrospectionClientSecret = "hush" }, "is not used"},
	} {
		got := warned(row.change)
		if (got == "") != (row.want == "") || !strings.Contains(got, row.want) || strings.Contains(got, "hush") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
