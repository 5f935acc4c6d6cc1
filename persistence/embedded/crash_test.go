package embedded

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"barrage/persistence"
	"barrage/persistence/records"
)

// revise makes a record one of a cluster, perhaps: its owner's, with or without
// a total, a copy, or one that comes late.
func revise(rng *rand.Rand, r *records.Record, revision uint64) uint64 {
	dice, total := rng.IntN(10), rng.IntN(600)-300
	switch {
	case dice < 5:
		revision += 1 + rng.Uint64N(2)
		revised(r, revision, total)
	case dice < 7 && revision > 0:
		revised(r, 1+rng.Uint64N(revision), total)
		r.Copy = &records.Copy{Origin: "other", Session: 1, Seq: revision}
	}
	return revision
}

// history answers random but sensible records.
func history(rng *rand.Rand, n int) []persistence.Entry {
	videos := []string{"a", "b", "c"}
	var all []persistence.Entry
	id, revision := uint64(0), uint64(0)
	for len(all) < n {
		lsn, video := persistence.LSN(len(all)+1), videos[rng.IntN(len(videos))]
		if len(all) > 0 {
			revision = revise(rng, all[len(all)-1].Record, revision)
		}
		switch dice := rng.IntN(20); {
		case dice < 2 && id > 0:
			all = append(all, entries(lsn, deleted(video, 1+rng.Uint64N(id)))...)
		case dice < 3 && id > 0:
			all = append(all, entries(lsn, posted(video, 1+rng.Uint64N(id), 0))...)
		default:
			id++
			all = append(all, entries(lsn, posted(video, id, rng.Uint64N(3)))...)
		}
	}
	return all
}

// TestAfterACrashReplayGivesExactCounts cuts the power at random places, with
// and without a sync before, and replays from where the store says it stands.
func TestAfterACrashReplayGivesExactCounts(t *testing.T) {
	for range 6 {
		seed := rand.Uint64()
		t.Run("", func(t *testing.T) {
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			all := history(rng, 500)
			fs := vfs.NewCrashableMem()
			s := open(t, Config{FS: fs})
			synced := persistence.LSN(0)
			for s.AppliedLSN() < persistence.LSN(len(all)) {
				switch dice := rng.IntN(10); {
				case dice < 6:
					from := int(s.AppliedLSN())
					apply(t, s, all[from:min(len(all), from+1+rng.IntN(100))])
				case dice < 8:
					upTo, err := s.Sync(ctx)
					if err != nil || upTo != s.AppliedLSN() {
						t.Fatalf("sync: %d, %v", upTo, err)
					}
					synced = upTo
				default:
					fs = fs.CrashClone(vfs.CrashCloneCfg{
						UnsyncedDataPercent: []int{0, 50, 100}[rng.IntN(3)],
						RNG:                 rng,
					})
					_ = s.Close()
					s = open(t, Config{FS: fs})
					at := s.AppliedLSN()
					if at < synced {
						t.Fatalf("synced up to %d, and back at %d", synced, at)
					}
					newModel(all[:at]).check(t, s) // a prefix, and exact
					if at > 0 {                    // the journal may begin earlier
						apply(t, s, all[rng.IntN(int(at)):at])
						newModel(all[:at]).check(t, s)
					}
				}
			}
			newModel(all).check(t, s)
		})
	}
}

func TestWhatPebbleFlushesByItselfIsAPrefixToo(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	all := history(rng, 3000)
	fs := vfs.NewCrashableMem()
	s := open(t, Config{FS: fs})
	for from := 0; from < len(all); from += 500 {
		apply(t, s, all[from:from+250])
		flushed, err := s.db.AsyncFlush() // as Pebble does when a memtable is full
		if err != nil {
			t.Fatal(err)
		}
		apply(t, s, all[from+250:from+500])
		<-flushed
		after := open(t, Config{FS: fs.CrashClone(vfs.CrashCloneCfg{})})
		at := int(after.AppliedLSN())
		if at != from+250 {
			t.Fatalf("back at %d, flushed at %d", at, from+250)
		}
		newModel(all[:at]).check(t, after)
		apply(t, after, all[:from+500])
		newModel(all[:from+500]).check(t, after)
		_ = after.Close()
	}
}
