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

// audit keeps a room event, once, with the position of its record (see Trim).
func (a *applying) audit(e *records.RoomEvent) error {
	if e == nil || e.GetAtMs() <= 0 {
		return nil // nobody's act, or of an old journal that doesn't say when
	}
	w := &a.work
	// The rest is in the key.
	w.event.ActorId, w.event.UserId = e.GetActorId(), e.GetUserId()
	w.event.CommentId, w.event.Detail = e.GetCommentId(), e.GetDetail()
	value, err := proto.MarshalOptions{}.MarshalAppend(be.AppendUint64(w.value[:0], uint64(a.at)), &w.event)
	if err != nil {
		return err
	}
	w.value = value[:0]
	w.key = auditKey(w.key[:0], e)
	return a.batch.Set(w.key, value, nil)
}

// Audit implements persistence.Store.
func (s *Store) Audit(ctx context.Context, liveVideoID string, beforeMs int64, limit int) (events []*records.RoomEvent, err error) {
	if !s.gate.enter() {
		return nil, persistence.ErrClosed
	}
	defer s.gate.leave()
	if limit <= 0 {
		return nil, nil
	}
	prefix := appendVideo(nil, auditKind, liveVideoID)
	upper := endOf(prefix)
	if beforeMs > 0 {
		n := len(prefix)
		upper = be.AppendUint64(prefix[:n:n], uint64(beforeMs))
	}
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: prefix, UpperBound: upper})
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { err = errors.Join(err, wrap(it.Close())) }()
	for ok := it.Last(); ok; ok = it.Prev() {
		if n := len(events); n >= limit && be.Uint64(it.Key()[len(prefix):]) != uint64(events[n-1].AtMs) {
			break
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, wrap(err)
		}
		e := new(records.RoomEvent)
		if len(value) < 8 {
			return nil, errors.New("embedded store: a room event is damaged")
		}
		if err := proto.Unmarshal(value[8:], e); err != nil {
			return nil, fmt.Errorf("embedded store: a room event is damaged: %w", err)
		}
		rest := it.Key()[len(prefix):]
		e.LiveVideoId, e.AtMs = liveVideoID, int64(be.Uint64(rest)) //nolint:gosec // written from one
		e.EventId, e.Kind = be.Uint64(rest[8:]), string(rest[16:])
		events = append(events, e)
	}
	return events, wrap(it.Error())
}
