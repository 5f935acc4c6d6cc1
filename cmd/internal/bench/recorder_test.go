package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// What the recorder works out from arrival counts is what recording every
// delivery by itself would give.
func TestFoldAgainstEveryDelivery(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	rec := newRecorder()
	rec.from, rec.to = int64(time.Second), int64(4*time.Second)
	var every []int64 // microseconds
	perSecond := map[int64]int64{}
	for i := range 200 {
		f := &frame{}
		base := int64(time.Second)/2 + int64(i)*int64(20*time.Millisecond)
		for k := range 1 + rng.IntN(20) {
			f.comments = append(f.comments, comment{seq: k, due: base + int64(k)*1e6})
		}
		f.comments = append(f.comments, comment{seq: -1}) // another's: no due time, not measured
		at := base + int64(30*time.Millisecond)
		for range 300 {
			if rng.IntN(3) == 0 {
				at += rng.Int64N(int64(time.Millisecond))
			}
			f.arrive(at)
			if len(f.arrivals) == maxArrivals/4 {
				rec.fold(f)
			}
			for _, c := range f.comments {
				if c.seq >= 0 && c.due >= rec.from && c.due < rec.to {
					every = append(every, (at-c.due+500)/1000)
					perSecond[(at-rec.from)/int64(time.Second)]++
				}
			}
		}
		rec.fold(f)
	}
	slices.Sort(every)
	if int(rec.total.TotalCount()) != len(every) {
		t.Fatalf("%d deliveries recorded, want %d", rec.total.TotalCount(), len(every))
	}
	for _, p := range []float64{1, 50, 90, 99, 99.9, 100} {
		want := every[max(0, int(float64(len(every))*p/100+0.5)-1)]
		if got := rec.total.ValueAtPercentile(p); float64(got) < float64(want)*0.998-1 || float64(got) > float64(want)*1.002+1 {
			t.Errorf("p%g is %d µs, want %d", p, got, want)
		}
	}
	for i, s := range rec.seconds {
		if s.delivered != perSecond[int64(i)] {
			t.Errorf("second %d: %d delivered, want %d", i, s.delivered, perSecond[int64(i)])
		}
	}
}

// The last viewer's time is the latest over all readers and all frames that
// hold the comment.
func TestLastArrivals(t *testing.T) {
	rec := newRecorder()
	rec.from, rec.to = 0, int64(time.Second)
	a, b := comment{seq: 0, due: 1000}, comment{seq: 1, due: 2000}
	rec.lastArrivals([]*frame{
		{comments: []comment{a, b}, seen: 5_002_000},
		{comments: []comment{a}, seen: 9_001_000},
		{comments: []comment{b}, seen: 3_000_000},
		{comments: []comment{{seq: 2, due: int64(2 * time.Second)}}, seen: 1},
		{comments: []comment{{seq: 3, due: 5000}}}, // nobody who counts has it
	}, 4)
	if n := rec.last.TotalCount(); n != 2 {
		t.Fatalf("%d comments, want 2", n)
	}
	if lo, hi := rec.last.Min(), rec.last.Max(); lo < 4990 || lo > 5010 || hi < 8990 || hi > 9010 {
		t.Errorf("last viewers after %d and %d µs, want 5000 and 9000", lo, hi)
	}
}

func TestMergeAddsUp(t *testing.T) {
	var readers [2]*recorder
	for i := range readers {
		r := newRecorder()
		r.from, r.to = 0, int64(time.Minute)
		f := &frame{comments: []comment{{seq: i, due: int64(i) * 1e9}}}
		f.arrive(int64(i)*1e9 + 1e6)
		f.arrive(int64(i)*1e9 + 1e6)
		r.fold(f)
		readers[i] = r
	}
	readers[0].merge(readers[1])
	if n := readers[0].total.TotalCount(); n != 4 {
		t.Errorf("%d deliveries, want 4", n)
	}
	if s := readers[0].seconds; len(s) != 2 || s[0].delivered != 2 || s[1].delivered != 2 {
		t.Errorf("seconds %+v, want 2 deliveries in each", s)
	}
}

func TestLatencyOffTheScaleIsCounted(t *testing.T) {
	h := newHistogram(3)
	recordLatency(h, int64(time.Hour), 5)
	recordLatency(h, -5, 1)
	if h.TotalCount() != 6 {
		t.Errorf("%d recorded, want 6", h.TotalCount())
	}
}
