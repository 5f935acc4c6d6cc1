package clickhouse

import (
	"context"
	"slices"

	"barrage/persistence"
	"barrage/persistence/records"
)

const (
	// scanRows are read at once; scanVideos are listed at once.
	scanRows   = 20_000
	scanVideos = 1_000
)

// Position is a place in the history of all live videos, in the order of their
// ids and then of the comments'. The zero value is before all.
type Position struct {
	LiveVideoID string
	CommentID   uint64
}

// Scan calls fn with the visible comments after a position, one after the
// other: of the given live videos, or of all if there are none. It ends with
// fn's error.
func (db *DB) Scan(ctx context.Context, after Position, videos []string, fn func(*records.Comment) error) error {
	videos = slices.Sorted(slices.Values(videos))
	// The first is the one that the position is in.
	next := []string{after.LiveVideoID}
	if len(videos) > 0 {
		next = slices.DeleteFunc(videos, func(v string) bool { return v < after.LiveVideoID })
	}
	for len(next) > 0 {
		for _, video := range next {
			r := persistence.Range{Limit: scanRows}
			if video == after.LiveVideoID {
				r.After = after.CommentID
			}
			if err := db.scanVideo(ctx, video, r, fn); err != nil {
				return err
			}
		}
		if len(videos) > 0 {
			return nil
		}
		var err error
		if next, err = db.videosAfter(ctx, next[len(next)-1]); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) scanVideo(ctx context.Context, video string, r persistence.Range, fn func(*records.Comment) error) error {
	for {
		comments, err := db.Comments(ctx, video, r)
		if err != nil {
			return err
		}
		for _, c := range comments {
			if err := fn(c); err != nil {
				return err
			}
		}
		if len(comments) < r.Limit {
			return nil
		}
		r.After = comments[len(comments)-1].Id
	}
}

// videosAfter lists the next live videos that have comments.
func (db *DB) videosAfter(ctx context.Context, video string) (videos []string, err error) {
	q := db.videosQuery(video, scanVideos)
	err = db.ask(ctx, func(ctx context.Context, s server) error {
		videos = nil
		rows, err := s.conn.Query(ctx, q.text, q.args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what failed
		for rows.Next() {
			var v string
			if err := rows.Scan(&v); err != nil {
				return err
			}
			videos = append(videos, v)
		}
		return rows.Err()
	})
	return videos, err
}
