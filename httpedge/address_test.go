package httpedge

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// addressFor is the address that a request from peer with these lines of
// X-Forwarded-For counts for.
func addressFor(t testing.TB, trusted []string, peer string, lines ...string) netip.Addr {
	t.Helper()
	networks, err := ParseProxies(trusted)
	if err != nil {
		t.Fatal(err)
	}
	e := &Edge{config: Config{TrustedProxies: networks}}
	var request fasthttp.Request
	for _, line := range lines {
		request.Header.Add(forwardedFor, line)
	}
	var ctx fasthttp.RequestCtx
	ctx.Init(&request, &net.TCPAddr{IP: net.ParseIP(peer), Port: 1234}, nil)
	return e.addressOf(&ctx)
}

func TestOnlyListedProxiesSayWhoTheirClientsAre(t *testing.T) {
	trusted := []string{"10.0.0.0/8", "192.0.2.7", "2001:db8:ffff::/48"}
	for _, row := range []struct {
		about, peer string
		lines       []string
		want        string
	}{
		{"no proxy", "203.0.113.1", nil, "203.0.113.1"},
		{"a client that forges", "203.0.113.1", []string{"198.51.100.1"}, "203.0.113.1"},
		{"a proxy that says nothing", "10.0.0.1", nil, "10.0.0.1"},
		{"a proxy", "10.0.0.1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"a proxy listed alone", "192.0.2.7", []string{"198.51.100.1"}, "198.51.100.1"},
		{"its neighbour, which is not", "192.0.2.8", []string{"198.51.100.1"}, "192.0.2.8"},
		{"a proxy by IPv6", "2001:db8:ffff::1", []string{"2001:db8::5"}, "2001:db8::5"},
		{"IPv4 within IPv6", "::ffff:10.0.0.1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"two proxies", "10.0.0.1", []string{"198.51.100.1, 10.9.9.9"}, "198.51.100.1"},
		{"a forged one before it", "10.0.0.1", []string{"127.0.0.1, 198.51.100.1"}, "198.51.100.1"},
		{"a forged proxy before it", "10.0.0.1", []string{"1.1.1.1, 10.0.0.5, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"a forged line before it", "10.0.0.1", []string{"1.1.1.1", "198.51.100.1"}, "198.51.100.1"},
		{"proxies only", "10.0.0.1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"ports and brackets", "10.0.0.1", []string{"[2001:db8::9]:443"}, "2001:db8::9"},
		{"brackets", "10.0.0.1", []string{"[2001:db8::9]"}, "2001:db8::9"},
		{"a port", "10.0.0.1", []string{"198.51.100.1:55555"}, "198.51.100.1"},
		{"a zone", "10.0.0.1", []string{"fe80::1%eth0"}, "fe80::1"},
		{"no address", "10.0.0.1", []string{"unknown"}, "10.0.0.1"},
		{"no address at a proxy's", "10.0.0.1", []string{"198.51.100.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"no address before the client's", "10.0.0.1", []string{"<script>, 198.51.100.1"}, "198.51.100.1"},
		{"empty", "10.0.0.1", []string{""}, "10.0.0.1"},
		{"commas", "10.0.0.1", []string{",,,"}, "10.0.0.1"},
		{"an open bracket", "10.0.0.1", []string{"[2001:db8::9"}, "10.0.0.1"},
		{"very many", "10.0.0.1", []string{strings.Repeat("198.51.100.1, ", 400) + "10.0.0.2"}, "198.51.100.1"},
	} {
		if got := addressFor(t, trusted, row.peer, row.lines...); got != netip.MustParseAddr(row.want) {
			t.Errorf("%s: %s with %q counts for %v, want %s", row.about, row.peer, row.lines, got, row.want)
		}
	}
	far := strings.TrimSuffix(strings.Repeat("10.0.0.9, ", 1000), ", ")
	if got := addressFor(t, trusted, "10.0.0.1", "198.51.100.1, "+far); got != netip.MustParseAddr("10.0.0.9") {
		t.Errorf("through a thousand proxies: %v", got)
	}
}

func TestIPv6AddressesAreLimitedByTheirNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "::1": "::",
	} {
		if got := network(netip.MustParseAddr(address)); got != netip.MustParseAddr(want) {
			t.Errorf("%s is limited as %v", address, got)
		}
	}
}

// FuzzForwardedFor forges X-Forwarded-For. Whatever a client sends, what its
// proxy appends is what counts; and from an unlisted peer nothing does.
func FuzzForwardedFor(f *testing.F) {
	for _, seed := range []string{"", "1.1.1.1", "unknown, [::1]:80", "10.0.0.1,", "::ffff:1.2.3.4%x, ,", "[", "]", "1.1.1.1:99999"} {
		f.Add(seed)
	}
	trusted := []string{"10.0.0.0/8", "fd00::/8"}
	client := netip.MustParseAddr("198.51.100.1")
	f.Fuzz(func(t *testing.T, forged string) {
		forged = strings.Map(func(r rune) rune {
			if r == '\r' || r == '\n' {
				return ' ' // a header's value has none
			}
			return r
		}, forged)
		if got := addressFor(t, trusted, "10.0.0.1", forged, client.String()); got != client {
			t.Errorf("%q before the proxy's own line makes the client %v", forged, got)
		}
		if got := addressFor(t, trusted, "10.0.0.1", forged+","+client.String()); got != client {
			t.Errorf("%q makes the client %v", forged, got)
		}
		if got := addressFor(t, trusted, "203.0.113.1", forged); got != netip.MustParseAddr("203.0.113.1") {
			t.Errorf("%q from an unlisted peer counts for %v", forged, got)
		}
		if got := addressFor(t, trusted, "10.0.0.1", forged); !got.IsValid() || got.Zone() != "" || got.Is4In6() {
			t.Errorf("%q from a proxy counts for %v", forged, got)
		}
	})
}
