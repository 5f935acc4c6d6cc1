package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"barrage/test/netns"
	"barrage/test/servers"
)

// Patience is how long anything that must happen may take. It is generous, as
// tests share their machine.
const Patience = 60 * time.Second

// Node is a barrage process and its data folder.
type Node struct {
	URL  string
	Addr string
	Data string

	t      testing.TB
	args   []string
	env    []string
	fault  string      // point at which the process is to die; "": none
	faulty bool        // it has fault points
	binary string      // another program than the usual; "": none
	host   *netns.Host // nil: it runs where the tests do
	secret string      // key of its tokens; "": the one in its data folder
	logs   *logBuffer
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd is gone
}

// Option changes how a node is started.
type Option func(*Node)

// Flags adds command line flags to `barrage serve`.
func Flags(flags ...string) Option {
	return func(n *Node) { n.args = append(n.args, flags...) }
}

// Env adds environment variables, like "BARRAGE_LOG_LEVEL=debug".
func Env(vars ...string) Option {
	return func(n *Node) { n.env = append(n.env, vars...) }
}

// DataFolder uses an existing folder instead of a new one.
func DataFolder(dir string) Option {
	return func(n *Node) { n.Data = dir }
}

// WithFaults uses a binary that has fault points, for FaultAt.
func WithFaults() Option {
	return func(n *Node) { n.faulty = true }
}

// On runs the node on a host of a network; its clients are there too, so that
// they reach it whatever the network loses.
func On(host *netns.Host) Option {
	return func(n *Node) { n.host = host }
}

// JWTSecret has the node check tokens with this key.
func JWTSecret(secret string) Option {
	return func(n *Node) { n.secret = secret }
}

// LogFile has the node's log in a file, for nodes that write much of it.
func LogFile(path string) Option {
	return func(n *Node) { n.logs = &logBuffer{file: path} }
}

// OtherBinary runs another build of the program.
func OtherBinary(path string) Option {
	return func(n *Node) { n.binary = path }
}

// portOnHost is the one at which a node that has a host of its own serves HTTP.
const portOnHost = "8080"

// New prepares a node without starting it.
func New(t testing.TB, options ...Option) *Node {
	t.Helper()
	n := &Node{t: t, logs: new(logBuffer)}
	for _, option := range options {
		option(n)
	}
	if n.host != nil {
		n.Addr = net.JoinHostPort(n.host.Addr(), portOnHost)
	} else {
		n.Addr = freeAddr(t)
	}
	n.URL = "http://" + n.Addr
	if n.Data == "" {
		n.Data = filepath.Join(t.TempDir(), "data")
	}
	t.Cleanup(n.cleanUp)
	return n
}

// Start starts a node and waits until it serves.
func Start(t testing.TB, options ...Option) *Node {
	t.Helper()
	n := New(t, options...)
	n.Start()
	return n
}

// Start starts the process and waits until it serves.
func (n *Node) Start() {
	n.t.Helper()
	n.Launch()
	n.WaitReady()
}

