package balancer

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"barrage/test/harness"
	"barrage/test/servers"
)

// runningCluster is `make cluster` at ports and in a folder of its own.
type runningCluster struct {
	*program
	data  string
	nodes []string // their addresses
}

func startCluster(t *testing.T, without string, env ...string) *runningCluster {
	t.Helper()
	if without == "" {
		find(t, "nginx")
	}
	consul := os.Getenv(servers.EnvConsul)
	if consul == "" {
		find(t, "setsid") // and so skip where no servers are wanted
		out, err := exec.Command("../../tools/scripts/consul", "--built").Output()
		if err != nil {
			t.Skipf("%s needs Consul, which is not built", t.Name())
		}
		consul = strings.TrimSpace(string(out))
	}
	ports := func(n int) string {
		var all []string
		for range n {
			all = append(all, strconv.Itoa(servers.ReservedPort(t)))
		}
		return strings.Join(all, " ")
	}
	c := &runningCluster{data: filepath.Join(t.TempDir(), "cluster")}
	httpPorts := ports(3)
	for port := range strings.FieldsSeq(httpPorts) {
		c.nodes = append(c.nodes, "http://127.0.0.1:"+port)
	}
	cmd := exec.Command("../../tools/scripts/cluster")
	cmd.Env = append(harness.Command(t).Env,
		"BARRAGE_BIN="+harness.Binary(t), "BARRAGE_CONSUL="+consul, "CLUSTER_DATA="+c.data, "CLUSTER_WITHOUT="+without,
		"CLUSTER_PORT="+ports(1), "CLUSTER_HTTP_PORTS="+httpPorts, "CLUSTER_NODE_PORTS="+ports(3),
		"CLUSTER_CONSUL_PORTS="+ports(4), "CLUSTER_CLICKHOUSE_PORT="+ports(1))
	cmd.Env = append(cmd.Env, env...)
	c.program = run(t, cmd)
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		logs, _ := filepath.Glob(filepath.Join(c.data, "*.log")) // none: nothing to show
		for _, log := range logs {
			if text, err := os.ReadFile(log); err == nil {
				t.Logf("%s ends with:\n%s", log, text[max(0, len(text)-1500):])
			}
		}
	})
	return c
}

// url waits until it is ready, and answers the one address.
func (c *runningCluster) url(t *testing.T) string {
	t.Helper()
	var url string
	eventually(t, func() error {
		select {
		case <-c.exited:
			t.Fatal("it ended")
		default:
		}
		_, after, ready := strings.Cut(c.output(), "ready: ")
		if line, _, whole := strings.Cut(after, "\n"); ready && whole && strings.Contains(after, "Ctrl-C stops") {
			url, _, _ = strings.Cut(line, " ")
			return nil
		}
		return fmt.Errorf("it is not ready: %s", c.output())
	})
	return url
}

// processes answers those that have the data folder in their command line, or
// run in it. The kernel is asked, and not the script.
func (c *runningCluster) processes(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, dir := range dirs {
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err == nil && strings.Contains(string(line), c.data) {
			found = append(found, filepath.Base(dir)+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

func (c *runningCluster) expectNothingLeft(t *testing.T) {
	t.Helper()
	eventually(t, func() error {
		if left := c.processes(t); len(left) > 0 {
			return fmt.Errorf("these are left:\n%s", strings.Join(left, "\n"))
		}
		return nil
	})
}

func guest(t *testing.T, url string) *harness.Client {
	t.Helper()
	c := &harness.Client{Base: url, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	answer := do(t, c, http.MethodPost, "/guest", `{"name":"Ann"}`, nil)
	_, after, _ := strings.Cut(string(answer.Body), `"token":"`)
	c.Token, _, _ = strings.Cut(after, `"`)
	if c.Token == "" {
		t.Fatalf("no guest's token: %v", answer)
	}
	return c
}

// The whole of it, as somebody uses it who tries it out.
func TestMakeClusterServesAtOneAddressAndLeavesNothing(t *testing.T) {
	began := time.Now()
	c := startCluster(t, "")
	url := c.url(t)
	t.Logf("ready after %s", time.Since(began).Round(time.Millisecond))
	ann := guest(t, url)
	if answer := do(t, ann, http.MethodGet, "/", nil, nil); answer.Status != http.StatusOK || !strings.Contains(string(answer.Body), "<html") {
		t.Errorf("the demo page: %v", answer)
	}
	s := open(t, ann, "/comments/room/stream", nil)
	posted := post(t, ann, "room", "你好")
	if got, err := s.NextComment(); err != nil || got != posted {
		t.Errorf("%+v, %v", got, err)
	}
	// A token of one node is good at all.
	for i, node := range c.nodes {
		there := *ann
		there.Base = node
		post(t, &there, fmt.Sprintf("room-%d", i), "hello")
	}
	if n := len(c.processes(t)); n < 5 {
		t.Errorf("only %d processes run", n)
	}
	c.end(t, syscall.SIGINT)
	if status := c.cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	c.expectNothingLeft(t)
}

func TestMakeClusterGoesOnWithoutANodeAndLeavesNothingWhenKilled(t *testing.T) {
	c := startCluster(t, "nginx clickhouse", "BARRAGE_CLUSTER_RETRY=30s") // see harness.Patient
	url := c.url(t)
	if !strings.Contains(c.output(), "without nginx") || !strings.Contains(c.output(), "without ClickHouse") {
		t.Errorf("it doesn't say what is missing: %s", c.output())
	}
	_, after, _ := strings.Cut(c.output(), "node-3     process ")
	line, _, _ := strings.Cut(after, "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatalf("which process is node-3? %v in %s", err, c.output())
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if !strings.Contains(c.output(), "node-3 ended with status 137") {
			return fmt.Errorf("it doesn't tell: %s", c.output())
		}
		return nil
	})
	post(t, guest(t, url), "room", "on we go")
	c.end(t, syscall.SIGKILL) // the script, not the others
	c.expectNothingLeft(t)
}

func TestMakeClusterSaysWhatIsInItsWay(t *testing.T) {
	taken := startFake(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := strings.Cut(taken.addr, ":")
	for _, test := range []struct{ env, want string }{
		{"CLUSTER_PORT=" + port, "port " + port + " of 127.0.0.1 is taken"},
		{"CLUSTER_HTTP_PORTS=1", "three ports"},
	} {
		c := startCluster(t, "clickhouse", test.env)
		select {
		case <-c.exited:
		case <-time.After(harness.Patience):
			t.Fatal("it goes on")
		}
		if status := c.cmd.ProcessState.ExitCode(); status != 1 || !strings.Contains(c.output(), test.want) {
			t.Errorf("status %d: %s", status, c.output())
		}
		c.expectNothingLeft(t)
	}
}

// The terminal goes while it starts.
func TestMakeClusterLeavesNothingWhenItsTerminalGoes(t *testing.T) {
	// Tests that were started with nohup would start a script that ignores it.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	c := startCluster(t, "")
	eventually(t, func() error {
		if len(c.processes(t)) == 0 {
			return errors.New("nothing runs yet")
		}
		return nil
	})
	c.end(t, syscall.SIGHUP)
	c.expectNothingLeft(t)
}
