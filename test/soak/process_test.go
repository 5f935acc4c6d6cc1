//go:build soak

package soak

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"barrage/test/harness"
)

// cpuOf is the CPU time of a process, all its threads, in seconds.
func cpuOf(t testing.TB, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	// See proc_pid_stat(5): the second field is a name in brackets.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const utime, stime, userHZ = 14 - 3, 15 - 3, 100
	var ticks int
	for _, i := range []int{utime, stime} {
		n, err := strconv.Atoi(string(fields[i]))
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return float64(ticks) / userHZ
}

// ownCPU is that of this process.
func ownCPU() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // there is no other way to be wrong than the arguments
	}
	return (time.Duration(u.Utime.Nano()) + time.Duration(u.Stime.Nano())).Seconds()
}

// memoryOf reads a size of /proc/PID/status, such as VmRSS, in MB.
func memoryOf(t testing.TB, pid int, name string) float64 {
	t.Helper()
	mb, err := readMemory(pid, name)
	if err != nil {
		t.Fatal(err)
	}
	return mb
}

func readMemory(pid int, name string) (mb float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kB, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kB * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("/proc has no %s", name)
}

// resetPeak makes VmHWM begin anew.
func resetPeak(t testing.TB, pid int) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}

// metric reads one of a node's metrics.
func metric(t testing.TB, c *harness.Client, name string) float64 {
	t.Helper()
	answer, err := c.Do(context.Background(), "GET", "/metrics", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(answer.Body))
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			value, err := strconv.ParseFloat(rest, 64)
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

const (
	lagRecords  = "barrage_clickhouse_lag_records"
	lagSeconds  = "barrage_clickhouse_lag_seconds"
	queriesSent = "barrage_clickhouse_read_seconds_count"
)

// drained waits until ClickHouse has all that the node's journal has, and
// answers how long that took.
func drained(t testing.TB, c *harness.Client, patience time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	for metric(t, c, lagRecords) > 0 {
		if time.Since(began) > patience {
			t.Fatalf("after %s ClickHouse still lacks %.0f records", patience, metric(t, c, lagRecords))
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(began)
}
