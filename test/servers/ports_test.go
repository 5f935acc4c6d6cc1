package servers

import (
	"net"
	"testing"
)

func TestAPortIsGivenOnce(t *testing.T) {
	given := map[int]bool{}
	for i := range 100 {
		port := ReservedPort(t)
		if given[port] {
			t.Fatalf("port %d was given twice", port)
		}
		given[port] = true
		if i%10 == 0 { // one that somebody has taken is passed over
			if listener, err := net.Listen("tcp", loopback(firstPort+(port-firstPort+1)%ports)); err == nil {
				defer func() { _ = listener.Close() }()
			}
		}
	}
	var port int
	t.Run("a test", func(t *testing.T) {
		if port = ReservedPort(t); reserve(t, port) {
			t.Errorf("port %d can be reserved twice", port)
		}
	})
	if !reserve(t, port) {
		t.Errorf("port %d is still reserved when the test has ended", port)
	}
}
