package actors

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/actors/wire"
)

// BenchmarkReactions posts comments into a room, alone and while three edges
// bring 100,000 reactions a second to it, in batches as soon as the one before
// is answered. An operation is a comment, answered when it is durable.
func BenchmarkReactions(b *testing.B) {
	for _, c := range []struct {
		name   string
		second uint64 // reactions, by all edges
	}{{"none", 0}, {"100,000 a second", 100_000}} {
		b.Run(c.name, func(b *testing.B) { benchmarkReactions(b, c.second) })
	}
}

func benchmarkReactions(b *testing.B, perSecond uint64) {
	n := newTestNode(b, nil)
	viewer := n.watch("v", ViewerConfig{})
	viewer.untilHas(b, "event: viewers")
	commented := n.post("v", "react to me")
	const edges = 3
	var counted, batches atomic.Uint64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	start := time.Now()
	for edge := range edges {
		if perSecond == 0 {
			break
		}
		wg.Go(func() {
			var sent, seq uint64
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond): // an edge gathers for a moment
				}
				due := uint64(time.Since(start).Seconds() * float64(perSecond) / edges)
				if due == sent {
					continue
				}
				seq++
				more := uint32(due - sent)
				counts := []*wire.ReactCount{{Type: "like", Count: more, SessionTotal: due}}
				a := n.ask("v", &wire.React{Session: uint64(edge + 1), Seq: seq, Targets: []*wire.ReactTarget{{Counts: counts}, {CommentId: commented, Counts: counts}}})
				if code(a) != wire.Code_OK {
					b.Errorf("reactions were answered with %v", a)
					return
				}
				counted.Add(2 * uint64(more))
				batches.Add(1)
				sent = due
			}
		})
	}
	var took []time.Duration
	b.ResetTimer()
	for b.Loop() {
		at := time.Now()
		n.post("v", "hello")
		took = append(took, time.Since(at))
	}
	b.StopTimer()
	close(stop)
	wg.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
	b.ReportMetric(float64(counted.Load())/time.Since(start).Seconds(), "reactions/s")
	b.ReportMetric(float64(batches.Load())/time.Since(start).Seconds(), "batches/s")
}
