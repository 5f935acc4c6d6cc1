package embedded

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/records"
)

// Apply implements persistence.Store. It fails early while the disk is full.
func (s *Store) Apply(ctx context.Context, entries []persistence.Entry) (err error) {
	if !s.gate.enter() {
		return persistence.ErrClosed
	}
	defer s.gate.leave()
	if err := s.health.err(); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	a := s.applying()
	defer func() {
		if err != nil {
			s.lastBucket = 0 // the batch that drops may be lost
			clear(s.slots)   // and what is counted in them
		}
		_ = a.batch.Close() // lets go of memory only
	}()
	if err := a.dropOldBuckets(); err != nil {
		return fmt.Errorf("embedded store: %w", err)
	}
	for _, e := range entries {
		if e.LSN <= a.lsn {
			continue
		}
		a.at = e.LSN
		if err := a.add(e.Record); err != nil {
			return fmt.Errorf("embedded store: applying record %d: %w", e.LSN, err)
		}
		a.lsn = e.LSN
		if a.batch.Len() >= batchBytes || len(a.changedSlots) > maxPendingSlots {
			if err := a.commit(); err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return a.commit()
}

// applying is one call of Apply. What it puts into batch is seen by readers,
// and by its own look-ups, once it is committed.
type applying struct {
	*Store
	batch  *pebble.Batch
	totals map[string]*records.VideoTotals // of the videos met in this call
	dirty  map[string]struct{}             // videos whose totals the batch must write
	lsn    persistence.LSN                 // the last record in the batch
	at     persistence.LSN                 // the record that is being added
	maxID  uint64
	// pending are the rows of rooms that the batch changes, by key.
	pending map[string]proto.Message
	// changedSlots are those of slots that the batch is to write.
	changedSlots []*pendingSlot
}

// scratch is memory that is used again by each record.
type scratch struct {
	key, value []byte
	comment    records.Comment // what is written of it
	answered   records.Comment // what kept holds
	kept       records.KeptAnswer
	event      records.RoomEvent
}

func (s *Store) applying() *applying {
	if s.slots == nil {
		s.slots = make(map[slotID]*pendingSlot)
	}
	a := &applying{
		Store:  s,
		totals: make(map[string]*records.VideoTotals),
		dirty:  make(map[string]struct{}),
		lsn:    s.AppliedLSN(),
		maxID:  s.maxID.Load(),
	}
	a.begin()
	return a
}

func (a *applying) begin() {
	a.batch = a.db.NewBatch()
	clear(a.dirty)
	clear(a.pending)
}

// commit makes the batch visible, together with the position it goes up to.
func (a *applying) commit() error {
	if a.lsn == a.AppliedLSN() && a.batch.Empty() {
		return nil
	}
	if err := a.writeSlots(); err != nil {
		return err
	}
	for video := range a.dirty {
		if err := a.setProto(totalsKey(a.work.key[:0], video), a.totals[video]); err != nil {
			return err
		}
	}
	err := a.setNumber(appliedKey, uint64(a.lsn))
	if err == nil && a.maxID > a.Store.maxID.Load() {
		err = a.setNumber(maxIDKey, a.maxID)
	}
	if err == nil {
		err = a.batch.Commit(pebble.NoSync)
	}
	if err != nil {
		return fmt.Errorf("embedded store: %w", err)
	}
	a.Store.maxID.Store(a.maxID)
	a.applied.Store(uint64(a.lsn))
	err = a.batch.Close()
	a.begin()
	return err
}

// videoTotals answers the totals of a video, to be changed and written with the
// batch.
func (a *applying) videoTotals(video string) (*records.VideoTotals, error) {
	t := a.totals[video]
	if t == nil {
		t = new(records.VideoTotals)
		known, err := getProto(a.db, totalsKey(a.work.key[:0], video), t)
		if err != nil {
			return nil, err
		}
		if !known {
			t.CountedFrom = a.joined.Load()
			a.dirty[video] = struct{}{} // known from now on
		}
		a.totals[video] = t
	}
	return t, nil
}

func (a *applying) setProto(key []byte, m proto.Message) error {
	value, err := proto.MarshalOptions{}.MarshalAppend(a.work.value[:0], m)
	if err != nil {
		return err
	}
	a.work.key, a.work.value = key[:0], value[:0]
	return a.batch.Set(key, value, nil)
}

func (a *applying) setNumber(key []byte, n uint64) error {
	var b [8]byte
	be.PutUint64(b[:], n)
	return a.batch.Set(key, b[:], nil)
}

// dropOldBuckets removes the kept answers that nobody asks for any more.
func (a *applying) dropOldBuckets() error {
	now := bucketOf(a.cfg.Now().UnixMilli())
	if now <= a.lastBucket || now < 2 {
		return nil
	}
	// Up to the bucket before the previous one: one to spare for a clock that
	// is set back a little.
	if err := a.batch.DeleteRange(keptPrefix(nil, 0), keptPrefix(nil, now-2), nil); err != nil {
		return err
	}
	if err := a.tidyRooms(a.cfg.Now()); err != nil {
		return err
	}
	a.lastBucket = now
	return nil
}
