package balancer

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"barrage/test/harness"
	"barrage/test/servers"
)

var nginx = balancer{
	name:     "nginx",
	start:    startNginx,
	silence:  []swap{{"proxy_read_timeout 60s;", "proxy_read_timeout 4s;"}},
	fewPosts: []swap{{"rate=200r/s", "rate=1r/m"}, {"burst=1000", "burst=2"}},
}

// startNginx starts nginx with the file that users get, at ports of its own.
func startNginx(t *testing.T, nodes []string, swaps ...swap) *front {
	t.Helper()
	return startNginxWith(t, append(atNodes(nodes), swaps...)...)
}

func startNginxWith(t *testing.T, swaps ...swap) *front {
	t.Helper()
	path := find(t, "nginx")
	dir := t.TempDir()
	plain, secure := localhost(servers.ReservedPort(t)), localhost(servers.ReservedPort(t))
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	roots := certificate(t, cert, key)
	swaps = append(swaps, swap{"/run/nginx.pid", filepath.Join(dir, "nginx.pid")}, swap{"/var/log/nginx", dir}, swap{"listen [::]:443 ssl http2;", ""}, swap{"listen 443 ssl", "listen " + secure + " ssl"},
		swap{"/etc/nginx/tls/fullchain.pem", cert}, swap{"/etc/nginx/tls/privkey.pem", key},
		swap{"listen 127.0.0.1:8080;", "listen " + plain + ";"})
	file := write(t, filepath.Join(dir, "nginx.conf"), render(t, "nginx.conf", swaps...))
	if out, err := exec.Command(path, "-t", "-q", "-p", dir, "-c", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f := &front{URL: "http://" + plain, TLS: "https://" + secure, roots: roots}
	f.program = run(t, exec.Command(path, "-p", dir, "-c", file, "-g", "daemon off;"))
	f.log = func() string {
		f.program.end(t, syscall.SIGTERM)
		var all strings.Builder
		for _, name := range []string{"access.log", "error.log"} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Error(err)
			}
			all.Write(text)
		}
		return all.String() + f.program.output()
	}
	takesConnections(t, f.program, plain)
	return f
}

// A 503 is for that one request: it takes nothing else from the node.
func TestNginxKeepsStreamsAtANodeThatAnswers503(t *testing.T) {
	fakes, addrs := startFakes(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/stream") {
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	f := startNginx(t, addrs)
	c := f.client(t, "", false)
	home := homeOf(t, c, fakes, "/comments/room/stream")
	for range 20 {
		if got := do(t, c, http.MethodGet, "/comments/room", nil, nil).Status; got != http.StatusServiceUnavailable {
			t.Fatalf("status %d", got)
		}
	}
	for _, other := range fakes {
		other.requests()
	}
	for range 5 {
		if got := homeOf(t, c, fakes, "/comments/room/stream"); got != home {
			t.Errorf("the stream went to node %d, not %d", got, home)
		}
	}
}

// A named room goes to all nodes.
func TestNginxSpreadsAVeryLargeRoom(t *testing.T) {
	fakes, addrs := startFakes(t, func(http.ResponseWriter, *http.Request) {})
	f := startNginx(t, addrs, swap{"# the-final", "the-final"})
	c := f.client(t, "", false)
	for range 60 {
		get(t, c, "/comments/the-final/stream", nil)
	}
	for i, node := range fakes {
		if n := node.requests(); n < 5 {
			t.Errorf("node %d got %d of 60 viewers", i, n)
		}
	}
}

// Streams over the limit of an address are put off, not refused for good.
func TestNginxPutsOffStreamsOverItsLimit(t *testing.T) {
	_, addrs, _ := startNodes(t)
	f := startNginx(t, addrs, swap{"limit_conn barrage_streams 10000;", "limit_conn barrage_streams 2;"})
	c := f.client(t, "", false)
	for i := range 3 {
		s, err := c.Open(t.Context(), "/comments/room/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		e, err := s.Next()
		if err != nil || e.Kind != harness.KindRetry {
			t.Fatalf("%+v, %v", e, err)
		}
		if i == 2 {
			if _, err := s.Next(); err == nil {
				t.Error("the third stream goes on")
			}
		}
	}
}
