package servers

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// echo is a server that sends back what it gets; it tells all that it got from
// each connection when that ends.
func echo(t *testing.T) (addr string, got chan []byte) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	got = make(chan []byte, 8)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				var all bytes.Buffer
				_, _ = io.Copy(conn, io.TeeReader(conn, &all)) // it ends as the test wants
				got <- all.Bytes()
			}()
		}
	}()
	return listener.Addr().String(), got
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// answer reads n bytes, within d.
func answer(conn net.Conn, n int, d time.Duration) (string, error) {
	if err := conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return "", err
	}
	buffer := make([]byte, n)
	n, err := io.ReadFull(conn, buffer)
	return string(buffer[:n]), err
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	if got, err := answer(conn, len(want), Patience); got != want || err != nil {
		t.Fatalf("got %.40q, %v; want %.40q", got, err, want)
	}
}

func expectReset(t *testing.T, conn net.Conn) {
	t.Helper()
	if got, err := answer(conn, 1, Patience); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("got %q, %v; want a reset", got, err)
	}
}

// expectRefused opens a connection that is reset, perhaps before Dial knows.
func expectRefused(t *testing.T, p *Proxy) {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Fatal(err)
		}
		return
	}
	defer conn.Close()
	expectReset(t, conn)
}

func TestAProxyPassesBytesAndEnds(t *testing.T) {
	addr, got := echo(t)
	conn := dial(t, StartProxy(t, addr))
	big := strings.Repeat("x", 300<<10)
	go func() {
		_, _ = io.WriteString(conn, big)     // what is missing is missed below
		_ = conn.(*net.TCPConn).CloseWrite() // as is the end
	}()
	back, err := io.ReadAll(conn)
	if err != nil || string(back) != big || string(<-got) != big {
		t.Errorf("%d bytes came back, want %d: %v", len(back), len(big), err)
	}
}

func TestAProxyResetsAfterExactlySoManyBytes(t *testing.T) {
	addr, got := echo(t)
	p := StartProxy(t, addr)
	conn := dial(t, p)
	send(t, conn, "hello")
	expect(t, conn, "hello")
	p.ResetAfter(3)
	send(t, conn, "abcdef")
	expectReset(t, conn)
	if all := string(<-got); all != "helloabc" {
		t.Errorf("the server got %q", all)
	}
	p.ResetAfter(0)
	conn = dial(t, p)
	send(t, conn, "abcdef")
	expect(t, conn, "abcdef")
}

func TestAProxyRefusesAndCuts(t *testing.T) {
	addr, _ := echo(t)
	p := StartProxy(t, addr)
	open := dial(t, p)
	send(t, open, "a")
	expect(t, open, "a")
	p.Refuse(true)
	expectReset(t, open)
	expectRefused(t, p)
	p.Refuse(false)
	open = dial(t, p)
	send(t, open, "b")
	expect(t, open, "b")
	if n := p.Accepted(); n != 3 {
		t.Errorf("%d accepted, want 3", n)
	}
}

func TestAProxyIsLateOrSilent(t *testing.T) {
	addr, _ := echo(t)
	p := StartProxy(t, addr)
	conn := dial(t, p)
	p.SetDelay(80 * time.Millisecond)
	began := time.Now()
	send(t, conn, "late")
	expect(t, conn, "late")
	if took := time.Since(began); took < 80*time.Millisecond {
		t.Errorf("the answer came after %s", took)
	}
	p.SetDelay(0)
	p.Blackhole(true)
	send(t, conn, "gone")
	if got, err := answer(conn, 1, 60*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v through a black hole", got, err)
	}
	p.Blackhole(false)
	expect(t, conn, "gone")
}

func TestAProxyWithoutAServerResets(t *testing.T) {
	expectRefused(t, StartProxy(t, loopback(ReservedPort(t))))
}
