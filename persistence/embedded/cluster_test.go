package embedded

import (
	"math/rand/v2"
	"slices"
	"testing"

	"barrage/persistence"
	"barrage/persistence/records"
)

// changes are those of a live video, as its owner numbers them, and its totals
// after each.
func changes(rng *rand.Rand, n int, withTotal func(i int) bool) (rs []*records.Record, totals []int) {
	var alive []uint64
	for i := range n {
		total := -1
		var r *records.Record
		if k := len(alive); k > 0 && rng.IntN(4) == 0 {
			at := rng.IntN(k)
			r = deleted("v", alive[at])
			alive = slices.Delete(alive, at, at+1)
		} else {
			id := uint64(100 + i)
			r = posted("v", id, 0)
			alive = append(alive, id)
		}
		if withTotal(i) {
			total = len(alive)
		}
		rs = append(rs, revised(r, uint64(i+1), total))
		totals = append(totals, len(alive))
	}
	return rs, totals
}

// TestTheNewestTotalHolds gives a store a part of what happened, as a replica
// or a node that was away gets it, with records that come twice and late.
func TestTheNewestTotalHolds(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 3))
		rs, totals := changes(rng, 60, func(int) bool { return true })
		s := open(t, Config{})
		if seed%2 == 0 {
			if err := s.Join(50); err != nil {
				t.Fatal(err)
			}
		}
		newest := 0
		for lsn := range persistence.LSN(80) {
			i := rng.IntN(len(rs))
			newest = max(newest, i)
			apply(t, s, entries(lsn+1, rs[i]))
			got, err := s.Totals(ctx, "v")
			if err != nil || got.Comments != uint64(totals[newest]) || got.Revision != uint64(newest+1) || got.CountedFrom != 0 {
				t.Fatalf("seed %d, after revision %d: %v, want %d: %v", seed, newest+1, got, totals[newest], err)
			}
		}
	}
}

// TestWithoutATotalEachChangeCountsOnce: in whatever order they come, and
// however often.
func TestWithoutATotalEachChangeCountsOnce(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 4))
		rs, totals := changes(rng, 60, func(int) bool { return false })
		s := open(t, Config{})
		order := append(rng.Perm(len(rs)), rng.Perm(len(rs))...)
		for at, i := range order {
			apply(t, s, entries(persistence.LSN(at+1), rs[i]))
		}
		if n := totalOf(t, s, "v"); n != uint64(totals[len(totals)-1]) {
			t.Fatalf("seed %d: %d, want %d", seed, n, totals[len(totals)-1])
		}
	}
}

// TestAnOwnersChangesAreExactWithAndWithoutTotals: those between totals count
// from the last one on, comments that only others have included.
func TestAnOwnersChangesAreExactWithAndWithoutTotals(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 5))
		begin := 20 // what was before, other nodes have
		rs, totals := changes(rng, 80, func(i int) bool { return i == begin || rng.IntN(5) == 0 })
		s := open(t, Config{})
		for i := begin; i < len(rs); i++ {
			apply(t, s, entries(persistence.LSN(i), rs[i]))
			if n := totalOf(t, s, "v"); n != uint64(totals[i]) {
				t.Fatalf("seed %d, revision %d: %d, want %d", seed, i+1, n, totals[i])
			}
		}
	}
}

func TestADeletionOfWhatOnlyOthersHaveIsRemembered(t *testing.T) {
	s := open(t, Config{})
	if err := s.Join(10); err != nil {
		t.Fatal(err)
	}
	apply(t, s, entries(1, posted("w", 60, 0)))
	if err := s.Trim(ctx, 55, 1, nil); err != nil {
		t.Fatal(err)
	}
	apply(t, s, entries(2, revised(deleted("v", 50), 7, -1), revised(deleted("v", 51), 8, -1)))
	if n := totalOf(t, s, "v"); n != 0 {
		t.Errorf("%d comments", n)
	}
	totals, err := s.Totals(ctx, "v")
	if err != nil || totals.CountedFrom != 61 || totals.LastCommentId != 51 {
		t.Errorf("%v, %v: what the room has is elsewhere", totals, err)
	}
	gone, err := s.Deleted(ctx, "v", 0, 100)
	if err != nil || len(gone) != 2 {
		t.Errorf("%v, %v", gone, err)
	}
	// The comment itself comes late, as a copy: it stays deleted.
	late := revised(posted("v", 50, 0), 3, 4)
	late.Copy = &records.Copy{Origin: "o", Session: 1, Seq: 1}
	apply(t, s, entries(4, late, revised(deleted("v", 52), 9, 12), revised(deleted("v", 53), 10, -1), deleted("v", 54)))
	if got := visibleIDs(t, s, "v", 0); len(got) > 0 {
		t.Errorf("visible: %v", got)
	}
	if n := totalOf(t, s, "v"); n != 10 {
		t.Errorf("%d comments, want 12 less two", n)
	}
}

func TestDeletionsBehindAPositionAreToldOf(t *testing.T) {
	s := open(t, Config{})
	apply(t, s, entries(1, posted("v", 5, 0), posted("vv", 6, 0), deleted("v", 5), deleted("vv", 6), deleted("v", 900), deleted("v", 5)))
	for after, want := range map[persistence.LSN][]uint64{0: {5, 900}, 3: {5, 900}, 4: {5, 900}, 5: {5}, 6: nil} {
		got, err := s.UnarchivedDeletions(ctx, "v", after)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("behind %d: %v, %v, want %v", after, got, err, want)
		}
	}
}

func TestWhatIsBelowAnIDIsFound(t *testing.T) {
	s := open(t, Config{})
	apply(t, s, entries(1, posted("a", 50, 0), posted("b", 40, 0), posted("b", 41, 0), posted("c", 60, 0), deleted("c", 7)))
	for id, want := range map[uint64]bool{0: false, 8: false, 40: false, 41: true, 1000: true} {
		if got, err := s.HasBelow(ctx, id); err != nil || got != want {
			t.Errorf("below %d: %v, %v", id, got, err)
		}
	}
}
