package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"barrage/test/netns"
)

// EnvConsul names the Consul agent's program.
const EnvConsul = "BARRAGE_CONSUL"

// ConsulOptions are how an agent differs from the usual one.
type ConsulOptions struct {
	Dir   string // its folder; "": one that goes with the test
	Bind  string // its IP address; "": 127.0.0.1
	Netns string // the network namespace it runs in, see Host.Namespace; "": none
	ACL   bool   // only who has a token may do anything
	TLS   bool   // HTTPS in place of HTTP
}

// Consul is a Consul server's process, the only one of its datacenter, and its
// folder. One goroutine starts and ends it.
type Consul struct {
	Dir string

	o       ConsulOptions
	addr    string
	token   string
	program string
	client  *http.Client
	process process
}

// NewConsul prepares a server without starting it.
func NewConsul(t testing.TB, o ConsulOptions) *Consul {
	t.Helper()
	c := &Consul{Dir: o.Dir}
	needs(t, "Consul", func() (err error) {
		c.program, err = consulProgram()
		return err
	})
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Dir = dir
	if o.Bind == "" {
		o.Bind = "127.0.0.1"
	}
	c.o = o
	port := ReservedPort(t)
	c.addr = net.JoinHostPort(o.Bind, strconv.Itoa(port))
	if o.ACL {
		c.token = uuid.NewString()
	}
	if o.TLS {
		if err := makeCertificates(c.Dir, o.Bind); err != nil {
			t.Fatal(err)
		}
	}
	c.client, err = c.newClient()
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.MarshalIndent(c.config(port, ReservedPort(t), ReservedPort(t)), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.configFile(), config, 0o600); err != nil {
		t.Fatal(err)
	}
	c.process = process{t: t, name: "Consul at " + c.addr, output: filepath.Join(c.Dir, "output.log")}
	c.process.logs = []string{c.process.output}
	t.Cleanup(func() {
		c.client.CloseIdleConnections()
		c.process.cleanUp()
	})
	return c
}

// StartConsul starts a server and waits until it takes writes.
func StartConsul(t testing.TB, o ConsulOptions) *Consul {
	t.Helper()
	c := NewConsul(t, o)
	c.Start()
	return c
}

// Start starts the process, whatever way the last one ended, and waits until
// it takes writes.
func (c *Consul) Start() {
	c.process.t.Helper()
	c.Launch()
	c.WaitReady()
}

// Launch starts the process without waiting.
func (c *Consul) Launch() {
	c.process.t.Helper()
	cmd := exec.Command(c.program, "agent", "-config-file="+c.configFile())
	cmd.Dir = c.Dir
	// The tests' own CONSUL_HTTP_TOKEN and the like are not for it.
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CONSUL_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if c.o.Netns != "" {
		netns.Command(c.o.Netns, cmd)
	}
	c.process.launch(cmd)
}

// WaitReady waits until the server has a leader, itself, and takes writes.
func (c *Consul) WaitReady() {
	c.process.t.Helper()
	c.process.await(func() error {
		leader, err := c.request(http.MethodGet, "/v1/status/leader", "")
		if err == nil && strings.Trim(leader, "\"\n") == "" {
			err = errors.New("it has no leader yet")
		}
		const key = "/v1/kv/is-it-ready"
		for _, method := range []string{http.MethodPut, http.MethodDelete} {
			if err == nil {
				_, err = c.request(method, key, "")
			}
		}
		return err
	})
}

// Kill ends the process as a crash would.
func (c *Consul) Kill() {
	c.process.t.Helper()
	c.process.end(syscall.SIGKILL)
}

// Stop ends the process in the orderly way, also one that is paused.
func (c *Consul) Stop() {
	c.process.t.Helper()
	c.process.end(syscall.SIGTERM, syscall.SIGCONT)
}

// Pause stops the process from doing anything; its connections stay open.
func (c *Consul) Pause() {
	c.process.t.Helper()
	c.process.pause()
}

// Resume ends a pause.
func (c *Consul) Resume() {
	c.process.t.Helper()
	c.process.signal(syscall.SIGCONT)
}

