package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"barrage/configs"
	"barrage/httpedge"
	"barrage/persistence"
	"barrage/persistence/clickhouse"
	"barrage/persistence/clickhouse/schema"
	"barrage/persistence/tiered"
)

const (
	// prepareTimeout is how long a node waits at its start for ClickHouse. If
	// it is away then, the node serves without it.
	prepareTimeout = 10 * time.Second
	// lastInserts is how long a node that stops tries to insert what its
	// journal still has. What remains is inserted after the next start.
	lastInserts = 5 * time.Second
	// clockMargin is a step of the node's clock that is reckoned with where
	// comments are removed from the embedded store by their time.
	clockMargin = 10 * time.Minute
	// prepareEvery is how often a ClickHouse that has not been reached since
	// the start is tried for readers; inserts try by themselves.
	prepareEvery = time.Second
	// dropEvery is how often expired history is looked for.
	dropEvery = time.Hour
)

// archive is ClickHouse, as a node uses it: the pump that fills it, and the
// care that it needs.
type archive struct {
	node   *node
	cfg    configs.ClickHouse
	db     *clickhouse.DB
	writer *clickhouse.Writer
	pump   *persistence.Pump

	cancel context.CancelFunc
	care   sync.WaitGroup

	// settled is a position that has been in ClickHouse for a while, and applied
	// one that has been since appliedAt.
	settled, applied persistence.LSN
	appliedAt        time.Time
}

// openArchive connects history to ClickHouse.
func (n *node) openArchive(ctx context.Context, m *archiveMetrics) (*archive, error) {
	cfg, err := ClickHouseConfig(n.cfg)
	if err != nil {
		return nil, err
	}
	cfg.Logger, cfg.Events = n.log, m.events()
	db, err := clickhouse.Open(cfg)
	if err != nil {
		return nil, err
	}
	a := &archive{node: n, cfg: n.cfg.ClickHouse, db: db}
	if err := a.join(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return a, nil
}

// ClickHouseConfig is what the settings say of ClickHouse, the password's file
// read.
func ClickHouseConfig(cfg *configs.Config) (clickhouse.Config, error) {
	c := cfg.ClickHouse
	password := c.Password
	if c.PasswordFile != "" {
		text, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return clickhouse.Config{}, fmt.Errorf("clickhouse.password_file: %w", err)
		}
		password = strings.TrimRight(string(text), "\r\n")
	}
	return clickhouse.Config{
		DSN: c.DSN, User: c.User, Password: password, CAFile: c.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile,
		Cluster: c.Cluster, Retention: time.Duration(min(c.RetentionDays, 1e5)) * 24 * time.Hour, // more would overflow before it is refused
		ReadTimeout: c.ReadTimeout, InsertTimeout: c.InsertTimeout, ConcurrentReads: c.ConcurrentReads,
	}, nil
}

// join makes the embedded store a part of the whole, at the first start with
// ClickHouse.
func (a *archive) join(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	_, err := a.db.Prepare(ctx)
	if errors.Is(err, schema.ErrNewer) {
		return err
	}
	if err != nil {
		a.node.log.Warn("ClickHouse can't be reached; serving without it until it can", "error", err)
	}
	store := a.node.store
	joined, errJoined := store.Joined()
	if errJoined != nil || joined {
		return errJoined
	}
	from := persistence.FirstIDAt(time.Now())
	highest, errHighest := store.MaxCommentID(ctx)
	if errHighest != nil {
		return errHighest
	}
	if highest > 0 {
		a.node.log.Warn("the comments that this node has are not in ClickHouse; it goes on serving them. " +
			"To bring them there, stop it and run 'barrage export' and 'barrage import'")
		from = max(from, highest+1)
	} else if err == nil {
		if empty, errEmpty := a.db.Empty(ctx); errEmpty == nil && empty {
			from = 0 // nothing was before this node
		}
	}
	return store.Join(from)
}

