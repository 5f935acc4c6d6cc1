package embedded

import (
	"context"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"barrage/persistence"
)

// SlotMemory is how long the reactions to a comment stay here where another
// store keeps them, too. Who looks further back than that sees none in a room
// that starts anew.
const SlotMemory = 30 * 24 * time.Hour

// trimAudit removes the room events before a time that the other store has.
// Those from before Join only this one has.
func (s *Store) trimAudit(ctx context.Context, b *pebble.Batch, before time.Time, upTo persistence.LSN) error {
	from := persistence.IDTime(s.joined.Load()).UnixMilli()
	return s.eachVideo(ctx, auditKind, func(it *pebble.Iterator, prefix []byte) error {
		n := len(prefix)
		for ok := it.SeekGE(be.AppendUint64(prefix[:n:n], uint64(from))); ok && hasPrefix(it.Key(), prefix); ok = it.Next() { //nolint:gosec // after 1970
			if int64(be.Uint64(it.Key()[n:])) >= before.UnixMilli() { //nolint:gosec // written from one
				break
			}
			if err := deleteUpTo(b, it, upTo); err != nil {
				return err
			}
		}
		return nil
	})
}

// trimSlots removes the reactions to comments below an id that the other store
// has. A slot that Apply changes meanwhile must not go with the change, so Apply
// waits, for no longer than one live video takes.
func (s *Store) trimSlots(ctx context.Context, below uint64, upTo persistence.LSN) error {
	from := max(s.joined.Load(), 1) // 0 is the live video itself
	var prefixes [][]byte
	err := s.eachVideo(ctx, slotKind, func(it *pebble.Iterator, prefix []byte) error {
		n := len(prefix)
		if it.SeekGE(be.AppendUint64(prefix[:n:n], from)) && hasPrefix(it.Key(), prefix) && be.Uint64(it.Key()[n:]) < below {
			prefixes = append(prefixes, prefix)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, prefix := range prefixes {
		if err := s.trimSlotsOf(ctx, prefix, from, below, upTo); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) trimSlotsOf(ctx context.Context, prefix []byte, from, below uint64, upTo persistence.LSN) (err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	n := len(prefix)
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{
		LowerBound: be.AppendUint64(prefix[:n:n], from), UpperBound: be.AppendUint64(prefix[:n:n], below),
	})
	if err != nil {
		return wrap(err)
	}
	defer func() { err = errors.Join(err, wrap(it.Close())) }()
	b := s.db.NewBatch()
	defer func() { _ = b.Close() }() // lets go of memory only
	for ok := it.First(); ok; ok = it.Next() {
		if err := deleteUpTo(b, it, upTo); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return wrap(err)
	}
	clear(s.slots) // what is trimmed is not to come back
	return wrap(b.Commit(pebble.NoSync))
}

// deleteUpTo removes the row an iterator is at, if the position that its value
// begins with is not behind another.
func deleteUpTo(b *pebble.Batch, it *pebble.Iterator, upTo persistence.LSN) error {
	value, err := it.ValueAndErr()
	if err != nil {
		return wrap(err)
	}
	if len(value) < 8 || persistence.LSN(be.Uint64(value)) > upTo {
		return nil
	}
	return b.Delete(it.Key(), nil)
}

// eachVideo visits the live videos that have rows of a kind, with what their
// keys begin with. The iterator may be moved within those.
func (s *Store) eachVideo(ctx context.Context, kind byte, visit func(it *pebble.Iterator, prefix []byte) error) (err error) {
	it, err := s.allOf(ctx, kind)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, wrap(it.Close())) }()
	for ok := it.First(); ok; {
		video, err := videoOf(it.Key())
		if err != nil {
			return err
		}
		prefix := appendVideo(nil, kind, video)
		if err := visit(it, prefix); err != nil {
			return err
		}
		if err := it.Error(); err != nil {
			return wrap(err)
		}
		ok = it.SeekGE(endOf(prefix))
	}
	return wrap(it.Error())
}
