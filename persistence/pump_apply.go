package persistence

import (
	"time"

	"barrage/persistence/records"
)

// apply gives a batch to the store until the store has it. It answers an error
// only if the pump must end at once.
func (s *pumping) apply(entries []Entry) error {
	s.checkGaps(entries)
	s.oldest.Store(timeOf(entries[0].Record))
	for fails := 0; ; fails++ {
		start := time.Now()
		err := s.cfg.Store.Apply(s.hard, entries)
		if err == nil {
			s.cfg.Events.Applied(len(entries), time.Since(start))
			break
		}
		if s.hard.Err() != nil {
			return s.hard.Err()
		}
		s.fail("apply", err)
		if err := s.sleep(s.backOff(fails)); err != nil {
			return err
		}
		if s.cfg.Store.AppliedLSN() < s.at {
			// The store came back with less than it had; the journal still
			// holds what it lost, since it was not synced.
			s.seek()
			return nil
		}
	}
	s.at = entries[len(entries)-1].LSN
	s.advance(s.at)
	s.unsynced += sizeOf(entries)
	if s.syncAt.IsZero() {
		s.syncAt = time.Now().Add(s.cfg.SyncInterval)
	}
	return nil
}

// checkGaps tells of records that the journal lost. Nothing can bring them
// back, so history goes on, but not in silence.
func (s *pumping) checkGaps(entries []Entry) {
	at := s.at
	for _, e := range entries {
		if e.LSN > at+1 {
			s.cfg.Logger.Error("pump: the journal lacks records, history misses them", "from", at+1, "to", e.LSN-1)
			s.cfg.Events.Missed(at+1, e.LSN-1)
		}
		at = e.LSN
	}
}

// syncIfDue has the store keep what it shows, and lets the journal go.
func (s *pumping) syncIfDue() error {
	drained := s.drained()
	due := s.unsynced >= s.cfg.SyncBytes || !s.syncAt.IsZero() && !time.Now().Before(s.syncAt)
	if !drained && !due {
		return nil
	}
	s.unsynced = 0
	if s.sync() {
		s.syncAt, s.syncFails = time.Time{}, 0
		if drained {
			return errDrained
		}
		return nil
	}
	if s.hard.Err() != nil {
		return s.hard.Err()
	}
	// Applying goes on meanwhile: what can't be synced can still be shown.
	delay := s.backOff(s.syncFails)
	s.syncFails++
	s.syncAt = time.Now().Add(delay)
	if drained {
		return s.sleep(delay)
	}
	return nil
}

func (s *pumping) sync() bool {
	start := time.Now()
	upTo, err := s.cfg.Store.Sync(s.hard)
	if err != nil {
		s.fail("sync", err)
		return false
	}
	s.synced.Store(uint64(upTo))
	s.cfg.Events.Synced(upTo, time.Since(start))
	if err := s.cfg.Log.Trim(upTo); err != nil {
		s.fail("trim", err)
		return false
	}
	return true
}

// timeOf answers when a record was made, in ms.
func timeOf(r *records.Record) int64 {
	if d := r.GetCommentDeleted(); d != nil {
		return d.GetDeletedAtMs()
	}
	return r.GetCommentPosted().GetComment().GetCreatedAtMs()
}
