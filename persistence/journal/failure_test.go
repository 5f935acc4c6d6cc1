package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"barrage/persistence"
)

// failing makes the next times operations of a kind fail.
func failing(op string, times int, err error) func(string, string) error {
	return func(o, _ string) error {
		if o == op && times > 0 {
			times--
			return err
		}
		return nil
	}
}

// TestFailedRecordsNeverComeBackAndServiceResumes: a commit fails, its records
// are refused, later ones are kept, and no crash brings the failed ones back.
func TestFailedRecordsNeverComeBackAndServiceResumes(t *testing.T) {
	for _, op := range []string{"write", "sync", "allocate", "create", "rename", "syncdir", "free"} {
		for _, cause := range []error{syscall.ENOSPC, syscall.EIO, syscall.EROFS, errShort} {
			if errors.Is(cause, errShort) && op != "write" {
				continue
			}
			for _, fresh := range []bool{false, true} { // in the first commit of a segment, or a later one
				for _, closed := range []bool{false, true} {
					name := fmt.Sprintf("%s/%v/fresh=%v/closed=%v", op, cause, fresh, closed)
					t.Run(name, func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { failOnce(t, op, cause, fresh, closed) })
					})
				}
			}
		}
	}
}

func failOnce(t *testing.T, op string, cause error, fresh, closed bool) {
	fs := newMemFS()
	var unavailable, available int
	cfg := small(fs)
	cfg.Events = Events{
		Unavailable: func(err error) {
			unavailable++
			if !errors.Is(err, persistence.ErrUnavailable) {
				t.Errorf("unavailable: %v", err)
			}
		},
		Available: func() { available++ },
	}
	j := open(t, cfg)
	kept := uint64(0)
	if !fresh {
		kept = 5
		fill(t, j, 1, kept)
	}
	appended, fault := make(chan struct{}), failing(op, 1, cause)
	fs.setFault(func(op, name string) error {
		<-appended
		return fault(op, name)
	})

	s := newSink()
	for n := uint64(901); n <= 910; n++ {
		if err := s.append(j, n); err != nil {
			t.Fatal(err)
		}
	}
	close(appended)
	synctest.Wait()
	_, failed, waiting := s.settled()
	if len(waiting) > 0 {
		t.Fatalf("the sink was not told about %v", waiting)
	}
	happened := len(failed) == 10
	if happened {
		for _, err := range s.errs {
			if !errors.Is(err, persistence.ErrUnavailable) {
				t.Errorf("the sink was told %v", err)
			}
			if !errors.Is(err, cause) && !errors.Is(cause, errShort) {
				t.Errorf("the sink was told %v, without the cause", err)
			}
		}
		if unavailable != 1 {
			t.Errorf("%d events of unavailability", unavailable)
		}
	} else if fresh || op == "write" || op == "sync" || op == "free" {
		t.Fatalf("failed: %v", failed)
	}
	time.Sleep(maxProbeDelay) // the bubble's clock: nothing is waited for
	synctest.Wait()
	if !j.Stats().Available || available != unavailable {
		t.Fatalf("not available again: %d, %d", available, unavailable)
	}

	survivors := map[uint64]bool{}
	if !happened {
		return // the operation is not part of this commit
	}
	fill(t, j, kept+1, kept+5)
	for n := uint64(1); n <= kept+5; n++ {
		survivors[n] = true
	}
	if closed {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for seed := range uint64(20) {
		after := fs.crash(rand.New(rand.NewPCG(seed, 0)))
		again, err := Open(small(after))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		entries := readAll(t, again, 0)
		wantRun(t, entries, 1, 1, kept+5)
		for _, e := range entries {
			if !survivors[numberOf(e.Record)] {
				t.Errorf("seed %d: %d came back", seed, numberOf(e.Record))
			}
		}
		_ = again.Close()
	}
}

func TestFailedRecordsStayAwayEvenIfTheBrokenFileCannotBeCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		j := open(t, small(fs))
		one(t, j, 1, 2)
		broken := segmentPath("/journal", 1)
		fs.setFault(func(op, name string) error {
			if name == broken && (op == "truncate" || op == "sync") {
				return syscall.EIO
			}
			return nil
		})
		s := newSink()
		if err := s.append(j, 99); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, failed, _ := s.settled(); len(failed) != 1 {
			t.Fatal("it did not fail")
		}
		fill(t, j, 3, 4)
		for seed := range uint64(50) {
			again := open(t, small(fs.crash(rand.New(rand.NewPCG(seed, 0)))))
			wantRun(t, readAll(t, again, 0), 1, 1, 4)
			_ = again.Close()
		}
		// Without a crash the failed record is in the file as programs see it.
		again := open(t, small(fs))
		wantRun(t, readAll(t, again, 0), 1, 1, 4)
		_ = again.Close()
		_ = j.Close()
	})
}

func TestWhileTheDiskFailsAppendFailsAtOnceAndProbesSlowDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		j := open(t, small(fs))
		one(t, j, 1)
		attempts := 0
		fs.setFault(func(op, _ string) error {
			switch op {
			case "create":
				attempts++
				return syscall.EROFS
			case "write", "truncate":
				return syscall.EROFS
			}
			return nil
		})
		s := newSink()
		if err := s.append(j, 2); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := s.append(j, 3); !errors.Is(err, persistence.ErrUnavailable) || !errors.Is(err, syscall.EROFS) {
			t.Errorf("append: %v", err)
		}
		if attempts < 10 || attempts > 30 {
			t.Errorf("%d attempts in a minute", attempts)
		}
		fs.setFault(nil)
		time.Sleep(maxProbeDelay)
		one(t, j, 2)
		wantRun(t, readAll(t, j, 0), 1, 1, 2)
		_ = j.Close()
	})
}

