package journal

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"barrage/persistence"
)

const childEnv = "BARRAGE_TEST_JOURNAL"

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := appendForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// appendForever prints the number of each record once it is durable.
func appendForever(dir string) error {
	j, err := Open(killed(dir))
	if err != nil {
		return err
	}
	n := uint64(j.LastLSN())
	errs := make(chan error, 1)
	s := &funcSink{func(_ int, last persistence.LSN, err error) {
		if err == nil {
			_, err = fmt.Println(last)
		}
		if err != nil {
			errs <- err
		}
	}}
	for {
		select {
		case err := <-errs:
			return err
		default:
		}
		n++
		err := j.Append(comment(n), s)
		for errors.Is(err, persistence.ErrUnavailable) { // too much waits: the disk sets the pace
			err = j.Append(comment(n), s)
		}
		if err != nil {
			return err
		}
	}
}

func killed(dir string) Config {
	return Config{Dir: dir, SegmentBytes: 256 << 10, MaxPendingBytes: 64 << 10}
}

func TestKillingTheProcessLosesNoAnsweredRecord(t *testing.T) {
	dir := t.TempDir()
	for round := range 5 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		answered, lines := uint64(0), bufio.NewScanner(out)
		for i := 0; lines.Scan(); i++ {
			if answered, err = strconv.ParseUint(strings.TrimSpace(lines.Text()), 10, 64); err != nil {
				t.Fatal(err)
			}
			if i == 20+round*10 {
				if err := child.Process.Signal(syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = child.Wait() // it was killed
		j := open(t, killed(dir))
		if last := uint64(j.LastLSN()); last < answered || answered == 0 {
			t.Fatalf("answered up to %d, kept up to %d", answered, last)
		}
		wantRun(t, readAll(t, j, 0), 1, 1, uint64(j.LastLSN()))
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
