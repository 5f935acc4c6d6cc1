package servers

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
)

// Ports of servers: below those that Linux gives to outgoing connections, so
// that a server which restarts finds its port still free, and apart from those
// that package harness gives to nodes.
const (
	firstPort = 12000
	ports     = 8000
)

var portsGiven atomic.Int64

// ReservedPort answers a port of 127.0.0.1 that is free and is given to nobody
// else by this process: for servers that must know each other's addresses
// before they start.
func ReservedPort(t testing.TB) int {
	t.Helper()
	for range ports {
		// Processes of tests that run at the same time begin far apart.
		port := firstPort + (os.Getpid()*997+int(portsGiven.Add(1)))%ports
		listener, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no port is free")
	return 0
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
