package tiered

import (
	"cmp"
	"context"
	"slices"

	"barrage/persistence"
	"barrage/persistence/records"
)

// Audit implements persistence.Store. With ErrIncomplete, the events are those
// that could be read.
func (s *Store) Audit(ctx context.Context, liveVideoID string, beforeMs int64, limit int) ([]*records.RoomEvent, error) {
	if limit <= 0 {
		return nil, nil
	}
	limit = min(limit, persistence.MaxAudit)
	u := auditUnion{limit: limit}
	var away error
	if s.peers != nil {
		others, whole, err := s.peers.Audit(ctx, liveVideoID, beforeMs, limit)
		if err != nil {
			return nil, unavailable(ctx, err)
		}
		if !whole {
			away = incomplete(errPart)
		}
		for _, events := range others {
			u.add(events)
		}
	}
	local, err := s.Store.Audit(ctx, liveVideoID, beforeMs, limit)
	if err != nil {
		return nil, err
	}
	u.add(local)
	// After the reading: what was trimmed before it is from before this time.
	if since := persistence.IDTime(s.Floor()).UnixMilli(); s.archive != nil && (s.peers != nil || !enough(local, limit, since)) {
		older := beforeMs
		if s.peers == nil && (older <= 0 || older > since) {
			older = since
		}
		archived, err := s.archive.Audit(ctx, liveVideoID, older, limit)
		if err != nil {
			away = incomplete(err)
		}
		u.add(archived)
	}
	return u.events(), away
}

// enough says whether a store's answer goes not beyond what it has all of.
func enough(events []*records.RoomEvent, limit int, sinceMs int64) bool {
	return len(events) >= limit && events[len(events)-1].GetAtMs() >= sinceMs
}

// auditUnion is an answer that several stores give together.
type auditUnion struct {
	limit  int
	all    []*records.RoomEvent
	fromMs int64 // before it, a store has more than it answered
}

// add adds the answer of a store: at least limit events, or all it has.
func (u *auditUnion) add(events []*records.RoomEvent) {
	if n := len(events); n >= u.limit {
		u.fromMs = max(u.fromMs, events[n-1].GetAtMs())
	}
	u.all = append(u.all, events...)
}

// events are the newest, each once, and all of the last one's millisecond.
func (u *auditUnion) events() []*records.RoomEvent {
	slices.SortStableFunc(u.all, func(a, b *records.RoomEvent) int {
		return cmp.Or(cmp.Compare(b.GetAtMs(), a.GetAtMs()), cmp.Compare(b.GetEventId(), a.GetEventId()), cmp.Compare(b.GetKind(), a.GetKind()))
	})
	u.all = slices.CompactFunc(u.all, func(a, b *records.RoomEvent) bool {
		return a.GetAtMs() == b.GetAtMs() && a.GetEventId() == b.GetEventId() && a.GetKind() == b.GetKind()
	})
	for i, e := range u.all {
		if e.GetAtMs() < u.fromMs || i >= u.limit && e.GetAtMs() != u.all[u.limit-1].GetAtMs() {
			return u.all[:i]
		}
	}
	return u.all
}
