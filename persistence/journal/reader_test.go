package journal

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"barrage/persistence"
)

func TestReadersFollowTheWriterAcrossSegments(t *testing.T) {
	const total = 5000
	fs := newMemFS()
	cfg := small(fs)
	cfg.MaxBytes = 1 << 30
	j := open(t, cfg)
	var readers sync.WaitGroup
	for r := range 3 {
		readers.Go(func() {
			reader := j.Reader(0)
			defer reader.Close()
			next := persistence.LSN(1)
			for next <= total {
				entries, err := reader.Next(context.Background(), 1+r*100, 1<<20)
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range entries {
					if e.LSN != next || numberOf(e.Record) != uint64(next) {
						t.Errorf("number %d at %d, want %d", numberOf(e.Record), e.LSN, next)
						return
					}
					next++
				}
			}
		})
	}
	s := newSink()
	for n := uint64(1); n <= total; n++ {
		if err := s.append(j, n); err != nil {
			t.Fatal(err)
		}
		if n%97 == 0 {
			s.wait()
		}
	}
	readers.Wait()
	if got := j.Stats().Segments; got < 50 {
		t.Errorf("%d segments", got)
	}
}

func TestNextWaitsForARecordWithoutPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := open(t, small(newMemFS()))
		r := j.Reader(0)
		got := make(chan []persistence.Entry, 1)
		go func() {
			entries, err := r.Next(context.Background(), 10, 1<<20)
			if err != nil {
				t.Error(err)
			}
			got <- entries
		}()
		synctest.Wait() // durably blocked: no timer is running
		select {
		case <-got:
			t.Fatal("it did not wait")
		default:
		}
		one(t, j, 1)
		wantRun(t, <-got, 1, 1, 1)
		_ = j.Close()
	})
}

func TestNextEndsWithItsContextOrWithTheJournal(t *testing.T) {
	j := open(t, small(newMemFS()))
	r := j.Reader(0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Next(ctx, 1, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	one(t, j, 1, 2)
	_ = j.Close()
	entries, err := r.Next(context.Background(), 10, 1<<20) // what is there still comes
	if err != nil {
		t.Fatal(err)
	}
	wantRun(t, entries, 1, 1, 2)
	if _, err := r.Next(context.Background(), 10, 1<<20); !errors.Is(err, persistence.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestNextIsBoundedInEntriesAndBytes(t *testing.T) {
	j := open(t, small(newMemFS()))
	fill(t, j, 1, 50)
	for _, c := range []struct{ entries, bytes, least, most int }{
		{10, 1 << 20, 10, 10},
		{1000, 1000, 2, 12},
		{1000, 1, 1, 1},
		{0, 0, 1, 1},
		{1000, 1 << 20, 50, 50},
	} {
		r := j.Reader(0)
		got, err := r.Next(context.Background(), c.entries, c.bytes)
		if err != nil || len(got) < c.least || len(got) > c.most {
			t.Errorf("%+v: %d entries, %v", c, len(got), err)
		}
		_ = r.Close()
	}
}

func TestReadersBeginAnywhere(t *testing.T) {
	j := open(t, small(newMemFS()))
	for n := uint64(1); n <= 90; n += 10 {
		fill(t, j, n, n+9)
	}
	for after := range persistence.LSN(90) {
		wantRun(t, readAll(t, j, after), after+1, uint64(after)+1, 90)
	}
}

func TestTrimRemovesWholeSegmentsAndNeverTheNewest(t *testing.T) {
	fs := newMemFS()
	j := open(t, small(fs))
	for n := uint64(1); n <= 200; n += 10 {
		fill(t, j, n, n+9)
	}
	before := j.Stats()
	for upTo := persistence.LSN(0); upTo <= 200; upTo += 5 {
		if err := j.Trim(upTo); err != nil {
			t.Fatal(err)
		}
		oldest := j.Stats().OldestLSN
		if oldest > upTo+1 {
			t.Fatalf("trimmed up to %d, and %d is the oldest", upTo, oldest)
		}
		if len(fs.durable) != j.Stats().Segments {
			t.Fatalf("%d files for %d segments", len(fs.durable), j.Stats().Segments)
		}
		wantRun(t, readAll(t, j, upTo), upTo+1, uint64(upTo)+1, 200)
	}
	after := j.Stats()
	if after.Segments != 1 || after.Bytes >= before.Bytes || after.LastLSN != 200 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	_ = j.Close()
	j = open(t, small(fs))
	if err := j.Trim(10_000); err != nil { // nothing is being written yet
		t.Fatal(err)
	}
	_ = j.Close()
	j = open(t, small(fs))
	one(t, j, 201)
	wantRun(t, readAll(t, j, 200), 201, 201, 201)
}

func TestAReaderBehindTheTrimGoesOnWithTheOldest(t *testing.T) {
	j := open(t, small(newMemFS()))
	for n := uint64(1); n <= 200; n += 10 {
		fill(t, j, n, n+9)
	}
	slow := j.Reader(0)
	defer slow.Close()
	if _, err := slow.Next(context.Background(), 1, 1); err != nil {
		t.Fatal(err)
	}
	if err := j.Trim(150); err != nil {
		t.Fatal(err)
	}
	oldest := j.Stats().OldestLSN
	entries := readAll(t, j, 3)
	wantRun(t, entries, oldest, uint64(oldest), 200)
	last := persistence.LSN(1) // one that had the file open sees a jump too, only later
	for last < 200 {
		entries, err := slow.Next(context.Background(), 10, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.LSN != last+1 && e.LSN != oldest || numberOf(e.Record) != uint64(e.LSN) {
				t.Fatalf("%d at %d after %d", numberOf(e.Record), e.LSN, last)
			}
			last = e.LSN
		}
	}
}

func TestAReaderWaitsForNewRecordsWhenAllWasTrimmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		j := open(t, small(fs))
		one(t, j, 1, 2)
		fs.setFault(failing("sync", 1, syscall.EIO)) // so that an empty segment follows
		s := newSink()
		_ = s.append(j, 99)
		synctest.Wait()
		if err := j.Trim(2); err != nil {
			t.Fatal(err)
		}
		if stats := j.Stats(); stats.OldestLSN != 3 || stats.LastLSN != 2 {
			t.Fatalf("stats %+v", stats)
		}
		got := make(chan []persistence.Entry, 1)
		go func() {
			entries, err := j.Reader(0).Next(context.Background(), 10, 1<<20)
			if err != nil {
				t.Error(err)
			}
			got <- entries
		}()
		synctest.Wait()
		one(t, j, 3)
		wantRun(t, <-got, 3, 3, 3)
		_ = j.Close()
	})
}

func TestTrimWhileReadingAndWriting(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), SegmentBytes: 16 << 10, MaxBytes: 1 << 30}
	j := open(t, cfg)
	const total = 8_000
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := j.Reader(0)
		defer r.Close()
		for next := persistence.LSN(1); next <= total; {
			entries, err := r.Next(context.Background(), 500, 1<<20)
			if err != nil {
				t.Error(err)
				return
			}
			if entries[0].LSN != next {
				t.Errorf("%d, want %d", entries[0].LSN, next)
				return
			}
			next += persistence.LSN(len(entries))
			if err := j.Trim(next - 1); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	s := newSink()
	for n := uint64(1); n <= total; n++ {
		if err := s.append(j, n); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	if got := j.Stats(); got.OldestLSN < total/2 {
		t.Errorf("stats %+v", got)
	}
}
