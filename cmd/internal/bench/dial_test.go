package bench

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// Many viewers need many source addresses, all of them loopback.
func TestSourcesSpreadOverLoopback(t *testing.T) {
	used := map[[4]byte]int{}
	const viewers = 2_000_000
	for i := range viewers {
		a := source(i)
		if a[0] != 127 || a[3] == 0 || a[3] == 255 {
			t.Fatalf("viewer %d comes from %v", i, a)
		}
		used[a]++
	}
	for a, n := range used {
		if n > perSource {
			t.Errorf("%d viewers from %v, want at most %d", n, a, perSource)
		}
	}
}

func TestDialBindsToASource(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	d, err := newDialer("http://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, perSource, 250 * perSource} {
		fd, err := d.clone().dial(i, stalledBuffer)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		want := source(i)
		if got := c.RemoteAddr().(*net.TCPAddr).IP; !got.Equal(net.IP(want[:])) {
			t.Errorf("connection %d comes from %v, want %v", i, got, want)
		}
		if err := waitWritable(fd); err != nil {
			t.Error(err)
		}
		_ = c.Close()
		_ = unix.Close(fd)
	}
}

func TestDialIPv6(t *testing.T) {
	d, err := newDialer("http://[::1]:8080")
	if err != nil {
		t.Fatal(err)
	}
	if d.family != unix.AF_INET6 || d.spread || d.host != "[::1]:8080" {
		t.Errorf("dialer %+v", d)
	}
}
