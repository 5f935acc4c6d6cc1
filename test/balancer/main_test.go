// Package balancer tests the balancers' files in configs, each with the real
// balancer, and the cluster that `make cluster` starts.
package balancer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/test/harness"
	"barrage/test/servers"
)

func TestMain(m *testing.M) { harness.Main(m) }

// balancer is one whose file is tested. Its file names three nodes.
type balancer struct {
	name  string
	start func(t *testing.T, nodes []string, swaps ...swap) *front
	// strict keeps even a room that is larger than others at one node, as these
	// nodes are no cluster.
	strict []swap
	// silence has streams without a byte for four seconds count as dead: a
	// machine that stands still for a while makes no heartbeat, and its timers
	// run out before one comes.
	silence []swap
	// fewPosts lets an address post hardly anything.
	fewPosts []swap
}

var balancers = []balancer{nginx, haproxy}

// forEach runs a test with each balancer.
func forEach(t *testing.T, f func(t *testing.T, b balancer)) {
	for _, b := range balancers {
		t.Run(b.name, func(t *testing.T) { f(t, b) })
	}
}

// front is a balancer at work.
type front struct {
	URL, TLS string // where it takes HTTP and HTTPS
	roots    *x509.CertPool
	program  *program
	log      func() string // all that it logged, after it has ended
}

// client makes a client of the balancer's, of HTTP/2 if it is to have TLS.
func (f *front) client(t *testing.T, token string, overTLS bool) *harness.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	base := f.URL
	if overTLS {
		base = f.TLS
		transport.TLSClientConfig = &tls.Config{RootCAs: f.roots, MinVersion: tls.VersionTLS12}
		transport.ForceAttemptHTTP2 = true
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &harness.Client{Base: base, Token: token, HTTP: &http.Client{Transport: transport}}
}

// swap is what a test changes in a file that users change, too.
type swap struct{ old, new string }

// render reads a file of configs and changes it. What is to be changed must be
// there.
func render(t *testing.T, file string, swaps ...swap) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "configs", file))
	if err != nil {
		t.Fatal(err)
	}
	s := string(text)
	for _, w := range swaps {
		if !strings.Contains(s, w.old) {
			t.Fatalf("configs/%s has no %q", file, w.old)
		}
		s = strings.ReplaceAll(s, w.old, w.new)
	}
	return s
}

// atNodes puts the tests' nodes in place of those in a file.
func atNodes(nodes []string) []swap {
	var swaps []swap
	for i, addr := range nodes {
		swaps = append(swaps, swap{fmt.Sprintf("10.0.0.%d:8080", i+1), addr})
	}
	return swaps
}

func write(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// certificate writes one for 127.0.0.1, and its key, and answers who trusts it.
func certificate(t *testing.T, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	made := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made.Certificate[0]})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return roots
}

// find answers the path of a program, or skips the test.
func find(t *testing.T, name string) string {
	t.Helper()
	if os.Getenv(servers.EnvServers) == "" {
		t.Skipf("%s needs %s: run it with %s=1", t.Name(), name, servers.EnvServers)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil {
		t.Skipf("%s needs %s, which is not installed", t.Name(), name)
	}
	return path
}

func localhost(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// takesConnections waits until an address does.
func takesConnections(t *testing.T, p *program, addr string) {
	t.Helper()
	eventually(t, func() error {
		select {
		case <-p.exited:
			t.Fatalf("%s ended at once: %s", p.name, p.output())
		default:
		}
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}

// eventually asks until check answers nil.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.Now().Add(harness.Patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond) // between two questions
	}
}

// startNodes starts three nodes of their own that take each other's tokens, and
// makes a token for one who may do everything.
func startNodes(t *testing.T, options ...harness.Option) (nodes []*harness.Node, addrs []string, token string) {
	t.Helper()
	for range 3 {
		if len(nodes) > 0 {
			options = append(options[:len(options):len(options)], harness.Flags("--jwt-secret", string(nodes[0].Secret())))
		}
		n := harness.Start(t, options...)
		nodes, addrs = append(nodes, n), append(addrs, n.Addr)
	}
	return nodes, addrs, nodes[0].Token("ops", "admin")
}

// fake is a node that answers as a test wants, and can go and come back.
type fake struct {
	addr   string
	answer atomic.Pointer[http.HandlerFunc]

	mu   sync.Mutex
	seen []*http.Request // but for health checks
	http *http.Server
}

func startFake(t *testing.T, answer http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{addr: localhost(servers.ReservedPort(t))}
	f.set(answer)
	f.start(t)
	t.Cleanup(f.stop)
	return f
}

func startFakes(t *testing.T, answer http.HandlerFunc) (fakes []*fake, addrs []string) {
	t.Helper()
	for range 3 {
		f := startFake(t, answer)
		fakes, addrs = append(fakes, f), append(addrs, f.addr)
	}
	return fakes, addrs
}

func (f *fake) set(answer http.HandlerFunc) { f.answer.Store(&answer) }

func (f *fake) start(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(f.serve), ReadHeaderTimeout: harness.Patience}
	f.http = server
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
}

func (f *fake) stop() { _ = f.http.Close() } // its connections are cut

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/readyz" && r.Header.Get("X-Forwarded-For") == "" {
		return // a health check: all is well
	}
	f.mu.Lock()
	f.seen = append(f.seen, r)
	f.mu.Unlock()
	(*f.answer.Load())(w, r)
}

// requests answers how many there were since it was asked last.
func (f *fake) requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.seen)
	f.seen = nil
	return n
}

// hangUp ends a connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func do(t *testing.T, c *harness.Client, method, path string, body any, header http.Header) *harness.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	answer, err := c.Do(ctx, method, path, body, header)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer
}

// get reads something for its effect at the nodes.
func get(t *testing.T, c *harness.Client, path string, header http.Header) {
	t.Helper()
	_ = do(t, c, http.MethodGet, path, nil, header) // whatever the status
}
