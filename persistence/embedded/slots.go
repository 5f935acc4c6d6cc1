package embedded

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/records"
)

// slotID names a reaction slot.
type slotID struct {
	video            string
	comment, session uint64
}

// react brings a session's slot up to a record. The highest count of each type
// holds, so a record that comes again, or late, changes nothing.
func (a *applying) react(r *records.ReactionsCounted) error {
	session, counts := persistence.SlotOf(r)
	if session == 0 || len(counts) == 0 {
		return nil
	}
	slot, err := a.slot(slotID{r.GetLiveVideoId(), r.GetCommentId(), session})
	if err != nil {
		return err
	}
	for _, c := range counts {
		a.raise(slot, c.Type, c.Total, a.at)
	}
	return nil
}

// mergeSlot is react for what is not from the journal.
func (a *applying) mergeSlot(id slotID, totals map[string]uint64) error {
	slot, err := a.slot(id)
	if err != nil {
		return err
	}
	for kind, total := range totals {
		a.raise(slot, kind, total, slot.at)
	}
	return nil
}

// slot answers a slot, to be changed and written with the batch.
func (a *applying) slot(id slotID) (*pendingSlot, error) {
	if slot := a.slots[id]; slot != nil {
		return slot, nil
	}
	slot := &pendingSlot{id: id, slot: new(records.ReactionSlot)}
	a.work.key = slotKey(a.work.key[:0], id)
	value, closer, err := a.db.Get(a.work.key)
	switch {
	case err == nil:
		defer closer.Close() //nolint:errcheck // only lets go of a block
		if slot.at, err = decodeSlot(value, slot.slot); err != nil {
			return nil, err
		}
	case !errors.Is(err, pebble.ErrNotFound):
		return nil, wrap(err)
	}
	a.slots[id] = slot
	return slot, nil
}

// pendingSlot is a slot that was met lately.
type pendingSlot struct {
	id      slotID
	slot    *records.ReactionSlot
	changed bool            // by the batch that is being made
	at      persistence.LSN // of the record that changed it last
}

// raise has a count of a type be at least so high, by a record at a position.
func (a *applying) raise(s *pendingSlot, kind string, total uint64, at persistence.LSN) {
	if total <= s.slot.Totals[kind] {
		return
	}
	if s.slot.Totals == nil {
		s.slot.Totals = make(map[string]uint64, 4)
	}
	if !s.changed {
		a.changedSlots = append(a.changedSlots, s)
	}
	s.slot.Totals[kind], s.changed, s.at = total, true, at
}

// maxPendingSlots bounds the slots that are kept in memory, since a session
// counts again and again, and what one batch writes of them.
const maxPendingSlots = 4096

// writeSlots puts the slots that changed into the batch. With each goes the
// position of its last change, see Trim.
func (a *applying) writeSlots() error {
	for _, s := range a.changedSlots {
		s.changed = false
		value := be.AppendUint64(a.work.value[:0], uint64(s.at))
		value, err := proto.MarshalOptions{}.MarshalAppend(value, s.slot)
		if err != nil {
			return err
		}
		a.work.value = value[:0]
		a.work.key = slotKey(a.work.key[:0], s.id)
		if err := a.batch.Set(a.work.key, value, nil); err != nil {
			return err
		}
	}
	a.changedSlots = a.changedSlots[:0]
	if len(a.slots) > maxPendingSlots {
		clear(a.slots)
	}
	return nil
}

// decodeSlot reads a slot, and answers the position of its last change.
func decodeSlot(value []byte, into *records.ReactionSlot) (persistence.LSN, error) {
	if len(value) < 8 {
		return 0, errors.New("embedded store: a reaction slot is damaged")
	}
	if err := proto.Unmarshal(value[8:], into); err != nil {
		return 0, fmt.Errorf("embedded store: a reaction slot is damaged: %w", err)
	}
	return persistence.LSN(be.Uint64(value)), nil
}

// ReactionSlots implements persistence.Store.
func (s *Store) ReactionSlots(ctx context.Context, liveVideoID string, limit int) (slots []*records.ReactionSlot, err error) {
	if !s.gate.enter() {
		return nil, persistence.ErrClosed
	}
	defer s.gate.leave()
	prefix := appendVideo(nil, slotKind, liveVideoID)
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: prefix, UpperBound: endOf(prefix)})
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { err = errors.Join(err, wrap(it.Close())) }()
	add := func() error {
		slot := new(records.ReactionSlot)
		value, err := it.ValueAndErr()
		if err != nil {
			return wrap(err)
		}
		if _, err := decodeSlot(value, slot); err != nil {
			return err
		}
		rest := it.Key()[len(prefix):]
		slot.CommentId, slot.Session = be.Uint64(rest), be.Uint64(rest[8:])
		slots = append(slots, slot)
		return nil
	}
	for ok := it.First(); ok && be.Uint64(it.Key()[len(prefix):]) == 0; ok = it.Next() {
		if err := add(); err != nil {
			return nil, err
		}
	}
	if err := it.Error(); err != nil {
		return nil, wrap(err)
	}
	ofVideo, last := len(slots), uint64(0)
	for ok := it.Last(); ok; ok = it.Prev() {
		id := be.Uint64(it.Key()[len(prefix):])
		if id == 0 || len(slots)-ofVideo >= limit && id != last {
			break
		}
		if err := add(); err != nil {
			return nil, err
		}
		last = id
	}
	return slots, wrap(it.Error())
}

// videoReactions adds up the reactions to a live video itself.
func videoReactions(r pebble.Reader, video string) (totals map[string]uint64, err error) {
	err = behindPrefix(r, be.AppendUint64(appendVideo(nil, slotKind, video), 0), func(_, value []byte) error {
		slot := new(records.ReactionSlot)
		if _, err := decodeSlot(value, slot); err != nil {
			return err
		}
		if totals == nil {
			totals = make(map[string]uint64, len(slot.Totals))
		}
		for kind, n := range slot.Totals {
			totals[kind] += n
		}
		return nil
	})
	return totals, err
}
