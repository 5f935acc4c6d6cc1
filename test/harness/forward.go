package harness

import (
	"io"
	"net"
	"sync"
	"testing"

	"barrage/test/netns"
)

// forward lets a host reach a server of the tests' own loopback at the same
// address of its loopback. Faults of the network don't reach this way.
func forward(t testing.TB, host *netns.Host, addr string) {
	t.Helper()
	listener, err := host.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", addr)
			if err != nil { // it is down, and so is the way to it
				_ = from.Close()
				continue
			}
			go join(from, to)
			go join(to, from)
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
}

// join copies one direction; its end is the end of both.
func join(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	_ = from.Close()
}
