// Package actors is what Barrage does, as actors: the live video that owns its
// comments, the relay that brings them to a node, the fan-outs that hand them
// to viewers, and a viewer for each connection. It knows nothing of HTTP,
// Consul or a particular store.
//
// One comment's way, file by file: livevideo_post.go (an id, the journal, the
// answer), livevideo.go (publish), relay.go (gathered into a frame), frame.go
// (encoded once), fanout.go (handed out), viewer.go (written).
package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"golang.org/x/sync/semaphore"
	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
	"barrage/persistence"
)

// Kind is the name of the virtual actor for live videos.
const Kind = "livevideo"

// Owners brings requests to the owners of live videos, wherever they are.
type Owners interface {
	// Request sends a message to the owner of a live video and gives its
	// answer. It tries again while the owner changes, until ctx ends.
	Request(ctx context.Context, liveVideoID string, message proto.Message) (proto.Message, error)
	// Release forgets an activation that is about to end; the next request
	// starts another.
	Release(liveVideoID string, activation *actor.PID)
	// Claim asks the nodes that may have owned a live video before this one,
	// and those of the addresses, for what they know. The error is an *ErrMoved
	// if another node is the owner after all. Nodes that can't be reached are
	// left out.
	Claim(ctx context.Context, claim *wire.Claim, from ...string) ([]Claimed, error)
	// ClaimFrom asks the nodes of the addresses alone.
	ClaimFrom(ctx context.Context, claim *wire.Claim, from ...string) ([]Claimed, error)
	// Ask sends a message to the member at an address and gives its answer.
	Ask(ctx context.Context, address string, message proto.Message) (proto.Message, error)
	// AskAll sends a message to all other members at the same time, and gives
	// the answers of those that can be reached before ctx ends.
	AskAll(ctx context.Context, message proto.Message) []proto.Message
	// Member says whether the node at an address is a member that can be
	// reached.
	Member(address string) bool
	// Owner is the address of the node that owns a live video, as far as this
	// node knows; "" if nobody does.
	Owner(liveVideoID string) string
	// Partial says that so many members can't be reached that they may have
	// comments of which nobody else has a copy.
	Partial() bool
	// Sure is false while this node can't know whether others have taken over
	// what it owned: after it was stopped for a while.
	Sure() bool
}

// Journal is what live videos need of the node's journal.
type Journal interface {
	persistence.Journal
	// Barrier waits until all that was appended before is durable or refused,
	// and gives the last durable position.
	Barrier(ctx context.Context) (persistence.LSN, error)
}

// Applied says how far the store has got with the journal.
type Applied interface {
	Applied() persistence.LSN
	WaitApplied(ctx context.Context, lsn persistence.LSN) error
}

// Config is what the actors of a node need. Fields without a default are
// required.
type Config struct {
	System  *actor.ActorSystem
	Journal Journal
	Store   persistence.Store
	Applied Applied
	IDs     *IDs
	Metrics *Metrics
	Log     *slog.Logger
	// NodeName gives the node's name, for people.
	NodeName func() string
	// OwnBarrier is the barrier of the journal in this node's data folder; that
	// of Journal by default, which may wait for other nodes.
	OwnBarrier func(ctx context.Context) (persistence.LSN, error)
	// Own is what of Store is in this node's data folder; Store by default.
	Own persistence.Store
	// Deletions gives the deletions of a live video that are in Own and perhaps
	// not in the stores of others; nil: there are no others.
	Deletions func(ctx context.Context, liveVideoID string) ([]uint64, error)
	// Marks gives the comments of a live video, from one id to another, both
	// included, that Own knows to be deleted; nil: there are no others.
	Marks func(ctx context.Context, liveVideoID string, from, to uint64) (map[uint64]bool, error)
	// Count counts a live video's comments with ids below one in the stores of
	// all nodes, which may not know yet of some that are deleted. It may take
	// many seconds. nil: there are no others, and Store's totals are all there
	// is, but for what is elsewhere.
	Count func(ctx context.Context, liveVideoID string, before uint64, deleted []uint64) (uint64, error)
	// Archived is how far all stores have got with the journal; by default, as
	// far as Applied.
	Archived func() persistence.LSN
	// Now is the clock; time.Now by default.
	Now func() time.Time

	// RecentComments is how many of its newest comments a live video keeps in
	// memory, at least; default 2000.
	RecentComments int
	// IdleAfter is when an unused live video is put to sleep; default 10 min.
	IdleAfter time.Duration
	// RingComments and RingBytes bound what a relay keeps for replay; default
	// 2000 and 8 MiB.
	RingComments, RingBytes int
	// ReplayLimit is the most comments that a resumed stream is given from
	// history; what is older is announced as a gap. Default 10,000.
	ReplayLimit int
	// UnheardBytes bounds what is on its way to a node's relay; default 64 MiB.
	// In four seconds, twice a lease's period, 10,000 comments a second of the
	// greatest length come to as much.
	UnheardBytes int
	// FrameInterval is the shortest time between two frames of a room; 0: as
	// fast as they can be written.
	FrameInterval time.Duration
	// Heartbeat is the silence after which a stream gets a comment line;
	// default 15 s.
	Heartbeat time.Duration
	// Retry is the shortest reconnection time that clients are told; default
	// 2 s. They are spread over RetryJitter above it; default 2 s.
	Retry, RetryJitter time.Duration
	// LagBytes and LagTime bound how far a viewer may be behind; default 1 MiB
	// and 10 s. CloseSlow lets it go at LagBytes, instead of skipping comments
	// and telling it so.
	LagBytes  int
	LagTime   time.Duration
	CloseSlow bool

	// RepeatLimit is how often a user may say the same in RepeatWindow; 0: as
	// often as they like. TextHash makes of a comment's text what PostComment
	// has as its text_hash; with it, a new owner knows what was said before.
	RepeatLimit  int
	RepeatWindow time.Duration
	TextHash     func(message string) uint64
}

