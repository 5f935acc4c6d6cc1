package embedded

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"barrage/persistence"
	"barrage/persistence/records"
)

// benchEntries answers comments spread over videos.
func benchEntries(first persistence.LSN, n, videos int) []persistence.Entry {
	rs := make([]*records.Record, n)
	for i := range rs {
		id := uint64(first) + uint64(i)
		rs[i] = posted(fmt.Sprint("video-", id%uint64(videos)), id, 0)
		rs[i].GetCommentPosted().Comment.Message = "这是一条普通长度的弹幕，大约有一百个字节，和真实直播间里的评论差不多长。"
		rs[i].GetCommentPosted().IdempotencyKey = &records.IdempotencyKey{Key: fmt.Sprint("key-", id), BodyDigest: make([]byte, 16)}
	}
	return entries(first, rs...)
}

// BenchmarkApply measures comments a second, each with an Idempotency-Key, and
// with a sync for every 100,000.
func BenchmarkApply(b *testing.B) {
	for _, videos := range []int{1, 1000} {
		b.Run(fmt.Sprintf("videos=%d", videos), func(b *testing.B) {
			s := open(b, Config{Dir: b.TempDir(), FS: vfs.Default})
			const batch = 2000
			made := benchEntries(1, batch, videos)
			lsn := persistence.LSN(0)
			b.ResetTimer()
			for n := 0; n < b.N; n += batch {
				for i := range made { // the same comments under new ids
					lsn++
					made[i].LSN = lsn
					made[i].Record.GetCommentPosted().Comment.Id = uint64(lsn)
				}
				apply(b, s, made)
				if lsn%100_000 == 0 {
					if _, err := s.Sync(ctx); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(lsn)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkPage measures pages of 50 from a store of 200,000 comments.
func BenchmarkPage(b *testing.B) {
	s := open(b, Config{Dir: b.TempDir(), FS: vfs.Default})
	const total, videos = 200_000, 20
	for first := 1; first <= total; first += 10_000 {
		apply(b, s, benchEntries(persistence.LSN(first), 10_000, videos))
	}
	if _, err := s.Sync(ctx); err != nil {
		b.Fatal(err)
	}
	for name, r := range map[string]persistence.Range{
		"newest": {Limit: 50, Desc: true},
		"middle": {Limit: 50, Desc: true, Before: total / 2},
		"after":  {Limit: 50, After: total / 3},
	} {
		b.Run(name, func(b *testing.B) {
			for n := range b.N {
				page, err := s.Comments(ctx, fmt.Sprint("video-", n%videos), r)
				if err != nil || len(page) != 50 {
					b.Fatal(len(page), err)
				}
			}
		})
	}
}

// BenchmarkApplyReactions measures the records of reactions a second, of 20
// sessions to 100 live videos: to the video itself, which is counted again and
// again, and to ever other comments, of which each slot must be looked for.
func BenchmarkApplyReactions(b *testing.B) {
	for _, comments := range []uint64{1, 50} {
		b.Run(fmt.Sprintf("comments=%d", comments), func(b *testing.B) {
			s := open(b, Config{Dir: b.TempDir(), FS: vfs.Default})
			const batch = 2000
			lsn := persistence.LSN(0)
			for n := 0; n < b.N; n += batch {
				b.StopTimer()
				rs := make([]*records.Record, batch)
				for i := range rs {
					k := uint64(n + i)
					rs[i] = reaction(fmt.Sprint("video-", k%100), k/batch%comments, k/100%20+1, k+1)
				}
				es := entries(lsn+1, rs...)
				lsn += batch
				b.StartTimer()
				apply(b, s, es)
			}
			b.ReportMetric(float64(lsn)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkReplyCounts measures the counts of a page of 50 comments, of which
// five have 20 replies each.
func BenchmarkReplyCounts(b *testing.B) {
	s := open(b, Config{Dir: b.TempDir(), FS: vfs.Default})
	var rs []*records.Record
	for id := uint64(1); id <= 100_000; id++ {
		parent := uint64(0)
		if id%100 == 0 {
			parent = id - id%2000 + 1
		}
		rs = append(rs, posted("v", id, parent))
	}
	apply(b, s, entries(1, rs...))
	if _, err := s.Sync(ctx); err != nil {
		b.Fatal(err)
	}
	parents := make([]uint64, 0, 50)
	for i := range uint64(50) {
		parents = append(parents, 200*i+1)
	}
	for b.Loop() {
		counts, err := s.ReplyCounts(ctx, "v", parents, 0)
		if err != nil || len(counts) != 5 {
			b.Fatal(counts, err)
		}
	}
}
