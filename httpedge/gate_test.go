package httpedge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// patience is how long anything that must happen may take.
const patience = 30 * time.Second

func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// reply is what of an answer is looked at.
type reply struct {
	status int
	closes bool // the connection ends
}

// ask sends a request and reads the answer.
func ask(conn net.Conn, request string) (reply, error) {
	if _, err := io.WriteString(conn, request); err != nil {
		return reply{}, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= 400 && answer.Header.Get("Content-Type") != "application/problem+json" {
		err = fmt.Errorf("status %d with a %s: %s", answer.StatusCode, answer.Header.Get("Content-Type"), body)
	}
	return reply{answer.StatusCode, answer.Close}, err
}

const getPage = "GET /comments/v HTTP/1.1\r\nHost: x\r\n\r\n"

func mustAsk(t testing.TB, conn net.Conn, request string, status int) reply {
	t.Helper()
	answer, err := ask(conn, request)
	if err != nil || answer.status != status {
		t.Fatalf("%.60q: got %v, %v, want %d", request, answer, err, status)
	}
	return answer
}

// closed is how many connections were closed without an answer for a reason.
func closed(t testing.TB, edge *Edge, reason string) float64 {
	t.Helper()
	families, err := edge.config.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.Metric {
			if family.GetName() == "barrage_http_connections_refused_total" && m.Label[0].GetValue() == reason {
				return m.Counter.GetValue()
			}
		}
	}
	t.Fatalf("connections closed for %q are not counted", reason)
	return 0
}

// waitFor polls until a condition holds.
func waitFor(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func TestConnectionsThatSendNothingMakeRoom(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) { c.MaxConnections = 8 })
	stream := openRaw(t, address, "v")
	defer func() { _ = stream.Close() }()
	silent := make([]net.Conn, 30) // more than there may be, half a head each
	for i := range silent {
		silent[i] = dial(t, address)
		fmt.Fprint(silent[i], "GET /comments/v HTT")
	}
	for range 3 {
		conn := dial(t, address)
		mustAsk(t, conn, getPage, 200)
		_ = conn.Close()
	}
	if n := edge.gate.connections(); n > 8 {
		t.Errorf("%v connections are open", n)
	}
	if n := edge.admit.streams(); n != 1 {
		t.Errorf("%d streams are left", n)
	}
	waited := closed(t, edge, "waited")
	if waited < 22 {
		t.Errorf("%v connections made room for others", waited)
	}
	for _, conn := range silent {
		_ = conn.Close()
	}
	waitFor(t, "no connection is counted", func() bool { return edge.gate.connections() == 0 })
	edge.gate.mu.Lock()
	defer edge.gate.mu.Unlock()
	if edge.gate.waiting.next != &edge.gate.waiting {
		t.Error("somebody still waits")
	}
}

// A connection that is kept for its next request waits, too, and one whose
// request is answered does not.
func TestOnlyWhoKeepsTheNodeWaitingMakesRoom(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) { c.MaxConnections = 2 })
	kept := dial(t, address)
	mustAsk(t, kept, getPage, 200)
	mustAsk(t, kept, getPage, 200)
	conns := []net.Conn{dial(t, address), dial(t, address)}
	mustAsk(t, conns[0], getPage, 200)
	mustAsk(t, conns[1], getPage, 200) // there is room when the first has waited
	if _, err := ask(kept, getPage); err == nil {
		t.Error("the one that had waited longest was kept")
	}
	busy := edge.gate.enter(&fakeConn{})
	edge.gate.served(busy)
	for edge.gate.giveUp(0) {
	}
	if busy.gone {
		t.Error("one that is being answered made room")
	}
	edge.gate.onState(busy, 2 /* idle */)
	if !edge.gate.giveUp(0) || !busy.gone {
		t.Error("one that waits did not")
	}
	_ = busy.Close()
	for _, conn := range conns {
		_ = conn.Close()
	}
	waitFor(t, "no connection is counted", func() bool { return edge.gate.connections() == 0 })
}

type fakeConn struct{ net.Conn }

func (*fakeConn) Close() error         { return nil }
func (*fakeConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)} }

func TestStreamsLeaveRoomForConnections(t *testing.T) {
	streams := 0
	for _, row := range []struct{ max, sockets, streams, want int }{
		{0, 0, 5, 0},
		{100, 0, 5, 100},
		{0, 1000, 5, 995},
		{100, 1000, 5, 100},
		{100, 1000, 930, 70},
		{100, 1000, 990, leastConnections},
		{10, 1000, 990, 10},
	} {
		g := newGate(gateConfig{max: row.max, maxSockets: row.sockets, streams: func() int { return streams }}, nil)
		if streams = row.streams; g.limit() != row.want {
			t.Errorf("%+v: %d connections may be open", row, g.limit())
		}
	}
}

func TestAnAddressHasSoManyConnections(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) { c.MaxConnectionsPerAddress = 3 })
	var open []net.Conn
	for range 3 {
		conn := dial(t, address)
		mustAsk(t, conn, getPage, 200)
		open = append(open, conn)
	}
	if _, err := ask(dial(t, address), getPage); err == nil {
		t.Error("a fourth connection is served")
	}
	mustAsk(t, open[2], getPage, 200)
	_ = open[0].Close()
	waitFor(t, "its place is free", func() bool { return edge.gate.connections() == 2 })
	stream := openRaw(t, address, "v") // which then counts as a stream
	defer func() { _ = stream.Close() }()
	waitFor(t, "it is a stream", func() bool { return edge.admit.streams() == 1 && edge.gate.connections() == 2 })
	mustAsk(t, dial(t, address), getPage, 200)
	if n := closed(t, edge, "address"); n != 1 {
		t.Errorf("%v connections were refused", n)
	}
}