func (c *Config) setDefaults() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NodeName == nil {
		c.NodeName = func() string { return "" }
	}
	if c.Own == nil {
		c.Own = c.Store
	}
	if c.OwnBarrier == nil && c.Journal != nil {
		c.OwnBarrier = c.Journal.Barrier
	}
	if c.Archived == nil && c.Applied != nil {
		c.Archived = c.Applied.Applied
	}
	setDefault(&c.RecentComments, 2000)
	setDefault(&c.IdleAfter, 10*time.Minute)
	setDefault(&c.RingComments, 2000)
	setDefault(&c.RingBytes, 8<<20)
	setDefault(&c.ReplayLimit, 10_000)
	setDefault(&c.UnheardBytes, 64<<20)
	setDefault(&c.Heartbeat, 15*time.Second)
	setDefault(&c.Retry, 2*time.Second)
	setDefault(&c.RetryJitter, 2*time.Second)
	setDefault(&c.LagBytes, 1<<20)
	setDefault(&c.LagTime, 10*time.Second)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// MaxHistory is the most comments that a stream opens with.
const MaxHistory = 200

// Validate says what of a config can't work.
func (c *Config) Validate() error {
	switch {
	case c.System == nil || c.Journal == nil || c.Store == nil || c.Applied == nil || c.IDs == nil || c.Metrics == nil || c.Log == nil:
		return errors.New("actors: a required part of the config is missing")
	case c.RecentComments < MaxHistory:
		return fmt.Errorf("actors: a live video must keep at least %d recent comments, not %d", MaxHistory, c.RecentComments)
	case c.RingComments < MaxHistory:
		return fmt.Errorf("actors: a relay must keep at least %d comments, not %d", MaxHistory, c.RingComments)
	}
	return nil
}

// Node is the actors of one node.
type Node struct {
	config     Config
	root       *actor.RootContext
	log        *slog.Logger
	metrics    *Metrics
	now        func() time.Time
	journal    Journal
	store      persistence.Store
	applied    Applied
	ids        *IDs
	owners     Owners
	history    *History
	relays     *actor.PID
	heartbeats *heartbeats
	// firstPages are those of the live videos that this node owns: a
	// *firstPages for each id.
	firstPages sync.Map
	// listed are the live videos that this node owns: a *listedVideo for each id.
	listed      sync.Map
	sharedReads sharedReads
	listings    listings
	// backlogReads bounds the readings of history for resumed streams, counts
	// those for the number of comments.
	backlogReads, counts *semaphore.Weighted

	viewerProps    *actor.Props
	heartbeatFrame *Frame
	retry, away    retryFrames
	streams        atomic.Int64
	rooms          atomic.Int64

	ctx    context.Context // of what runs beside the actors
	cancel context.CancelFunc
}

// maxBacklogReads is how many histories a node reads at a time for resumed
// streams.
const maxBacklogReads = 8

