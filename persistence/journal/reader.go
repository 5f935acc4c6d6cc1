package journal

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/records"
)

// Reader hands out durable records in order. It is for one goroutine; any
// number of readers may be at work.
type Reader struct {
	j    *Journal
	next persistence.LSN // of the next entry to hand out
	scan scanner
}

// Reader begins behind a position. If what follows it was trimmed already, the
// first entry is the oldest there is: callers see that by its LSN.
func (j *Journal) Reader(after persistence.LSN) *Reader {
	return &Reader{j: j, next: after + 1}
}

// Next waits until there is a durable record past the reader's position and
// answers up to maxEntries of them, and no more once their encoded sizes reach
// maxBytes, but at least one. The entries are the caller's. After the journal
// was closed it answers what is left, and then ErrClosed. Damage is a
// CorruptError, again at each call.
func (r *Reader) Next(ctx context.Context, maxEntries, maxBytes int) ([]persistence.Entry, error) {
	for {
		if err := r.j.await(ctx, r.next); err != nil {
			return nil, err
		}
		entries, err := r.durable(maxEntries, maxBytes)
		if len(entries) > 0 || err != nil {
			return entries, err
		}
		// All of it was trimmed, or passed over; wait for more.
	}
}

// durable answers entries without waiting; none if there are none any more.
func (r *Reader) durable(maxEntries, maxBytes int) ([]persistence.Entry, error) {
	var entries []persistence.Entry
	for size := 0; len(entries) == 0 || len(entries) < maxEntries && size < maxBytes; {
		ok, err := r.locate()
		if err == nil && !ok {
			break
		}
		var payload []byte
		if err == nil {
			payload, err = r.scan.record(r.next)
		}
		if err != nil {
			if len(entries) > 0 {
				break // first what is whole; the next call meets the error again
			}
			if err = r.overcome(err); err != nil {
				return nil, err
			}
			continue
		}
		record := new(records.Record)
		if err := proto.Unmarshal(payload, record); err != nil {
			return nil, &CorruptError{Path: r.scan.seg.path, Offset: r.scan.off, LSN: r.next, Reason: err.Error()}
		}
		entries = append(entries, persistence.Entry{LSN: r.next, Record: record})
		size += len(payload)
		r.next++
	}
	return entries, nil
}

// Close lets go of the file.
func (r *Reader) Close() error { return r.scan.close() }

// locate has the segment of the next entry open; false says that nothing more
// is durable.
func (r *Reader) locate() (bool, error) {
	if r.scan.file != nil && r.next <= r.scan.seg.last {
		return true, nil
	}
	seg, oldest := r.j.segmentOf(r.next)
	r.next = max(r.next, oldest)
	if seg.last < r.next {
		return false, nil
	}
	if r.scan.file != nil && r.scan.seg.path == seg.path {
		r.scan.seg = seg // it has grown
		return true, nil
	}
	if err := r.scan.close(); err != nil {
		return false, fmt.Errorf("journal: %w", err)
	}
	return true, r.scan.open(r.j.cfg.FS, seg)
}

// overcome passes over damage if the operator asked for that.
func (r *Reader) overcome(err error) error {
	corrupt := (*CorruptError)(nil)
	if !r.j.cfg.SkipDamaged || !errors.As(err, &corrupt) {
		return err
	}
	next := r.scan.seg.last + 1
	if r.scan.file != nil {
		if next, err = r.scan.resync(); err != nil {
			return err
		}
	}
	if next > r.next {
		r.j.cfg.Logger.Error("journal: records are passed over", "err", corrupt, "from", r.next, "to", next-1)
		r.next = next
	}
	return nil
}

// await returns once a position is durable.
func (j *Journal) await(ctx context.Context, lsn persistence.LSN) error {
	for {
		j.mu.Lock()
		durable, ended, changed := j.durable, j.ended, j.changed
		j.mu.Unlock()
		switch {
		case durable >= lsn:
			return ctx.Err()
		case ended:
			return persistence.ErrClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// segmentOf answers the segment that holds a position, and the oldest position
// from there on that was not trimmed. The segment is zero if the position is
// not durable yet, or everything up to now was trimmed.
func (j *Journal) segmentOf(lsn persistence.LSN) (segment, persistence.LSN) {
	j.mu.Lock()
	defer j.mu.Unlock()
	i := sort.Search(len(j.segments), func(i int) bool { return j.segments[i].last >= lsn })
	if i == len(j.segments) {
		return segment{}, j.durable + 1
	}
	return *j.segments[i], max(lsn, j.segments[i].first)
}
