package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"barrage/persistence"
	"barrage/persistence/records"
)

// all is what Scan must give after a position, in its order.
func (m *model) all(after Position) []*records.Comment {
	var all []*records.Comment
	for _, video := range slices.Sorted(maps.Keys(m.comments)) {
		for _, id := range slices.Sorted(maps.Keys(m.comments[video])) {
			if cmp.Or(cmp.Compare(video, after.LiveVideoID), cmp.Compare(id, after.CommentID)) > 0 {
				all = append(all, m.comments[video][id])
			}
		}
	}
	return all
}

func checkScan(tb testing.TB, s *Store, m *model, after Position) {
	tb.Helper()
	want := m.all(after)
	var got []*records.Comment
	err := s.Scan(ctx, after, func(c *records.Comment) error {
		got = append(got, c)
		return nil
	})
	if err != nil || len(got) != len(want) {
		tb.Fatalf("after %v: %d comments, want %d; %v", after, len(got), len(want), err)
	}
	for i := range got {
		if got[i].String() != want[i].String() {
			tb.Fatalf("after %v: comment %d is %v, want %v", after, i, got[i], want[i])
		}
	}
}

// Names of all kinds of lengths, of which one begins the other: keys sort by
// length, and from 128 bytes on not even by that.
var scanVideos = []string{
	"a", "b", "ab", "aa", "abc", "b\x00", "ba", "a\xff", "z",
	strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("a", 63) + "b",
	strings.Repeat("a", 127), strings.Repeat("a", 128), strings.Repeat("b", 129),
	strings.Repeat("a", 255), strings.Repeat("c", 256), strings.Repeat("c", 384),
}

func TestAScanGivesEveryVisibleCommentOnceInOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := open(t, Config{})
	var rs []*records.Record
	for id := uint64(1); id <= 1500; id++ {
		video := scanVideos[rng.IntN(len(scanVideos))]
		if rng.IntN(10) == 0 {
			rs = append(rs, deleted(video, 1+rng.Uint64N(id)))
			continue
		}
		rs = append(rs, posted(video, id, rng.Uint64N(3)))
	}
	rs = append(rs, posted("a", math.MaxUint64, 0), posted("only deleted", 9, 0), deleted("only deleted", 9))
	all := entries(1, rs...)
	apply(t, s, all)
	m := newModel(all)
	checkScan(t, s, m, Position{})
	if n, err := s.CommentCount(ctx); err != nil || n != uint64(len(m.all(Position{}))) {
		t.Fatalf("counts %d, %v", n, err)
	}
	after := slices.Concat(scanVideos, []string{"", "0", "a0", "abb", "zz", strings.Repeat("a", 130), strings.Repeat("c", 300)})
	for i := range 400 {
		if i == 200 { // from memory first, then from tables
			if _, err := s.Sync(ctx); err != nil {
				t.Fatal(err)
			}
		}
		p := Position{after[rng.IntN(len(after))], rng.Uint64N(1600)}
		if rng.IntN(20) == 0 {
			p.CommentID = math.MaxUint64
		}
		checkScan(t, s, m, p)
	}
}

func TestAScanOfNothingGivesNothing(t *testing.T) {
	s := open(t, Config{})
	checkScan(t, s, newModel(nil), Position{})
	checkScan(t, s, newModel(nil), Position{"v", 5})
}

func TestAScanShowsTheMomentItBegan(t *testing.T) {
	s := open(t, Config{})
	apply(t, s, entries(1, posted("a", 1, 0), posted("b", 2, 0), posted("c", 3, 0)))
	var seen []uint64
	lsn := persistence.LSN(4)
	err := s.Scan(ctx, Position{}, func(c *records.Comment) error {
		seen = append(seen, c.Id)
		apply(t, s, entries(lsn, posted("c", 100+c.Id, 0), deleted("b", 2)))
		lsn += 2
		return nil
	})
	if err != nil || !slices.Equal(seen, []uint64{1, 2, 3}) {
		t.Errorf("saw %v, %v", seen, err)
	}
}

func TestAScanEndsWhenToldTo(t *testing.T) {
	s := open(t, Config{})
	apply(t, s, benchEntries(1, 2*scanCheck, 3))
	enough := errors.New("enough")
	count := 0
	err := s.Scan(ctx, Position{}, func(*records.Comment) error {
		if count++; count == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || count != 3 {
		t.Errorf("%d, %v", count, err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	count = 0
	err = s.Scan(cancelled, Position{}, func(*records.Comment) error {
		count++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || count > scanCheck {
		t.Errorf("%d, %v", count, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Scan(ctx, Position{}, func(*records.Comment) error { return nil }); !errors.Is(err, persistence.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := s.CommentCount(ctx); !errors.Is(err, persistence.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// BenchmarkScan measures comments a second from tables, over 1000 videos.
func BenchmarkScan(b *testing.B) {
	s := open(b, Config{})
	const total = 200_000
	for first := 1; first <= total; first += 10_000 {
		apply(b, s, benchEntries(persistence.LSN(first), 10_000, 1000))
	}
	if _, err := s.Sync(ctx); err != nil {
		b.Fatal(err)
	}
	count := 0
	for b.Loop() {
		err := s.Scan(ctx, Position{}, func(*records.Comment) error { count++; return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
	if count == 0 || count%total != 0 {
		b.Fatal(fmt.Sprint(count))
	}
	b.ReportMetric(float64(count)/b.Elapsed().Seconds(), "comments/s")
}
