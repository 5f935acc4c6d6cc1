package transfer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"barrage/persistence/clickhouse"
	"barrage/persistence/records"
)

// readTimeout is for the pages of an export. They are larger than those of a
// viewer, who wouldn't wait for so long.
const readTimeout = time.Minute

// ClickHouse is the history in a ClickHouse database.
type ClickHouse struct {
	db   *clickhouse.DB
	name string
}

// OpenClickHouse connects. With create the tables are made if there are none.
func OpenClickHouse(ctx context.Context, cfg clickhouse.Config, create bool) (*ClickHouse, error) {
	cfg.ReadTimeout = readTimeout
	db, err := clickhouse.Open(cfg)
	if err != nil {
		return nil, err
	}
	name := clickHouseName(cfg.DSN)
	if err = careful(ctx, db, name, create); err == nil {
		_, err = db.Prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &ClickHouse{db: db, name: name}, nil
}

// clickHouseName is the hosts and database of a DSN, without the rest, which
// may be secret.
func clickHouseName(dsn string) string {
	_, dsn, _ = strings.Cut(dsn, "://")
	dsn, _, _ = strings.Cut(dsn, "?")
	dsn = dsn[strings.LastIndex(dsn, "@")+1:]
	hosts, database, _ := strings.Cut(dsn, "/")
	if database == "" {
		database = clickhouse.DefaultDatabase
	}
	return "ClickHouse database " + database + " at " + hosts
}

// Name implements Target.
func (c *ClickHouse) Name() string { return c.name }

// Scan implements Source. A query that fails is tried again from where it was.
func (c *ClickHouse) Scan(ctx context.Context, after Position, videos []string, fn func(*records.Comment) error) error {
	var failed error // of fn, and not to be tried again
	videos = slices.Compact(slices.Sorted(slices.Values(videos)))
	r := retries(0)
	for {
		err := c.db.Scan(ctx, clickhouse.Position(after), videos, func(comment *records.Comment) error {
			if failed = fn(comment); failed != nil {
				return failed
			}
			after = Position{comment.GetLiveVideoId(), comment.GetId()}
			r = 0
			return nil
		})
		if err == nil || failed != nil || !r.again(ctx) {
			return err
		}
	}
}

// Count implements Source. To count is as much work as to read.
func (c *ClickHouse) Count(context.Context) (int64, error) { return -1, nil }

// Write implements Target.
func (c *ClickHouse) Write(ctx context.Context, comments []*records.Comment) error {
	r := retries(0)
	for {
		err := c.db.InsertComments(ctx, comments)
		if err == nil || !r.again(ctx) {
			return err
		}
	}
}

// Close ends the connections.
func (c *ClickHouse) Close() error { return c.db.Close() }

const (
	maxRetries = 6
	firstPause = 250 * time.Millisecond
)

// retries are attempts in a row, about 15 seconds of them: a server that
// restarts is no reason to end a transfer of hours.
type retries int

// again waits and answers whether to try again.
func (r *retries) again(ctx context.Context) bool {
	if *r >= maxRetries {
		return false
	}
	pause := time.NewTimer(firstPause << *r)
	defer pause.Stop()
	*r++
	select {
	case <-pause.C:
		return true
	case <-ctx.Done():
		return false
	}
}
