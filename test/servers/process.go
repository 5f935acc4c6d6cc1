package servers

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// logLinesShown of each of a server's logs are shown when its test fails.
const logLinesShown = 40

// process is a server's process, which can be started again after it ended.
type process struct {
	t      testing.TB
	name   string
	output string   // file to which stdout and stderr go
	logs   []string // files shown when the test fails, output among them

	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd is gone
}

// launch starts the process without waiting until it serves.
func (p *process) launch(cmd *exec.Cmd) {
	p.t.Helper()
	if p.running() {
		p.t.Fatalf("%s runs already", p.name)
	}
	output, err := os.OpenFile(p.output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = diesWithThread()

	started, exited := make(chan error, 1), make(chan struct{})
	go func() {
		// The kernel takes the end of the starting thread for the end of its
		// process. Go ends a thread when a goroutine that is locked to it
		// returns; this one is ours until the server has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the state is read from cmd.ProcessState
			close(exited)
		}
	}()
	if err := <-started; err != nil {
		p.t.Fatalf("starting %s: %v", p.name, err)
	}
	p.cmd, p.exited = cmd, exited
}

func (p *process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// await asks ready until it answers nil.
func (p *process) await(ready func() error) {
	p.t.Helper()
	if p.cmd == nil {
		p.t.Fatalf("%s was not started", p.name)
	}
	deadline := time.Now().Add(Patience)
	for {
		err := ready()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s did not serve within %s: %v", p.name, Patience, err)
		}
		select {
		case <-p.exited:
			p.t.Fatalf("%s ended before it served: %s", p.name, p.cmd.ProcessState)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// end sends signals and waits until the process is gone. A process that has
// ended before is none to complain about.
func (p *process) end(signals ...syscall.Signal) {
	p.t.Helper()
	if p.cmd == nil {
		return
	}
	for _, s := range signals {
		p.signal(s)
	}
	select {
	case <-p.exited:
	case <-time.After(Patience):
		p.t.Fatalf("%s did not end within %s", p.name, Patience)
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if p.cmd == nil {
		p.t.Fatalf("%s to %s, which was not started", s, p.name)
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("%s to %s: %v", s, p.name, err)
	}
}

func (p *process) pause() {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
	WaitStopped(p.t, p.cmd.Process.Pid)
}

// WaitStopped waits, after SIGSTOP, until all threads of a process stand still:
// the signal alone lets some of them finish what they do.
func WaitStopped(t testing.TB, pid int) {
	t.Helper()
	for began := time.Now(); !stopped(pid); time.Sleep(time.Millisecond) {
		if time.Since(began) > Patience {
			t.Fatalf("process %d does not stand still", pid)
		}
	}
}

// stopped says whether all threads are stopped, or there is no process any
// more.
func stopped(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		// The state is behind the name, which is in parentheses.
		if _, state, ok := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " "); err == nil && ok && state[0] != 'T' {
			return false
		}
	}
	return true
}

// cleanUp is the end of the test.
func (p *process) cleanUp() {
	p.end(syscall.SIGKILL)
	if !p.t.Failed() {
		return
	}
	for _, file := range p.logs {
		if text, err := os.ReadFile(file); err == nil && len(text) > 0 {
			lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
			p.t.Logf("the end of %s of %s:\n%s", file, p.name,
				strings.Join(lines[max(0, len(lines)-logLinesShown):], "\n"))
		}
	}
}
