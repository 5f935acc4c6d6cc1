package bench

import (
	"context"
	"math"
	"time"
)

func (r *run) watching() int64 { return r.sum(func(c *counts) int64 { return c.watching.Load() }) }

// sum adds up one of the readers' counts.
func (r *run) sum(get func(c *counts) int64) int64 {
	var n int64
	for _, rd := range r.readers {
		n += get(&rd.counts)
	}
	return n
}

func (r *run) fault() string {
	for _, rd := range r.readers {
		fault := ""
		rd.call(func() { fault = rd.fault })
		if fault != "" {
			return fault
		}
	}
	return ""
}

// poll is how often a phase looks whether it is over.
const pollEvery = 5 * time.Millisecond

// waitWhile returns when more is false, when ctx ends, or when progress has not
// changed for the time given. It says whether more was false.
func (r *run) waitWhile(ctx context.Context, still time.Duration, progress func() int64, more func() bool) bool {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	last, since := int64(math.MinInt64), r.clk.now()
	for more() {
		if n := progress(); n != last {
			last, since = n, r.clk.now()
		} else if r.clk.now()-since > int64(still) {
			return false
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// pause lets time pass with a progress bar.
func (r *run) pause(ctx context.Context, label string, d time.Duration) {
	if d <= 0 {
		return
	}
	began := r.clk.now()
	stop := r.progress(label, int(d.Milliseconds()), func() int64 { return (r.clk.now() - began) / int64(time.Millisecond) })
	defer stop()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
