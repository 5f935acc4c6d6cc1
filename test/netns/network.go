// Package netns makes several hosts of one machine: network namespaces with an
// address each, joined by a bridge that is in a namespace too. What they send
// to each other never leaves them, and can be lost on the way.
//
// It needs root, and the programs ip and nft. Namespaces end with the test; of
// a test process that was killed, when the next network is made.
package netns

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

const (
	envServers = "BARRAGE_SERVERS" // is set where tests may start servers
	folder     = "/run/netns"      // where `ip netns` keeps namespaces by name
	prefix     = "barrage-test-"   // of our namespaces; the test process's id follows
)

// made counts the networks of this process.
var made atomic.Int64

// Network is a bridge and its hosts.
type Network struct {
	t     testing.TB
	hub   string // the bridge's namespace
	hosts []*Host

	mu   sync.Mutex
	lost map[path]bool // what doesn't get through
}

// path is the way of packets from one host to another.
type path struct{ from, to *Host }

// New makes a network of hosts that reach each other. Each has loopback and one
// address of 10.0.0.0/8. The test is skipped where that can't be had.
func New(t testing.TB, hosts ...string) *Network {
	t.Helper()
	if why := missing(); why != "" {
		t.Skipf("%s needs several hosts: %s", t.Name(), why)
	}
	removeLeftovers(t)
	number := made.Add(1)
	n := &Network{t: t, lost: map[path]bool{}}
	n.hub = n.namespace(number, "hub")
	n.ip("-n", n.hub, "link", "add", "hub", "type", "bridge")
	n.ip("-n", n.hub, "link", "set", "hub", "up")
	// Networks can't meet; that theirs differ is for who reads the logs.
	subnet := (int64(os.Getpid())*251 + number) % (1 << 16)
	for i, name := range hosts {
		h := &Host{
			network: n, name: name, port: fmt.Sprintf("port%d", i+1),
			addr: fmt.Sprintf("10.%d.%d.%d", subnet>>8, subnet&0xff, i+1),
		}
		h.namespace = n.namespace(number, name)
		n.hosts = append(n.hosts, h)
		n.ip("-n", n.hub, "link", "add", h.port, "type", "veth", "peer", "name", device, "netns", h.namespace)
		n.ip("-n", n.hub, "link", "set", h.port, "master", "hub", "up")
		n.ip("-n", h.namespace, "addr", "add", h.addr+"/24", "dev", device)
		n.ip("-n", h.namespace, "link", "set", "lo", "up")
		n.ip("-n", h.namespace, "link", "set", device, "up")
	}
	return n
}

// device is each host's end of its cable.
const device = "eth0"

// Hosts are those of the network, as New was given them.
func (n *Network) Hosts() []*Host { return n.hosts }

// Host answers the host of that name.
func (n *Network) Host(name string) *Host {
	n.t.Helper()
	for _, h := range n.hosts {
		if h.name == name {
			return h
		}
	}
	n.t.Fatalf("there is no host %s", name)
	return nil
}

// Heal ends all faults of the network.
func (n *Network) Heal() {
	n.t.Helper()
	n.change(func() { clear(n.lost) })
}

// change changes what is lost, and gives it to the bridge.
func (n *Network) change(f func()) {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
	// The bridge drops IP, not ARP: a sender that can't find its neighbour would
	// be told so.
	rules := "table bridge faults\ndelete table bridge faults\ntable bridge faults {\nchain forward {\n" +
		"type filter hook forward priority 0\n"
	for p := range maps.Keys(n.lost) {
		rules += fmt.Sprintf("ip saddr %s ip daddr %s drop\n", p.from.addr, p.to.addr)
	}
	nft, err := program("nft")
	if err != nil {
		n.t.Fatal(err)
	}
	cmd := exec.Command(nft, "-f", "-")
	Command(n.hub, cmd)
	cmd.Stdin = strings.NewReader(rules + "}\n}\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("nft: %v: %s", err, bytes.TrimSpace(out))
	}
}

// namespace makes a namespace that goes with the test.
func (n *Network) namespace(number int64, name string) string {
	n.t.Helper()
	full := fmt.Sprintf("%s%d-%d-%s", prefix, os.Getpid(), number, name)
	n.ip("netns", "add", full)
	n.t.Cleanup(func() {
		if err := remove(full); err != nil {
			n.t.Error(err)
		}
	})
	return full
}

func (n *Network) ip(args ...string) {
	n.t.Helper()
	if out, err := run("ip", args...); err != nil {
		n.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// missing says what keeps networks from being made; "": nothing.
func missing() string {
	if os.Getenv(envServers) == "" {
		return "run it with " + envServers + "=1"
	}
	if os.Geteuid() != 0 {
		return "run it as root"
	}
	for _, name := range []string{"ip", "nft"} {
		if _, err := program(name); err != nil {
			return err.Error()
		}
	}
	return ""
}

// removeLeftovers removes the namespaces of test processes that are gone.
func removeLeftovers(t testing.TB) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, entry := range entries {
		rest, ours := strings.CutPrefix(entry.Name(), prefix)
		text, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(text)
		if !ours || err != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		if err := remove(entry.Name()); err != nil {
			t.Error(err)
		}
	}
}

// remove ends what still runs in a namespace, which would keep it, and removes
// it. Another process may do the same.
func remove(namespace string) error {
	out, err := run("ip", "netns", "pids", namespace)
	for _, text := range strings.Fields(out) {
		// A thread of ours may be inside, and is on its way out.
		if pid, bad := strconv.Atoi(text); err == nil && bad == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by now
		}
	}
	out, err = run("ip", "netns", "del", namespace)
	if _, gone := os.Stat(filepath.Join(folder, namespace)); err != nil && gone == nil {
		return fmt.Errorf("removing the namespace %s: %w: %s", namespace, err, out)
	}
	return nil
}

func run(name string, args ...string) (string, error) {
	path, err := program(name)
	if err != nil {
		return "", err
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// program finds a program, also where the PATH lacks /usr/sbin.
func program(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	if path, inSbin := exec.LookPath("/usr/sbin/" + name); inSbin == nil {
		return path, nil
	}
	return "", err
}
