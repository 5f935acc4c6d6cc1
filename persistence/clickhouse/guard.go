package clickhouse

import (
	"context"
	"errors"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"barrage/persistence"
	"barrage/persistence/clickhouse/schema"
)

// errNotPrepared says that no server could be asked yet.
var errNotPrepared = errors.New("no server has been reached since the start")

const (
	// tripAfter failures in a row stop the asking, so that readers are told at
	// once instead of waiting out a time limit each.
	tripAfter = 5
	// tripFor is how long nothing is asked then. One query tries after that.
	tripFor = time.Second
)

// guard stands before the servers: it bounds the queries at a time, lets equal
// ones share an answer, and stops asking servers that don't answer.
type guard struct {
	slots   *semaphore.Weighted
	flights singleflight.Group
	breaker *gobreaker.CircuitBreaker[struct{}]
	hints   *hints
	ahead   *ahead
}

func newGuard(cfg Config) *guard {
	return &guard{
		slots: semaphore.NewWeighted(int64(cfg.ConcurrentReads)),
		hints: newHints(),
		ahead: newAhead(),
		breaker: gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
			Name: "clickhouse", Timeout: tripFor,
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= tripAfter },
			IsExcluded:  func(err error) bool { return errors.Is(err, context.Canceled) }, // its reader went away
			OnStateChange: func(_ string, from, to gobreaker.State) {
				cfg.Logger.Info("clickhouse: reading", "state", to.String(), "before", from.String())
			},
		}),
	}
}

// shared lets all who ask for the same while it is asked share the answer.
// Nobody's leaving ends it for the others.
func shared[T any](ctx context.Context, g *guard, key string, ask func(ctx context.Context) (T, error)) (T, error) {
	result := g.flights.DoChan(key, func() (any, error) { return ask(context.WithoutCancel(ctx)) })
	select {
	case r := <-result:
		answer, _ := r.Val.(T)
		return answer, r.Err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// ask asks a server, within the time that a page may take, and another one
// if that fails. Its errors are persistence.ErrUnavailable.
func (db *DB) ask(ctx context.Context, ask func(ctx context.Context, s server) error) error {
	if db.prepared.Load() == nil {
		return unavailable(errNotPrepared)
	}
	_, err := db.guard.breaker.Execute(func() (struct{}, error) {
		if err := db.guard.slots.Acquire(ctx, 1); err != nil {
			return struct{}{}, context.Canceled // waiting is no server's fault
		}
		defer db.guard.slots.Release(1)
		start := time.Now()
		err := db.askAny(ctx, ask)
		db.cfg.Events.Read(time.Since(start), err)
		return struct{}{}, err
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// askAny leaves a part of the time to each of the servers, so that one that
// hangs doesn't use it up.
func (db *DB) askAny(ctx context.Context, ask func(ctx context.Context, s server) error) error {
	ctx, cancel := context.WithTimeout(ctx, db.cfg.ReadTimeout)
	defer cancel()
	share := db.cfg.ReadTimeout / time.Duration(len(db.servers))
	return db.anyServer(ctx, func(s server) error {
		ctx, cancel := context.WithTimeout(ctx, share)
		defer cancel()
		return ask(driver.Context(ctx, driver.WithSettings(readSettings)), s)
	})
}

// unavailable wraps an error of which only time, or an operator, can help.
func unavailable(err error) error {
	return &unavailableError{err}
}

type unavailableError struct{ cause error }

func (e *unavailableError) Error() string   { return "clickhouse: " + e.cause.Error() }
func (e *unavailableError) Unwrap() []error { return []error{persistence.ErrUnavailable, e.cause} }

// readSettings keep a page from taking a whole machine.
var readSettings = driver.Settings{"max_threads": 1}

// insertSettings are those of a batch with this name.
func insertSettings(f schema.Features, token string) driver.Settings {
	settings := driver.Settings{}
	if f.DistributedSync != "" {
		// An answer from the shards, not from a queue before them.
		settings[f.DistributedSync] = 1
	}
	if token != "" && f.DeduplicationToken && f.DeduplicationWindow {
		settings["insert_deduplication_token"] = token
		// A server that died between a table and the views that it feeds feeds
		// them when the batch comes again.
		settings["deduplicate_blocks_in_dependent_materialized_views"] = 1
	} else {
		// A batch that looks like one before must not be taken for it, or the
		// views of a server that died in between would lack it.
		settings["insert_deduplicate"] = 0
	}
	return settings
}
