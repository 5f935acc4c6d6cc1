// Package cluster says which node owns a live video, moves live videos when
// that changes, and brings messages to them and to other nodes.
//
// Who the members are, package membership knows (from Consul, or a node alone);
// peers.go leaves out those that can't be reached. The owner of a live video
// is the first in the rendezvous order of its id. placement.go answers other
// nodes, rebalance.go moves live videos, owners.go brings requests to them.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
	"github.com/asynkron/protoactor-go/remote"
	"github.com/prometheus/client_golang/prometheus"

	"barrage/actors/wire"
	"barrage/cluster/membership"
)

// name is what protoactor calls the cluster.
const name = "barrage"

// Config says how a node takes part in a cluster.
type Config struct {
	System *actor.ActorSystem
	// Kind is the name, and Props the making, of the virtual actor for live
	// videos.
	Kind     string
	Props    *actor.Props
	Log      *slog.Logger
	Registry prometheus.Registerer

	// Advertise is where other nodes reach this one, Listen where it listens;
	// without Advertise the node is alone.
	Advertise, Listen string
	// Copies is how many nodes have each comment; 1 by default.
	Copies int
	// Files are the certificates between nodes; without them there is no TLS.
	Files Files
	// Now is the clock of posts; time.Now by default.
	Now func() time.Time
}

// Node is what other nodes ask of the actors of this one.
type Node interface {
	AnswerClaim(ctx context.Context, m *wire.Claim, earlier ...*wire.Claimed) *wire.Claimed
	Complete(ctx context.Context, m *wire.Claim, answer *wire.Claimed)
	AnswerKey(ctx context.Context, m *wire.ReadKey) *wire.KeptKey
	ListVideos(ctx context.Context, m *wire.ListVideos) *wire.VideoList
	OwnersChanged()
	ConnectionLost(address string)
}

// Storage is what other nodes ask of the storage of this one. Its methods are
// called in the order of what a node sent, and must not wait, but for those that
// read.
type Storage interface {
	ReadLocal(ctx context.Context, m *wire.ReadLocal) *wire.LocalRows
	// ReadReplies answers up to MaxReplies ids, those of the first parents.
	ReadReplies(ctx context.Context, m *wire.ReadReplies) *wire.RepliesOf
	ReadAudit(ctx context.Context, m *wire.ReadAudit) *wire.Audit
	// Replicate takes another node's records; reply may be called later.
	Replicate(from string, m *wire.Replicate, reply func(*wire.Replicated))
	// Replicated is the answer of the member at an address.
	Replicated(member string, m *wire.Replicated)
	// ArchivedBelow is that of the node's Ping; Confirm what it says of copies
	// to a member.
	ArchivedBelow() uint64
	Confirm(member string) []*wire.Archived
	// Confirmed is what a node says of its copies here.
	Confirmed(node string, archived []*wire.Archived)
	// MembersJoin says who is about to be in the view, and MembersChanged who is
	// now.
	MembersJoin(view *membership.View)
	MembersChanged(view *membership.View)
}

// members is who takes part: *membership.Consul, or a node alone.
type members interface {
	View() *membership.View
	Self() membership.Member
	Fresh() bool
	Sure() bool
	Heard(v *membership.View, fresh bool)
	Leave(ctx context.Context) error
}

