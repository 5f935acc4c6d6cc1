package embedded

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"barrage/persistence"
	"barrage/persistence/records"
)

func comments(rs ...*records.Record) []*records.Comment {
	cs := make([]*records.Comment, len(rs))
	for i, r := range rs {
		cs[i] = r.GetCommentPosted().Comment
	}
	return cs
}

func importAll(tb testing.TB, s *Store, cs []*records.Comment) {
	tb.Helper()
	at := s.AppliedLSN()
	if err := s.Import(ctx, cs); err != nil {
		tb.Fatalf("import: %v", err)
	}
	if s.AppliedLSN() != at {
		tb.Fatalf("an import moved the position from %d to %d", at, s.AppliedLSN())
	}
}

func TestWhatIsImportedIsCountedOnceAndWhatIsDeletedStaysSo(t *testing.T) {
	other := posted("v", 5, 0)
	other.GetCommentPosted().Comment.Message = "another text under the same id"
	for name, row := range map[string]struct{ applied, imported []*records.Record }{
		"into nothing":            {nil, []*records.Record{posted("v", 5, 0), posted("v", 6, 5), posted("w", 5, 0)}},
		"twice in one call":       {nil, []*records.Record{posted("v", 5, 0), posted("v", 5, 0)}},
		"out of order":            {nil, []*records.Record{posted("v", 9, 0), posted("v", 5, 0), posted("v", 9, 0), posted("v", 5, 0)}},
		"below what is there":     {[]*records.Record{posted("v", 9, 0)}, []*records.Record{posted("v", 5, 0), posted("v", 6, 5)}},
		"among what is there":     {[]*records.Record{posted("v", 5, 0), posted("v", 9, 0)}, []*records.Record{posted("v", 5, 0), posted("v", 6, 5), posted("v", 10, 0)}},
		"what was deleted":        {[]*records.Record{posted("v", 5, 0), deleted("v", 5)}, []*records.Record{posted("v", 5, 0), posted("v", 4, 0)}},
		"deleted before posted":   {[]*records.Record{deleted("v", 5)}, []*records.Record{posted("v", 5, 0)}},
		"what there is otherwise": {[]*records.Record{posted("v", 5, 0)}, []*records.Record{other}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Config{})
			m := newModel(nil)
			if len(row.applied) > 0 {
				apply(t, s, entries(1, row.applied...))
			}
			for _, r := range append(row.applied, row.imported...) {
				m.apply(r)
			}
			for range 2 {
				importAll(t, s, comments(row.imported...))
				m.check(t, s)
				checkScan(t, s, m, Position{})
				for parent := range uint64(10) {
					checkPage(t, s, m, "v", persistence.Range{Limit: 10, Parent: parent})
				}
			}
		})
	}
}