// LoseState has a server that was ended begin anew when it is started again.
// Its address, token and certificates stay.
func (c *Consul) LoseState() {
	c.process.t.Helper()
	if c.process.running() {
		c.process.t.Fatalf("%s still runs: it would keep its state", c.process.name)
	}
	if err := os.RemoveAll(c.dataDir()); err != nil {
		c.process.t.Fatal(err)
	}
}

// PID is the process's id.
func (c *Consul) PID() int { return c.process.cmd.Process.Pid }

// Addr is the host:port of the HTTP API, of HTTPS with TLS; the same after a
// restart.
func (c *Consul) Addr() string { return c.addr }

// URL is Addr with its scheme.
func (c *Consul) URL() string {
	if c.o.TLS {
		return "https://" + c.addr
	}
	return "http://" + c.addr
}

// Token is one that may do everything; "" without ACL.
func (c *Consul) Token() string { return c.token }

// CAFile is the certificate of who signed the server's; "" without TLS.
func (c *Consul) CAFile() string {
	if !c.o.TLS {
		return ""
	}
	return filepath.Join(c.Dir, caFile)
}

// HTTPClient reaches the server from the tests, also in its namespace.
func (c *Consul) HTTPClient() *http.Client { return c.client }

func (c *Consul) configFile() string { return filepath.Join(c.Dir, "config.json") }
func (c *Consul) dataDir() string    { return filepath.Join(c.Dir, "data") }

// config is the agent's configuration. Ports are those of the API, of gossip
// and of the servers' own protocol.
func (c *Consul) config(api, gossip, server int) map[string]any {
	type object = map[string]any
	portsUsed := object{
		"http": api, "https": -1, "serf_lan": gossip, "server": server,
		"serf_wan": -1, "dns": -1, "grpc": -1, "grpc_tls": -1,
	}
	config := object{
		"server": true, "bootstrap_expect": 1, "node_name": "consul", "data_dir": c.dataDir(),
		"bind_addr": c.o.Bind, "client_addr": c.o.Bind, "ports": portsUsed,
		// Elections within a second or two.
		"performance": object{"raft_multiplier": 1},
		// A server that leaves would not be the same one when it comes back.
		"leave_on_terminate": false, "skip_leave_on_interrupt": true,
		// Nothing goes out.
		"disable_update_check": true, "connect": object{"enabled": false}, "peering": object{"enabled": false},
		"ui_config": object{"enabled": true},
		// A test's clients all come from one address.
		"limits": object{"http_max_conns_per_client": 10000},
	}
	if c.o.ACL {
		config["acl"] = object{
			"enabled": true, "default_policy": "deny", "enable_token_persistence": false,
			"tokens": object{"initial_management": c.token, "agent": c.token},
		}
	}
	if c.o.TLS {
		portsUsed["http"], portsUsed["https"] = -1, api
		config["tls"] = object{"https": object{
			"ca_file": c.CAFile(), "cert_file": filepath.Join(c.Dir, certFile), "key_file": filepath.Join(c.Dir, keyFile),
		}}
	}
	return config
}

func (c *Consul) newClient() (*http.Client, error) {
	transport := &http.Transport{}
	if c.o.Netns != "" {
		transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return netns.Dial(ctx, c.o.Netns, network, addr)
		}
	}
	if c.o.TLS {
		config, err := trusting(c.CAFile())
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = config
	}
	return &http.Client{Transport: transport}, nil
}

// request answers the body of an answer, or an error if it isn't 200.
func (c *Consul) request(method, path, body string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.URL()+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if c.token != "" {
		req.Header.Set("X-Consul-Token", c.token)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %.200s", method, path, res.Status, bytes.TrimSpace(text))
	}
	return string(text), err
}

// consulProgram finds an agent that was named, is installed, or was built.
func consulProgram() (string, error) {
	if path := os.Getenv(EnvConsul); path != "" {
		return exec.LookPath(path)
	}
	if path, err := program("consul"); err == nil {
		return path, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	var stderr bytes.Buffer
	cmd := exec.Command(filepath.Join(root, "tools", "scripts", "consul"), "--built")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSpace(string(out)), nil
}
