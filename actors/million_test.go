package actors

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"barrage/actors/wire"
)

// memoryConn is a client that takes everything and costs nothing: what is
// measured with it is what Barrage adds to the write.
type memoryConn struct{ frames *atomic.Int64 }

func (c memoryConn) Write(b []byte) (int, error) {
	c.frames.Add(1)
	return len(b), nil
}

func (memoryConn) Close() {}

// BenchmarkViewers runs up to a million viewers in one process, in one room
// and in a thousand. An operation is one comment to all viewers.
func BenchmarkViewers(b *testing.B) {
	for _, viewers := range []int{1_000, 10_000, 100_000, 1_000_000} {
		for _, rooms := range []int{1, 1000} {
			b.Run(fmt.Sprintf("viewers=%d/rooms=%d", viewers, rooms), func(b *testing.B) { benchmarkViewers(b, viewers, rooms) })
		}
	}
}

func benchmarkViewers(b *testing.B, viewers, rooms int) {
	n := newTestNode(b, func(c *Config) { c.Heartbeat = time.Hour })
	var frames atomic.Int64
	before := heap()
	conn := memoryConn{&frames}
	for i := range viewers {
		n.NewViewer().Open(ViewerConfig{Conn: conn, LiveVideoID: roomName(i % rooms), Chunked: true, Encoding: Encoding(i % 2)})
	}
	waitJoined(b, n, viewers, rooms)
	joined := heap()
	b.ResetTimer()
	start := processCPU()
	for b.Loop() {
		all := frames.Load() + int64(viewers)
		for room := range rooms {
			n.post(roomName(room), "hello")
		}
		for frames.Load() < all {
			time.Sleep(time.Millisecond)
		}
	}
	b.ReportMetric(float64(joined-before)/float64(viewers), "B/viewer")
	b.ReportMetric(float64(joined)/1e9, "GB-heap")
	b.ReportMetric(float64(processCPU()-start)/float64(b.N)/float64(viewers), "cpu-ns/delivery")
	b.ReportMetric(float64(longestPause())/1e6, "ms-gc-pause")
}

func roomName(i int) string { return fmt.Sprintf("room-%d", i) }

// waitJoined waits until the owners have heard of all viewers, so that no
// count is announced any more.
func waitJoined(b *testing.B, n *testNode, viewers, rooms int) {
	b.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for room := range rooms {
		want := uint64(viewers / rooms)
		for n.ask(roomName(room), &wire.ReadVideo{}).(*wire.Video).Viewers < want {
			if time.Now().After(deadline) {
				b.Fatalf("not all of %d viewers have joined", viewers)
			}
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(2 * viewersPeriod) // and until the viewers have heard of the count
}

// processCPU is the CPU time of the process so far.
func processCPU() time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// longestPause is the longest of the last garbage collections' pauses.
func longestPause() time.Duration {
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	longest := time.Duration(0)
	for _, p := range stats.Pause {
		longest = max(longest, p)
	}
	return longest
}
