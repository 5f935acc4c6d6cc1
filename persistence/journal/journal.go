package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/records"
)

// ErrRecord says that a record can never be appended: it is empty, too large,
// or not valid protobuf (a text that is not UTF-8).
var ErrRecord = errors.New("journal: not a possible record")

// Journal is a log on disk. Its methods may be called from any goroutine.
type Journal struct {
	cfg   Config
	queue *queue

	closing   chan struct{}
	closeOnce sync.Once
	done      chan struct{} // the writer has ended
	closeErr  error         // set before done is closed
	trimmed   chan struct{} // holds a token after room was made

	w writer

	// mu guards what readers see. It is never held over I/O.
	mu       sync.Mutex
	segments []*segment // oldest first; each holds at least one record, but the last
	durable  persistence.LSN
	changed  chan struct{} // closed, and replaced, whenever durable or ended changes
	ended    bool

	trimming sync.Mutex // one Trim at a time

	records, commits, fsyncs atomic.Uint64
}

var _ persistence.Journal = (*Journal)(nil)

// Open reads the folder, cuts what a crash tore, and starts the writer. The
// first file is only made with the first record, so a full disk does not keep
// a node from starting.
func Open(cfg Config) (*Journal, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	found, err := recoverDir(cfg)
	if err != nil {
		return nil, err
	}
	j := &Journal{
		cfg:      cfg,
		queue:    newQueue(cfg),
		closing:  make(chan struct{}),
		done:     make(chan struct{}),
		trimmed:  make(chan struct{}, 1),
		changed:  make(chan struct{}),
		segments: found.segments,
		durable:  found.last,
	}
	go j.run()
	return j, nil
}

// scratch holds buffers for encoding, so that a record costs no allocation.
var scratch = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// Append implements persistence.Journal. sink must be comparable, which every
// pointer is. A record that can never be appended fails with ErrRecord.
func (j *Journal) Append(record *records.Record, sink persistence.Sink) error {
	if sink == nil {
		return fmt.Errorf("%w: nobody to tell", ErrRecord)
	}
	b := scratch.Get().(*[]byte)
	defer scratch.Put(b)
	payload, err := proto.MarshalOptions{}.MarshalAppend((*b)[:0], record)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if cap(payload) <= 64<<10 {
		*b = payload[:0]
	}
	if len(payload) == 0 || len(payload) > MaxRecordBytes {
		return fmt.Errorf("%w: %d bytes; from 1 to %d are possible", ErrRecord, len(payload), MaxRecordBytes)
	}
	return j.queue.add(payload, sink)
}

// Close makes what waits durable, tells its sinks, and ends the journal.
func (j *Journal) Close() error {
	j.closeOnce.Do(func() {
		j.queue.close()
		close(j.closing)
	})
	<-j.done
	return j.closeErr
}

// Barrier waits until the sinks of all records that were appended before have
// been told, and answers the last durable position.
func (j *Journal) Barrier(ctx context.Context) (persistence.LSN, error) {
	select {
	case <-j.queue.whenDone():
		return j.LastLSN(), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// FirstLSN is the first position that was not trimmed.
func (j *Journal) FirstLSN() persistence.LSN {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.segments) == 0 {
		return j.durable + 1
	}
	return j.segments[0].first
}

// LastLSN is the last durable position.
func (j *Journal) LastLSN() persistence.LSN {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.durable
}

// Available says whether Append works.
func (j *Journal) Available() bool {
	_, _, available := j.queue.state()
	return available
}

// Stats is how a journal stands.
type Stats struct {
	OldestLSN persistence.LSN // the first position not yet trimmed
	LastLSN   persistence.LSN // the last durable one
	Segments  int
	Bytes     int64 // of all segment files, what is preallocated included
	MaxBytes  int64
	Available bool // whether Append works

	PendingRecords int64 // appended, and their sinks not yet told
	PendingBytes   int64

	Records uint64 // made durable since Open
	Commits uint64
	Fsyncs  uint64 // including those for new files
}

// Stats may be asked often.
func (j *Journal) Stats() Stats {
	s := Stats{
		MaxBytes: j.cfg.MaxBytes,
		Records:  j.records.Load(),
		Commits:  j.commits.Load(),
		Fsyncs:   j.fsyncs.Load(),
	}
	s.PendingBytes, s.PendingRecords, s.Available = j.queue.state()
	j.mu.Lock()
	defer j.mu.Unlock()
	s.LastLSN, s.OldestLSN, s.Segments = j.durable, j.durable+1, len(j.segments)
	if len(j.segments) > 0 {
		s.OldestLSN = j.segments[0].first
	}
	s.Bytes = j.totalBytes()
	return s
}

// totalBytes is called with mu held.
func (j *Journal) totalBytes() int64 {
	var sum int64
	for _, s := range j.segments {
		sum += s.size
	}
	return sum
}

// announce wakes the readers. It is called with mu held.
func (j *Journal) announce() {
	close(j.changed)
	j.changed = make(chan struct{})
}
