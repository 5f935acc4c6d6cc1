package httpedge

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/prometheus/client_golang/prometheus"
)

func behindProxy(c *Config) {
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	c.ProxyProtocol = true
}

func proxyHeader(t testing.TB, version byte, source string) string {
	t.Helper()
	from := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(source))
	to := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
	if from.IP.To4() == nil {
		to.IP = net.IPv6loopback
	}
	b, err := proxyproto.HeaderProxyFromAddrs(version, from, to).Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAPROXYHeaderSaysWhoTheClientIs(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) {
		behindProxy(c)
		c.Reads = Rates{Address: 0.001} // one each
		c.HeaderTimeout = time.Second
	})
	get := func(before string, headers string) (int, error) {
		conn := dial(t, address)
		defer func() { _ = conn.Close() }()
		answer, err := ask(conn, before+"GET /comments/v HTTP/1.1\r\nHost: x\r\n"+headers+"\r\n")
		if err != nil {
			return 0, err
		}
		return answer.status, nil
	}
	v1 := proxyHeader(t, 1, "192.0.2.1:999")
	v2 := proxyHeader(t, 2, "192.0.2.2:999")
	v6 := proxyHeader(t, 2, "[2001:db8::1]:999")
	another := proxyHeader(t, 1, "10.1.1.1:999") // a listed proxy behind the first
	for i, row := range []struct {
		about, before, headers string
		want                   int // 0: closed without an answer
	}{
		{"version 1", v1, "", 200},
		{"version 1 again", v1, "", 429},
		{"version 1 with a forged X-Forwarded-For", v1, "X-Forwarded-For: 9.9.9.9\r\n", 429},
		{"version 2", v2, "", 200},
		{"version 2 again", v2, "", 429},
		{"IPv6", v6, "", 200},
		{"IPv6 of the same network", proxyHeader(t, 1, "[2001:db8::2]:5"), "", 429},
		{"a second proxy, which writes X-Forwarded-For", another, "X-Forwarded-For: 192.0.2.3\r\n", 200},
		{"again", another, "X-Forwarded-For: 192.0.2.3\r\n", 429},
		{"LOCAL", string(proxyproto.SIGV2) + "\x20\x00\x00\x00", "", 200},
		{"LOCAL again", string(proxyproto.SIGV2) + "\x20\x00\x00\x00", "", 429},
		{"UNKNOWN, which is the proxy, too", "PROXY UNKNOWN\r\n", "", 429},
		{"no header", "", "", 0},
		{"two headers", v1 + v1, "", 400},
		{"a header of another kind", "PROXZ TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "", 0},
		{"no port", "PROXY TCP4 1.1.1.1 2.2.2.2\r\n", "", 0},
		{"no address", "PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", "", 0},
		{"IPv6 for IPv4", "PROXY TCP4 ::1 ::1 1 2\r\n", "", 0},
		{"a line without end", "PROXY " + strings.Repeat("x", 5000), "", 0},
		{"NUL", "PROXY TCP4 1.1.1.1\x00 2.2.2.2 1 2\r\n", "", 0},
		{"version 2, no version", string(proxyproto.SIGV2) + "\x31\x11\x00\x0c" + strings.Repeat("\x01", 12), "", 0},
		{"version 2, too short", string(proxyproto.SIGV2) + "\x21\x11\x00\x04" + strings.Repeat("\x01", 4), "", 0},
		{"version 2, 64 KB of extras", string(proxyproto.SIGV2) + "\x21\x11\xff\xff" + strings.Repeat("\x01", 65535), "", 0},
	} {
		status, err := get(row.before, row.headers)
		if status != row.want || (row.want == 0) != (err != nil) {
			t.Errorf("row %d, %s: %d, %v, want %d", i, row.about, status, err, row.want)
		}
	}
	if n := closed(t, edge, "proxy"); n < 9 {
		t.Errorf("%v connections without a good header are counted", n)
	}
}

// A header that does not come holds up nobody else, and not for ever.
func TestAPROXYHeaderThatDoesNotComeHoldsUpNobody(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) {
		behindProxy(c)
		c.HeaderTimeout = 500 * time.Millisecond
	})
	silent := make([]net.Conn, 50)
	for i := range silent {
		silent[i] = dial(t, address)
		_, _ = io.WriteString(silent[i], string(proxyproto.SIGV2)[:i%12])
	}
	mustAsk(t, dial(t, address), proxyHeader(t, 1, "192.0.2.1:999")+getPage, 200)
	for i, conn := range silent {
		if n, err := io.Copy(io.Discard, conn); n != 0 || err != nil {
			t.Errorf("connection %d: %d bytes, %v", i, n, err)
		}
	}
	waitFor(t, "only the good one is open", func() bool { return edge.gate.connections() <= 1 })
}

