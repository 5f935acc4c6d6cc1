// Package node puts the parts of a Barrage node together: it starts them from
// the disk up to the clients, and stops them the other way round.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"

	"barrage/actors"
	"barrage/cluster"
	"barrage/configs"
	"barrage/httpedge"
	"barrage/persistence"
	"barrage/persistence/clickhouse"
	"barrage/persistence/datadir"
	"barrage/persistence/embedded"
	"barrage/persistence/journal"
	"barrage/persistence/tiered"
)

// Run runs a node until ctx ends. Then it drains: streams are told to come
// back elsewhere, what is answered is written out. It returns nil if that is
// done within the config's deadline.
func Run(ctx context.Context, cfg *configs.Config, version string, log *slog.Logger) error {
	lock, err := datadir.Acquire(cfg.Data)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }()
	secret, err := jwtSecret(cfg)
	if err != nil {
		return err
	}
	number, err := datadir.NodeNumber(cfg.Data)
	if err != nil {
		return err
	}
	id, err := datadir.NodeID(cfg.Data)
	if err != nil {
		return err
	}
	// Before anything slow: a port that is taken is said at once.
	listener, err := net.Listen("tcp", cfg.HTTP.Addr)
	if err != nil {
		return fmt.Errorf("listening for HTTP: %w", err)
	}
	n := &node{
		cfg: cfg, log: log, registry: prometheus.NewRegistry(), failed: make(chan error, 2),
		id: id, secret: secret, number: number, name: fmt.Sprintf("node-%d", number),
		version: version, httpAddr: listener.Addr().String(), began: time.Now(),
	}
	if err := n.start(ctx, listener); err != nil {
		_ = listener.Close()
		if ctx.Err() != nil {
			err = nil // told to stop while it was starting
		}
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.DrainTimeout)
		defer cancel()
		return errors.Join(err, n.stopStorage(stopping))
	}
	log.Info("serving", "http", "http://"+listener.Addr().String(), "data", cfg.Data)
	select {
	case <-ctx.Done():
		log.Info("draining")
	case err = <-n.failed:
		log.Error("stopping", "error", err)
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.DrainTimeout)
	defer cancel()
	return errors.Join(err, n.drain(deadline))
}

// jwtSecret is the key of tokens: the config's, or one kept with the data.
func jwtSecret(cfg *configs.Config) ([]byte, error) {
	if cfg.Auth.JWTSecret != "" {
		return []byte(cfg.Auth.JWTSecret), nil
	}
	return datadir.Secret(cfg.Data)
}

type node struct {
	cfg      *configs.Config
	log      *slog.Logger
	registry *prometheus.Registry
	failed   chan error
	id       string // of the node, kept in its data folder
	secret   []byte // of tokens
	number   int    // of the node, in its comments' ids
	name     string // of the node, for people
	version  string
	httpAddr string
	began    time.Time

	journal *journal.Journal
	shared  *shared // nil: the node is alone
	ids     *actors.IDs
	store   *embedded.Store
	pump    *persistence.Pump
	archive *archive // nil: history is in the embedded store alone
	member  *cluster.Member
	actors  *actors.Node
	edge    *httpedge.Edge
}

func (n *node) start(ctx context.Context, listener net.Listener) (err error) {
	moderator, err := n.moderate()
	if err != nil {
		return err
	}
	// The edge first: while the journal is read, it says that the node is up
	// and not yet ready.
	edge, err := n.edgeConfig(n.secret)
	if err != nil {
		return err
	}
	if edge.Identity, err = identityConfig(n.cfg.Auth); err != nil {
		return err
	}
	if n.edge, err = httpedge.New(edge); err != nil {
		return err
	}
	go func() {
		if err := n.edge.Serve(listener); err != nil {
			n.failed <- err
		}
	}()
	if err := n.startStorage(ctx); err != nil {
		return err
	}
	highest, err := n.store.MaxCommentID(ctx)
	if err != nil {
		return fmt.Errorf("reading the highest comment id: %w", err)
	}
	if n.ids, err = actors.NewIDs(n.number, highest, time.Now); err != nil {
		return err
	}
	system := actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quieter(n.log).With("from", "protoactor") }),
		// A message to a viewer that has just left is nothing to report.
		actor.WithDeadLetterRequestLogging(false),
		actor.WithDeadLetterThrottleCount(0),
	)
	config := n.actorsConfig(system)
	n.actors, err = actors.NewNode(config)
	if err != nil {
		return err
	}
	k := n.cfg.Cluster
	n.member, err = cluster.Start(cluster.Config{
		System: system, Kind: actors.Kind, Props: n.actors.LiveVideoProps(), Log: n.log, Registry: n.registry,
		Advertise: k.Advertise, Listen: k.Listen, Copies: k.Replicas, Files: cluster.Files{CA: k.CAFile, Cert: k.CertFile, Key: k.KeyFile},
	})
	if err != nil {
		return err
	}
	n.actors.Start(n.member.Owners())
	var storage cluster.Storage
	if n.shared != nil {
		storage = n.shared
	}
	if err := n.member.Serve(n.actors, storage); err != nil {
		return err
	}
	if err := n.join(ctx); err != nil {
		return err
	}
	if n.shared != nil {
		n.shared.joined.Store(true)
	}
	backend := httpedge.Backend{
		Node: n.actors, Owners: n.member.Owners(), Cluster: n.clusterState(), Store: config.Store, JWTSecret: n.secret,
	}
	if n.archive != nil {
		backend.Lag = n.archive.lagOfHistory
	}
	go moderator.Run(ctx)
	backend.Moderator = moderator
	n.edge.Open(backend)
	return nil
}

