package journal

import (
	"fmt"

	"barrage/persistence"
)

// Trim removes the segments that hold only records up to and including upTo.
// The newest segment always stays: it says where the journal stands.
func (j *Journal) Trim(upTo persistence.LSN) error {
	j.trimming.Lock()
	defer j.trimming.Unlock()
	removed := false
	for {
		s := j.oldestWithin(upTo)
		if s == nil {
			break
		}
		// One by one and oldest first, each on disk before the next: a crash
		// leaves no gap.
		err := j.cfg.FS.Remove(s.path)
		if err == nil {
			j.forgetOldest()
			removed = true
			err = j.cfg.FS.SyncDir(j.cfg.Dir)
		}
		if err != nil {
			return fmt.Errorf("journal: trimming %s: %w", s.path, err)
		}
	}
	if removed {
		select {
		case j.trimmed <- struct{}{}:
		default:
		}
	}
	return nil
}

func (j *Journal) oldestWithin(upTo persistence.LSN) *segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.segments) < 2 || j.segments[0].last > upTo {
		return nil
	}
	return j.segments[0]
}

func (j *Journal) forgetOldest() {
	j.mu.Lock()
	defer j.mu.Unlock()
	// A new slice, so that the old segment does not stay reachable.
	j.segments = append([]*segment(nil), j.segments[1:]...)
}