// start begins to insert what the journal has.
func (a *archive) start(log persistence.Log, m *archiveMetrics) (err error) {
	n := a.node
	a.writer, err = clickhouse.NewWriter(clickhouse.WriterConfig{
		DB: a.db, Dir: filepath.Join(n.cfg.Data, "clickhouse"), Node: n.name, Begin: n.journal.FirstLSN() - 1,
	})
	if err != nil {
		return err
	}
	const batchBytes = 16 << 20
	a.pump, err = persistence.NewPump(persistence.PumpConfig{
		Log: log, Store: a.writer, Name: "ClickHouse", Logger: n.log, Events: m.pumpEvents(),
		Read: func(after persistence.LSN) persistence.EntryReader {
			return persistence.Gather(n.journal.Reader(after), a.cfg.BatchDelay, a.cfg.BatchRows, batchBytes)
		},
		SyncBytes: 1, // a checkpoint for each batch
	})
	if err != nil {
		return err
	}
	m.watch(n.registry, a.pump)
	a.pump.Start()
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	a.every(ctx, a.cfg.LagWarning/2, a.warnOfLag())
	a.every(ctx, a.cfg.LocalRetention/12, a.trim)
	a.every(ctx, dropEvery, a.dropExpired)
	a.every(ctx, prepareEvery, a.prepare)
	return nil
}

// every does something again and again beside the node's work.
func (a *archive) every(ctx context.Context, d time.Duration, do func(ctx context.Context)) {
	a.care.Go(func() {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				do(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
}

// prepare gives readers ClickHouse back also where there is nothing to insert.
func (a *archive) prepare(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	if _, err := a.db.Prepare(ctx); err != nil {
		a.node.log.Debug("ClickHouse can't be reached", "error", err)
	}
}

// lag answers how far ClickHouse is behind, and whether that is worth a
// warning.
func (a *archive) lag() (s persistence.PumpStats, late bool) {
	s = a.pump.Stats()
	return s, s.Lag > a.cfg.LagWarning
}

// lagOfHistory is what /readyz tells.
func (a *archive) lagOfHistory() httpedge.Lag {
	s, late := a.lag()
	return httpedge.Lag{Store: "clickhouse", Records: s.Depth, Age: s.Lag, Late: late}
}

// warnOfLag says when ClickHouse falls behind, and when it has caught up.
func (a *archive) warnOfLag() func(context.Context) {
	var warned bool
	return func(context.Context) {
		s, late := a.lag()
		switch {
		case late && !warned:
			a.node.log.Warn("ClickHouse lacks the newest history; the journal keeps it", "records", s.Depth, "oldest", s.Lag.Round(time.Second))
		case warned && !late:
			a.node.log.Info("ClickHouse has caught up")
		}
		warned = late
	}
}

// trim lets go of what ClickHouse has had for a while.
func (a *archive) trim(ctx context.Context) {
	floor := persistence.FirstIDAt(time.Now().Add(-a.cfg.LocalRetention))
	applied := a.pump.Applied()
	if applied < a.node.journal.LastLSN() {
		// The journal is nearly in the order of ids.
		safe := persistence.IDTime(a.writer.InsertedID()).Add(-clockMargin)
		floor = min(floor, persistence.FirstIDAt(safe))
	}
	// Marks of deletions stay until no page that was read before them is left.
	if time.Since(a.appliedAt) > 2*clickhouse.AheadTime {
		a.settled, a.applied, a.appliedAt = a.applied, applied, time.Now()
	}
	if err := a.node.store.Trim(ctx, floor, a.settled, a.writer.SetAside()); err != nil && ctx.Err() == nil {
		a.node.log.Warn("trimming the embedded store", "error", err)
	}
}

func (a *archive) dropExpired(ctx context.Context) {
	if err := a.db.DropExpired(ctx); err != nil && ctx.Err() == nil {
		a.node.log.Warn("dropping expired history", "error", err)
	}
}

// history is the store that readers are to use.
func (a *archive) history() persistence.Store { return tiered.New(a.node.store, a.db) }

func (a *archive) stop(ctx context.Context) error {
	if a.cancel != nil {
		a.cancel()
		a.care.Wait()
	}
	if a.pump != nil {
		ctx, cancel := context.WithTimeout(ctx, lastInserts)
		defer cancel()
		if err := a.pump.Stop(ctx); err != nil {
			a.node.log.Warn("ClickHouse gets the rest after the next start", "error", err)
		}
	}
	return a.db.Close()
}
