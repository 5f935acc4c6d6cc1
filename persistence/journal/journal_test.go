package journal

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"barrage/persistence"
	"barrage/persistence/records"
)

func TestRecordsThatArriveDuringAnFsyncShareTheNext(t *testing.T) {
	fs := newMemFS()
	j := open(t, small(fs))
	one(t, j, 1) // the segment is there

	syncing, release := make(chan struct{}), make(chan struct{})
	first := true
	fs.setFault(func(op, _ string) error {
		if op == "sync" && first {
			first = false
			close(syncing)
			<-release
		}
		return nil
	})
	before := j.Stats()
	s := newSink()
	if err := s.append(j, 2); err != nil {
		t.Fatal(err)
	}
	<-syncing
	for n := uint64(3); n <= 20; n++ {
		if err := s.append(j, n); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	s.wait()
	after := j.Stats()
	if got := after.Commits - before.Commits; got != 2 {
		t.Errorf("%d commits for 1 and 18 records, want 2", got)
	}
	if s.calls != 2 {
		t.Errorf("the sink was called %d times, want 2", s.calls)
	}
	if after.Records-before.Records != 19 || after.PendingRecords != 0 || after.PendingBytes != 0 {
		t.Errorf("stats %+v", after)
	}
}

func TestEachSinkIsToldOncePerCommitInAppendOrder(t *testing.T) {
	type call struct {
		sink int
		n    int
		last persistence.LSN
	}
	var calls []call
	sinks := make([]persistence.Sink, 3)
	for i := range sinks {
		sinks[i] = &funcSink{func(n int, last persistence.LSN, err error) {
			if err != nil {
				t.Error(err)
			}
			calls = append(calls, call{i, n, last})
		}}
	}
	var tl tally
	tl.tell([]run{{sinks[1], 2}, {sinks[0], 1}, {sinks[1], 3}, {sinks[2], 1}, {sinks[0], 1}}, 10, nil)
	want := []call{{1, 5, 15}, {0, 2, 17}, {2, 1, 16}}
	if len(calls) != len(want) {
		t.Fatalf("calls %v, want %v", calls, want)
	}
	for i := range want {
		if calls[i] != want[i] {
			t.Errorf("call %d is %v, want %v", i, calls[i], want[i])
		}
	}
}

type funcSink struct {
	f func(n int, last persistence.LSN, err error)
}

func (s *funcSink) Durable(n int, last persistence.LSN, err error) { s.f(n, last, err) }

func TestReopenContinuesPositions(t *testing.T) {
	for _, closed := range []bool{true, false} {
		fs := newMemFS()
		cfg := small(fs)
		next := uint64(1)
		for range 5 {
			j := open(t, cfg)
			if got := j.LastLSN(); got != persistence.LSN(next-1) {
				t.Fatalf("closed=%v: last is %d, want %d", closed, got, next-1)
			}
			fill(t, j, next, next+29)
			next += 30
			wantRun(t, readAll(t, j, 0), 1, 1, next-1)
			if closed {
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestCloseMakesDurableWhatIsQueued(t *testing.T) {
	fs := newMemFS()
	j := open(t, small(fs))
	s := newSink()
	for n := uint64(1); n <= 100; n++ {
		if err := s.append(j, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if order, failed, waiting := s.settled(); len(order) != 100 || len(failed)+len(waiting) != 0 {
		t.Fatalf("durable %d, failed %d, waiting %d", len(order), len(failed), len(waiting))
	}
	if err := j.Append(comment(101), s); !errors.Is(err, persistence.ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	wantRun(t, readAll(t, open(t, small(fs)), 0), 1, 1, 100)
}

func TestImpossibleRecordsAreRefusedAndHarmNoOther(t *testing.T) {
	cfg := small(newMemFS())
	cfg.MaxBytes = 4 << 20
	j := open(t, cfg)
	big := comment(1)
	big.GetCommentPosted().GetComment().Message = strings.Repeat("x", MaxRecordBytes)
	notText := comment(1)
	notText.GetCommentPosted().GetComment().Message = "\xff"
	for name, r := range map[string]*records.Record{"empty": {}, "too large": big, "not UTF-8": notText} {
		if err := j.Append(r, newSink()); !errors.Is(err, ErrRecord) || errors.Is(err, persistence.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrRecord", name, err)
		}
	}
	if err := j.Append(comment(1), nil); !errors.Is(err, ErrRecord) {
		t.Errorf("without a sink: %v", err)
	}
	large := comment(1)
	large.GetCommentPosted().GetComment().Message = strings.Repeat("x", MaxRecordBytes-1000)
	s := newSink()
	s.queue = append(s.queue, 1)
	if err := j.Append(large, s); err != nil { // larger than a segment of this journal
		t.Fatal(err)
	}
	s.wait()
	one(t, j, 2)
	if got := readAll(t, j, 0); len(got) != 2 || len(got[0].Record.GetCommentPosted().GetComment().GetMessage()) != MaxRecordBytes-1000 {
		t.Errorf("%d entries", len(got))
	}
}

func TestWhatWaitsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		cfg := small(fs)
		cfg.MaxPendingBytes = 2000
		j := open(t, cfg)
		release := make(chan struct{})
		fs.setFault(func(op, _ string) error {
			if op == "sync" {
				<-release
			}
			return nil
		})
		s := newSink()
		var err error
		n := uint64(0)
		for err == nil {
			n++
			err = s.append(j, n)
		}
		if !errors.Is(err, persistence.ErrUnavailable) || n < 3 || n > 50 {
			t.Fatalf("append %d: %v", n, err)
		}
		close(release)
		synctest.Wait()
		if order, _, _ := s.settled(); uint64(len(order)) != n-1 {
			t.Errorf("%d durable, want %d", len(order), n-1)
		}
		one(t, j, n) // there is room again
		_ = j.Close()
	})
}

func TestPositionsComeAfterWhatTheStoreHas(t *testing.T) {
	fs := newMemFS()
	cfg := small(fs)
	j := open(t, cfg)
	fill(t, j, 1, 50)
	_ = j.Close()

	cfg.After = 50 // the store has all: nothing changes
	j = open(t, cfg)
	if j.LastLSN() != 50 || j.Stats().OldestLSN != 1 {
		t.Errorf("stats %+v", j.Stats())
	}
	_ = j.Close()

	cfg.After = 1000 // the journal is an old copy
	j = open(t, cfg)
	one(t, j, 1001)
	wantRun(t, readAll(t, j, 0), 1001, 1001, 1001)
	_ = j.Close()

	cfg = small(newMemFS()) // the journal was lost
	cfg.After = 70
	j = open(t, cfg)
	one(t, j, 71)
	wantRun(t, readAll(t, j, 70), 71, 71, 71)
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]Config{
		"no folder":       {},
		"tiny segments":   {Dir: "x", SegmentBytes: 10},
		"huge segments":   {Dir: "x", SegmentBytes: 1 << 40, MaxBytes: 1 << 50},
		"one segment":     {Dir: "x", SegmentBytes: 1 << 20, MaxBytes: 1<<21 - 1},
		"negative limit":  {Dir: "x", MaxPendingBytes: -1},
		"negative spare":  {Dir: "x", FreeReserveBytes: -1},
		"negative amount": {Dir: "x", MaxBytes: -1},
	} {
		if err := c.Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := Open(c); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if err := (Config{Dir: "x"}).Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

func TestTheRealFileSystem(t *testing.T) {
	cfg := Config{Dir: t.TempDir() + "/made/on/the/way", SegmentBytes: 64 << 10, MaxBytes: 1 << 20}
	for round := range uint64(3) {
		j := open(t, cfg)
		fill(t, j, round*500+1, round*500+500)
		wantRun(t, readAll(t, j, 0), 1, 1, round*500+500)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	j := open(t, cfg)
	before := j.Stats()
	if err := j.Trim(1200); err != nil {
		t.Fatal(err)
	}
	after := j.Stats()
	if after.Bytes >= before.Bytes || after.OldestLSN <= before.OldestLSN || after.OldestLSN > 1201 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	r := j.Reader(1499)
	defer r.Close()
	if e, err := r.Next(context.Background(), 10, 1<<20); err != nil || len(e) != 1 {
		t.Errorf("%v, %v", e, err)
	}
}

func TestABarrierOpensWhenAllBeforeItMetTheirFate(t *testing.T) {
	for _, fail := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			fs := newMemFS()
			j := open(t, small(fs))
			if lsn, err := j.Barrier(context.Background()); lsn != 0 || err != nil { // nothing before it
				t.Fatalf("%d, %v", lsn, err)
			}
			release, syncing := make(chan struct{}), 0
			fs.setFault(func(op, _ string) error {
				if op != "sync" {
					return nil
				}
				syncing++
				<-release
				if fail && syncing == 2 { // the first is the segment's header
					return syscall.EIO
				}
				return nil
			})
			s := newSink()
			for n := uint64(1); n <= 3; n++ {
				if err := s.append(j, n); err != nil {
					t.Fatal(err)
				}
			}
			opened := make(chan persistence.LSN, 1)
			go func() {
				lsn, err := j.Barrier(context.Background())
				if _, _, waiting := s.settled(); err != nil || len(waiting) != 0 {
					t.Errorf("%v, waiting %v", err, waiting)
				}
				opened <- lsn
			}()
			synctest.Wait()
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			if _, err := j.Barrier(ended); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			if len(opened) > 0 {
				t.Fatal("it opened early")
			}
			close(release)
			want := persistence.LSN(3)
			if fail {
				want = 0
			}
			if got := <-opened; got != want {
				t.Errorf("fail=%v: last durable is %d, want %d", fail, got, want)
			}
			_ = j.Close()
		})
	}
}
