package configs

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSegmentBytes: a segment is read into memory at start.
const maxSegmentBytes = 1 << 30

// Validate checks what one setting alone can't show to be wrong. Each error
// begins with a key.
func (c *Config) Validate() error {
	var errs []error
	fail := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf(key+": "+format, args...))
	}
	if c.Data == "" {
		fail("data", "must name a folder")
	}
	if err := checkAddr(c.HTTP.Addr); err != nil {
		fail("http.addr", "%v", err)
	}
	for _, origin := range c.HTTP.CORSOrigins {
		if err := checkOrigin(origin); err != nil {
			fail("http.cors_origins", "%v", err)
		}
	}
	for _, proxy := range c.HTTP.TrustedProxies {
		if err := checkNetwork(proxy); err != nil {
			fail("http.trusted_proxies", "%v", err)
		}
	}
	if c.HTTP.ProxyProtocol && len(c.HTTP.TrustedProxies) == 0 {
		fail("http.proxy_protocol", "http.trusted_proxies must say whose PROXY headers are believed")
	}
	if c.Auth.JWTSecret != strings.TrimSpace(c.Auth.JWTSecret) {
		fail("auth.jwt_secret", "begins or ends with a space")
	}
	if !isToken(c.Auth.CookieName) {
		fail("auth.cookie_name", "%q can't be the name of a cookie", c.Auth.CookieName)
	}
	if err := checkReactionTypes(c.Reactions.Types); err != nil {
		fail("reactions.types", "%v", err)
	}
	c.validateIdentity(fail)
	if c.Journal.SegmentBytes > maxSegmentBytes {
		fail("journal.segment_bytes", "%d is too large, the most is %d", c.Journal.SegmentBytes, maxSegmentBytes)
	}
	if c.Journal.MaxBytes/2 < c.Journal.SegmentBytes {
		fail("journal.max_bytes", "%d does not hold two files of journal.segment_bytes (%d)", c.Journal.MaxBytes, c.Journal.SegmentBytes)
	}
	c.validateClickHouse(fail)
	c.validateCluster(fail)
	return errors.Join(errs...)
}

// Limits of the types of reactions.
const (
	MaxReactionTypes = 32
	MaxReactionType  = 16 // code points
)

func checkReactionTypes(types []string) error {
	if len(types) == 0 || len(types) > MaxReactionTypes {
		return fmt.Errorf("there are 1 to %d types of reactions, not %d", MaxReactionTypes, len(types))
	}
	for i, t := range types {
		n := utf8.RuneCountInString(t)
		switch {
		case !utf8.ValidString(t), n == 0, n > MaxReactionType, strings.ContainsFunc(t, unicode.IsControl):
			return fmt.Errorf("%.80q is no type of reaction (1 to %d characters, no control characters)", t, MaxReactionType)
		case slices.Contains(types[:i], t):
			return fmt.Errorf("%q is there twice", t)
		}
	}
	return nil
}

func (c *Config) validateClickHouse(fail func(key, format string, args ...any)) {
	h := c.ClickHouse
	if m := c.Moderation; m.WebhookSecret != "" && m.WebhookSecretFile != "" {
		fail("moderation.webhook_secret_file", "moderation.webhook_secret is given, too")
	}
	if h.Password != "" && h.PasswordFile != "" {
		fail("clickhouse.password_file", "clickhouse.password is given, too")
	}
}

// MaxReplicas is the most nodes that a comment is written to.
const MaxReplicas = 2

func (c *Config) validateCluster(fail func(key, format string, args ...any)) {
	k := c.Cluster
	if k.Consul == "" {
		return
	}
	if k.Advertise == "" {
		fail("cluster.advertise", "must say at which host:port the other nodes reach this one")
	} else if host, port, err := net.SplitHostPort(k.Advertise); err != nil || host == "" || port == "0" || port == "" || unspecified(host) {
		fail("cluster.advertise", "%q is not an address that other nodes can connect to (write host:port)", k.Advertise)
	}
	for key, addr := range map[string]string{"cluster.listen": k.Listen, "cluster.advertise_http": k.AdvertiseHTTP} {
		if addr == "" {
			continue
		}
		if err := checkAddr(addr); err != nil {
			fail(key, "%v", err)
		}
	}
	if k.Replicas > MaxReplicas {
		fail("cluster.replicas", "%d; 1 and %d are possible", k.Replicas, MaxReplicas)
	}
	if !isServiceName(k.Name) {
		fail("cluster.name", "%q is not a name (letters, digits and dashes, at most 50)", k.Name)
	}
	if k.ConsulToken != "" && k.ConsulTokenFile != "" {
		fail("cluster.consul_token_file", "cluster.consul_token is given, too")
	}
	if (k.ConsulCertFile == "") != (k.ConsulKeyFile == "") {
		fail("cluster.consul_cert_file", "goes together with cluster.consul_key_file")
	}
	files := 0
	for _, file := range []string{k.CAFile, k.CertFile, k.KeyFile} {
		if file != "" {
			files++
		}
	}
	if files != 0 && files != 3 {
		fail("cluster.cert_file", "cluster.ca_file, cluster.cert_file and cluster.key_file go together")
	}
	reachable := !loopback(k.Advertise) || k.Listen != "" && !loopback(k.Listen)
	if files == 0 && !k.Insecure && reachable {
		fail("cluster.cert_file", "nodes that can be reached from outside need certificates (cluster.ca_file, cluster.cert_file, cluster.key_file), or --insecure-cluster")
	}
}

func unspecified(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsUnspecified()
}

// isServiceName holds for what Consul's DNS can answer for.
func isServiceName(name string) bool {
	for _, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return name != "" && len(name) <= 50 && name[0] != '-' && name[len(name)-1] != '-'
}

func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is not an address (write host:port, like 127.0.0.1:8080 or :8080)", addr)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q: the port must be a number from 0 to 65535", addr)
	}
	return nil
}

func checkNetwork(text string) error {
	if _, err := netip.ParsePrefix(text); err == nil {
		return nil
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return nil
	}
	return fmt.Errorf("%q is neither a network (write it like 10.0.0.0/8) nor an address", text)
}

// isToken holds for the token of RFC 9110, which cookie names are.
func isToken(name string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return false
		}
	}
	return name != ""
}

// minSecretBytes is what RFC 7518, section 3.2, asks of an HS256 key.
const minSecretBytes = 32

// Warnings says what works but is hardly wanted where strangers can reach it.
func (c *Config) Warnings() []string {
	var warnings []string
	if n := len(c.Auth.JWTSecret); n > 0 && n < minSecretBytes {
		warnings = append(warnings, fmt.Sprintf("auth.jwt_secret has %d bytes; whoever guesses it can be anyone, use %d or more", n, minSecretBytes))
	}
	if c.Auth.Guest && !c.onLoopback() {
		warnings = append(warnings, "auth.guest is on and the node can be reached from outside: anyone may post under any name")
	}
	for _, proxy := range c.HTTP.TrustedProxies {
		if network, err := netip.ParsePrefix(proxy); err == nil && network.Bits() == 0 {
			warnings = append(warnings, "http.trusted_proxies has "+proxy+": anyone may choose the address that limits see")
		}
	}
	return append(warnings, c.identityWarnings()...)
}

func (c *Config) onLoopback() bool { return loopback(c.HTTP.Addr) }

func loopback(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