// NewNode makes the actors of a node. They run after Start.
func NewNode(config Config) (*Node, error) {
	config.setDefaults()
	if err := config.Validate(); err != nil {
		return nil, err
	}
	n := &Node{
		config: config, log: config.Log, metrics: config.Metrics, now: config.Now,
		journal: config.Journal, store: config.Store, applied: config.Applied, ids: config.IDs,
		// An actor that fails is stopped: what it knew is in the journal, and
		// the next request or join starts another.
		root:           config.System.Root.WithGuardian(actor.NewOneForOneStrategy(0, 0, stopActor)),
		backlogReads:   semaphore.NewWeighted(maxBacklogReads),
		counts:         semaphore.NewWeighted(maxCounts),
		heartbeatFrame: newFrame([]byte(":\n\n")),
	}
	n.heartbeatFrame.heartbeat = true
	n.heartbeats = newHeartbeats(n.root)
	n.retry = newRetryFrames(config.Retry, config.RetryJitter)
	n.away = newRetryFrames(DrainRetry, DrainRetry)
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n, nil
}

func stopActor(any) actor.Directive { return actor.StopDirective }

// LiveVideoProps is what an activation of a live video is made of.
func (n *Node) LiveVideoProps() *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor { return &liveVideo{node: n} })
}

// Start starts the actors that a node always has.
func (n *Node) Start(owners Owners) {
	n.owners = owners
	n.history = &History{owners: owners, store: n.store}
	n.viewerProps = actor.PropsFromProducer(
		func() actor.Actor { return &viewer{node: n} },
		actor.WithMailbox(newViewerMailbox),
	)
	n.relays = n.root.Spawn(actor.PropsFromProducer(func() actor.Actor {
		return &relays{node: n, known: map[string]*knownRelay{}}
	}))
	go n.heartbeats.run(n.ctx, n.config.Heartbeat)
}

// History reads comments.
func (n *Node) History() *History { return n.history }

// Streams is the number of open streams.
func (n *Node) Streams() int { return int(n.streams.Load()) }

// Rooms is the number of live videos that are active on this node.
func (n *Node) Rooms() int { return int(n.rooms.Load()) }

// OwnersChanged has relays look whether their live videos have another owner.
func (n *Node) OwnersChanged() { n.root.Send(n.relays, ownersChanged{}) }

// Settle waits until all that this node's journal has taken is in its store.
func (n *Node) Settle(ctx context.Context) error {
	lsn, err := n.config.OwnBarrier(ctx)
	if err == nil {
		err = n.applied.WaitApplied(ctx, lsn)
	}
	if err != nil {
		return fmt.Errorf("waiting for the journal: %w", err)
	}
	return nil
}

// ConnectionLost has relays make sure that they missed nothing of what the
// node at an address sent.
func (n *Node) ConnectionLost(address string) { n.root.Send(n.relays, connectionLost{address}) }

// NewViewer makes the actor for a connection. Its Open must follow.
func (n *Node) NewViewer() Viewer {
	n.streams.Add(1)
	return Viewer{root: n.root, pid: n.root.Spawn(n.viewerProps)}
}

// Open gives a viewer its connection. From here on the viewer owns it.
func (v Viewer) Open(config ViewerConfig) { v.root.Send(v.pid, &startViewer{config}) }

// EndStreams tells all viewers to come back after a while (DrainRetry), and
// lets them go. New ones are let go at once.
func (n *Node) EndStreams() { n.root.Send(n.relays, endStreams{}) }

// Stop ends what runs beside the actors.
func (n *Node) Stop() { n.cancel() }

// after sends a message to an actor later.
func (n *Node) after(d time.Duration, to *actor.PID, message any) {
	time.AfterFunc(d, func() { n.root.Send(to, message) })
}

// async does what may wait, outside of an actor. f must end when ctx does.
func (n *Node) async(f func(ctx context.Context)) { go f(n.ctx) }

// retryVariants is how many reconnection times clients are spread over.
const retryVariants = 32

// DrainRetry is the shortest time for which clients are told to stay away from
// a node that goes away or is full; they are spread over as much again.
const DrainRetry = 3 * time.Second

// retryFrames are the reconnection times of one kind, with jitter.
type retryFrames [retryVariants]*Frame

func newRetryFrames(shortest, jitter time.Duration) (frames retryFrames) {
	for i := range frames {
		d := shortest + jitter*time.Duration(i)/(retryVariants-1)
		frames[i] = newFrame(RetryEvent(d))
	}
	return frames
}

// RetryEvent tells a client when to reconnect.
func RetryEvent(d time.Duration) []byte { return fmt.Appendf(nil, "retry: %d\n\n", d.Milliseconds()) }

func (f *retryFrames) any() *Frame {
	return f[rand.IntN(retryVariants)] //nolint:gosec // jitter is no secret
}
