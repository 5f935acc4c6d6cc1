//go:build faults

package clickhouse

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

var faultHits atomic.Int64

// faultPoint kills the process, as kill -9 does, if BARRAGE_FAULT is the
// point's name, a colon and how often it is to be passed before.
func faultPoint(name string) {
	point, times, _ := strings.Cut(os.Getenv("BARRAGE_FAULT"), ":")
	if point != name {
		return
	}
	n, err := strconv.ParseInt(times, 10, 64)
	if err == nil && faultHits.Add(1) > n {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
