package clickhouse

import (
	"fmt"
	"strings"

	"barrage/persistence"
)

// All that is asked of ClickHouse is here, so that a test can ask the same of
// an engine that this driver can't reach.

// query is a statement with question marks and what they stand for.
type query struct {
	text string
	args []any
}

// readColumns are what a comment is read from, in the order of their scanning.
const readColumns = "comment_id, user_id, user_name, message, parent_id, created_at_ms, deleted"

// pageQuery asks for the first rows of a window, in the order that the range
// asks for, one for each comment: the row that takes a comment back, if there
// is one.
func (db *DB) pageQuery(table, liveVideoID string, r persistence.Range, w window) query {
	order, key := "ASC", "live_video_id %[1]s, comment_id %[1]s"
	if r.Desc {
		order = "DESC"
	}
	where := []string{"live_video_id = ?", "comment_id > ?", "comment_id < ?"}
	args := []any{liveVideoID, w.after, w.before}
	if table == repliesTable {
		where = append(where, "parent_id = ?")
		args = append(args, r.Parent)
		key = "live_video_id %[1]s, parent_id %[1]s, comment_id %[1]s"
	}
	return query{fmt.Sprintf("SELECT "+readColumns+" FROM %s WHERE %s ORDER BY "+fmt.Sprintf(key, order)+
		", deleted DESC LIMIT 1 BY comment_id LIMIT %d", db.table(table), strings.Join(where, " AND "), r.Limit), args}
}

// commentQuery asks for a comment, or the row that takes it back.
func (db *DB) commentQuery(liveVideoID string, id uint64) query {
	return query{"SELECT " + readColumns + " FROM " + db.table(commentsTable) +
		" WHERE live_video_id = ? AND comment_id = ? ORDER BY deleted DESC LIMIT 1", []any{liveVideoID, id}}
}

// deletedQuery asks which of some comments were taken back.
func (db *DB) deletedQuery(liveVideoID string, ids []uint64) query {
	these, args := list(ids)
	return query{"SELECT DISTINCT comment_id FROM " + db.table(commentsTable) + " WHERE live_video_id = ? AND comment_id IN " +
		these + " AND deleted = 1", append([]any{liveVideoID}, args...)}
}

// countQuery asks how many comments were posted, and how many of them taken
// back: of those, the row that did it may be all there is.
func (db *DB) countQuery(liveVideoID string, before uint64, without []uint64) query {
	q := query{"SELECT uniqExact(comment_id), uniqExactIf(comment_id, deleted = 1) FROM " + db.table(commentsTable) +
		" WHERE live_video_id = ? AND comment_id < ?", []any{liveVideoID, before}}
	if len(without) > 0 {
		these, args := list(without)
		q.text += " AND comment_id NOT IN " + these
		q.args = append(q.args, args...)
	}
	return q
}

// endsQuery asks for the number of rows of a live video, and its lowest and
// highest id.
func (db *DB) endsQuery(liveVideoID string) query {
	return query{"SELECT count(), min(comment_id), max(comment_id) FROM " + db.table(commentsTable) +
		" WHERE live_video_id = ?", []any{liveVideoID}}
}

// videosQuery asks for the next live videos that have comments.
func (db *DB) videosQuery(after string, limit int) query {
	return query{"SELECT DISTINCT live_video_id FROM " + db.table(commentsTable) +
		" WHERE live_video_id > ? ORDER BY live_video_id LIMIT ?", []any{after, limit}}
}

// anyQuery asks for a comment, of whatever live video.
func (db *DB) anyQuery() query {
	return query{text: "SELECT live_video_id, " + readColumns + " FROM " + db.table(commentsTable) + " WHERE deleted = 0 LIMIT 1"}
}

// someQuery asks whether there is any row: 0 or 1.
func (db *DB) someQuery() query {
	return query{text: "SELECT count() FROM (SELECT comment_id FROM " + db.table(commentsTable) + " LIMIT 1)"}
}
