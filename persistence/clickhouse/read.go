package clickhouse

import (
	"context"
	"fmt"
	"math"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"barrage/persistence"
	"barrage/persistence/records"
)

// stored is a row of the comments table: of each comment the one that counts.
type stored struct {
	comment *records.Comment
	deleted bool
}

// Comments answers the visible comments of a range, as they are or were up to
// AheadTime ago.
func (db *DB) Comments(ctx context.Context, liveVideoID string, r persistence.Range) ([]*records.Comment, error) {
	switch {
	case r.Limit <= 0:
		return nil, nil
	case r.Parent != 0:
		return db.read(ctx, liveVideoID, r, db.replies)
	}
	comments, ok, goesOn := db.guard.ahead.page(liveVideoID, r)
	if ok {
		return comments, nil
	}
	wide := r
	if goesOn {
		wide.Limit = max(r.Limit, aheadRows)
	}
	readAt := time.Now()
	comments, err := db.read(ctx, liveVideoID, wide, db.search)
	if err != nil {
		return nil, err
	}
	db.guard.ahead.keep(liveVideoID, wide, comments, readAt)
	return comments[:min(len(comments), r.Limit)], nil
}

// read reads a range, once for all who ask for it at the same time.
func (db *DB) read(ctx context.Context, liveVideoID string, r persistence.Range, read func(context.Context, string, persistence.Range) ([]stored, error)) ([]*records.Comment, error) {
	return shared(ctx, db.guard, fmt.Sprint("page ", liveVideoID, r), func(ctx context.Context) ([]*records.Comment, error) {
		return visible(liveVideoID, r, func(r persistence.Range) ([]stored, error) { return read(ctx, liveVideoID, r) })
	})
}

// visible reads on until it has enough comments that are not deleted.
func visible(liveVideoID string, r persistence.Range, read func(persistence.Range) ([]stored, error)) ([]*records.Comment, error) {
	comments := make([]*records.Comment, 0, r.Limit)
	rest := r
	for {
		rows, err := read(rest)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if !row.deleted {
				row.comment.LiveVideoId = liveVideoID
				comments = append(comments, row.comment)
			}
		}
		if len(rows) < rest.Limit || len(comments) == r.Limit {
			return comments, nil
		}
		last := rows[len(rows)-1].comment.Id
		if r.Desc {
			rest.Before = last
		} else {
			rest.After = last
		}
		rest.Limit = r.Limit - len(comments)
	}
}

// search reads the next rows of a range that may hold millions. Servers that
// don't read in the order of the key (before 19.14) would read and sort all of
// them for one page; so only a window of ids is asked for, as wide as this
// video's pages use to be, and a wider one if that has too few.
func (db *DB) search(ctx context.Context, liveVideoID string, r persistence.Range) ([]stored, error) {
	h, err := db.hint(ctx, liveVideoID)
	if err != nil {
		return nil, err
	}
	// Both exclusive. Above the last comment there may be newer ones.
	low, high := max(r.After, h.first-1), before(r)
	var rows []stored
	for width := h.width(r.Limit); low < high && high-low > 1 && len(rows) < r.Limit; {
		w := window{low, high}
		if r.Desc {
			w = w.top(width, h.last)
		} else {
			w = w.bottom(width, h.last)
		}
		rest := r
		rest.Limit -= len(rows)
		more, err := db.page(ctx, commentsTable, liveVideoID, rest, w)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
		// What is left of the range is beyond the window.
		if r.Desc {
			high = w.after + 1
		} else {
			low = w.before - 1
		}
		width = times(width, wideningFactor)
	}
	db.guard.hints.learn(liveVideoID, rows)
	return rows, nil
}

// window is a part of a range; both ends are exclusive.
type window struct{ after, before uint64 }

// top is the upper part of a window, so wide below the last comment known.
func (w window) top(width, last uint64) window {
	if from := min(w.before, max(last, w.after)+1); from-w.after > width {
		w.after = from - width
	}
	return w
}

// bottom is the lower part of a window; all of it if no more than what is newer
// than the last comment known would be left.
func (w window) bottom(width, last uint64) window {
	if w.before-w.after > width && last > w.after && last-w.after > width {
		w.before = w.after + max(width, 2)
	}
	return w
}

