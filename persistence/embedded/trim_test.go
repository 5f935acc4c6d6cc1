package embedded

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"barrage/persistence"
)

func visibleIDs(t *testing.T, s *Store, video string, parent uint64) (ids []uint64) {
	t.Helper()
	comments, err := s.Comments(ctx, video, persistence.Range{Limit: 10_000, Parent: parent})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range comments {
		ids = append(ids, c.Id)
	}
	return ids
}

func totalOf(t *testing.T, s *Store, video string) uint64 {
	t.Helper()
	totals, err := s.Totals(ctx, video)
	if err != nil {
		t.Fatal(err)
	}
	return totals.Comments
}

func TestTrimRemovesWhatIsBelowTheFloorAndAboveTheJoin(t *testing.T) {
	videos := []string{"v", "vv", "v\x00", strings.Repeat("long", 60), ""}
	s := open(t, Config{})
	lsn := persistence.LSN(0)
	add := func(from, to uint64) {
		for id := from; id < to; id++ {
			for _, video := range videos {
				lsn++
				apply(t, s, entries(lsn, posted(video, id, id/2*(id%2))))
			}
		}
	}
	add(1, 50)
	if err := s.Trim(ctx, 10, lsn, nil); !errors.Is(err, ErrNotJoined) {
		t.Errorf("trimmed a store that is all there is: %v", err)
	}
	if err := s.Join(50); err != nil {
		t.Fatal(err)
	}
	if err := s.Join(70); err != nil || s.Floor() != 50 || s.CountedFrom() != 50 {
		t.Errorf("joined again: %v, floor %d", err, s.Floor())
	}
	add(50, 100)
	for _, floor := range []uint64{60, 55, 61, 90} { // 55: nothing
		if err := s.Trim(ctx, floor, lsn, nil); err != nil {
			t.Fatal(err)
		}
	}
	var want, wantReplies []uint64
	for id := uint64(1); id < 100; id++ {
		if id < 50 || id >= 90 {
			want = append(want, id)
			if id == 95 {
				wantReplies = append(wantReplies, id)
			}
		}
	}
	for _, video := range videos {
		if got := visibleIDs(t, s, video, 0); !slices.Equal(got, want) {
			t.Errorf("%q has %v", video, got)
		}
		if got := visibleIDs(t, s, video, 47); !slices.Equal(got, wantReplies) {
			t.Errorf("%q has the replies %v", video, got)
		}
		if n := totalOf(t, s, video); n != 99 {
			t.Errorf("%q counts %d: what another store has still counts", video, n)
		}
	}
	if s.Floor() != 90 {
		t.Errorf("floor %d", s.Floor())
	}
}

func TestADeletionOfATrimmedCommentCountsOnce(t *testing.T) {
	s := open(t, Config{})
	if err := s.Join(10); err != nil {
		t.Fatal(err)
	}
	apply(t, s, entries(1, posted("v", 20, 0), posted("v", 21, 0), posted("v", 30, 0)))
	if err := s.Trim(ctx, 30, 3, nil); err != nil {
		t.Fatal(err)
	}
	apply(t, s, entries(4, deleted("v", 20), deleted("v", 20), deleted("v", 5))) // 5: from before, not counted here
	if n := totalOf(t, s, "v"); n != 2 {
		t.Errorf("%d comments", n)
	}
	if gone, err := s.Deleted(ctx, "v", 1, 100); err != nil || len(gone) != 2 || !gone[20] || !gone[5] {
		t.Errorf("deleted %v, %v", gone, err)
	}
	// The mark goes once the other store knows, and only then.
	apply(t, s, entries(7, posted("v", 40, 0)))
	for _, step := range []struct {
		floor uint64
		upTo  persistence.LSN
		want  int
	}{{31, 4, 1}, {32, 6, 0}} {
		if err := s.Trim(ctx, step.floor, step.upTo, nil); err != nil {
			t.Fatal(err)
		}
		if gone, err := s.Deleted(ctx, "v", 1, 100); err != nil || len(gone) > step.want+1 {
			t.Errorf("%+v: %v, %v", step, gone, err)
		}
	}
	if gone, err := s.Deleted(ctx, "v", 1, 100); err != nil || len(gone) != 0 {
		t.Errorf("left: %v, %v", gone, err)
	}
}

func TestWhatWasTrimmedStaysSoAfterACrash(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := open(t, Config{FS: fs})
	if err := s.Join(5); err != nil {
		t.Fatal(err)
	}
	for id := uint64(5); id < 50; id++ {
		apply(t, s, entries(persistence.LSN(id-4), posted("v", id, 0)))
	}
	if err := s.Trim(ctx, 20, 45, nil); err != nil {
		t.Fatal(err)
	}
	crashed := open(t, Config{FS: fs.CrashClone(vfs.CrashCloneCfg{})})
	// Whatever was lost, the floor and what is above it fit together.
	applied := uint64(crashed.AppliedLSN())
	var want []uint64
	for id := max(5, crashed.Floor()); id < applied+5; id++ {
		want = append(want, id)
	}
	if got := visibleIDs(t, crashed, "v", 0); !slices.Equal(got, want) {
		t.Errorf("floor %d, applied %d: %v", crashed.Floor(), applied, got)
	}
	if joined, err := crashed.Joined(); err != nil || !joined || crashed.CountedFrom() != 5 {
		t.Errorf("the join is lost: %v %v %d", joined, err, crashed.CountedFrom())
	}
}

func TestWhatAnotherStoreDoesNotHaveIsKept(t *testing.T) {
	s := open(t, Config{})
	if err := s.Join(0); err != nil {
		t.Fatal(err)
	}
	for id := uint64(1); id <= 50; id++ {
		apply(t, s, entries(persistence.LSN(2*id-1), posted("v", id, id/2*(id%2)), posted("w", id, 0)))
	}
	keep := map[string][]uint64{"v": {31, 7, 8, 45}, "x": {1}}
	for _, floor := range []uint64{5, 8, 20, 40} {
		if err := s.Trim(ctx, floor, 100, keep); err != nil {
			t.Fatal(err)
		}
	}
	rest := []uint64{40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50}
	if got, want := visibleIDs(t, s, "v", 0), append([]uint64{7, 8, 31}, rest...); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := visibleIDs(t, s, "w", 0); !slices.Equal(got, rest) {
		t.Errorf("%v", got)
	}
	if got := visibleIDs(t, s, "v", 15); !slices.Equal(got, []uint64{31}) {
		t.Errorf("replies %v", got)
	}
}
