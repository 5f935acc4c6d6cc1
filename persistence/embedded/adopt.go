package embedded

import (
	"barrage/persistence"
	"barrage/persistence/records"
)

// What another store keeps of a room may be from before this one: it had not
// met the room, or has lost it. It is taken over once, and kept here from then
// on like what records say.

// Adopted answers whether what another store keeps of a room was taken over.
func (s *Store) Adopted(liveVideoID string) (bool, error) {
	if !s.gate.enter() {
		return false, persistence.ErrClosed
	}
	defer s.gate.leave()
	_, ok, err := get(s.db, appendVideo(nil, adoptedKind, liveVideoID))
	return ok, err
}

// Adopt takes over what another store keeps of a room. What is known here
// already, and what records say meanwhile, is merged with it. A crash may lose
// it, with Adopted, but not what was applied before. It may be called from any
// goroutine, and waits for an Apply that is under way.
func (s *Store) Adopt(liveVideoID string, room *records.Room, slots []*records.ReactionSlot) (err error) {
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
			clear(s.slots) // what is counted in them is lost
		}
		_ = a.batch.Close() // lets go of memory only
	}()
	if err := a.changeRoom(liveVideoID, room); err != nil {
		return err
	}
	for _, slot := range slots {
		if err := a.mergeSlot(slotID{liveVideoID, slot.GetCommentId(), slot.GetSession()}, slot.GetTotals()); err != nil {
			return err
		}
	}
	if !a.batch.Empty() || len(a.changedSlots) > 0 {
		if _, err := a.videoTotals(liveVideoID); err != nil { // known from now on
			return err
		}
	}
	if err := a.batch.Set(appendVideo(nil, adoptedKind, liveVideoID), nil, nil); err != nil {
		return err
	}
	return a.commit()
}
