package bench

import (
	"math"
	"time"
)

// schedule says when posts are due, whatever happens to the posts before: an
// open loop. A post that has to wait for a free connection keeps its due time,
// so that the wait shows in its latency.
type schedule struct {
	start int64   // Unix nanoseconds
	every float64 // nanoseconds between two posts
	count int     // posts in all
	taken int
}

// newSchedule spreads count posts evenly, rate a second, from start on.
func newSchedule(start int64, rate float64, count int) *schedule {
	return &schedule{start: start, every: float64(time.Second) / rate, count: count}
}

// due is when the next post should be sent; math.MaxInt64 after the last.
func (s *schedule) due() int64 {
	if s.taken >= s.count {
		return math.MaxInt64
	}
	return s.start + int64(float64(s.taken)*s.every)
}

// take hands out the next post if it is due.
func (s *schedule) take(now int64) (due int64, ok bool) {
	due = s.due()
	if due > now {
		return 0, false
	}
	s.taken++
	return due, true
}
