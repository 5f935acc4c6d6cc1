package schema

import (
	"context"
	"errors"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

const (
	// serversMayTake is how long we wait for all servers of a cluster to run a
	// statement, until one of them was missing: from then on only for ours.
	serversMayTake = 10 * time.Second
	settlePoll     = 50 * time.Millisecond

	codeTaskTimedOut = 159 // TIMEOUT_EXCEEDED
)

var errNotSettled = errors.New("the server did not run a statement that was given to its cluster")

// everywhere runs statements on all servers that there are. A cluster keeps
// them, in order, for a server that is away, which runs them when it is back:
// it keeps nobody from starting.
type everywhere struct {
	conn     driver.Conn
	cfg      Config
	patience time.Duration // 0: one is missing, and exec doesn't wait for ours either
}

func newEverywhere(conn driver.Conn, cfg Config) *everywhere {
	return &everywhere{conn, cfg, serversMayTake}
}

// exec answers nil if all servers but such that are away ran the statement, or
// will do so soon: settle waits for that.
func (e *everywhere) exec(ctx context.Context, statement string) error {
	if e.cfg.Cluster == "" {
		return e.conn.Exec(ctx, statement)
	}
	err := e.conn.Exec(clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"distributed_ddl_task_timeout": int(e.patience / time.Second),
	})), statement)
	if !hasCode(err, codeTaskTimedOut) || ctx.Err() != nil {
		return err
	}
	if e.patience > 0 {
		e.patience = 0
		e.cfg.logger().Warn("not all servers of the ClickHouse cluster answer; they will follow", "cluster", e.cfg.Cluster, "error", err)
	}
	return nil
}

// settle waits until our server is as done wants it.
func (e *everywhere) settle(ctx context.Context, done func() (bool, error)) error {
	if e.cfg.Cluster == "" || e.patience > 0 {
		return nil
	}
	deadline := time.NewTimer(serversMayTake)
	defer deadline.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return errNotSettled
		case <-time.After(settlePoll):
		}
	}
}
