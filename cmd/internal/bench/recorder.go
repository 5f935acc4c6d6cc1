package bench

import (
	"math"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are recorded in microseconds, up to ten minutes.
const maxLatency = 10 * time.Minute

func newHistogram(figures int) *hdr.Histogram {
	return hdr.New(1, maxLatency.Microseconds(), figures)
}

// recordLatency records n times a latency in nanoseconds. What is off the scale
// is recorded at its end, so that no count is missing.
func recordLatency(h *hdr.Histogram, ns, n int64) {
	us := min(max((ns+500)/1000, 1), maxLatency.Microseconds())
	_ = h.RecordValues(us, n) // fails only off the scale
}

// recorder turns the arrivals of frames into latencies of comment deliveries.
// Reading a frame at one viewer costs one count; here each arrival time meets
// each comment of the frame, once for all viewers that read it at that time.
type recorder struct {
	from, to int64 // comments due within [from, to) are measured
	total    *hdr.Histogram
	last     *hdr.Histogram // from due to the last viewer's arrival, one a comment
	seconds  []second
}

// second is what belongs to one second of the load.
type second struct {
	latency   *hdr.Histogram // of the comments that were due in it
	delivered int64          // comment deliveries that arrived in it
}

// maxSeconds bounds the time series; a run may be longer, its tail isn't plotted.
const maxSeconds = 2 * 3600

func newRecorder() *recorder {
	return &recorder{from: math.MaxInt64, to: math.MaxInt64, total: newHistogram(3), last: newHistogram(3)}
}

// fold records the frame's arrivals and forgets them.
func (r *recorder) fold(f *frame) {
	if len(f.arrivals) == 0 {
		return
	}
	for i := range f.comments {
		c := &f.comments[i]
		if c.seq < 0 || c.due < r.from || c.due >= r.to {
			continue
		}
		sec := r.second(c.due)
		for _, a := range f.arrivals {
			recordLatency(r.total, a.at-c.due, a.n)
			if sec != nil {
				recordLatency(sec.latency, a.at-c.due, a.n)
			}
			if s := r.second(a.at); s != nil {
				s.delivered += a.n
			}
		}
	}
	f.arrivals = f.arrivals[:0]
}

// lastArrivals records when the last viewer of any reader had each comment.
// It is called once, with the frames of all readers.
func (r *recorder) lastArrivals(frames []*frame, posts int) {
	last := make([]int64, posts)
	due := make([]int64, posts)
	for _, f := range frames {
		for _, c := range f.comments {
			if c.seq >= 0 && c.seq < posts && c.due >= r.from && c.due < r.to {
				last[c.seq] = max(last[c.seq], f.seen)
				due[c.seq] = c.due
			}
		}
	}
	for seq, at := range last {
		if at > 0 {
			recordLatency(r.last, at-due[seq], 1)
		}
	}
}

func (r *recorder) second(at int64) *second {
	i := (at - r.from) / int64(time.Second)
	if at < r.from || i >= maxSeconds {
		return nil
	}
	for int64(len(r.seconds)) <= i {
		r.seconds = append(r.seconds, second{})
	}
	s := &r.seconds[i]
	if s.latency == nil {
		s.latency = newHistogram(2)
	}
	return s
}

// merge adds what another reader recorded.
func (r *recorder) merge(o *recorder) {
	r.total.Merge(o.total)
	for i, s := range o.seconds {
		if s.latency == nil {
			continue
		}
		mine := r.second(r.from + int64(i)*int64(time.Second))
		mine.latency.Merge(s.latency)
		mine.delivered += s.delivered
	}
}
