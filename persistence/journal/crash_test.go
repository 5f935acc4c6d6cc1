package journal

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"barrage/persistence"
)

// ledger is what a crash must respect: answered records at their positions, and
// those still waiting, which may or may not have made it.
type ledger struct {
	kept    map[persistence.LSN]uint64
	waiting []uint64
	trimmed persistence.LSN
}

// check opens what a crash left and compares.
func (l ledger) check(t *testing.T, fs *memFS) {
	t.Helper()
	j, err := Open(small(fs))
	if err != nil {
		t.Fatalf("open after the crash: %v", err)
	}
	defer j.Close()
	entries := readAll(t, j, 0)
	found := map[persistence.LSN]uint64{}
	for i, e := range entries {
		if i > 0 && e.LSN != entries[i-1].LSN+1 {
			t.Fatalf("position %d follows %d", e.LSN, entries[i-1].LSN)
		}
		found[e.LSN] = numberOf(e.Record)
	}
	last := persistence.LSN(0)
	for lsn, n := range l.kept {
		last = max(last, lsn)
		if lsn > l.trimmed && found[lsn] != n {
			t.Fatalf("answered record %d at %d: found %d of %d entries", n, lsn, found[lsn], len(entries))
		}
	}
	for i := 0; ; i++ {
		n, ok := found[last+1+persistence.LSN(i)]
		if !ok {
			break
		}
		if i >= len(l.waiting) || n != l.waiting[i] {
			t.Fatalf("record %d at %d was not waiting for an answer (%v)", n, last+1+persistence.LSN(i), l.waiting)
		}
	}
	// The journal goes on.
	next := j.LastLSN() + 1
	fill(t, j, 5001, 5003)
	wantRun(t, readAll(t, j, next-1), next, 5001, 5003)
}

// ledger answers what the sink knows now.
func (s *sink) ledger(trimmed persistence.LSN) ledger {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := ledger{kept: map[persistence.LSN]uint64{}, trimmed: trimmed}
	for lsn, n := range s.kept {
		l.kept[lsn] = n
	}
	l.waiting = append(l.waiting, s.queue...)
	return l
}

// TestACrashAtAnyOperationLosesNoAnsweredRecord runs one history again and
// again, and cuts the power before each operation on the disk in turn.
func TestACrashAtAnyOperationLosesNoAnsweredRecord(t *testing.T) {
	crashes := 0
	for at := 1; ; at++ {
		fs := newMemFS()
		var s *sink
		var mu sync.Mutex
		ops, trimmed := 0, persistence.LSN(0)
		var images []*memFS
		var l ledger
		synctest.Test(t, func(t *testing.T) {
			s = newSink()
			fs.setFault(func(op, _ string) error {
				mu.Lock()
				defer mu.Unlock()
				if op == "read" || op == "stat" || op == "free" || op == "" {
					return nil
				}
				if ops++; ops == at {
					l = s.ledger(trimmed)
					for seed := range uint64(4) {
						images = append(images, fs.crash(rand.New(rand.NewPCG(uint64(at), seed))))
					}
				}
				return nil
			})
			n := uint64(0)
			for round := range 2 {
				j, err := Open(small(fs))
				if err != nil {
					t.Fatal(err)
				}
				for range 12 {
					for range 3 {
						n++
						if err := s.append(j, n); err != nil {
							t.Fatal(err)
						}
					}
					synctest.Wait()
				}
				mu.Lock()
				trimmed = j.LastLSN() / 2
				mu.Unlock()
				if err := j.Trim(trimmed); err != nil {
					t.Fatal(err)
				}
				if round == 0 {
					_ = j.Close()
				} else {
					defer j.Close()
				}
			}
		})
		if images == nil {
			break
		}
		for _, image := range images {
			l.check(t, image)
			crashes++
		}
	}
	if crashes < 300 {
		t.Errorf("only %d crashes", crashes)
	}
}