func TestACommentWithoutIDOrVideoIsNotImported(t *testing.T) {
	s := open(t, Config{})
	for _, r := range []*records.Record{posted("", 5, 0), posted("v", 0, 0)} {
		if err := s.Import(ctx, comments(posted("v", 4, 0), r)); !errors.Is(err, errNoComment) {
			t.Errorf("%v: %v", r, err)
		}
	}
	newModel(nil).check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Import(ctx, comments(posted("v", 4, 0))); !errors.Is(err, persistence.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestImportsLeaveWhatIsCountedElsewhereUncounted(t *testing.T) {
	s := open(t, Config{})
	b := s.db.NewBatch()
	a := applying{Store: s, batch: b}
	if err := a.setProto(totalsKey(nil, "v"), &records.VideoTotals{Comments: 1, LastCommentId: 20, CountedFrom: 10}); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	importAll(t, s, comments(posted("v", 9, 0), posted("v", 10, 0), posted("v", 21, 0)))
	totals, err := s.Totals(ctx, "v")
	if err != nil || totals.Comments != 3 || totals.LastCommentId != 21 || totals.CountedFrom != 10 {
		t.Errorf("%v, %v", totals, err)
	}
}

// TestImportsAndCrashesAgainstAModel mixes imports, records and syncs, cuts the
// power, and imports again what was not synced.
func TestImportsAndCrashesAgainstAModel(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	for range rounds {
		seed := rand.Uint64()
		t.Run("", func(t *testing.T) {
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			journal := history(rng, 300)
			inJournal := map[Position]*records.Record{} // one id, one text
			for _, e := range journal {
				e.Record.Revision, e.Record.TotalComments = 0, nil // a total knows no imports
				if c := e.Record.GetCommentPosted().GetComment(); c != nil && inJournal[Position{c.LiveVideoId, c.Id}] == nil {
					inJournal[Position{c.LiveVideoId, c.Id}] = e.Record
				}
			}
			fs := vfs.NewCrashableMem()
			s := open(t, Config{FS: fs})
			m := newModel(nil)
			var unsynced []*records.Comment // to be imported again after a crash
			applied := 0
			for range 150 {
				switch dice := rng.IntN(10); {
				case dice < 3 && applied < len(journal):
					n := min(len(journal), applied+1+rng.IntN(20))
					apply(t, s, journal[applied:n])
					for _, e := range journal[applied:n] {
						m.apply(e.Record)
					}
					applied = n
				case dice < 7:
					cs := make([]*records.Comment, 1+rng.IntN(30))
					for i := range cs {
						p := Position{[]string{"a", "b", "d"}[rng.IntN(3)], 1 + rng.Uint64N(400)}
						r := inJournal[p]
						if r == nil {
							r = posted(p.LiveVideoID, p.CommentID, 0)
						}
						m.apply(r)
						cs[i] = r.GetCommentPosted().Comment
					}
					importAll(t, s, cs)
					unsynced = append(unsynced, cs...)
				case dice < 9:
					if upTo, err := s.Sync(ctx); err != nil || upTo != s.AppliedLSN() {
						t.Fatalf("sync: %d, %v", upTo, err)
					}
					unsynced = nil
				default:
					fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[rng.IntN(3)], RNG: rng})
					_ = s.Close()
					s = open(t, Config{FS: fs})
					at := int(s.AppliedLSN())
					if at < applied {
						apply(t, s, journal[at:applied])
					}
					importAll(t, s, unsynced)
				}
				m.check(t, s)
			}
			checkScan(t, s, m, Position{})
		})
	}
}

// A sync must not take itself for done when only an import came in between.
func TestASyncKeepsWhatWasImported(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := open(t, Config{FS: fs})
	apply(t, s, entries(1, posted("v", 5, 0)))
	if _, err := s.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	importAll(t, s, comments(posted("v", 4, 0), posted("w", 7, 0)))
	if upTo, err := s.Sync(ctx); err != nil || upTo != 1 {
		t.Fatalf("%d, %v", upTo, err)
	}
	m := newModel(entries(1, posted("v", 5, 0), posted("v", 4, 0), posted("w", 7, 0)))
	m.check(t, open(t, Config{FS: fs.CrashClone(vfs.CrashCloneCfg{})}))
}

// BenchmarkImport measures comments a second, with a sync for every 50,000.
func BenchmarkImport(b *testing.B) {
	for name, descending := range map[string]bool{"rising": false, "below others": true} {
		b.Run(name, func(b *testing.B) {
			s := open(b, Config{Dir: b.TempDir(), FS: vfs.Default})
			const batch = 50_000
			made := benchEntries(1, batch, 100)
			cs := make([]*records.Comment, batch)
			id, count := uint64(1)<<40, 0
			for b.Loop() {
				for i, e := range made {
					cs[i] = e.Record.GetCommentPosted().Comment
					if id++; descending {
						id -= 2
					}
					cs[i].Id = id
				}
				importAll(b, s, cs)
				if _, err := s.Sync(ctx); err != nil {
					b.Fatal(err)
				}
				count += batch
			}
			b.ReportMetric(float64(count)/b.Elapsed().Seconds(), "comments/s")
		})
	}
}
