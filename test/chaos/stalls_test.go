package chaos

import (
	"sync"
	"testing"
	"time"
)

// stalls are the times in which this process did not run: the machine stood
// still, or had other things to do. Nobody else ran as it should then, and a
// room's pause is as much longer.
type stalls struct {
	mu  sync.Mutex
	all []stall
}

type stall struct{ from, to time.Time }

// beat is how often the process looks whether it runs. A stall is counted if
// it is longer than stallsFrom, as timers are late by some milliseconds.
const (
	beat       = 10 * time.Millisecond
	stallsFrom = 50 * time.Millisecond
)

// watchStalls watches until the test ends.
func watchStalls(t *testing.T) *stalls {
	s := &stalls{}
	ticker := time.NewTicker(beat)
	t.Cleanup(ticker.Stop)
	go func() {
		for last := time.Now(); ; {
			select {
			case <-t.Context().Done():
				return
			case <-ticker.C:
			}
			now := time.Now()
			s.ran(last, now)
			last = now
		}
	}()
	return s
}

// ran says that the process ran at both times, and not in between.
func (s *stalls) ran(from, to time.Time) {
	if to.Sub(from)-beat < stallsFrom {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, stall{from.Add(beat), to})
}

// longest is the longest stall in a window; only the part in it counts.
func (s *stalls) longest(from, to time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	longest := time.Duration(0)
	for _, stall := range s.all {
		began, ended := stall.from, stall.to
		if began.Before(from) {
			began = from
		}
		if ended.After(to) {
			ended = to
		}
		longest = max(longest, ended.Sub(began))
	}
	return longest
}

func TestTheLongestStallIsThatOfTheWindow(t *testing.T) {
	s, begun := &stalls{}, time.Now()
	at := func(ms int) time.Time { return begun.Add(time.Duration(ms) * time.Millisecond) }
	s.ran(at(0), at(40)) // late, as timers are
	s.ran(at(1000), at(1510))
	s.ran(at(2000), at(4010))
	for _, c := range []struct{ from, to, want int }{
		{0, 500, 0}, {0, 2000, 500}, {0, 9000, 2000}, {3510, 9000, 500}, {1500, 1900, 10}, {0, 1110, 100}, {5000, 9000, 0},
	} {
		if got := s.longest(at(c.from), at(c.to)); got != time.Duration(c.want)*time.Millisecond {
			t.Errorf("from %d to %d ms: %s, want %d ms", c.from, c.to, got, c.want)
		}
	}
}
