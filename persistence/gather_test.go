package persistence_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	. "barrage/persistence"
)

// gathering runs a test with a gathering reader of a fake journal, in a bubble
// whose clock it can let run.
func gathering(t *testing.T, linger time.Duration, maxEntries int, f func(t *testing.T, l *fakeLog, r EntryReader)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newFakeLog()
		r := Gather(l.reader(0), linger, maxEntries, 1<<20)
		f(t, l, r)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		_ = r.Close() // harmless
		if l.readers != 0 {
			t.Error("the reader below is still open")
		}
	})
}

func next(t *testing.T, r EntryReader) []Entry {
	t.Helper()
	entries, err := r.Next(context.Background(), 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestRecordsWaitForOthersButNotForLong(t *testing.T) {
	gathering(t, time.Second, 1000, func(t *testing.T, l *fakeLog, r EntryReader) {
		begun := time.Now()
		go func() {
			for range 5 {
				l.append(10)
				time.Sleep(300 * time.Millisecond)
			}
		}()
		first := next(t, r)
		if took := time.Since(begun); len(first) != 40 || took != time.Second {
			t.Errorf("%d records after %v", len(first), took)
		}
		second := next(t, r)
		if len(second) != 10 || second[0].LSN != 41 {
			t.Errorf("%d records from %d", len(second), second[0].LSN)
		}
		time.Sleep(time.Minute) // until all is written
	})
}

func TestAFullBatchDoesNotWait(t *testing.T) {
	gathering(t, time.Hour, 1000, func(t *testing.T, l *fakeLog, r EntryReader) {
		l.append(2500)
		begun := time.Now()
		if n := len(next(t, r)); n != 1000 {
			t.Errorf("%d records", n)
		}
		if n := len(next(t, r)); n != 1000 || time.Since(begun) != 0 {
			t.Errorf("%d records after %v", n, time.Since(begun))
		}
	})
}

func TestABatchIsBoundedByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFakeLog()
		l.append(10_000)
		r := Gather(l.reader(0), time.Hour, 100_000, 50_000) // a record has about 24 bytes
		defer r.Close()
		if n := len(next(t, r)); n < 1000 || n > 5000 {
			t.Errorf("%d records", n)
		}
	})
}

func TestErrorsPassAndNothingIsLostBeforeThem(t *testing.T) {
	gathering(t, time.Second, 1000, func(t *testing.T, l *fakeLog, r EntryReader) {
		l.append(10)
		time.Sleep(500 * time.Millisecond)
		l.set(func() { l.readErr = errFake })
		if n := len(next(t, r)); n != 10 {
			t.Errorf("%d records", n)
		}
		if _, err := r.Next(context.Background(), 1, 1); !errors.Is(err, errFake) {
			t.Errorf("%v", err)
		}
		l.set(func() { l.readErr = nil })
		l.append(1)
		for { // the error may have been met more than once
			entries, err := r.Next(context.Background(), 1, 1)
			if err == nil {
				if entries[0].LSN != 11 {
					t.Errorf("goes on at %d", entries[0].LSN)
				}
				return
			}
		}
	})
}

func TestNextEndsWithItsContext(t *testing.T) {
	gathering(t, time.Second, 1000, func(t *testing.T, l *fakeLog, r EntryReader) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := r.Next(ctx, 1, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		l.append(1)
		if n := len(next(t, r)); n != 1 {
			t.Errorf("%d records", n)
		}
	})
}

func TestAPumpThatGathersAppliesAllAndStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := newFakeLog(), &fakeStore{}
		p, err := NewPump(PumpConfig{
			Log: l, Store: s, SyncBytes: 1,
			Read: func(after LSN) EntryReader { return Gather(l.reader(after), time.Second, 100, 1<<20) },
		})
		if err != nil {
			t.Fatal(err)
		}
		p.Start()
		l.append(250)
		time.Sleep(time.Minute)
		l.append(7)
		stop(t, p)
		wantAll(t, s, 257)
		if l.at() != 257 || len(s.batches) != 4 {
			t.Errorf("trimmed %d, batches %v", l.at(), s.batches)
		}
	})
}

func TestASharedJournalIsTrimmedAsFarAsAllHaveIt(t *testing.T) {
	l := newFakeLog()
	l.append(100)
	shares := Share(l, 2)
	for _, step := range []struct {
		reader     int
		upTo, want LSN
	}{{0, 50, 0}, {1, 20, 20}, {1, 60, 50}, {0, 40, 50}, {0, 90, 60}, {1, 100, 90}} {
		if err := shares[step.reader].Trim(step.upTo); err != nil {
			t.Fatal(err)
		}
		if l.at() != step.want {
			t.Errorf("%+v: trimmed %d", step, l.at())
		}
	}
	if shares[0].LastLSN() != 100 {
		t.Errorf("last %d", shares[0].LastLSN())
	}
}