// Member is this node as a member of its cluster.
type Member struct {
	config  Config
	log     *slog.Logger
	system  *actor.ActorSystem
	cluster *cluster.Cluster
	lookup  *lookup
	owners  *Owners
	secure  security
	metrics *metrics

	connections *connections

	node    Node
	storage Storage

	members atomic.Pointer[members]
	peers   *peers
	pid     *actor.PID // of the placement

	// view is who can own live videos, as this node sees it.
	view atomic.Pointer[membership.View]
	mu   sync.Mutex
	// previous is the view before, until a while after the change.
	previous   *membership.View
	previousAt time.Time
	lostAt     time.Time // when a member went away last, or this one came
	// changed is closed, and replaced, whenever view changes.
	changed chan struct{}
	leaving bool

	ctx    context.Context // of what runs beside
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Start has the node listen for others. Actors must be spawned after it, for
// their addresses to hold. It is no member before Join.
func Start(config Config) (*Member, error) {
	if config.Now == nil {
		config.Now = time.Now
	}
	m := &Member{
		config: config, log: config.Log, system: config.System, metrics: newMetrics(config.Registry),
		lookup: newLookup(config.System, config.Kind), connections: newConnections(config.System), changed: make(chan struct{}),
	}
	m.owners = &Owners{m}
	m.lookup.member = m
	m.view.Store(&membership.View{})
	m.ctx, m.cancel = context.WithCancel(context.Background())
	// An answer on its way to an earlier process at this address must not be
	// taken for one to this process.
	m.system.ProcessRegistry.SequenceID = rand.Uint64N(1 << 48) //nolint:gosec // no secret
	transport, err := m.transport()
	if err != nil {
		return nil, err
	}
	provider := provider{announced: make(chan struct{})}
	m.cluster = cluster.New(config.System, cluster.Configure(name, provider, m.lookup, transport,
		cluster.WithKinds(cluster.NewKind(config.Kind, config.Props))))
	go m.cluster.StartMember()
	<-provider.announced
	return m, nil
}

// transport makes the way to other nodes.
func (m *Member) transport() (c *remote.Config, err error) {
	if m.config.Advertise == "" {
		if m.secure, err = aloneSecurity(); err != nil {
			return nil, err
		}
		return transport("127.0.0.1", 0, "", m.secure, m.connections, m.metrics.sent, m.log), nil
	}
	m.secure = insecureSecurity()
	if m.config.Files != (Files{}) {
		if m.secure, err = fileSecurity(m.config.Files); err != nil {
			return nil, err
		}
	}
	listen := m.config.Listen
	if listen == "" {
		listen = m.config.Advertise
	}
	// protoactor panics where it can't listen.
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listening for other nodes: %w", err)
	}
	if err := listener.Close(); err != nil {
		return nil, fmt.Errorf("listening for other nodes: %w", err)
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("listening for other nodes: %w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("listening for other nodes: %w", err)
	}
	return transport(host, number, m.config.Advertise, m.secure, m.connections, m.metrics.sent, m.log), nil
}

// Owners brings requests to live videos.
func (m *Member) Owners() *Owners { return m.owners }

// Serve answers other nodes from now on. storage is nil for a node alone.
func (m *Member) Serve(node Node, storage Storage) error {
	m.node, m.storage = node, storage
	var err error
	m.pid, err = m.system.Root.SpawnNamed(actor.PropsFromProducer(func() actor.Actor { return &placement{m} }), placementName)
	if err != nil {
		return fmt.Errorf("starting the placement: %w", err)
	}
	if m.peers, err = newPeers(m); err != nil {
		return err
	}
	m.system.EventStream.Subscribe(func(event any) {
		if e, ok := event.(*remote.EndpointTerminatedEvent); ok {
			m.peers.lost(e.Address)
			m.node.ConnectionLost(e.Address)
		}
	})
	return nil
}

// JoinAlone makes this node the only member.
func (m *Member) JoinAlone(self membership.Member) {
	self.Address = m.system.Address()
	var alone members = membership.Alone(self)
	m.members.Store(&alone)
	m.update()
}

// JoinConsul makes this node a member of the cluster in Consul. It waits until
// Consul has it, or ctx ends.
func (m *Member) JoinConsul(ctx context.Context, config membership.Config) (membership.Member, error) {
	config.Address = m.config.Advertise
	config.Changed = func(*membership.View) { m.update() }
	consul, err := membership.Join(ctx, config)
	if err != nil {
		return membership.Member{}, fmt.Errorf("joining the cluster: %w", err)
	}
	var joined members = consul
	m.members.Store(&joined)
	m.update()
	watchConsul(m.config.Registry, consul, m.peers)
	m.wg.Go(func() { m.peers.run(m.ctx) })
	return consul.Self(), nil
}

// Self is this node; ok is false before it has joined.
func (m *Member) Self() (self membership.Member, ok bool) {
	joined := m.members.Load()
	if joined == nil {
		return membership.Member{}, false
	}
	return (*joined).Self(), true
}

// View is who can own live videos.
func (m *Member) View() *membership.View { return m.view.Load() }

// State is how a node sees its cluster.
type State struct {
	Members []MemberState
	// Revision rises with each change; Fresh says that Consul answers.
	Revision uint64
	Fresh    bool
}

// MemberState is a member, and whether it can be reached.
type MemberState struct {
	membership.Member
	Self, Reachable bool
}

// State may be asked often.
func (m *Member) State() (s State) {
	joined := m.members.Load()
	if joined == nil {
		return s
	}
	view, self := (*joined).View(), (*joined).Self()
	s.Revision, s.Fresh = view.Revision, (*joined).Fresh()
	for _, member := range view.Members {
		s.Members = append(s.Members, MemberState{
			Member: member, Self: member.ID == self.ID, Reachable: member.ID == self.ID || m.peers.reachable(member.ID),
		})
	}
	return s
}

// update makes a new view of who can own live videos.
func (m *Member) update() {
	m.mu.Lock()
	defer m.mu.Unlock()
	joined := m.members.Load()
	if joined == nil {
		return // the first view comes before Join ends
	}
	all, self := (*joined).View(), (*joined).Self()
	reached := make([]membership.Member, 0, len(all.Members))
	for _, member := range all.Members {
		if member.ID == self.ID && !m.leaving || member.ID != self.ID && m.peers.reachable(member.ID) {
			reached = append(reached, member)
		}
	}
	m.metrics.members.Set(float64(len(all.Members)))
	m.metrics.reachable.Set(float64(len(reached)))
	old := m.view.Load()
	view := membership.NewView(reached, all.Revision)
	if same(old, view) {
		m.view.Store(view)
		return
	}
	if m.storage != nil {
		m.storage.MembersJoin(view) // before copies are sent to new ones
	}
	m.view.Store(view)
	if m.storage != nil {
		m.storage.MembersChanged(view)
	}
	m.previous, m.previousAt = old, time.Now()
	if len(old.Members) == 0 || slices.ContainsFunc(old.Members, func(was membership.Member) bool {
		_, there := view.Find(was.ID)
		return !there
	}) {
		m.lostAt = m.previousAt
	}
	close(m.changed)
	m.changed = make(chan struct{})
	m.log.Info("the members of the cluster have changed", "members", names(view), "revision", view.Revision)
	m.wg.Go(func() {
		m.reconnect(old, view)
		m.node.OwnersChanged()
		m.rebalance(old, view)
	})
}

func same(a, b *membership.View) bool {
	if len(a.Members) != len(b.Members) {
		return false
	}
	for i := range a.Members {
		if a.Members[i] != b.Members[i] {
			return false
		}
	}
	return true
}

func names(v *membership.View) (names []string) {
	for _, m := range v.Members {
		names = append(names, m.Name+"@"+m.Address)
	}
	return names
}

// previousTime is how long the owner before a change is asked for what it has,
// though it is no member any more: it may not know yet.
const previousTime = 10 * time.Second

// previousOwner gives the address of who owned a live video before the last
// change, if that is some other node, and not long ago.
func (m *Member) previousOwner(liveVideoID string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.previous == nil || time.Since(m.previousAt) > previousTime {
		return ""
	}
	owner, _ := m.previous.Owner(liveVideoID)
	if owner.Address == m.system.Address() {
		return ""
	}
	return owner.Address
}

// changes is a channel that is closed at the next change of the view.
func (m *Member) changes() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// Leave takes the node out of the cluster: other nodes take over what it owns,
// as far as ctx gives them the time. It still answers them until Stop.
func (m *Member) Leave(ctx context.Context) error {
	joined := m.members.Load()
	if joined == nil {
		return nil
	}
	m.mu.Lock()
	m.leaving = true
	m.mu.Unlock()
	err := (*joined).Leave(ctx)
	m.update()
	if len(m.View().Members) == 0 {
		return err // there is nobody to take over
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for m.lookup.count() > 0 {
		select {
		case <-ctx.Done():
			return errors.Join(err, fmt.Errorf("%d live videos were not handed over in time", m.lookup.count()))
		case <-tick.C:
		}
		if !m.somebodyIsWell() {
			return errors.Join(err, errors.New("no other node answers, to take over its live videos"))
		}
	}
	return err
}

// somebodyIsWell says whether another node has answered lately.
func (m *Member) somebodyIsWell() bool {
	return slices.ContainsFunc(m.View().Members, func(other membership.Member) bool { return m.peers.wellAt(other.Address) })
}

// Stop ends all actors and connections.
func (m *Member) Stop() {
	m.cancel()
	// Not protoactor's graceful way: that waits two seconds for other members
	// to take over.
	m.cluster.Shutdown(false)
	m.wg.Wait()
	m.secure.close()
}
