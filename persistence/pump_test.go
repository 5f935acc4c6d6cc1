package persistence_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "barrage/persistence"
)

// pumped runs a test with a pump between fakes, in a bubble whose clock it can
// let run.
func pumped(t *testing.T, cfg PumpConfig, f func(t *testing.T, p *Pump, l *fakeLog, s *fakeStore)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l, s := newFakeLog(), &fakeStore{}
		cfg.Log, cfg.Read, cfg.Store = l, l.reader, s
		p, err := NewPump(cfg)
		if err != nil {
			t.Fatal(err)
		}
		f(t, p, l, s)
		synctest.Wait()
		if l.readers != 0 {
			t.Errorf("%d readers are still open", l.readers)
		}
	})
}

func stop(t *testing.T, p *Pump) {
	t.Helper()
	if err := p.Stop(context.Background()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// wantAll fails unless the store has every position once, in order.
func wantAll(t *testing.T, s *fakeStore, upTo LSN) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if LSN(len(s.applied)) != upTo {
		t.Fatalf("%d applied, want %d", len(s.applied), upTo)
	}
	for i, lsn := range s.applied {
		if lsn != LSN(i+1) {
			t.Fatalf("%d follows %d", lsn, i)
		}
	}
}

func TestEverythingIsAppliedInOrderAndInBatches(t *testing.T) {
	pumped(t, PumpConfig{BatchEntries: 10}, func(t *testing.T, p *Pump, l *fakeLog, s *fakeStore) {
		l.append(35)
		p.Start()
		p.Start() // harmless
		if err := p.WaitApplied(context.Background(), 35); err != nil {
			t.Fatal(err)
		}
		wantAll(t, s, 35)
		if len(s.batches) != 4 {
			t.Errorf("batches %v", s.batches)
		}
		l.append(1)
		synctest.Wait()
		if p.Applied() != 36 {
			t.Errorf("applied %d", p.Applied())
		}
		stop(t, p)
		stop(t, p) // harmless
	})
}

func TestStopAppliesSyncsAndTrimsWhatIsDurable(t *testing.T) {
	pumped(t, PumpConfig{BatchEntries: 3}, func(t *testing.T, p *Pump, l *fakeLog, s *fakeStore) {
		p.Start()
		l.append(100)
		stop(t, p)
		wantAll(t, s, 100)
		if s.synced != 100 || l.at() != 100 {
			t.Errorf("synced %d, trimmed %d", s.synced, l.at())
		}
	})
}

func TestSyncAndTrimComeAfterSoMuchOrSoLong(t *testing.T) {
	pumped(t, PumpConfig{SyncBytes: 1000, SyncInterval: time.Minute}, func(t *testing.T, p *Pump, l *fakeLog, s *fakeStore) {
		p.Start()
		synctest.Wait()
		s.set(func() { s.syncs = 0 }) // the one at the start
		l.append(3)
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if s.attempts() != 0 {
			t.Error("synced early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s.attempts() != 1 || l.at() != 3 {
			t.Errorf("%d syncs, trimmed %d", s.attempts(), l.at())
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if s.attempts() != 1 {
			t.Errorf("%d syncs although nothing is new", s.attempts())
		}
		l.append(1000) // more than the bytes
		synctest.Wait()
		if s.attempts() != 2 || l.at() != 1003 {
			t.Errorf("%d syncs, trimmed %d", s.attempts(), l.at())
		}
		stop(t, p)
	})
}

func TestNothingIsTrimmedThatTheStoreDidNotSync(t *testing.T) {
	pumped(t, PumpConfig{SyncBytes: 100}, func(t *testing.T, p *Pump, l *fakeLog, s *fakeStore) {
		s.syncErr = errFake
		p.Start()
		l.append(200)
		synctest.Wait()
		time.Sleep(time.Hour)
		synctest.Wait()
		if l.at() != 0 {
			t.Fatalf("trimmed %d", l.at())
		}
		wantAll(t, s, 200) // but shown
		if n := s.attempts(); n < 300 || n > 1500 {
			t.Errorf("%d attempts in an hour", n)
		}
		s.set(func() { s.syncErr = nil })
		time.Sleep(time.Minute)
		synctest.Wait()
		if l.at() != 200 {
			t.Errorf("trimmed %d", l.at())
		}
		stop(t, p)
	})
}

func TestOnlyWhatASyncKeptIsTrimmed(t *testing.T) {
	pumped(t, PumpConfig{SyncBytes: 100}, func(t *testing.T, p *Pump, l *fakeLog, s *fakeStore) {
		s.behind = 3
		p.Start()
		l.append(50)
		synctest.Wait()
		if l.at() != 47 || p.Stats().Synced != 47 || p.Applied() != 50 {
			t.Errorf("trimmed %d, stats %+v", l.at(), p.Stats())
		}
		stop(t, p)
	})
}

func TestAStoreThatIsAwayLosesNothing(t *testing.T) {
	failures := map[string]int{}
	cfg := PumpConfig{Events: PumpEvents{Failed: func(operation string, _ error) { failures[operation]++ }}}
	pumped(t, cfg, func(t *testing.T, p *Pump, l *fakeLog, s *fakeStore) {
		s.applyErr = errFake
		p.Start()
		for range 60 {
			l.append(10)
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		if stats := p.Stats(); stats.Depth != 600 || stats.Applied != 0 {
			t.Errorf("stats %+v", stats)
		}
		if n := failures["apply"]; n < 300 || n > 1000 {
			t.Errorf("%d attempts in an hour", n)
		}
		s.set(func() { s.applyErr = nil })
		if err := p.WaitApplied(context.Background(), 600); err != nil {
			t.Fatal(err)
		}
		wantAll(t, s, 600)
		if stats := p.Stats(); stats.Depth != 0 || stats.Lag != 0 {
			t.Errorf("stats %+v", stats)
		}
		stop(t, p)
	})
}

func TestAStoreThatLostWhatWasNotSyncedGetsItAgain(t *testing.T) {
	pumped(t, PumpConfig{BatchEntries: 10}, func(t *testing.T, p *Pump, l *fakeLog, s *fakeStore) {
		p.Start()
		l.append(50)
		synctest.Wait()
		s.set(func() { s.crash(); s.applyErr = errFake })
		l.append(50)
		time.Sleep(time.Minute)
		s.set(func() { s.applyErr = nil })
		if err := p.WaitApplied(context.Background(), 100); err != nil {
			t.Fatal(err)
		}
		wantAll(t, s, 100)
		stop(t, p)
	})
}

func TestReadAndTrimErrorsAreTriedAgain(t *testing.T) {
	failures := map[string]int{}
	cfg := PumpConfig{Events: PumpEvents{Failed: func(operation string, _ error) { failures[operation]++ }}}
	pumped(t, cfg, func(t *testing.T, p *Pump, l *fakeLog, s *fakeStore) {
		l.set(func() { l.readErr, l.trimErr = errFake, errFake })
		p.Start()
		l.append(10)
		time.Sleep(time.Minute)
		l.set(func() { l.readErr = nil })
		time.Sleep(time.Minute)
		synctest.Wait()
		wantAll(t, s, 10)
		if failures["read"] == 0 || failures["trim"] == 0 || l.at() != 0 {
			t.Errorf("%v, trimmed %d", failures, l.at())
		}
		l.set(func() { l.trimErr = nil })
		time.Sleep(time.Minute)
		synctest.Wait()
		if l.at() != 10 {
			t.Errorf("trimmed %d", l.at())
		}
		stop(t, p)
	})
}

func TestStopEndsInTimeThoughTheStoreIsAwayOrHangs(t *testing.T) {
	for name, broken := range map[string]func(*fakeStore){
		"apply fails": func(s *fakeStore) { s.applyErr = errFake },
		"apply hangs": func(s *fakeStore) { s.hang = true },
		"sync fails":  func(s *fakeStore) { s.syncErr = errFake },
	} {
		t.Run(name, func(t *testing.T) {
			pumped(t, PumpConfig{}, func(t *testing.T, p *Pump, l *fakeLog, s *fakeStore) {
				broken(s)
				p.Start()
				l.append(10)
				synctest.Wait()
				begun := time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				err := p.Stop(ctx)
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "of 10") {
					t.Errorf("stop: %v", err)
				}
				if took := time.Since(begun); took > 7*time.Second {
					t.Errorf("it took %v", took)
				}
				if l.at() != 0 {
					t.Errorf("trimmed %d", l.at())
				}
			})
		})
	}
}

func TestAClosedJournalIsDrainedAndThenAwaitsTheStop(t *testing.T) {
	pumped(t, PumpConfig{SyncInterval: time.Minute}, func(t *testing.T, p *Pump, l *fakeLog, s *fakeStore) {
		p.Start()
		l.append(10)
		l.set(func() { l.closed = true })
		time.Sleep(time.Hour)
		synctest.Wait()
		wantAll(t, s, 10)
		if l.at() != 10 {
			t.Errorf("trimmed %d", l.at())
		}
		stop(t, p)
	})
}

func TestWaitAppliedEndsWithItsContextAndWithThePump(t *testing.T) {
	pumped(t, PumpConfig{}, func(t *testing.T, p *Pump, l *fakeLog, s *fakeStore) {
		p.Start()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := p.WaitApplied(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		got := make(chan error)
		go func() { got <- p.WaitApplied(context.Background(), 11) }()
		l.append(10)
		stop(t, p)
		if err := <-got; !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
		if err := p.WaitApplied(context.Background(), 10); err != nil {
			t.Errorf("%v", err)
		}
	})
}

func TestAPumpThatNeverStartedStops(t *testing.T) {
	pumped(t, PumpConfig{}, func(t *testing.T, p *Pump, l *fakeLog, s *fakeStore) {
		l.append(1)
		stop(t, p)
		p.Start()
		synctest.Wait()
		if p.Applied() != 0 {
			t.Error("it started after its stop")
		}
	})
}

func TestLostRecordsAreTold(t *testing.T) {
	var missed [][2]LSN
	cfg := PumpConfig{Events: PumpEvents{Missed: func(from, to LSN) { missed = append(missed, [2]LSN{from, to}) }}}
	pumped(t, cfg, func(t *testing.T, p *Pump, l *fakeLog, s *fakeStore) {
		l.append(10)
		l.entries, l.trimmed = l.entries[5:], 5
		p.Start()
		stop(t, p)
		if len(missed) != 1 || missed[0] != [2]LSN{1, 5} {
			t.Errorf("missed %v", missed)
		}
		if s.last() != 10 || len(s.applied) != 5 {
			t.Errorf("applied %v", s.applied)
		}
	})
}

func TestLagIsTheAgeOfTheOldestRecordNotShown(t *testing.T) {
	pumped(t, PumpConfig{}, func(t *testing.T, p *Pump, l *fakeLog, s *fakeStore) {
		s.applyErr = errFake
		l.append(1)
		l.entries[0].Record.GetCommentPosted().Comment.CreatedAtMs = time.Now().UnixMilli()
		p.Start()
		time.Sleep(time.Hour)
		if lag := p.Stats().Lag; lag < 59*time.Minute || lag > 61*time.Minute {
			t.Errorf("lag %v", lag)
		}
		s.set(func() { s.applyErr = nil })
		stop(t, p)
	})
}

func TestPumpConfigIsChecked(t *testing.T) {
	l := newFakeLog()
	for name, c := range map[string]PumpConfig{
		"nothing":  {},
		"negative": {Log: l, Read: l.reader, Store: &fakeStore{}, SyncBytes: -1},
	} {
		if _, err := NewPump(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
