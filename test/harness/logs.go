package harness

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// logLinesShown of a node are shown when its test fails.
const logLinesShown = 60

// logBuffer collects what a process writes, in memory or in a file.
type logBuffer struct {
	file string // "": in memory

	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// attach gives a process's output to the log.
func (l *logBuffer) attach(cmd *exec.Cmd) (done func(), err error) {
	if l.file == "" {
		cmd.Stdout, cmd.Stderr = l, l
		return func() {}, nil
	}
	file, err := os.OpenFile(l.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = file, file
	return func() { _ = file.Close() }, nil // the process has it open by itself
}

func (l *logBuffer) String() string {
	if l.file != "" {
		text, err := os.ReadFile(l.file)
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) tail(lines int) string {
	all := strings.Split(strings.TrimRight(l.String(), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