// A stream's connection is taken over by the poller, whatever is around it.
func TestStreamsWorkBehindAPROXYHeader(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) {
		behindProxy(c)
		c.StreamsPerAddress, c.MaxConnectionsPerAddress = 1, 1
	})
	open := func(source string) net.Conn {
		conn := dial(t, address)
		_, _ = io.WriteString(conn, proxyHeader(t, 2, source)+"GET /comments/v/stream HTTP/1.1\r\nHost: x\r\n\r\n")
		return conn
	}
	first, other := open("192.0.2.1:1"), open("192.0.2.2:1")
	waitFor(t, "both are streams", func() bool { return edge.admit.streams() == 2 && edge.gate.connections() == 0 })
	if answer, err := io.ReadAll(open("192.0.2.1:2")); err != nil || !bytes.Contains(answer, []byte("retry: ")) {
		t.Errorf("a second stream of one address: %q, %v", answer, err)
	}
	edge.backend.Node.EndStreams()
	for _, conn := range []net.Conn{first, other} {
		if answer, err := io.ReadAll(conn); err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 OK")) {
			t.Errorf("a stream was %q, %v", answer, err)
		}
	}
	waitFor(t, "nothing is left", func() bool { return edge.gate.connections() == 0 && edge.admit.streams() == 0 })
}

func TestAnAddressHasSoManyConnectionsThroughAProxy(t *testing.T) {
	_, address := newTestEdge(t, func(c *Config) {
		behindProxy(c)
		c.MaxConnectionsPerAddress = 2
	})
	header := proxyHeader(t, 1, "192.0.2.1:1")
	for range 2 {
		mustAsk(t, dial(t, address), header+getPage, 200)
	}
	if _, err := ask(dial(t, address), header+getPage); err == nil {
		t.Error("a third connection is served")
	}
	for i := range 5 {
		mustAsk(t, dial(t, address), proxyHeader(t, 1, fmt.Sprintf("192.0.2.9%d:1", i))+getPage, 200)
	}
}

func TestAPROXYHeaderFromOthersIsNone(t *testing.T) {
	_, address := newTestEdge(t, func(c *Config) {
		behindProxy(c)
		c.TrustedProxies = c.TrustedProxies[1:] // not loopback
	})
	mustAsk(t, dial(t, address), getPage, 200)
	mustAsk(t, dial(t, address), proxyHeader(t, 1, "192.0.2.1:1")+getPage, 400)
}

// bytesConn is a connection that has received some bytes, in pieces.
type bytesConn struct {
	net.Conn
	io.Reader
}

func (c *bytesConn) Read(b []byte) (int, error) { return c.Reader.Read(b) }
func (c *bytesConn) Close() error               { return nil }
func (c *bytesConn) RemoteAddr() net.Addr       { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// FuzzProxyHeader sends anything before a request: it is closed, or all after
// the header is there, and the client's address is one.
func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte(proxyHeader(f, 1, "192.0.2.1:1")))
	f.Add([]byte(proxyHeader(f, 2, "192.0.2.1:1")))
	f.Add([]byte(proxyHeader(f, 2, "[2001:db8::1]:1")))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte("PROXY TCP6 ::1 ::1 1 1\r\n"))
	f.Add([]byte(string(proxyproto.SIGV2) + "\x21\x31\x00\xd8" + strings.Repeat("a", 216))) // a Unix socket
	f.Add([]byte(string(proxyproto.SIGV2) + "\x20\x00\x00\x03abc"))
	var config Config
	behindProxy(&config)
	f.Fuzz(func(t *testing.T, header []byte) {
		g := newGate(gateConfig{
			proxies: config.TrustedProxies, proxyProtocol: true, maxPerAddress: 1, log: slog.New(slog.DiscardHandler),
		}, newGateMetrics(prometheus.NewRegistry(), &Edge{}))
		c := g.enter(&bytesConn{Reader: bytes.NewReader(append(header, getPage...))})
		first := make([]byte, 1)
		n, err := c.Read(first)
		if err == nil {
			rest, err := io.ReadAll(c)
			if got := string(first[:n]) + string(rest); err != nil || !strings.HasSuffix(string(header)+getPage, got) {
				t.Errorf("after %q comes %q, %v", header, got, err)
			}
			if addr := addrOf(c.RemoteAddr()); !addr.IsValid() || addr.Zone() != "" || addr.Is4In6() {
				t.Errorf("%q is of %v", header, c.RemoteAddr())
			}
		}
		if err := c.Close(); err != nil || g.open != 0 || len(g.byAddress) != 0 {
			t.Errorf("%q: %v, counted afterwards: %d, %v", header, err, g.open, g.byAddress)
		}
	})
}
