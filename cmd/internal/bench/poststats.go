package bench

import (
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// postStats are a poster's figures, for posts due within [from, to).
type postStats struct {
	from    int64
	to      int64
	latency *hdr.Histogram // from due to answered
	service *hdr.Histogram // from sent, the last time, to answered
	late    int64          // posts sent more than lateAfter after they were due
	starved int64          // of these, posts that had waited for a connection
	retries map[string]int64
	example string  // of a refusal
	seconds []int64 // answers in each second since from
}

// reset starts the figures anew, for posts due within [from, to).
func (p *poster) reset(from, to int64) {
	p.stats = postStats{from: from, to: to, latency: newHistogram(3), service: newHistogram(3), retries: map[string]int64{}}
}

func (s *postStats) covers(due int64) bool { return due >= s.from && due < s.to }

func (s *postStats) record(p *post) {
	if !s.covers(p.due) {
		return
	}
	recordLatency(s.latency, p.done-p.due, 1)
	recordLatency(s.service, p.done-p.last, 1)
	if i := (p.done - s.from) / int64(time.Second); s.from > 0 && i < maxSeconds {
		for int64(len(s.seconds)) <= i {
			s.seconds = append(s.seconds, 0)
		}
		s.seconds[i]++
	}
}
