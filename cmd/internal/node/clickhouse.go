package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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
	// lastCopies is how long it tries to insert copies of other nodes' records.
	// It does not hear of them any more: they wait for the next start.
	lastCopies = time.Second
	// copyPatience is how long a copy waits for its node to say that ClickHouse
	// has it.
	copyPatience = time.Minute
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
	// Of copies of other nodes' records; nil: the node is alone.
	copyWriter *clickhouse.CopyWriter
	copyPump   *persistence.Pump
	// older: the store has comments that no writer was given.
	older bool

	cancel context.CancelFunc
	care   sync.WaitGroup

	// settled is a position that has been in ClickHouse for a while; see settle.
	settled atomic.Uint64
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

// clustered says whether other nodes' records come to this one.
func (a *archive) clustered() bool { return a.node.cfg.Cluster.Consul != "" }

// pumps is how many shares of the journal start takes.
func (a *archive) pumps() int {
	if a.clustered() {
		return 2
	}
	return 1
}

// start begins to insert what the journal has. copies is for a node in a
// cluster.
func (a *archive) start(logs []persistence.Log, m *archiveMetrics, copies clickhouse.Copies) (err error) {
	dir := filepath.Join(a.node.cfg.Data, "clickhouse")
	if a.writer, err = clickhouse.NewWriter(a.writerConfig(dir)); err != nil {
		return err
	}
	// A checkpoint for each batch.
	a.pump, err = a.newPump(persistence.PumpConfig{Log: logs[0], Store: a.writer, Name: "ClickHouse", Events: m.pumpEvents(), SyncBytes: 1})
	if err != nil {
		return err
	}
	if a.clustered() {
		if err := a.openCopies(logs[1], m, copies, filepath.Join(dir, "copies")); err != nil {
			return err
		}
	}
	m.watch(a.node.registry, a.pump)
	a.pump.Start()
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	if a.copyPump != nil {
		m.watchCopies(a.node.registry, a.copyPump, a.copyWriter)
		a.copyPump.Start()
	}
	a.every(ctx, a.cfg.LagWarning/2, a.warnOfLag())
	a.every(ctx, 2*clickhouse.AheadTime, a.settle())
	a.every(ctx, a.cfg.LocalRetention/12, a.trim)
	a.every(ctx, dropEvery, a.dropExpired)
	a.every(ctx, prepareEvery, a.prepare)
	return nil
}

// openCopies makes the pump of copies, and asks what the store has that is in
// no journal: readers at other nodes must not take ClickHouse for all there is.
func (a *archive) openCopies(log persistence.Log, m *archiveMetrics, copies clickhouse.Copies, dir string) (err error) {
	store := a.node.store
	joined := persistence.IDTime(store.CountedFrom()).Add(-clockMargin) // copies may be a little older than the join
	if a.older, err = store.HasBelow(context.Background(), persistence.FirstIDAt(joined)); err != nil {
		return err
	}
	if a.copyWriter, err = clickhouse.NewCopyWriter(a.writerConfig(dir), copies, copyPatience); err != nil {
		return err
	}
	a.copyPump, err = a.newPump(persistence.PumpConfig{
		Log: log, Store: a.copyWriter, Name: "ClickHouse, copies", Events: m.copyPumpEvents(),
		SyncBytes: 4 << 20, SyncInterval: 5 * time.Second,
	})
	return err
}

func (a *archive) writerConfig(dir string) clickhouse.WriterConfig {
	j := a.node.journal
	return clickhouse.WriterConfig{DB: a.db, Dir: dir, Node: a.node.name, Begin: j.FirstLSN() - 1, Last: j.LastLSN}
}

func (a *archive) newPump(c persistence.PumpConfig) (*persistence.Pump, error) {
	const batchBytes = 16 << 20
	c.Logger = a.node.log
	c.Read = func(after persistence.LSN) persistence.EntryReader {
		return persistence.Gather(a.node.journal.Reader(after), a.cfg.BatchDelay, a.cfg.BatchRows, batchBytes)
	}
	return persistence.NewPump(c)
}

// archivedLSN is the position up to which this node's own records are in
// ClickHouse: what those who have copies of them wait for.
func (a *archive) archivedLSN() persistence.LSN { return a.pump.Applied() }

// settledLSN is a position up to which deletions are in ClickHouse, those of
// copies included, and have been for so long that no reader has a page from
// before: an owner tells readers of deletions behind it.
func (a *archive) settledLSN() persistence.LSN { return persistence.LSN(a.settled.Load()) }

// archivedBelow is an id below which ClickHouse has all comments that this node
// was given, copies included. 0: that is not known.
func (a *archive) archivedBelow() uint64 {
	if a.older {
		return 0
	}
	below := a.writer.ArchivedBelow()
	if a.copyWriter != nil {
		below = min(below, a.copyWriter.ArchivedBelow())
	}
	return below
}

// applied is the position that both pumps have reached.
func (a *archive) applied() persistence.LSN {
	applied := a.pump.Applied()
	if a.copyPump != nil {
		applied = min(applied, a.copyPump.Applied())
	}
	return applied
}

// settle moves the settled position, each time to where ClickHouse was the last
// time.
func (a *archive) settle() func(context.Context) {
	var last persistence.LSN
	return func(context.Context) {
		a.settled.Store(uint64(last))
		last = a.applied()
	}
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
	if a.pump.Applied() < a.node.journal.LastLSN() {
		// The journal is nearly in the order of ids.
		safe := persistence.IDTime(a.writer.InsertedID()).Add(-clockMargin)
		floor = min(floor, persistence.FirstIDAt(safe))
	}
	keep := a.writer.SetAside()
	if a.copyWriter != nil {
		safe := persistence.IDTime(a.copyWriter.DoneBelow()).Add(-clockMargin)
		floor = min(floor, persistence.FirstIDAt(safe))
		for video, ids := range a.copyWriter.SetAside() {
			keep[video] = append(keep[video], ids...)
		}
	}
	// Marks of deletions stay until no page that was read before them is left.
	if err := a.node.store.Trim(ctx, floor, a.settledLSN(), keep); err != nil && ctx.Err() == nil {
		a.node.log.Warn("trimming the embedded store", "error", err)
	}
}

func (a *archive) dropExpired(ctx context.Context) {
	if err := a.db.DropExpired(ctx); err != nil && ctx.Err() == nil {
		a.node.log.Warn("dropping expired history", "error", err)
	}
}

// history is the store that readers are to use. A node that is alone has no
// peers (nil).
func (a *archive) history(peers tiered.Peers) persistence.Store {
	return tiered.New(a.node.store, a.db, peers, a.archivedBelow).LogTo(a.node.log)
}

func (a *archive) stop(ctx context.Context) error {
	if a.cancel != nil {
		a.cancel()
		a.care.Wait()
	}
	var pumps sync.WaitGroup
	for pump, patience := range map[*persistence.Pump]time.Duration{a.pump: lastInserts, a.copyPump: lastCopies} {
		if pump == nil {
			continue
		}
		pumps.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			if err := pump.Stop(ctx); err != nil {
				a.node.log.Warn("ClickHouse gets the rest after the next start", "error", err)
			}
		})
	}
	pumps.Wait()
	return a.db.Close()
}
