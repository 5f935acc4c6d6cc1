package embedded

import (
	"context"
	"errors"

	"barrage/persistence"
	"barrage/persistence/records"
)

// Videos implements persistence.Store. A live video is known from the first
// record of it on.
func (s *Store) Videos(ctx context.Context, behind string, limit int) (videos []persistence.KnownVideo, err error) {
	if !s.gate.enter() {
		return nil, persistence.ErrClosed
	}
	defer s.gate.leave()
	if limit <= 0 {
		return nil, nil
	}
	snapshot := s.db.NewSnapshot()
	defer snapshot.Close() //nolint:errcheck // it only fails when closed twice
	it, err := allOf(ctx, snapshot, totalsKind)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, wrap(it.Close())) }()
	sc := scan{it: it, kind: totalsKind}
	if err := sc.begin(behind); err != nil {
		return nil, err
	}
	for len(videos) < limit {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		video, err := sc.next()
		if err != nil {
			return nil, err
		}
		if video == nil {
			break
		}
		if *video == behind || *video == "" {
			continue
		}
		v := persistence.KnownVideo{LiveVideoID: *video, Totals: new(records.VideoTotals), Room: new(records.Room)}
		if _, err := getProto(snapshot, totalsKey(nil, *video), v.Totals); err != nil {
			return nil, err
		}
		if _, err := getProto(snapshot, roomKey(nil, *video), v.Room); err != nil {
			return nil, err
		}
		if v.Reactions, err = videoReactions(snapshot, *video); err != nil {
			return nil, err
		}
		videos = append(videos, v)
	}
	return videos, nil
}