// replies reads the rows of a thread.
func (db *DB) replies(ctx context.Context, liveVideoID string, r persistence.Range) ([]stored, error) {
	return db.page(ctx, repliesTable, liveVideoID, r, window{r.After, before(r)})
}

// before is a range's upper end as a number.
func before(r persistence.Range) uint64 {
	if r.Before == 0 {
		return math.MaxUint64
	}
	return r.Before
}

// page reads the first rows of a window.
func (db *DB) page(ctx context.Context, table, liveVideoID string, r persistence.Range, w window) ([]stored, error) {
	return db.rows(ctx, r.Limit, db.pageQuery(table, liveVideoID, r, w))
}

// Comment answers one comment, or persistence.ErrNotFound.
func (db *DB) Comment(ctx context.Context, liveVideoID string, id uint64) (*records.Comment, error) {
	rows, err := db.rows(ctx, 1, db.commentQuery(liveVideoID, id))
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || rows[0].deleted {
		return nil, persistence.ErrNotFound
	}
	rows[0].comment.LiveVideoId = liveVideoID
	return rows[0].comment, nil
}

// Deleted answers which of some comments of a live video were deleted, as of
// now.
func (db *DB) Deleted(ctx context.Context, liveVideoID string, ids []uint64) (map[uint64]bool, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var deleted map[uint64]bool
	q := db.deletedQuery(liveVideoID, ids)
	err := db.ask(ctx, func(ctx context.Context, s server) error {
		deleted = map[uint64]bool{}
		rows, err := s.conn.Query(ctx, q.text, q.args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what failed
		for rows.Next() {
			var id uint64
			if err := rows.Scan(&id); err != nil {
				return err
			}
			deleted[id] = true
		}
		return rows.Err()
	})
	return deleted, err
}

// Count counts the comments of a live video with an id below before, but for
// some that are to be left out. It reads them all, so it has the time of an
// insert, and does not speak for pages.
func (db *DB) Count(ctx context.Context, liveVideoID string, before uint64, without []uint64) (uint64, error) {
	if db.prepared.Load() == nil {
		return 0, unavailable(errNotPrepared)
	}
	ctx, cancel := context.WithTimeout(ctx, db.cfg.InsertTimeout)
	defer cancel()
	q := db.countQuery(liveVideoID, before, without)
	var posted, deleted uint64
	err := db.anyServer(ctx, func(s server) error {
		ctx := driver.Context(ctx, driver.WithSettings(readSettings))
		return s.conn.QueryRow(ctx, q.text, q.args...).Scan(&posted, &deleted)
	})
	if err != nil {
		return 0, unavailable(err)
	}
	return posted - deleted, nil
}

// Empty says whether there is no comment at all.
func (db *DB) Empty(ctx context.Context) (bool, error) {
	var n uint64
	err := db.row(ctx, db.someQuery(), &n)
	return n == 0, err
}

// anyComment answers a comment, of whatever live video; sql.ErrNoRows if there
// is none.
func (db *DB) anyComment(ctx context.Context) (*records.Comment, error) {
	c := new(records.Comment)
	err := db.row(ctx, db.anyQuery(), &c.LiveVideoId, &c.Id, &c.UserId, &c.UserName, &c.Message, &c.ParentId, &c.CreatedAtMs, new(uint8))
	return c, err
}

// row runs a query for one row.
func (db *DB) row(ctx context.Context, q query, into ...any) error {
	return db.ask(ctx, func(ctx context.Context, s server) error {
		return s.conn.QueryRow(ctx, q.text, q.args...).Scan(into...)
	})
}

// rows runs a query for comments.
func (db *DB) rows(ctx context.Context, limit int, q query) ([]stored, error) {
	var result []stored
	err := db.ask(ctx, func(ctx context.Context, s server) error {
		result = make([]stored, 0, limit)
		rows, err := s.conn.Query(ctx, q.text, q.args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what failed
		for rows.Next() {
			c := new(records.Comment)
			var deleted uint8
			if err := rows.Scan(&c.Id, &c.UserId, &c.UserName, &c.Message, &c.ParentId, &c.CreatedAtMs, &deleted); err != nil {
				return err
			}
			result = append(result, stored{c, deleted != 0})
		}
		return rows.Err()
	})
	return result, err
}