// history is the store that readers are to use.
func (n *node) history() persistence.Store {
	var peers tiered.Peers
	if n.clustered() {
		peers = peersOf{n}
	}
	switch {
	case n.archive != nil:
		return n.archive.history(peers)
	case peers != nil:
		return tiered.New(n.store, nil, peers, nil)
	}
	return n.store
}

// startStorage opens the journal and the store, and brings the store up to
// where the journal is.
func (n *node) startStorage(ctx context.Context) (err error) {
	n.store, err = embedded.Open(embedded.Config{
		Dir: filepath.Join(n.cfg.Data, "store"), CacheBytes: n.cfg.Store.CacheBytes,
		Logger: n.log, Fatal: func(err error) { n.failed <- err },
	})
	if err != nil {
		return fmt.Errorf("opening the store: %w", err)
	}
	var am *archiveMetrics
	if n.cfg.ClickHouse.DSN != "" {
		am = newArchiveMetrics(n.registry)
		if n.archive, err = n.openArchive(ctx, am); err != nil {
			return err
		}
	}
	m := newStorageMetrics(n.registry)
	n.journal, err = journal.Open(journal.Config{
		Dir: filepath.Join(n.cfg.Data, "journal"), After: n.store.AppliedLSN(),
		SegmentBytes: n.cfg.Journal.SegmentBytes, MaxBytes: n.cfg.Journal.MaxBytes,
		FreeReserveBytes: n.cfg.Journal.FreeReserveBytes,
		Logger:           n.log, Events: m.journalEvents(),
	})
	if err != nil {
		return fmt.Errorf("opening the journal: %w", err)
	}
	var copies clickhouse.Copies
	if n.clustered() {
		if copies, err = n.share(); err != nil {
			return err
		}
	}
	logs := []persistence.Log{n.journal}
	if n.archive != nil {
		logs = persistence.Share(n.journal, 1+n.archive.pumps())
		if err := n.archive.start(logs[1:], am, copies); err != nil {
			return fmt.Errorf("starting to insert into ClickHouse: %w", err)
		}
	} else if err := n.refuseJoined(); err != nil {
		return err
	}
	n.pump, err = persistence.NewPump(persistence.PumpConfig{
		Log: logs[0], Store: n.store, Logger: n.log, Events: m.pumpEvents(),
		Read: func(after persistence.LSN) persistence.EntryReader { return n.journal.Reader(after) },
	})
	if err != nil {
		return fmt.Errorf("starting the pump: %w", err)
	}
	m.watch(n.registry, n.journal, n.pump)
	n.pump.Start()
	// What a crash left in the journal alone, history must have before anyone
	// reads it, and new ids must be above it.
	if err := n.pump.WaitApplied(ctx, n.journal.LastLSN()); err != nil {
		return fmt.Errorf("bringing history up to date: %w", err)
	}
	return nil
}

