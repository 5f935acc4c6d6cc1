package bench

import (
	"math"
	"slices"
	"testing"
	"time"
)

// Due times follow from the rate alone, whenever the posts are taken.
func TestScheduleIsOpenLoop(t *testing.T) {
	start := int64(1_000_000)
	want := []int64{start, start + 4e6, start + 8e6, start + 12e6, start + 16e6}
	for name, looks := range map[string][]int64{
		"a look at every due time": want,
		"looks in between":         {start - 1, start, start + 4e6, start + 5e6, start + 9e6, start + 12e6, start + 16e6},
		"a stall of the poster":    {start, start + 15e6, start + 40e6},
		"one look after all":       {start + int64(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSchedule(start, 250, 5)
			var got []int64
			for _, now := range looks {
				for {
					due, ok := s.take(now)
					if !ok {
						break
					}
					if due > now {
						t.Errorf("post due at %d handed out at %d", due, now)
					}
					got = append(got, due)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("due times %v, want %v", got, want)
			}
			if s.due() != math.MaxInt64 {
				t.Errorf("after the last post another is due at %d", s.due())
			}
		})
	}
}

// Rounding must not add up: the millionth post of an odd rate is in time.
func TestScheduleDoesNotDrift(t *testing.T) {
	s := newSchedule(0, 3, 3_000_001)
	s.taken = 3_000_000
	if due, want := s.due(), int64(1_000_000*time.Second); due < want-1000 || due > want+1000 {
		t.Errorf("post 3,000,000 at 3 a second is due at %d, want %d", due, want)
	}
}
