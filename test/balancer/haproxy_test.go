package balancer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"barrage/test/servers"
)

var haproxy = balancer{
	name:     "haproxy",
	start:    startHAProxy,
	strict:   []swap{{"hash-balance-factor 125", "hash-balance-factor 0"}},
	silence:  []swap{{"timeout client          60s", "timeout client 4s"}, {"timeout server          60s", "timeout server 4s"}},
	fewPosts: []swap{{"gt 2000", "gt 2"}},
}

// startHAProxy starts HAProxy with the file that users get, at ports of its own.
func startHAProxy(t *testing.T, nodes []string, swaps ...swap) *front {
	t.Helper()
	return startHAProxyWith(t, "haproxy.cfg", append(atNodes(nodes), swaps...)...)
}

func startHAProxyWith(t *testing.T, name string, swaps ...swap) *front {
	t.Helper()
	path := find(t, "haproxy")
	dir := t.TempDir()
	plain, secure := localhost(servers.ReservedPort(t)), localhost(servers.ReservedPort(t))
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	f := &front{URL: "http://" + plain, TLS: "https://" + secure, roots: certificate(t, cert, key)}
	var both []byte
	for _, part := range []string{cert, key} {
		text, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, text...)
	}
	pair := write(t, filepath.Join(dir, "both.pem"), string(both))
	swaps = append([]swap{
		{"    user  haproxy\n    group haproxy\n", ""},
		{"log /dev/log local0 info", "log stdout format raw local0 info"},
		{"bind :443", "bind " + secure},
		{"/etc/haproxy/tls/barrage.pem", pair},
		{"bind 127.0.0.1:8080", "bind " + plain},
		// A test machine lets a process open fewer files.
		{"maxconn 30000", "maxconn 2000"},
	}, swaps...)
	file := write(t, filepath.Join(dir, "haproxy.cfg"), render(t, name, swaps...))
	if out, err := exec.Command(path, "-c", "-q", "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f.program = run(t, exec.Command(path, "-db", "-f", file))
	f.log = func() string { return f.program.output() }
	takesConnections(t, f.program, plain)
	return f
}

// A room with more viewers than others goes to all nodes by itself.
func TestHAProxySpreadsAVeryLargeRoom(t *testing.T) {
	nodes, addrs, _ := startNodes(t)
	c := startHAProxy(t, addrs).client(t, "", false)
	for range 60 {
		open(t, c, "/comments/the-final/stream", nil)
	}
	eventually(t, func() error { // viewers are counted once a second
		for i, n := range nodes {
			v, err := n.Anyone().Video(t.Context(), "the-final")
			if err != nil || v.Viewers < 10 || v.Viewers > 26 {
				return fmt.Errorf("node %d got %d of 60 viewers (%v)", i, v.Viewers, err)
			}
		}
		return nil
	})
}