// Launch starts the process without waiting.
func (n *Node) Launch() {
	n.t.Helper()
	args := []string{"serve", "--http", n.Addr, "--data", n.Data, "--log-level", "debug"}
	if n.secret != "" {
		args = append(args, "--jwt-secret", n.secret)
	}
	cmd := Command(n.t, append(args, n.args...)...)
	cmd.Env = append(cmd.Env, n.env...)
	if n.binary != "" {
		cmd.Path = n.binary
	}
	if n.faulty {
		cmd.Path = FaultBinary(n.t)
		cmd.Env = append(cmd.Env, "BARRAGE_FAULT="+n.fault)
	}
	if n.host != nil {
		n.host.Command(cmd)
	}
	started, err := n.logs.attach(cmd)
	if err != nil {
		n.t.Fatal(err)
	}
	defer started()
	if err := cmd.Start(); err != nil {
		n.t.Fatalf("starting the node: %v", err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the state is read from cmd.ProcessState
		close(exited)
	}()
	n.cmd, n.exited = cmd, exited
}

// WaitReady asks /readyz until it answers 200.
func (n *Node) WaitReady() {
	n.t.Helper()
	client := n.Anyone()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	for {
		select {
		case <-n.exited:
			n.t.Fatalf("the node ended before it served: %s", n.cmd.ProcessState)
		case <-ctx.Done():
			n.dump()
			n.t.Fatalf("the node did not serve within %s", Patience)
		case <-time.After(5 * time.Millisecond):
		}
		if _, err := client.Ready(ctx); err == nil {
			return
		}
	}
}

// FaultAt has the next processes end, as a crash would end them, at a fault
// point: "inserted:3" is at the fourth time that they come to it. "" is never.
func (n *Node) FaultAt(point string) { n.fault = point }

// PID is the process's id.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// Kill ends the process as a crash would.
func (n *Node) Kill() {
	n.t.Helper()
	n.signal(syscall.SIGKILL)
	n.Wait()
}

// Pause stops the process from doing anything; its connections stay open.
func (n *Node) Pause() {
	n.t.Helper()
	n.signal(syscall.SIGSTOP)
	servers.WaitStopped(n.t, n.PID())
}

// Resume ends a pause.
func (n *Node) Resume() {
	n.t.Helper()
	n.signal(syscall.SIGCONT)
}

// Use has the next processes be those of another build.
func (n *Node) Use(binary string) { n.binary = binary }

// LoseData removes all that a node which has ended kept.
func (n *Node) LoseData() {
	n.t.Helper()
	if n.Running() {
		n.t.Fatalf("the node at %s still runs: it would keep its data", n.Addr)
	}
	if err := os.RemoveAll(n.Data); err != nil {
		n.t.Fatal(err)
	}
}

// Running says whether the process was started and has not ended.
func (n *Node) Running() bool {
	if n.cmd == nil {
		return false
	}
	select {
	case <-n.exited:
		return false
	default:
		return true
	}
}

// Stuck ends a process that hangs, so that its log shows where it does.
func (n *Node) Stuck() {
	n.t.Helper()
	n.dump()
}

// Terminate asks the process to end and answers its exit status.
func (n *Node) Terminate() int {
	n.t.Helper()
	n.signal(syscall.SIGTERM)
	return n.Wait()
}

// Wait waits for the process to end and answers its exit status, -1 if a
// signal ended it.
func (n *Node) Wait() int {
	n.t.Helper()
	select {
	case <-n.exited:
	case <-time.After(Patience):
		n.dump()
		n.t.Fatalf("the node did not end within %s", Patience)
	}
	return n.cmd.ProcessState.ExitCode()
}

// dump ends a process that hangs, so that its log shows where it does.
func (n *Node) dump() {
	n.t.Helper()
	n.signal(syscall.SIGQUIT)
	n.signal(syscall.SIGCONT)
	select {
	case <-n.exited:
	case <-time.After(Patience):
		n.signal(syscall.SIGKILL)
	}
	n.t.Logf("it hangs here:\n%s", n.logs.String())
}

// Exited is closed once the process has ended.
func (n *Node) Exited() <-chan struct{} { return n.exited }

// Restart ends the process in the orderly way and starts it again, at the
// same address and with the same data.
func (n *Node) Restart() {
	n.t.Helper()
	if status := n.Terminate(); status != 0 {
		n.t.Errorf("the node ended with status %d", status)
	}
	n.Start()
}

// Logs is all that the node has written.
func (n *Node) Logs() string { return n.logs.String() }

func (n *Node) signal(s syscall.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		n.t.Fatalf("%s to the node: %v", s, err)
	}
}

func (n *Node) cleanUp() {
	if n.cmd != nil {
		n.Kill()
	}
	if n.t.Failed() {
		n.t.Logf("the end of the log of the node at %s:\n%s", n.Addr, n.logs.tail(logLinesShown))
	}
}

// Command makes a run of the binary, without the BARRAGE_ variables that there
// are around the tests.
func Command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(Binary(t), args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "BARRAGE_") })
	cmd.SysProcAttr = diesWithTests()
	return cmd
}

func freeAddr(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", servers.ReservedPort(t))
}