func (n *node) actorsConfig(system *actor.ActorSystem) actors.Config {
	s, v := n.cfg.Stream, n.cfg.Videos
	c := actors.Config{
		System: system, Journal: n.journal, Store: n.history(), Own: n.store, Applied: n.pump, IDs: n.ids,
		Metrics: actors.NewMetrics(n.registry), Log: n.log, NodeName: n.nodeName,
		RecentComments: v.RecentComments, IdleAfter: v.IdleAfter,
		RingComments: s.RingComments, RingBytes: int(s.RingBytes), ReplayLimit: s.ReplayLimit,
		FrameInterval: s.FrameInterval, Heartbeat: s.Heartbeat, Retry: s.Retry, RetryJitter: s.RetryJitter,
		LagBytes: int(s.LagBytes), LagTime: s.LagTime, CloseSlow: s.SlowViewer == configs.SlowViewerClose,
		RepeatLimit: n.cfg.Moderation.RepeatLimit, RepeatWindow: n.cfg.Moderation.RepeatWindow, TextHash: httpedge.TextHash,
	}
	if n.shared != nil {
		c.Journal, c.OwnBarrier, c.Marks = n.shared.journal, n.journal.Barrier, n.store.Deleted
	}
	if history, ok := c.Store.(*tiered.Store); ok && n.clustered() {
		c.Count = history.Count
	}
	if n.clustered() && n.archive != nil {
		c.Archived = n.archive.settledLSN
		c.Deletions = func(ctx context.Context, liveVideoID string) ([]uint64, error) {
			return n.store.UnarchivedDeletions(ctx, liveVideoID, n.archive.settledLSN())
		}
	}
	return c
}

func (n *node) edgeConfig(secret []byte) (httpedge.Config, error) {
	a, h := n.cfg.Auth, n.cfg.HTTP
	proxies, err := httpedge.ParseProxies(h.TrustedProxies)
	if err != nil {
		return httpedge.Config{}, fmt.Errorf("http.trusted_proxies: %w", err)
	}
	c := httpedge.Config{
		Registry: n.registry, Log: n.log, JWTSecret: secret,
		Guest: a.Guest, RequireTokenToRead: a.RequireTokenToRead, CookieName: a.CookieName, Recheck: a.Recheck,
		CORSOrigins: h.CORSOrigins, MaxBodyBytes: int(h.MaxBodyBytes), Autocreate: n.cfg.Videos.Autocreate,
		TrustedProxies: proxies, ProxyProtocol: h.ProxyProtocol,
		HeaderTimeout: h.HeaderTimeout, BodyTimeout: h.BodyTimeout, IdleTimeout: h.IdleTimeout,
		MaxConnections: h.MaxConnections, MaxConnectionsPerAddress: h.MaxConnectionsPerAddress,
		ReactionTypes: n.cfg.Reactions.Types,
		RetryTime:     n.cfg.Cluster.Retry, SendBuffer: int(n.cfg.Stream.SendBuffer), UserTimeout: n.cfg.Stream.UserTimeout,
	}
	limitEdge(&c, n.cfg.Limits)
	return c, nil
}

// drain stops the node: first no new clients, then streams are told to come
// back elsewhere, then requests end, then all is written out.
func (n *node) drain(ctx context.Context) error {
	n.edge.Drain()
	// Other nodes take over first, so that who is told to come back elsewhere
	// finds the live video there.
	n.leave(ctx)
	n.actors.EndStreams()
	n.waitForStreams(ctx)
	err := n.edge.Shutdown(ctx)
	n.actors.Stop()
	err = errors.Join(err, n.stopStorage(ctx))
	n.member.Stop()
	return err
}

// waitForStreams gives viewers the time to take their last bytes, up to half
// of what is left of the deadline.
func (n *node) waitForStreams(ctx context.Context) {
	deadline, _ := ctx.Deadline()
	half, cancel := context.WithTimeout(ctx, time.Until(deadline)/2)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n.actors.Streams() > 0 {
		select {
		case <-half.Done():
			n.log.Warn("closing streams whose clients don't take their last bytes", "streams", n.actors.Streams())
			return
		case <-tick.C:
		}
	}
}

// leave hands the node's live videos over, in up to half of what is left of the
// deadline.
func (n *node) leave(ctx context.Context) {
	if !n.clustered() {
		return
	}
	deadline, _ := ctx.Deadline()
	half, cancel := context.WithTimeout(ctx, time.Until(deadline)/2)
	defer cancel()
	if err := n.member.Leave(half); err != nil {
		n.log.Warn("leaving the cluster", "error", err)
	}
}

// refuseJoined keeps a node from serving a part of its history for all of it.
func (n *node) refuseJoined() error {
	joined, err := n.store.Joined()
	if err == nil && joined {
		err = errors.New("the history of this data folder is in ClickHouse: give clickhouse.dsn, " +
			"or move history into a new folder with 'barrage export' and 'barrage import'")
	}
	return err
}

func (n *node) stopStorage(ctx context.Context) error {
	var errs []error
	if n.shared != nil {
		errs = append(errs, n.shared.journal.Close(ctx))
	}
	if n.archive != nil {
		errs = append(errs, n.archive.stop(ctx))
	}
	if n.pump != nil {
		errs = append(errs, n.pump.Stop(ctx))
	}
	if n.journal != nil {
		errs = append(errs, n.journal.Close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	return errors.Join(errs...)
}
