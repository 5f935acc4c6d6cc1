package netns

import (
	"context"
	"errors"
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
)

const patience = 20 * time.Second

// reaches answers whether a datagram gets from one host to another. One that
// must not is known to be lost by its time; one that must is sent again while
// the machine is busy.
func reaches(t *testing.T, from, to *Host, must bool) bool {
	t.Helper()
	listener, err := to.ListenPacket("udp", net.JoinHostPort(to.Addr(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := from.Dial(context.Background(), "udp", listener.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for began := time.Now(); ; {
		if _, err := io.WriteString(conn, "hello"); err != nil {
			t.Errorf("%s is told that its packet was lost: %v", from.Name(), err)
		}
		if err := listener.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, _, err = listener.ReadFrom(make([]byte, 16))
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		if err == nil || !must || time.Since(began) > patience {
			return err == nil
		}
	}
}

// expectLost checks every way between hosts: what is lost is named "a>b".
func expectLost(t *testing.T, n *Network, lost ...string) {
	t.Helper()
	want := " " + strings.Join(lost, " ") + " "
	for _, from := range n.Hosts() {
		for _, to := range n.Hosts() {
			way := from.Name() + ">" + to.Name()
			must := !strings.Contains(want, " "+way+" ")
			if got := reaches(t, from, to, must); got != must {
				t.Errorf("%s: got through: %v", way, got)
			}
		}
	}
}

func TestFaultsLoseWhatTheySayUntilTheyAreHealed(t *testing.T) {
	n := New(t, "a", "b", "c")
	a, b, c := n.Host("a"), n.Host("b"), n.Host("c")
	expectLost(t, n)
	a.CutFrom(b)
	expectLost(t, n, "a>b", "b>a")
	b.Heal()
	expectLost(t, n)
	a.CutOneWay(b)
	c.CutOneWay(a)
	expectLost(t, n, "a>b", "c>a")
	c.Heal()
	expectLost(t, n, "a>b")
	n.Heal()
	b.Isolate()
	expectLost(t, n, "b>a", "b>c", "a>b", "c>b")
	n.Heal()
	expectLost(t, n)
}

func TestAnOpenConnectionHangsWhileItIsCut(t *testing.T) {
	n := New(t, "a", "b")
	a, b := n.Host("a"), n.Host("b")
	listener, err := b.Listen("tcp", net.JoinHostPort(b.Addr(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.RemoteAddr) // who goes is missed by the client
	})}
	go func() { _ = server.Serve(listener) }() // it ends with the test
	defer server.Close()
	client := a.HTTPClient()
	get := func(d time.Duration) (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listener.Addr().String(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		return string(text), err
	}
	for range 2 {
		if from, err := get(patience); err != nil || !strings.HasPrefix(from, a.Addr()+":") {
			t.Fatalf("got %q, %v", from, err)
		}
		b.CutFrom(a)
		if _, err := get(200 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while it is cut: %v", err)
		}
		n.Heal()
	}
}

func TestACommandIsTheProgramItselfAndOnTheHost(t *testing.T) {
	a := New(t, "a").Host("a")
	cmd := exec.Command("sh", "-c", `readlink /proc/$$/ns/net; echo $$; exec ip -br addr`)
	a.Command(cmd)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(out), "\n")
	if lines[0] == ours || lines[1] != strconv.Itoa(cmd.Process.Pid) || !strings.Contains(string(out), a.Addr()+"/24") {
		t.Errorf("outside is %s, the process is %d; it says:\n%s", ours, cmd.Process.Pid, out)
	}
}

func TestNothingOfANetworkIsLeft(t *testing.T) {
	var names []string
	var left *exec.Cmd
	t.Run("network", func(t *testing.T) {
		n := New(t, "a", "b")
		names = []string{n.hub, n.Host("a").Namespace(), n.Host("b").Namespace()}
		left = exec.Command("sleep", "1000")
		n.Host("a").Command(left)
		if err := left.Start(); err != nil {
			t.Fatal(err)
		}
		// Until then it isn't there yet.
		for exe := ""; !strings.HasSuffix(exe, "sleep") && !strings.HasSuffix(exe, "busybox") && !strings.HasSuffix(exe, "coreutils"); {
			exe, _ = os.Readlink("/proc/" + strconv.Itoa(left.Process.Pid) + "/exe")
		}
	})
	if left == nil {
		t.Skip("there was no network")
	}
	if err := left.Wait(); err == nil || left.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("a process that was left ended with %v", err)
	}
	expectNone(t, names...)
}

func TestWhatADeadProcessLeftIsRemoved(t *testing.T) {
	New(t, "a") // which skips where there is none
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	name := prefix + strconv.Itoa(dead.Process.Pid) + "-1-a"
	if out, err := run("ip", "netns", "add", name); err != nil {
		t.Fatal(err, out)
	}
	n := New(t, "a")
	expectNone(t, name)
	if !reaches(t, n.Host("a"), n.Host("a"), true) {
		t.Error("what is in use was removed too")
	}
}

func expectNone(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(folder, name)); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
}
