package actors

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
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

	tally tally // since told
	told  time.Time
}

// sampledPeriod is how often viewers of a sample hear what it is one of.
const sampledPeriod = time.Second

func newSampler(rate int) *sampler {
	return &sampler{rate: rate, shownAt: make([]time.Time, rate), tally: tally{}}
}

// choose gives the events that the sample shows: all deletions, and some of
// the comments.
func (s *sampler) choose(events []ringEvent, now time.Time) (chosen []ringEvent) {
	comments := countComments(events)
	show := min(comments, s.allowance(now))
	for range show {
		s.shownAt[s.next] = now
		s.next = (s.next + 1) % s.rate
	}
	s.credit -= float64(show)
	chosen = evenly(events, show, comments)
	s.tally.add(events, chosen)
	return chosen
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

// news are the events that say how much was left out, none if it is too early
// for them or nothing was. video is the live video of events that name none.
func (s *sampler) news(video string, now time.Time) [][]byte {
	if now.Sub(s.told) < sampledPeriod {
		return nil
	}
	s.told = now
	news := s.tally.events(video)
	clear(s.tally)
	return news
}

// tally is how much of each live video there was, and how much of it was shown.
type tally map[string]shownOf

type shownOf struct{ shown, total int }

// add counts events, and those of them that are shown.
func (t tally) add(all, shown []ringEvent) {
	for _, e := range all {
		if !e.deletes && e.event != nil {
			t[e.video] = shownOf{t[e.video].shown, t[e.video].total + 1}
		}
	}
	for _, e := range shown {
		if !e.deletes && e.event != nil {
			t[e.video] = shownOf{t[e.video].shown + 1, t[e.video].total}
		}
	}
}

// leftOut says whether not all was shown.
func (t tally) leftOut() bool {
	for _, n := range t {
		if n.shown < n.total {
			return true
		}
	}
	return false
}

// events are those that say how much was left out of each live video; video is
// the one of events that name none.
func (t tally) events(video string) (events [][]byte) {
	for _, of := range slices.Sorted(maps.Keys(t)) {
		if n := t[of]; n.shown < n.total {
			events = append(events, sampledEvent(cmp.Or(of, video), n.shown, n.total))
		}
	}
	return events
}

func sampledEvent(liveVideoID string, shown, total int) []byte {
	return namedEvent("sampled", fmt.Sprintf(`{"liveVideoId":"%s","shown":%d,"total":%d}`, liveVideoID, shown, total))
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
