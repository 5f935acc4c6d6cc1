package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/records"
)

// A room is kept in parts, so that a change writes no more than it changes:
// a room with thousands of mutes and held comments would have megabytes. In a
// row of its own each are: what is set, a user's mute, a held comment.

// changeRoom brings the stored room up to a record's part of it. What comes
// twice, or in another order, gives the same (persistence.MergeRoom).
func (a *applying) changeRoom(video string, change *records.Room) error {
	set := &records.Room{Ended: change.Ended, SlowMode: change.SlowMode, Pin: change.Pin, CreatedAtMs: change.CreatedAtMs}
	if !proto.Equal(set, &records.Room{}) {
		known := new(records.Room)
		if err := a.merge(roomKey(nil, video), known, known, set); err != nil {
			return err
		}
	}
	for _, m := range change.GetMutes() {
		known := new(records.Mute)
		room := new(records.Room)
		found, err := a.row(muteKey(nil, video, m.GetUserId()), known)
		if err != nil {
			return err
		}
		if found {
			room.Mutes = []*records.Mute{known}
		}
		if persistence.MergeRoom(room, &records.Room{Mutes: []*records.Mute{m}}) {
			if err := a.setRow(muteKey(nil, video, m.GetUserId()), room.Mutes[0]); err != nil {
				return err
			}
		}
	}
	for _, h := range change.GetHeld() {
		known := new(records.Held)
		room := new(records.Room)
		key := heldKey(nil, video, h.GetComment().GetId())
		found, err := a.row(key, known)
		if err != nil {
			return err
		}
		if found {
			room.Held = []*records.Held{known}
		}
		if persistence.MergeRoom(room, &records.Room{Held: []*records.Held{h}}) {
			if err := a.setRow(key, room.Held[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

// merge brings the row under a key, which is of a room, up to a change.
func (a *applying) merge(key []byte, row proto.Message, room, change *records.Room) error {
	if _, err := a.row(key, row); err != nil {
		return err
	}
	if !persistence.MergeRoom(room, change) {
		return nil
	}
	return a.setRow(key, row)
}

// row reads what is under a key, with what the batch changes.
func (a *applying) row(key []byte, into proto.Message) (bool, error) {
	if pending, ok := a.pending[string(key)]; ok {
		proto.Merge(into, pending)
		return true, nil
	}
	return getProto(a.db, key, into)
}

// setRow changes what is under a key. The message is the batch's from then on.
func (a *applying) setRow(key []byte, m proto.Message) error {
	if a.pending == nil {
		a.pending = make(map[string]proto.Message)
	}
	a.pending[string(key)] = m
	return a.setProto(key, m)
}

// tidyRooms removes what means nothing any more from all rooms, see
// persistence.TidyRoom.
func (a *applying) tidyRooms(now time.Time) error {
	err := eachOf(a.db, muteKind, func(key, value []byte) error {
		m := new(records.Mute)
		if err := proto.Unmarshal(value, m); err != nil {
			return fmt.Errorf("embedded store: a damaged mute under %q: %w", key, err)
		}
		room := &records.Room{Mutes: []*records.Mute{m}}
		if persistence.TidyRoom(room, now); len(room.Mutes) > 0 {
			return nil
		}
		return a.batch.Delete(key, nil)
	})
	if err != nil {
		return err
	}
	return eachOf(a.db, heldKind, func(key, value []byte) error {
		h := new(records.Held)
		if err := proto.Unmarshal(value, h); err != nil {
			return fmt.Errorf("embedded store: a damaged held comment under %q: %w", key, err)
		}
		room := &records.Room{Held: []*records.Held{h}}
		if persistence.TidyRoom(room, now); len(room.Held) > 0 {
			return nil
		}
		return a.batch.Delete(key, nil)
	})
}

// Room implements persistence.Store.
func (s *Store) Room(ctx context.Context, liveVideoID string) (*records.Room, error) {
	if !s.gate.enter() {
		return nil, persistence.ErrClosed
	}
	defer s.gate.leave()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	snapshot := s.db.NewSnapshot()
	defer snapshot.Close() //nolint:errcheck // it only fails when closed twice
	room := new(records.Room)
	if _, err := getProto(snapshot, roomKey(nil, liveVideoID), room); err != nil {
		return nil, err
	}
	err := behindPrefix(snapshot, appendVideo(nil, muteKind, liveVideoID), func(rest, value []byte) error {
		m := new(records.Mute)
		if err := proto.Unmarshal(value, m); err != nil {
			return fmt.Errorf("embedded store: the mute of %q is damaged: %w", rest, err)
		}
		room.Mutes = append(room.Mutes, m)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = behindPrefix(snapshot, appendVideo(nil, heldKind, liveVideoID), func(rest, value []byte) error {
		h := new(records.Held)
		if err := proto.Unmarshal(value, h); err != nil {
			return fmt.Errorf("embedded store: the held comment %x is damaged: %w", rest, err)
		}
		room.Held = append(room.Held, h)
		return nil
	})
	return room, err
}

// eachOf visits the rows of a kind, in the order of their keys.
func eachOf(r pebble.Reader, kind byte, visit func(key, value []byte) error) error {
	return behindPrefix(r, []byte{kind}, func(rest, value []byte) error {
		return visit(append([]byte{kind}, rest...), value)
	})
}

// behindPrefix visits the rows whose keys begin with a prefix, in the order of
// their keys. rest is the key behind the prefix; both are only valid during the
// visit.
func behindPrefix(r pebble.Reader, prefix []byte, visit func(rest, value []byte) error) (err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: endOf(prefix)})
	if err != nil {
		return wrap(err)
	}
	defer func() { err = errors.Join(err, wrap(it.Close())) }()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return wrap(err)
		}
		if err := visit(it.Key()[len(prefix):], value); err != nil {
			return err
		}
	}
	return wrap(it.Error())
}
