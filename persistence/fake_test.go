package persistence_test

import (
	"context"
	"errors"
	"sync"

	. "barrage/persistence"
	"barrage/persistence/records"
)

// fakeLog is a journal in memory.
type fakeLog struct {
	mu      sync.Mutex
	entries []Entry
	trimmed LSN
	trims   int
	trimErr error
	readErr error
	closed  bool
	changed chan struct{}
	readers int // not closed
}

func newFakeLog() *fakeLog { return &fakeLog{changed: make(chan struct{})} }

func (l *fakeLog) append(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		lsn := l.trimmed + LSN(len(l.entries)) + 1
		l.entries = append(l.entries, Entry{LSN: lsn, Record: &records.Record{
			Kind: &records.Record_CommentPosted{CommentPosted: &records.CommentPosted{
				Comment: &records.Comment{Id: uint64(lsn), LiveVideoId: "v", Message: "0123456789"},
			}},
		}})
	}
	l.wake()
}

func (l *fakeLog) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *fakeLog) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	l.wake()
}

// at answers up to where the log was trimmed.
func (l *fakeLog) at() LSN {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trimmed
}

func (l *fakeLog) LastLSN() LSN {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trimmed + LSN(len(l.entries))
}

func (l *fakeLog) Trim(upTo LSN) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trimErr != nil {
		return l.trimErr
	}
	l.trims++
	if upTo > l.trimmed {
		l.entries = l.entries[upTo-l.trimmed:]
		l.trimmed = upTo
	}
	return nil
}

func (l *fakeLog) reader(after LSN) EntryReader {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers++
	return &fakeReader{l, after}
}

type fakeReader struct {
	l     *fakeLog
	after LSN
}

func (r *fakeReader) Next(ctx context.Context, maxEntries, _ int) ([]Entry, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.l.mu.Lock()
		err, changed, closed := r.l.readErr, r.l.changed, r.l.closed
		r.after = max(r.after, r.l.trimmed)
		rest := r.l.entries[r.after-r.l.trimmed:]
		rest = append([]Entry(nil), rest[:min(len(rest), maxEntries)]...)
		r.l.mu.Unlock()
		switch {
		case err != nil:
			return nil, err
		case len(rest) > 0:
			r.after = rest[len(rest)-1].LSN
			return rest, nil
		case closed:
			return nil, ErrClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *fakeReader) Close() error {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	r.l.readers--
	return nil
}

// fakeStore keeps what was applied, and loses what was not synced on demand.
type fakeStore struct {
	Store
	mu       sync.Mutex
	applied  []LSN
	synced   int // of applied
	batches  []int
	syncs    int
	applyErr error
	syncErr  error
	hang     bool // until the context ends
	behind   LSN  // how much less than applied a sync keeps
}

var errFake = errors.New("the store is away")

func (s *fakeStore) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *fakeStore) Apply(ctx context.Context, entries []Entry) error {
	s.mu.Lock()
	hang := s.hang
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.applyErr != nil {
		return s.applyErr
	}
	s.batches = append(s.batches, len(entries))
	for _, e := range entries {
		if e.LSN > s.last() {
			s.applied = append(s.applied, e.LSN)
		}
	}
	return nil
}

func (s *fakeStore) last() LSN {
	if len(s.applied) == 0 {
		return 0
	}
	return s.applied[len(s.applied)-1]
}

func (s *fakeStore) AppliedLSN() LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last()
}

func (s *fakeStore) Sync(context.Context) (LSN, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.syncs++
	if s.syncErr != nil {
		return 0, s.syncErr
	}
	s.synced = len(s.applied)
	return s.last() - min(s.behind, s.last()), nil
}

// attempts answers how often Sync was called.
func (s *fakeStore) attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.syncs
}

// crash forgets what was not synced.
func (s *fakeStore) crash() {
	s.applied = s.applied[:s.synced]
}
