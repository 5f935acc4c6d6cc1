package journal

import (
	"fmt"
	"time"

	"barrage/persistence"
)

// writer is what belongs to the journal's goroutine alone.
type writer struct {
	active *active       // nil: the next commit makes a segment
	delay  time.Duration // before the next attempt to become available
	tally  tally
}

// run is the journal's goroutine.
func (j *Journal) run() {
	defer close(j.done)
	for {
		select {
		case <-j.queue.wake:
			j.drain()
		case <-j.closing:
			j.drain()
			j.closeErr = j.seal()
			j.end()
			return
		}
	}
}

// drain commits until nothing waits. What arrives during one commit shares the
// next.
func (j *Journal) drain() {
	for {
		chunks := j.queue.take()
		if len(chunks) == 0 {
			return
		}
		for i, c := range chunks {
			need := len(c.buf) // c is used again once its sinks were told
			if err := j.commit(c); err != nil {
				j.fail(err, chunks[i:])
				j.probe(need)
				break
			}
		}
	}
}

// commit makes a chunk durable and tells its sinks. If it fails nothing was
// kept, as far as the disk allows, and the sinks have not been told.
func (j *Journal) commit(c *chunk) error {
	if err := j.reserve(len(c.buf)); err != nil {
		return err
	}
	a := j.w.active
	first := a.last + 1
	c.finish(first, a.salt)

	start := time.Now()
	_, err := a.file.WriteAt(c.buf, a.end)
	if err == nil {
		j.fsyncs.Add(1)
		err = a.file.Datasync()
	}
	took := time.Since(start)
	if err != nil {
		j.abandon()
		return unavailable("writing the journal", err)
	}

	j.mu.Lock()
	a.end += int64(len(c.buf))
	a.last += persistence.LSN(c.count)
	j.durable = a.last
	j.announce()
	j.mu.Unlock()

	j.w.delay = 0
	j.records.Add(uint64(c.count))
	j.commits.Add(1)
	j.w.tally.tell(c.runs, first, nil)
	j.cfg.Events.Committed(c.count, len(c.buf), took)
	j.queue.done(c)
	return nil
}

// finish fills in what depends on the position: the header and the sums.
func (c *chunk) finish(first persistence.LSN, salt uint32) {
	body := c.buf[commitHeaderSize:]
	commitHeader{count: uint32(c.count), first: first, bytes: uint32(len(body))}.put(c.buf, salt)
	for lsn := first; len(body) > 0; lsn++ {
		n := recordHeaderSize + int(le.Uint32(body))
		le.PutUint32(body[4:], recordCRC(salt, lsn, body[recordHeaderSize:n]))
		body = body[n:]
	}
}

// seal marks the end of a journal that is closed in order.
func (j *Journal) seal() error {
	a := j.w.active
	if a == nil {
		return nil
	}
	var b [commitHeaderSize]byte
	commitHeader{first: a.last + 1}.put(b[:], a.salt)
	_, err := a.file.WriteAt(b[:], a.end)
	if err == nil {
		err = a.file.Truncate(a.end + commitHeaderSize)
	}
	if err == nil {
		err = a.file.Sync()
	}
	if errClose := a.file.Close(); err == nil {
		err = errClose
	}
	j.w.active = nil
	if err != nil {
		// Everything that was answered is on disk already.
		return fmt.Errorf("journal: closing %s: %w", a.path, err)
	}
	return nil
}

// end tells the readers that nothing more will come.
func (j *Journal) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = true
	j.announce()
}