// TestRandomHistoriesAgainstAModel mixes appends, failures, crashes, restarts
// and trims.
func TestRandomHistoriesAgainstAModel(t *testing.T) {
	for range 25 {
		seed := rand.Uint64()
		t.Run("", func(t *testing.T) {
			t.Logf("seed %d", seed)
			synctest.Test(t, func(t *testing.T) { randomHistory(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func randomHistory(t *testing.T, rng *rand.Rand) {
	fs := newMemFS()
	j, err := Open(small(fs))
	if err != nil {
		t.Fatal(err)
	}
	s := newSink()
	n, trimmed := uint64(0), persistence.LSN(0)
	for range 150 {
		switch dice := rng.IntN(100); {
		case dice < 65: // some records at once
			for range 1 + rng.IntN(6) {
				n++
				if err := s.append(j, n); err != nil {
					t.Fatalf("append %d: %v", n, err)
				}
			}
			synctest.Wait()
		case dice < 80: // some records, and one operation fails
			op := []string{"write", "sync", "create", "allocate", "rename", "syncdir", "truncate"}[rng.IntN(7)]
			fs.setFault(failing(op, 1, errShort))
			for range 1 + rng.IntN(6) {
				n++
				_ = s.append(j, n)
			}
			synctest.Wait()
			fs.setFault(nil)
			sleepUntilAvailable(t, j)
		case dice < 90: // what is applied may go
			trimmed = max(trimmed, persistence.LSN(rng.Uint64N(uint64(j.LastLSN())+1)))
			if err := j.Trim(trimmed); err != nil {
				t.Fatal(err)
			}
		case dice < 94: // a restart
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			if j, err = Open(small(fs)); err != nil {
				t.Fatal(err)
			}
		default: // a crash while records are being written
			j, fs = crashDuringCommit(t, rng, fs, j, s, &n, trimmed)
		}
	}
	_ = j.Close()
	s.ledger(trimmed).check(t, fs)
}

// crashDuringCommit appends, cuts the power at some operation of that, and goes
// on with what is left.
func crashDuringCommit(t *testing.T, rng *rand.Rand, fs *memFS, j *Journal, s *sink, n *uint64, trimmed persistence.LSN) (*Journal, *memFS) {
	t.Helper()
	var image *memFS
	var l ledger
	countdown := rng.IntN(4)
	fs.setFault(func(op, name string) error {
		if countdown--; countdown < 0 && image == nil && op != "" {
			l, image = s.ledger(trimmed), fs.crash(rng)
		}
		return nil
	})
	for range 1 + rng.IntN(20) {
		*n++
		if err := s.append(j, *n); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
	fs.setFault(nil)
	_ = j.Close()
	if image == nil {
		l, image = s.ledger(trimmed), fs.crash(rng)
	}
	l.check(t, copyOf(image))

	again, err := Open(small(image))
	if err != nil {
		t.Fatal(err)
	}
	// From here on the sink knows what the disk knows.
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept, s.queue = map[persistence.LSN]uint64{}, nil
	for _, e := range readAll(t, again, 0) {
		s.kept[e.LSN] = numberOf(e.Record)
	}
	return again, image
}

// copyOf is what a disk holds that was left alone.
func copyOf(fs *memFS) *memFS {
	c := newMemFS()
	for name, node := range fs.names {
		n := &memNode{name: name, data: slices.Clone(node.data), durable: slices.Clone(node.data)}
		c.names[name], c.durable[name] = n, n
	}
	return c
}

func sleepUntilAvailable(t *testing.T, j *Journal) {
	t.Helper()
	for range 10 {
		if j.Stats().Available {
			return
		}
		pauseInBubble()
	}
	t.Fatal("not available again")
}

func TestLeftoversOfAnInterruptedCreationAreRemoved(t *testing.T) {
	fs := newMemFS()
	j := open(t, small(fs))
	one(t, j, 1)
	_ = j.Close()
	left := &memNode{data: []byte("half")}
	fs.names[filepath.Join("/journal", "00000000000000000002.journal.tmp")] = left
	fs.names[filepath.Join("/journal", "notes.txt")] = left // not ours: stays
	wantRun(t, readAll(t, open(t, small(fs)), 0), 1, 1, 1)
	for name := range fs.names {
		if strings.HasSuffix(name, tempSuffix) {
			t.Errorf("%s is still there", name)
		}
	}
	if len(fs.names) != 2 {
		t.Errorf("%d files", len(fs.names))
	}
}
