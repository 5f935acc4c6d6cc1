package configs

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
)

// checkOrigin refuses what is no origin, and what no browser sends as one:
// origins are compared as they are written, and browsers write each in one way.
func checkOrigin(origin string) error {
	if origin == "*" {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.Scheme+"://"+u.Host != origin {
		return fmt.Errorf("%q is not an origin (write scheme://host[:port] without a path, like https://example.com)", origin)
	}
	switch {
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r > unicode.MaxASCII }):
		return fmt.Errorf("%q is not what browsers send: write the host in its ASCII form, xn--…", origin)
	case u.Host != strings.ToLower(u.Host):
		return fmt.Errorf("%q is not what browsers send: write the host in lower case", origin)
	case strings.Contains(u.Host, "*"):
		return fmt.Errorf("%q is not what browsers send: name every host, only * by itself is for all", origin)
	case strings.HasSuffix(u.Host, ":"), u.Port() != "" && u.Port() == defaultPorts[u.Scheme]:
		return fmt.Errorf("%q is not what browsers send: leave out the port, as it is that of %s", origin, u.Scheme)
	}
	return nil
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}
