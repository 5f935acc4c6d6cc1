package clickhouse

import (
	"math"
	"strings"
)

// replyCountsQuery asks how many replies comments have, and how many of them
// were taken back.
func (db *DB) replyCountsQuery(liveVideoID string, parents []uint64, before uint64, without []uint64) query {
	in, args := list(parents)
	args = append([]any{liveVideoID}, append(args, orLast(before))...)
	text := "SELECT parent_id, uniqExact(comment_id), uniqExactIf(comment_id, deleted = 1) FROM " + db.table(repliesTable) +
		" WHERE live_video_id = ? AND parent_id IN " + in + " AND comment_id < ?"
	if len(without) > 0 {
		out, more := list(without)
		text += " AND comment_id NOT IN " + out
		args = append(args, more...)
	}
	return query{text + " GROUP BY parent_id", args}
}

// repliesQuery asks which replies comments have, deleted ones included.
func (db *DB) repliesQuery(liveVideoID string, parents []uint64, from, before uint64) query {
	in, args := list(parents)
	return query{"SELECT parent_id, comment_id, max(deleted) FROM " + db.table(repliesTable) +
		" WHERE live_video_id = ? AND parent_id IN " + in + " AND comment_id >= ? AND comment_id < ?" +
		" GROUP BY parent_id, comment_id ORDER BY parent_id, comment_id", append([]any{liveVideoID}, append(args, from, orLast(before))...)}
}

// auditQuery asks for the newest room events before a time, and for all of the
// last one's millisecond. What takes back a comment of which another node has a
// copy is nobody's act.
func (db *DB) auditQuery(liveVideoID string, beforeMs int64, limit int) query {
	if beforeMs <= 0 {
		beforeMs = math.MaxInt64
	}
	const where = " WHERE live_video_id = ? AND at_ms > 0 AND at_ms < ? AND NOT (kind = 'comment_deleted' AND actor_id = '')"
	table := db.table(roomEventsTable)
	return query{"SELECT at_ms, kind, event_id, actor_id, user_id, comment_id, detail FROM " + table + where +
		" AND at_ms >= (SELECT min(at_ms) FROM (SELECT DISTINCT at_ms, kind, event_id FROM " + table + where + " ORDER BY at_ms DESC LIMIT ?))" +
		" ORDER BY at_ms DESC, event_id DESC, kind DESC LIMIT 1 BY at_ms, kind, event_id", []any{liveVideoID, beforeMs, liveVideoID, beforeMs, limit}}
}

// roomQuery asks for what is set for a live video: of each part one row or more.
func (db *DB) roomQuery(liveVideoID string) query {
	return query{"SELECT part, user_id, at_ms, number, lifted, actor_id FROM " + db.table(roomStateTable) + " WHERE live_video_id = ?", []any{liveVideoID}}
}

const slotsOf = "SELECT comment_id, session, type, max(total) FROM "

// videoSlotsQuery asks for the counts of reactions to a live video itself.
func (db *DB) videoSlotsQuery(liveVideoID string) query {
	return query{slotsOf + db.table(reactionSlotsTable) + " WHERE live_video_id = ? AND comment_id = 0" +
		" GROUP BY comment_id, session, type ORDER BY session, type", []any{liveVideoID}}
}

// commentSlotsQuery asks for those of reactions to its newest comments.
func (db *DB) commentSlotsQuery(liveVideoID string, limit int) query {
	return query{slotsOf + db.table(reactionSlotsTable) + " WHERE live_video_id = ? AND comment_id > 0" +
		" GROUP BY comment_id, session, type ORDER BY comment_id DESC, session, type LIMIT ?", []any{liveVideoID, limit}}
}

// list is a list of numbers, as question marks.
func list(numbers []uint64) (text string, args []any) {
	for _, n := range numbers {
		args = append(args, n)
	}
	return "(" + strings.TrimSuffix(strings.Repeat("?,", len(numbers)), ",") + ")", args
}

// orLast is an exclusive upper end as a number.
func orLast(before uint64) uint64 {
	if before == 0 {
		return math.MaxUint64
	}
	return before
}
