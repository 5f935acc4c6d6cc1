package configs

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
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
	if c.Auth.JWTSecret != strings.TrimSpace(c.Auth.JWTSecret) {
		fail("auth.jwt_secret", "begins or ends with a space")
	}
	if !isToken(c.Auth.CookieName) {
		fail("auth.cookie_name", "%q can't be the name of a cookie", c.Auth.CookieName)
	}
	if c.Journal.SegmentBytes > maxSegmentBytes {
		fail("journal.segment_bytes", "%d is too large, the most is %d", c.Journal.SegmentBytes, maxSegmentBytes)
	}
	if c.Journal.MaxBytes/2 < c.Journal.SegmentBytes {
		fail("journal.max_bytes", "%d does not hold two files of journal.segment_bytes (%d)", c.Journal.MaxBytes, c.Journal.SegmentBytes)
	}
	c.validateClickHouse(fail)
	return errors.Join(errs...)
}

func (c *Config) validateClickHouse(fail func(key, format string, args ...any)) {
	h := c.ClickHouse
	if h.Password != "" && h.PasswordFile != "" {
		fail("clickhouse.password_file", "clickhouse.password is given, too")
	}
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

func checkOrigin(origin string) error {
	if origin == "*" {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.Scheme+"://"+u.Host != origin {
		return fmt.Errorf("%q is not an origin (write scheme://host[:port] without a path, like https://example.com)", origin)
	}
	return nil
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
	return warnings
}

func (c *Config) onLoopback() bool {
	host, _, _ := net.SplitHostPort(c.HTTP.Addr)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