func TestADiskThatOpensButDoesNotWriteIsNotWornOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		segments := 0
		fs.setFault(func(op, name string) error {
			if op == "create" {
				segments++
			}
			if op == "sync" && strings.HasSuffix(name, segmentSuffix) {
				return syscall.EIO
			}
			return nil
		})
		j := open(t, small(fs))
		s := newSink()
		end := time.Now().Add(time.Minute)
		for n := uint64(1); time.Now().Before(end); n++ {
			_ = s.append(j, n)
			time.Sleep(10 * time.Millisecond)
		}
		if segments > 30 {
			t.Errorf("%d segments made in a minute", segments)
		}
		_ = j.Close()
	})
}

func TestCloseWhileUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		j := open(t, small(fs))
		one(t, j, 1)
		fs.setFault(func(op, _ string) error {
			if op == "write" {
				return syscall.EIO
			}
			return nil
		})
		s := newSink()
		_ = s.append(j, 2)
		synctest.Wait()
		if err := j.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := s.append(j, 3); !errors.Is(err, persistence.ErrClosed) {
			t.Errorf("append: %v", err)
		}
		fs.setFault(nil)
		again := open(t, small(fs))
		wantRun(t, readAll(t, again, 0), 1, 1, 1)
		_ = again.Close()
	})
}

func TestBelowTheFreeReserveNothingIsTakenUntilThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		cfg := small(fs)
		cfg.FreeReserveBytes = 1 << 20
		j := open(t, cfg)
		one(t, j, 1)
		fs.setFree(1<<20 - 1)
		s := newSink()
		_ = s.append(j, 2)
		synctest.Wait()
		if _, failed, _ := s.settled(); len(failed) != 1 || j.Stats().Available {
			t.Fatal("taken")
		}
		fs.setFree(1 << 30)
		time.Sleep(maxProbeDelay)
		one(t, j, 2)
		if j.Stats().Segments != 1 {
			t.Error("a segment that is not broken was given up")
		}
		wantRun(t, readAll(t, j, 0), 1, 1, 2)
		_ = j.Close()
	})
}

func TestAFullJournalTakesRecordsAgainOnceTrimmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		cfg := small(fs)
		cfg.MaxBytes = 5 * minSegmentBytes
		j := open(t, cfg)
		s := newSink()
		n := uint64(0)
		for j.Stats().Available {
			n++
			if err := s.append(j, n); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		order, failed, _ := s.settled()
		if len(failed) != 1 || !strings.Contains(s.errs[0].Error(), "history has not taken over") {
			t.Fatalf("failed %v %v", failed, s.errs)
		}
		if stats := j.Stats(); stats.Bytes > cfg.MaxBytes || stats.Bytes < cfg.MaxBytes-minSegmentBytes {
			t.Errorf("stats %+v", stats)
		}
		if err := j.Trim(j.LastLSN()); err != nil { // no probe need come round for this
			t.Fatal(err)
		}
		synctest.Wait()
		if stats := j.Stats(); !stats.Available {
			t.Fatalf("stats %+v", stats)
		}
		one(t, j, 1000)
		entries := readAll(t, j, persistence.LSN(len(order)))
		if len(entries) != 1 || numberOf(entries[0].Record) != 1000 {
			t.Errorf("%d entries", len(entries))
		}
		_ = j.Close()
	})
}

func TestFailedRecordsStayAwayWhileNoNewSegmentCanBeMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		j := open(t, small(fs))
		one(t, j, 1, 2)
		once := failing("sync", 1, syscall.EIO)
		fs.setFault(func(op, name string) error {
			if op == "create" {
				return syscall.EIO
			}
			return once(op, name)
		})
		s := newSink()
		// Their bytes may reach the disk although the sync failed.
		node := fs.names[segmentPath("/journal", 1)]
		if err := s.append(j, 99); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, failed, _ := s.settled(); len(failed) != 1 {
			t.Fatal("it did not fail")
		}
		if len(node.pending) > 0 || len(node.durable) != int(j.segments[0].end) {
			t.Errorf("the cut is not on the disk: %d bytes, %d are good", len(node.durable), j.segments[0].end)
		}
		for seed := range uint64(20) {
			again := open(t, small(fs.crash(rand.New(rand.NewPCG(seed, 0)))))
			wantRun(t, readAll(t, again, 0), 1, 1, 2)
			_ = again.Close()
		}
		_ = j.Close()
	})
}

func TestASingleErrorAfterGoodCommitsIsRepairedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		j := open(t, small(fs))
		for n := range uint64(10) {
			one(t, j, n+1)
			fs.setFault(failing("sync", 1, syscall.EIO))
			s := newSink()
			_ = s.append(j, 99)
			synctest.Wait()
			if !j.Stats().Available { // the bubble's clock has not moved
				t.Fatalf("error %d: unavailable", n)
			}
		}
		wantRun(t, readAll(t, j, 0), 1, 1, 10)
		_ = j.Close()
	})
}
