package bench

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ticks is USER_HZ, the unit of CPU times in /proc. It is 100 on every Linux.
const ticks = 100

var errProc = errors.New("unexpected text in /proc")

// procSample is what /proc says of a process at one moment.
type procSample struct {
	at      int64         // Unix nanoseconds
	cpu     time.Duration // user and system time of all its threads, children not
	rss     int64         // bytes
	threads int
}

// sampleProc reads a process's figures.
func sampleProc(clk clock, pid int) (procSample, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procSample{}, fmt.Errorf("read figures of process %d: %w", pid, err)
	}
	s, err := parseStat(string(stat))
	if err != nil {
		return s, err
	}
	s.at = clk.now()
	return s, nil
}

// parseStat reads the fields of /proc/PID/stat (proc_pid_stat(5)). The second
// one is the program's name in brackets, which may hold anything.
func parseStat(text string) (procSample, error) {
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return procSample{}, fmt.Errorf("%w: %.80q", errProc, text)
	}
	fields := strings.Fields(text[end+1:])
	const first = 3 // number of the field behind the name
	number := func(field int) (int64, error) {
		if field-first >= len(fields) {
			return 0, fmt.Errorf("%w: %d fields", errProc, len(fields)+first-1)
		}
		n, err := strconv.ParseInt(fields[field-first], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%w: field %d: %w", errProc, field, err)
		}
		return n, nil
	}
	utime, err1 := number(14)
	stime, err2 := number(15)
	threads, err3 := number(20)
	rss, err4 := number(24)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return procSample{}, err
	}
	return procSample{
		cpu:     time.Duration(utime+stime) * time.Second / ticks,
		rss:     rss * int64(os.Getpagesize()),
		threads: int(threads),
	}, nil
}

// ownCPU is the CPU time of this process, all threads, children not.
func ownCPU() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
