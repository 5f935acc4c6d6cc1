package journal

import (
	"fmt"

	"barrage/persistence"
)

// leastSegmentBytes keeps a nearly full disk or journal from being filled up
// with segments of a few records each.
const leastSegmentBytes = 1 << 20

// unavailable wraps a cause so that it is an ErrUnavailable too.
func unavailable(doing string, cause error) error {
	return fmt.Errorf("%w: %s: %w", persistence.ErrUnavailable, doing, cause)
}

// reserve sees to it that the active segment has room for need bytes and that
// the disk may be written to at all.
func (j *Journal) reserve(need int) error {
	free, err := j.cfg.FS.Free(j.cfg.Dir)
	if err != nil {
		return unavailable("asking for free space", err)
	}
	spare := free - j.cfg.FreeReserveBytes
	if spare < 0 {
		return fmt.Errorf("%w: the disk has %d bytes free, %d are kept in reserve",
			persistence.ErrUnavailable, free, j.cfg.FreeReserveBytes)
	}
	if a := j.w.active; a != nil {
		if a.end+int64(need) <= a.size {
			return nil
		}
		j.retire()
	}
	return j.begin(need, spare)
}

// begin makes a new active segment: of the usual size if there is room for it,
// otherwise of what there is.
func (j *Journal) begin(need int, spare int64) error {
	j.mu.Lock()
	total, first := j.totalBytes(), j.durable+1
	j.mu.Unlock()

	least := segmentHeaderSize + int64(need)
	want := max(least, j.cfg.SegmentBytes)
	least = max(least, min(leastSegmentBytes, j.cfg.SegmentBytes))
	if j.cfg.MaxBytes-total < least {
		return fmt.Errorf("%w: the journal holds %d bytes of at most %d that history has not taken over",
			persistence.ErrUnavailable, total, j.cfg.MaxBytes)
	}
	if spare < least {
		return fmt.Errorf("%w: no room on the disk for a new segment", persistence.ErrUnavailable)
	}
	size := min(want, spare, j.cfg.MaxBytes-total)
	j.fsyncs.Add(2) // the file and the folder
	a, err := createSegment(j.cfg.FS, j.cfg.Dir, first, size)
	if err != nil {
		return unavailable("making a segment", err)
	}
	j.w.active = a
	j.mu.Lock()
	defer j.mu.Unlock()
	j.segments = append(j.segments, a.segment)
	return nil
}

// retire ends a full segment. Its records are durable; only the unused rest of
// the file is given back, so errors do no harm.
func (j *Journal) retire() {
	a := j.w.active
	j.w.active = nil
	if a.size > a.end {
		if err := a.file.Truncate(a.end); err != nil {
			j.cfg.Logger.Warn("journal: can't give back unused space", "file", a.path, "err", err)
		} else {
			j.resize(a.segment, a.end)
		}
	}
	if err := a.file.Close(); err != nil {
		j.cfg.Logger.Warn("journal: closing a full segment", "file", a.path, "err", err)
	}
}

func (j *Journal) resize(s *segment, size int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s.size = size
}
