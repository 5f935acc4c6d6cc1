package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	conn "github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"barrage/persistence/clickhouse/schema"
)

// DB is a ClickHouse database on one server, or on several that hold the same.
// All methods may be called from any goroutine.
type DB struct {
	cfg      Config
	database string
	servers  []server
	// preferred is the server that is asked first: the last one that worked.
	preferred atomic.Int32

	preparing sync.Mutex
	prepared  atomic.Pointer[schema.Result]

	guard *guard
}

type server struct {
	addr string
	conn conn.Conn
}

// Open reads the configuration; it does not connect. Prepare does, and must
// have succeeded once before anything else does.
func Open(cfg Config) (*DB, error) {
	cfg = cfg.withDefaults()
	options, err := cfg.options()
	if err != nil {
		return nil, err
	}
	if err := cfg.schema(options.Auth.Database).Validate(); err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	db := &DB{cfg: cfg, database: options.Auth.Database}
	for _, addr := range options.Addr {
		o := *options
		o.Addr = []string{addr}
		// What doesn't exist yet can't be connected to; statements name it.
		o.Auth.Database = ""
		o.MaxIdleConns = cfg.ConcurrentReads + 1
		o.MaxOpenConns = cfg.ConcurrentReads + 2 // the writer's, and one to prepare
		c, err := driver.Open(&o)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("clickhouse: %w", err), db.Close())
		}
		db.servers = append(db.servers, server{addr, c})
	}
	db.guard = newGuard(cfg)
	return db, nil
}

// Close ends the connections.
func (db *DB) Close() error {
	var errs []error
	for _, s := range db.servers {
		errs = append(errs, s.conn.Close())
	}
	return errors.Join(errs...)
}

// Prepare asks the servers what they can do and brings the schema up to date.
// It fails with schema.ErrNewer if a newer Barrage has been here; that doesn't
// pass by trying again.
func (db *DB) Prepare(ctx context.Context) (schema.Result, error) {
	if r := db.prepared.Load(); r != nil {
		return *r, nil
	}
	db.preparing.Lock()
	defer db.preparing.Unlock()
	if r := db.prepared.Load(); r != nil {
		return *r, nil
	}
	var result schema.Result
	err := db.anyServer(ctx, func(s server) (err error) {
		result, err = schema.Migrate(ctx, s.conn, db.cfg.schema(db.database))
		return err
	})
	if err != nil {
		return schema.Result{}, fmt.Errorf("clickhouse: preparing the schema: %w", err)
	}
	db.prepared.Store(&result)
	return result, nil
}

// Plan answers what Prepare would run, without running it.
func (db *DB) Plan(ctx context.Context) (plan schema.Plan, err error) {
	err = db.anyServer(ctx, func(s server) (err error) {
		plan, err = schema.PlanFor(ctx, s.conn, db.cfg.schema(db.database))
		return err
	})
	if err != nil {
		return plan, fmt.Errorf("clickhouse: reading the schema: %w", err)
	}
	return plan, nil
}

// forget has the next use prepare again: a table that should be there is not.
func (db *DB) forget() { db.prepared.Store(nil) }

// DropExpired removes what is older than the retention where the server
// doesn't do so by itself.
func (db *DB) DropExpired(ctx context.Context) error {
	r, err := db.Prepare(ctx)
	if err != nil {
		return err
	}
	return db.anyServer(ctx, func(s server) error {
		dropped, err := schema.DropExpired(ctx, s.conn, db.cfg.schema(db.database), r.Features, time.Now())
		if len(dropped) > 0 {
			db.cfg.Logger.Info("clickhouse: dropped expired partitions", "partitions", dropped)
		}
		return err
	})
}

// anyServer does something at the preferred server, and at the others if that
// fails, until ctx ends. The one where it worked is preferred from then on.
func (db *DB) anyServer(ctx context.Context, do func(s server) error) error {
	first := int(db.preferred.Load())
	var errs []error
	for i := range db.servers {
		n := (first + i) % len(db.servers)
		err := do(db.servers[n])
		if err == nil {
			db.preferred.Store(int32(n))
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", db.servers[n].addr, err))
		if ctx.Err() != nil || errors.Is(err, schema.ErrNewer) {
			break
		}
	}
	return errors.Join(errs...)
}

// next prefers another server from now on.
func (db *DB) next(after server) {
	for i, s := range db.servers {
		if s.addr == after.addr {
			db.preferred.CompareAndSwap(int32(i), int32((i+1)%len(db.servers)))
		}
	}
}

func (db *DB) server() server { return db.servers[db.preferred.Load()] }

// table names a table in statements.
func (db *DB) table(name string) string { return "`" + db.database + "`." + name }
