package journal

import (
	"fmt"
	"sync"

	"barrage/persistence"
)

// chunk is what becomes one commit: the bytes as they will be on disk, but for
// the header and the sums, which need the position.
type chunk struct {
	buf   []byte // room for the commit header, then records
	count int
	runs  []run
}

// run is a number of consecutive records of one sink.
type run struct {
	sink persistence.Sink
	n    int
}

// queue holds what waits for the writer. Encoding happens in the appenders'
// goroutines, so under the lock a record is only copied.
type queue struct {
	wake chan struct{} // holds a token while there may be something to take

	chunkBytes   int
	pendingBytes int64

	mu      sync.Mutex
	chunks  []*chunk
	free    []*chunk
	bytes   int64 // waiting, the chunks at the writer included
	records int64
	added   uint64 // records ever taken
	barrier []barrier
	refusal error // why nothing is taken now; nil while available
	closed  bool
}

// barrier is opened when all of the first records, so many, have met their
// fate.
type barrier struct {
	records uint64
	open    chan struct{}
}

// freeChunks is enough for one chunk at the writer and one being filled;
// a backlog's other chunks go to the garbage collector.
const freeChunks = 2

func newQueue(cfg Config) *queue {
	return &queue{
		wake:         make(chan struct{}, 1),
		chunkBytes:   int(min(maxCommitBytes, cfg.SegmentBytes-segmentHeaderSize)),
		pendingBytes: cfg.MaxPendingBytes,
	}
}

func (q *queue) add(payload []byte, sink persistence.Sink) error {
	size := recordHeaderSize + len(payload)
	if err := q.copy(payload, size, sink); err != nil {
		return err
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

func (q *queue) copy(payload []byte, size int, sink persistence.Sink) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return persistence.ErrClosed
	case q.refusal != nil:
		return q.refusal
	case q.bytes+int64(size) > q.pendingBytes:
		return fmt.Errorf("journal: %d bytes wait already: %w", q.bytes, persistence.ErrUnavailable)
	}
	c := q.last(size)
	c.buf = le.AppendUint32(c.buf, uint32(len(payload)))
	c.buf = append(c.buf, 0, 0, 0, 0)
	c.buf = append(c.buf, payload...)
	c.count++
	if n := len(c.runs); n > 0 && c.runs[n-1].sink == sink {
		c.runs[n-1].n++
	} else {
		c.runs = append(c.runs, run{sink: sink, n: 1})
	}
	q.bytes += int64(size)
	q.records++
	q.added++
	return nil
}

// last answers a chunk with room for size more bytes.
func (q *queue) last(size int) *chunk {
	if n := len(q.chunks); n > 0 {
		if c := q.chunks[n-1]; len(c.buf)+size <= q.chunkBytes {
			return c
		}
	}
	var c *chunk
	if n := len(q.free); n > 0 {
		c, q.free = q.free[n-1], q.free[:n-1]
	} else {
		c = &chunk{buf: make([]byte, commitHeaderSize, commitHeaderSize+4096)}
	}
	q.chunks = append(q.chunks, c)
	return c
}

// take hands over everything that waits.
func (q *queue) take() []*chunk {
	q.mu.Lock()
	defer q.mu.Unlock()
	chunks := q.chunks
	q.chunks = nil
	return chunks
}

// done forgets a chunk whose sinks have been told.
func (q *queue) done(c *chunk) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= int64(len(c.buf) - commitHeaderSize)
	q.records -= int64(c.count)
	q.openBarriers()
	if len(q.free) == freeChunks {
		return
	}
	clear(c.runs) // let go of the sinks
	*c = chunk{buf: c.buf[:commitHeaderSize], runs: c.runs[:0]}
	q.free = append(q.free, c)
}

// whenDone answers a channel that is closed when the sinks of all records that
// were added so far have been told.
func (q *queue) whenDone() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	open := make(chan struct{})
	q.barrier = append(q.barrier, barrier{q.added, open})
	q.openBarriers()
	return open
}

// openBarriers is called with mu held. Records are done in the order in which
// they were added, so barriers open in the order in which they were set.
func (q *queue) openBarriers() {
	done := q.added - uint64(q.records)
	for len(q.barrier) > 0 && q.barrier[0].records <= done {
		close(q.barrier[0].open)
		q.barrier = q.barrier[1:]
	}
}

// refuse makes add fail with err; nil lets it work again.
func (q *queue) refuse(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refusal = err
}

// close makes add fail for good; what waits can still be taken.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

func (q *queue) state() (bytes, records int64, available bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes, q.records, q.refusal == nil && !q.closed
}
