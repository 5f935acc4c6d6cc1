package journal

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"barrage/persistence"
)

// BenchmarkJournalAppend measures durable records a second on the real disk,
// with so many appenders that each wait for their answer before the next.
func BenchmarkJournalAppend(b *testing.B) {
	for _, appenders := range []int{1, 16, 256, 4096} {
		b.Run(fmt.Sprintf("appenders=%d", appenders), func(b *testing.B) {
			j := open(b, Config{Dir: b.TempDir()})
			r := comment(7)
			var wg sync.WaitGroup
			b.ResetTimer()
			for i := range appenders {
				wg.Go(func() {
					told := make(chan error, 1)
					s := &funcSink{func(_ int, _ persistence.LSN, err error) { told <- err }}
					for n := i; n < b.N; n += appenders {
						if err := j.Append(r, s); err != nil {
							b.Error(err)
							return
						}
						if err := <-told; err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			stats := j.Stats()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(stats.Records)/float64(stats.Commits), "records/fsync")
		})
	}
}

// BenchmarkJournalFlood appends without waiting, as one busy node does.
func BenchmarkJournalFlood(b *testing.B) {
	j := open(b, Config{Dir: b.TempDir(), MaxPendingBytes: 1 << 40})
	r := comment(7)
	var wg sync.WaitGroup
	wg.Add(b.N)
	s := &funcSink{func(n int, _ persistence.LSN, _ error) { wg.Add(-n) }}
	b.ResetTimer()
	for range b.N {
		if err := j.Append(r, s); err != nil {
			b.Fatal(err)
		}
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkReader measures how fast records come out again.
func BenchmarkReader(b *testing.B) {
	const total = 200_000
	j := open(b, Config{Dir: b.TempDir()})
	s := &funcSink{func(int, persistence.LSN, error) {}}
	for n := range uint64(total) {
		if err := j.Append(comment(n), s); err != nil {
			b.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	read := 0
	for read < b.N {
		r := j.Reader(0)
		for at := 0; at < total && read < b.N; {
			entries, err := r.Next(context.Background(), 4096, 1<<20)
			if err != nil {
				b.Fatal(err)
			}
			at += len(entries)
			read += len(entries)
		}
		_ = r.Close()
	}
	b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "records/s")
}
