package journal

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"barrage/persistence"
	"barrage/persistence/records"
)

// comment is a record that can be told by its number.
func comment(n uint64) *records.Record {
	return &records.Record{Kind: &records.Record_CommentPosted{CommentPosted: &records.CommentPosted{
		Comment: &records.Comment{
			Id: n, LiveVideoId: "video", UserId: "user", UserName: "name",
			Message:     fmt.Sprint("comment ", n, strings.Repeat(" 弹幕", int(n%40))),
			CreatedAtMs: 1_700_000_000_000,
		},
		IdempotencyKey: &records.IdempotencyKey{Key: fmt.Sprint("key-", n), BodyDigest: []byte("0123456789abcdef")},
	}}}
}

func numberOf(r *records.Record) uint64 { return r.GetCommentPosted().GetComment().GetId() }

// sink notes what it is told about the records that went through it.
type sink struct {
	mu     sync.Mutex
	queue  []uint64                   // appended, not yet told
	kept   map[persistence.LSN]uint64 // position to number; only of sinks used alone
	order  []uint64                   // durable ones
	failed []uint64
	errs   []error
	calls  int
	told   chan struct{} // a token for each call
}

func newSink() *sink {
	return &sink{kept: map[persistence.LSN]uint64{}, told: make(chan struct{}, 1<<16)}
}

func (s *sink) append(j *Journal, n uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := j.Append(comment(n), s); err != nil {
		return err
	}
	s.queue = append(s.queue, n)
	return nil
}

func (s *sink) Durable(n int, last persistence.LSN, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	told := s.queue[:n]
	s.queue = s.queue[n:]
	if err != nil {
		s.failed = append(s.failed, told...)
		s.errs = append(s.errs, err)
	} else {
		s.order = append(s.order, told...)
		for i, number := range told {
			s.kept[last-persistence.LSN(n-1-i)] = number
		}
	}
	s.told <- struct{}{}
}

// settled answers what the sink was told so far.
func (s *sink) settled() (order, failed, waiting []uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]uint64(nil), s.order...), append([]uint64(nil), s.failed...), append([]uint64(nil), s.queue...)
}

// wait returns once the sink was told about all that it appended.
func (s *sink) wait() {
	for {
		if _, _, waiting := s.settled(); len(waiting) == 0 {
			return
		}
		<-s.told
	}
}

func small(fs FS) Config {
	return Config{Dir: "/journal", SegmentBytes: minSegmentBytes, MaxBytes: 1 << 20, FS: fs}
}

func open(tb testing.TB, cfg Config) *Journal {
	tb.Helper()
	j, err := Open(cfg)
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	tb.Cleanup(func() { _ = j.Close() })
	return j
}

// fill appends the numbers from to to, inclusive, and waits for them.
func fill(tb testing.TB, j *Journal, from, to uint64) {
	tb.Helper()
	s := newSink()
	for n := from; n <= to; n++ {
		if err := s.append(j, n); err != nil {
			tb.Fatalf("append %d: %v", n, err)
		}
	}
	s.wait()
	if _, failed, _ := s.settled(); len(failed) > 0 {
		tb.Fatalf("failed: %v (%v)", failed, s.errs[0])
	}
}

// one appends and waits, so that each record is a commit of its own.
func one(tb testing.TB, j *Journal, numbers ...uint64) {
	tb.Helper()
	for _, n := range numbers {
		fill(tb, j, n, n)
	}
}

// readAll answers everything durable behind a position.
func readAll(tb testing.TB, j *Journal, after persistence.LSN) []persistence.Entry {
	tb.Helper()
	entries, err := tryReadAll(j, after)
	if err != nil {
		tb.Fatalf("read: %v", err)
	}
	return entries
}

func tryReadAll(j *Journal, after persistence.LSN) ([]persistence.Entry, error) {
	r := j.Reader(after)
	defer r.Close()
	var all []persistence.Entry
	for last := j.LastLSN(); after < last && j.Stats().OldestLSN <= last; {
		entries, err := r.Next(context.Background(), 7, 1<<20)
		if err != nil {
			return all, err
		}
		all = append(all, entries...)
		after = all[len(all)-1].LSN
	}
	return all, nil
}

// wantRun fails unless the entries are the numbers from to to at positions that
// begin with first.
func wantRun(tb testing.TB, entries []persistence.Entry, first persistence.LSN, from, to uint64) {
	tb.Helper()
	if len(entries) != int(to-from+1) {
		tb.Fatalf("%d entries, want %d", len(entries), to-from+1)
	}
	for i, e := range entries {
		if e.LSN != first+persistence.LSN(i) || numberOf(e.Record) != from+uint64(i) {
			tb.Fatalf("entry %d is number %d at %d, want %d at %d",
				i, numberOf(e.Record), e.LSN, from+uint64(i), first+persistence.LSN(i))
		}
	}
}

// pauseInBubble lets synctest's clock run past the longest delay of a probe.
func pauseInBubble() {
	time.Sleep(maxProbeDelay)
	synctest.Wait()
}
