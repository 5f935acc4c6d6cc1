package configs

import (
	"fmt"
	"net/url"
	"time"
)

func (c *Config) validateIdentity(fail func(key, format string, args ...any)) {
	a := c.Auth
	for key, address := range map[string]string{"auth.jwks_url": a.JWKSURL, "auth.introspection_url": a.IntrospectionURL} {
		if address != "" && !isHTTP(address) {
			fail(key, "must be an address like https://login.example.com/path")
		}
	}
	if a.IntrospectionClientSecret != "" && a.IntrospectionClientSecretFile != "" {
		fail("auth.introspection_client_secret_file", "auth.introspection_client_secret is given, too")
	}
}

// isHTTP holds for the URL of a server. The URL is not shown in errors: it may
// have a password in it.
func isHTTP(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") && u.Fragment == ""
}

// revokedWithin is within what time streams should end whose token is withdrawn.
const revokedWithin = time.Minute

func (c *Config) identityWarnings() []string {
	var warnings []string
	a := c.Auth
	for key, address := range map[string]string{"auth.jwks_url": a.JWKSURL, "auth.introspection_url": a.IntrospectionURL} {
		u, err := url.Parse(address)
		if err == nil && u.Scheme == "http" && !loopback(hostPort(u)) {
			warnings = append(warnings, key+" is plain text: who is between can make anyone a user; use https")
		}
	}
	if a.IntrospectionClientID == "" && a.IntrospectionClientSecret+a.IntrospectionClientSecretFile != "" {
		warnings = append(warnings, "auth.introspection_client_secret is not used without auth.introspection_client_id")
	}
	slowest := a.Recheck
	if a.JWKSURL != "" {
		slowest = max(slowest, a.Recheck+a.JWKSRefresh)
	}
	if a.IntrospectionURL != "" {
		slowest = max(slowest, a.Recheck+a.IntrospectionTTL)
	}
	if slowest > revokedWithin {
		warnings = append(warnings, fmt.Sprintf("the stream of a user whose token is withdrawn may go on for %s (auth.recheck, and auth.jwks_refresh or auth.introspection_ttl)", slowest))
	}
	return warnings
}

func hostPort(u *url.URL) string { return u.Hostname() + ":" + u.Port() }
