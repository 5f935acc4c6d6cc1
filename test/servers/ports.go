package servers

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
)

// Ports of servers and nodes: below those that Linux gives to outgoing
// connections, so that a server which restarts finds its port still free.
const (
	firstPort = 12000
	ports     = 20_000
)

var portsGiven atomic.Int64

// ReservedPort answers a port of 127.0.0.1 that is free and is given to nobody
// else before the test ends: for servers that must know each other's addresses
// before they start, and for those that restart.
func ReservedPort(t testing.TB) int {
	t.Helper()
	for range ports {
		// Processes of tests that run at the same time begin far apart.
		port := firstPort + (os.Getpid()*997+int(portsGiven.Add(1)))%ports
		if isFree(port) && reserve(t, port) {
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func isFree(port int) bool {
	listener, err := net.Listen("tcp", loopback(port))
	return err == nil && listener.Close() == nil
}

// reserve says whether a port is given to no other test, in this process or
// another. An abstract socket of that name tells them, which leaves no file
// and goes with the process.
func reserve(t testing.TB, port int) bool {
	if runtime.GOOS != "linux" {
		return true
	}
	name, err := net.Listen("unix", fmt.Sprintf("@barrage-test-port-%d", port))
	if err != nil {
		return false
	}
	t.Cleanup(func() { _ = name.Close() })
	return true
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
