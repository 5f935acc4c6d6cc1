package clickhouse

import (
	"context"
	"fmt"

	"barrage/persistence"
	"barrage/persistence/records"
)

// ReplyCounts counts the replies to some comments, of those with ids below
// before (0: all), but for some that are to be left out. Comments without
// replies are not in the answer.
func (db *DB) ReplyCounts(ctx context.Context, liveVideoID string, parents []uint64, before uint64, without []uint64) (map[uint64]uint64, error) {
	if len(parents) == 0 {
		return nil, nil
	}
	var counts map[uint64]uint64
	err := db.each(ctx, db.replyCountsQuery(liveVideoID, parents, before, without), func() { counts = map[uint64]uint64{} }, func(scan func(...any) error) error {
		var parent, posted, deleted uint64
		if err := scan(&parent, &posted, &deleted); err != nil {
			return err
		}
		if posted > deleted {
			counts[parent] = posted - deleted
		}
		return nil
	})
	return counts, err
}

// Replies answers which replies some comments have, of those with ids from one
// on and below another (0: to the last), and which of them were deleted.
func (db *DB) Replies(ctx context.Context, liveVideoID string, parents []uint64, from, before uint64) (replies map[uint64][]uint64, deleted map[uint64]bool, err error) {
	if len(parents) == 0 {
		return nil, nil, nil
	}
	begin := func() { replies, deleted = map[uint64][]uint64{}, map[uint64]bool{} }
	err = db.each(ctx, db.repliesQuery(liveVideoID, parents, from, before), begin, func(scan func(...any) error) error {
		var parent, id uint64
		var gone uint8
		if err := scan(&parent, &id, &gone); err != nil {
			return err
		}
		if gone != 0 {
			deleted[id] = true
		} else {
			replies[parent] = append(replies[parent], id)
		}
		return nil
	})
	return replies, deleted, err
}

// Audit answers room events as persistence.Store does.
func (db *DB) Audit(ctx context.Context, liveVideoID string, beforeMs int64, limit int) (events []*records.RoomEvent, err error) {
	if limit <= 0 {
		return nil, nil
	}
	begin := func() { events = nil }
	err = db.each(ctx, db.auditQuery(liveVideoID, beforeMs, limit), begin, func(scan func(...any) error) error {
		e := &records.RoomEvent{LiveVideoId: liveVideoID}
		if err := scan(&e.AtMs, &e.Kind, &e.EventId, &e.ActorId, &e.UserId, &e.CommentId, &e.Detail); err != nil {
			return err
		}
		events = append(events, e)
		return nil
	})
	return events, err
}

// Room answers what is set for a live video; an empty one if nothing is. It
// knows of no held comments.
func (db *DB) Room(ctx context.Context, liveVideoID string) (*records.Room, error) {
	var room *records.Room
	begin := func() { room = new(records.Room) }
	err := db.each(ctx, db.roomQuery(liveVideoID), begin, func(scan func(...any) error) error {
		var p roomPart
		if err := scan(&p.part, &p.userID, &p.atMs, &p.number, &p.lifted, &p.actorID); err != nil {
			return err
		}
		if part := p.room(); part != nil {
			persistence.MergeRoom(room, part)
		}
		return nil
	})
	return room, err
}

// ReactionSlots answers reactions as persistence.Store does: all slots of the
// live video itself, and those of its newest comments that have up to limit
// counts together.
func (db *DB) ReactionSlots(ctx context.Context, liveVideoID string, limit int) ([]*records.ReactionSlot, error) {
	slots, _, err := db.slots(ctx, db.videoSlotsQuery(liveVideoID))
	if err != nil || limit <= 0 {
		return slots, err
	}
	ofComments, counts, err := db.slots(ctx, db.commentSlotsQuery(liveVideoID, limit))
	if err != nil {
		return nil, err
	}
	if counts == limit {
		// The last comment may have more: a part of its slots would be a wrong
		// sum.
		last := ofComments[len(ofComments)-1].CommentId
		for n := len(ofComments); n > 0 && ofComments[n-1].CommentId == last; n-- {
			ofComments = ofComments[:n-1]
		}
	}
	return append(slots, ofComments...), nil
}

// slots reads counts that belong to the same slot in a row.
func (db *DB) slots(ctx context.Context, q query) (slots []*records.ReactionSlot, counts int, err error) {
	begin := func() { slots, counts = nil, 0 }
	err = db.each(ctx, q, begin, func(scan func(...any) error) error {
		var comment, session, total uint64
		var kind string
		if err := scan(&comment, &session, &kind, &total); err != nil {
			return err
		}
		counts++
		if n := len(slots); n == 0 || slots[n-1].CommentId != comment || slots[n-1].Session != session {
			slots = append(slots, &records.ReactionSlot{CommentId: comment, Session: session, Totals: map[string]uint64{}})
		}
		slots[len(slots)-1].Totals[kind] = total
		return nil
	})
	return slots, counts, err
}

// each runs a query and visits its rows. It may begin again, at another server.
func (db *DB) each(ctx context.Context, q query, begin func(), row func(scan func(...any) error) error) error {
	return db.ask(ctx, func(ctx context.Context, s server) error {
		begin()
		rows, err := s.conn.Query(ctx, q.text, q.args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what failed
		for rows.Next() {
			if err := row(rows.Scan); err != nil {
				return fmt.Errorf("reading a row: %w", err)
			}
		}
		return rows.Err()
	})
}