// failing is a listener that has no files left at first.
type failing struct {
	net.Listener
	failures int
}

func (l *failing) Accept() (net.Conn, error) {
	if l.failures--; l.failures >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestANodeThatRunsOutOfFilesGoesOn(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &Edge{}
	g := newGate(gateConfig{log: slog.New(slog.DiscardHandler)}, newGateMetrics(prometheus.NewRegistry(), e))
	l := g.listen(&failing{Listener: inner, failures: 3})
	conn := dial(t, inner.Addr().String())
	defer func() { _ = conn.Close() }()
	got, err := l.Accept()
	if err != nil {
		t.Fatalf("the listener ends with %v", err)
	}
	_ = got.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	_ = l.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestSlowRequestsAreEndedHoweverTheyTrickle(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) {
		c.HeaderTimeout, c.BodyTimeout = 400*time.Millisecond, 400*time.Millisecond
	})
	for name, start := range map[string]string{
		"head": "GET /comments/v HTTP/1.1\r\nHost: x\r\nX: ",
		"body": "POST /comments/v HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{",
		"chunks": "POST /comments/v HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n800\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, address)
			fmt.Fprint(conn, start)
			stop := make(chan struct{})
			defer close(stop)
			go func() { // a byte now and then
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-stop:
						return
					case <-tick.C:
						if _, err := io.WriteString(conn, "x"); err != nil {
							return
						}
					}
				}
			}()
			if answer := mustAsk(t, conn, "", 408); !answer.closes {
				t.Error("the connection goes on")
			}
		})
	}
	silent := dial(t, address) // says nothing at all
	if n, err := silent.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("who says nothing is answered %d bytes, %v", n, err)
	}
	waitFor(t, "no connection is left", func() bool { return edge.gate.connections() == 0 })
}

func TestRequestsOfAnUnusualFormAreRefused(t *testing.T) {
	_, address := newTestEdge(t, nil)
	get := func(target, headers string) string {
		return "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n"
	}
	url := func(n int) string { // of n bytes
		const path = "/comments/v?x="
		return path + strings.Repeat("a", n-len(path))
	}
	lines := func(n int) string { // with the Host and the empty line, n + 2 are sent
		return strings.Repeat("X-Y: z\r\n", n)
	}
	for _, row := range []struct {
		about, request string
		status         int
	}{
		{"longest URL", get(url(maxURLBytes), ""), 200},
		{"too long a URL", get(url(maxURLBytes+1), ""), 414},
		{"most header lines", get("/comments/v", lines(maxHeaderLines-2)), 200},
		{"too many header lines", get("/comments/v", lines(maxHeaderLines-1)), 431},
		{"far too many", get("/comments/v", lines(2000)), 431},
		{"a head of almost 16 KiB", get("/comments/v", "X: "+strings.Repeat("a", headerBytes-200)+"\r\n"), 200},
		{"a head of over 16 KiB", get("/comments/v", "X: "+strings.Repeat("a", headerBytes)+"\r\n"), 431},
		{"a head of a megabyte", get("/comments/v", strings.Repeat("X: "+strings.Repeat("a", 1000)+"\r\n", 1000)), 431},
		{"a URL of a megabyte", get("/comments/v?x="+strings.Repeat("a", 1<<20), ""), 431},
		{"most parameters", get("/comments/v?a"+strings.Repeat("&a", maxQueryParams-1), ""), 200},
		{"too many parameters", get("/comments/v?a"+strings.Repeat("&a", maxQueryParams), ""), 400},
		{"a body of a gigabyte", "POST /guest HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n" + strings.Repeat("x", 100<<10), 413},
		{"a body of more than int64", "POST /guest HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
		{"a negative length", "POST /guest HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		{"a chunk of 2^63", "POST /guest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\nx", 400},
	} {
		conn := dial(t, address)
		answer, err := ask(conn, row.request)
		if err != nil || answer.status != row.status {
			t.Errorf("%s: %v, %v, want %d", row.about, answer, err, row.status)
		}
		_ = conn.Close()
	}
}

// Two lengths, or a length and chunks, are how a request is smuggled past a
// proxy: nothing after them may be taken for a request.
func TestNoRequestIsSmuggled(t *testing.T) {
	_, address := newTestEdge(t, nil)
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, headers := range []string{
		"Content-Length: 4\r\nContent-Length: 40\r\n",
		"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
		"Transfer-Encoding: chunked, identity\r\n",
		"Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n",
		"Content-Length : 4\r\n",
		"Content-Length: +4\r\n",
	} {
		conn := dial(t, address)
		fmt.Fprint(conn, "POST /comments/v HTTP/1.1\r\nHost: x\r\n"+headers+"\r\n0\r\n\r\n"+smuggled)
		if c, ok := conn.(*net.TCPConn); ok {
			_ = c.CloseWrite()
		}
		answers, err := io.ReadAll(conn)
		if err != nil {
			t.Errorf("%q: %v", headers, err)
		}
		if n := strings.Count(string(answers), "HTTP/1.1 "); n != 1 || strings.Contains(string(answers), " 404 ") {
			t.Errorf("%q is answered %d times: %.300s", headers, n, answers)
		}
		_ = conn.Close()
	}
}
