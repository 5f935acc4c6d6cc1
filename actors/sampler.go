package actors

import (
	"fmt"
	"time"
)

// MaxRate is the highest rate of a sample, in comments a second.
const MaxRate = 1000

// rateClasses are the rates that there are. A viewer gets the highest that is
// no more than it asked for; so few sorts of frames serve all.
var rateClasses = [...]int{1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, MaxRate}

// rateClass gives the class of a rate from 1 to MaxRate.
func rateClass(rate int) int {
	best := rateClasses[0]
	for _, c := range rateClasses {
		if c <= rate {
			best = c
		}
	}
	return best
}

// sampler chooses at most rate comments in any second, evenly among those that
// there are.
type sampler struct {
	rate   int
	credit float64
	at     time.Time
	// shownAt are the times of the last rate comments that were chosen.
	shownAt []time.Time
	next    int

	shown, total int // since told
	told         time.Time
}

// sampledPeriod is how often viewers of a sample hear what it is one of.
const sampledPeriod = time.Second

func newSampler(rate int) *sampler {
	return &sampler{rate: rate, shownAt: make([]time.Time, rate)}
}

// choose gives the events that the sample shows: all deletions, and some of
// the comments.
func (s *sampler) choose(events []ringEvent, now time.Time) []ringEvent {
	comments := countComments(events)
	show := min(comments, s.allowance(now))
	for range show {
		s.shownAt[s.next] = now
		s.next = (s.next + 1) % s.rate
	}
	s.credit -= float64(show)
	s.shown += show
	s.total += comments
	return evenly(events, show, comments)
}

// allowance is how many comments may be shown now. Credit spreads them over
// the second; the times of those shown bound every second strictly.
func (s *sampler) allowance(now time.Time) int {
	if !s.at.IsZero() {
		s.credit += now.Sub(s.at).Seconds() * float64(s.rate)
	} else {
		s.credit, s.told = 1, now
	}
	s.at = now
	s.credit = min(s.credit, max(1, float64(s.rate)/4))
	n := 0
	for n < int(s.credit) && n < s.rate && now.Sub(s.shownAt[(s.next+n)%s.rate]) >= time.Second {
		n++
	}
	return n
}

// news is the event that says how much was left out, nil if it is too early
// for one or nothing was.
func (s *sampler) news(now time.Time) []byte {
	if now.Sub(s.told) < sampledPeriod {
		return nil
	}
	s.told = now
	shown, total := s.shown, s.total
	s.shown, s.total = 0, 0
	if shown == total {
		return nil
	}
	return sampledEvent(shown, total)
}

func sampledEvent(shown, total int) []byte {
	return namedEvent("sampled", fmt.Sprintf(`{"shown":%d,"total":%d}`, shown, total))
}

func countComments(events []ringEvent) (n int) {
	for _, e := range events {
		if !e.deletes && e.event != nil {
			n++
		}
	}
	return n
}

// evenly takes so many comments out of all, evenly spread, and all deletions.
func evenly(events []ringEvent, show, all int) []ringEvent {
	if show == all {
		return events
	}
	chosen := make([]ringEvent, 0, show)
	n := 0
	for _, e := range events {
		switch {
		case e.deletes:
			chosen = append(chosen, e)
		case e.event != nil:
			// The n-th of all is shown where n·show/all steps up.
			if (n+1)*show/all > n*show/all {
				chosen = append(chosen, e)
			}
			n++
		}
	}
	return chosen
}
