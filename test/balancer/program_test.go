package balancer

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"barrage/test/harness"
)

// program is a process that a test started.
type program struct {
	name   string
	cmd    *exec.Cmd
	log    string        // file with what it says
	exited chan struct{} // closed when it has ended
}

// run starts a program that ends with the test, and with the tests.
func run(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{
		name: filepath.Base(cmd.Path), cmd: cmd,
		log: filepath.Join(t.TempDir(), "output.log"), exited: make(chan struct{}),
	}
	output, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = asksToEndWithThread()
	started := make(chan error)
	go func() {
		// The kernel takes the end of the starting thread for the end of its
		// process; so this one stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the state is read from cmd.ProcessState
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.end(t, syscall.SIGTERM)
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, p.output())
		}
	})
	return p
}

// end sends a signal and waits.
func (p *program) end(t *testing.T, s syscall.Signal) {
	t.Helper()
	_ = p.cmd.Process.Signal(s) // it may have ended
	select {
	case <-p.exited:
	case <-time.After(harness.Patience):
		_ = p.cmd.Process.Kill() // as above
		t.Errorf("%s did not end by %s", p.name, s)
	}
}

func (p *program) output() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}
