package bench

import "time"

// clock gives Unix times in nanoseconds that never step: the wall clock is read
// once, and the monotonic clock counts from there.
type clock struct {
	base time.Time
	unix int64
}

func newClock() clock {
	t := time.Now()
	return clock{base: t, unix: t.UnixNano()}
}

// now is the time in Unix nanoseconds.
func (c clock) now() int64 { return c.unix + int64(time.Since(c.base)) }
