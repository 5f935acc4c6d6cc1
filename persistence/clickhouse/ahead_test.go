package clickhouse

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"barrage/persistence"
	"barrage/persistence/records"
)

// pickFrom is what a range holds, said simply.
func pickFrom(all []*records.Comment, r persistence.Range) []*records.Comment {
	rows := slices.DeleteFunc(slices.Clone(all), func(c *records.Comment) bool {
		return c.Id <= r.After || r.Before != 0 && c.Id >= r.Before
	})
	if r.Desc {
		slices.Reverse(rows)
	}
	return rows[:min(len(rows), r.Limit)]
}

func TestWhatIsReadAheadIsWhatWouldBeRead(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	hits := 0
	for round := range 30 {
		a := newAhead()
		var all []*records.Comment
		for id := uint64(10); len(all) < 200; id += 1 + random.Uint64N(4) {
			all = append(all, &records.Comment{Id: id})
		}
		end := all[199].Id + 10
		for range 500 {
			r := persistence.Range{Limit: 1 + random.IntN(30), Desc: random.IntN(2) == 0, After: random.Uint64N(end), Before: random.Uint64N(end)}
			if random.IntN(3) == 0 {
				r.After = 0
			}
			if random.IntN(3) == 0 {
				r.Before = 0
			}
			want := pickFrom(all, r)
			got, ok, goesOn := a.page("v", r)
			if ok {
				hits++
				if !slices.Equal(got, want) || !goesOn {
					t.Fatalf("round %d, %+v: %v, want %v", round, r, got, want)
				}
				continue
			}
			a.keep("v", r, want, time.Now())
			if _, ok, _ := a.page("other", r); ok {
				t.Fatal("another video's page")
			}
		}
	}
	if hits < 1000 {
		t.Errorf("%d hits in 15,000", hits)
	}
}

func TestWhoGoesOnIsToldApartFromWhoJumps(t *testing.T) {
	var all []*records.Comment
	for id := uint64(1); id <= 100; id++ {
		all = append(all, &records.Comment{Id: id})
	}
	a := newAhead()
	for _, desc := range []bool{true, false} {
		a = newAhead()
		first := persistence.Range{Limit: 11, Desc: desc, Before: 60, After: 40}
		a.keep("v", first, pickFrom(all, first), time.Now())
		next := first
		if desc {
			next.Before = 50 // the cursor of a page of ten
		} else {
			next.After = 50
		}
		if _, ok, goesOn := a.page("v", next); ok || !goesOn {
			t.Errorf("desc %v: the next page: %v, %v", desc, ok, goesOn)
		}
	}
	for _, r := range []persistence.Range{{Limit: 11, Desc: true, Before: 30}, {Limit: 11, After: 70}, {Limit: 11, Desc: true}, {Limit: 11}} {
		if _, ok, goesOn := a.page("v", r); ok || goesOn {
			t.Errorf("%+v: %v, %v", r, ok, goesOn)
		}
	}
}

func TestWhatIsReadAheadIsKeptForAMomentAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAhead()
		r := persistence.Range{Limit: 5, After: 1, Before: 9}
		a.keep("v", r, []*records.Comment{{Id: 2}}, time.Now())
		if _, ok, _ := a.page("v", r); !ok {
			t.Error("not kept")
		}
		time.Sleep(AheadTime + 1)
		if _, ok, _ := a.page("v", r); ok {
			t.Error("kept for too long")
		}
		for i := range 3 * aheadBlocks {
			a.keep(fmt.Sprint(i), r, []*records.Comment{{Id: 2}}, time.Now())
		}
		if a.blocks.Len() != aheadBlocks || len(a.byVideo) != aheadBlocks {
			t.Errorf("%d blocks of %d videos", a.blocks.Len(), len(a.byVideo))
		}
	})
}
