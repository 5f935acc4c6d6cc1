package cluster

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
	lru "github.com/hashicorp/golang-lru/v2"

	"barrage/actors/wire"
)

// lookup knows where live videos are active, and activates those of this node.
// At most one activation of a live video on this node takes requests at any
// time.
type lookup struct {
	member  *Member
	root    *actor.RootContext
	kind    string
	cluster *cluster.Cluster

	mu     sync.Mutex
	active map[string]*actor.PID // by live video id
	// retired are activations that take no requests any more, but say what they
	// know until they end.
	retired map[string][]*actor.PID
	// elsewhere are activations on other nodes, as far as known.
	elsewhere *lru.Cache[string, activation]
}

// activation is that of a live video at a member.
type activation struct {
	member string // its id
	pid    *actor.PID
}

// maxKnown bounds the activations on other nodes that are remembered; others
// are asked for.
const maxKnown = 1 << 16

func newLookup(system *actor.ActorSystem, kind string) *lookup {
	l := &lookup{kind: kind, active: map[string]*actor.PID{}, retired: map[string][]*actor.PID{}}
	l.elsewhere, _ = lru.New[string, activation](maxKnown) // the size is right
	// A live video that fails is stopped: what it knew is in the journal, and
	// the next request activates it anew.
	l.root = system.Root.WithGuardian(actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.StopDirective }))
	return l
}

// Setup implements cluster.IdentityLookup.
func (l *lookup) Setup(c *cluster.Cluster, _ []string, _ bool) {
	l.cluster = c
	c.ActorSystem.EventStream.Subscribe(func(event any) {
		if e, ok := event.(*cluster.ActivationTerminating); ok && e.ClusterIdentity.GetKind() == l.kind {
			l.RemovePid(e.ClusterIdentity, e.Pid)
			l.ended(e.ClusterIdentity.Identity, e.Pid)
		}
	})
}

// getTimeout bounds Get, which has no context.
const getTimeout = 5 * time.Second

// Get implements cluster.IdentityLookup: it gives the activation of a live
// video at its owner, made if there is none; nil if that can't be had.
func (l *lookup) Get(identity *cluster.ClusterIdentity) *actor.PID {
	ctx, cancel := context.WithTimeout(l.member.ctx, getTimeout)
	defer cancel()
	pid, err := l.member.owners.locate(ctx, identity.Identity, "")
	if err != nil {
		return nil
	}
	return pid
}

// activate gives the activation of a live video on this node, made if there
// is none. offer is the node that hands it over, or ""; view is the revision of
// the view in which this node is the owner.
func (l *lookup) activate(id, offer string, view uint64) *actor.PID {
	l.mu.Lock()
	defer l.mu.Unlock()
	pid, ok := l.active[id]
	if !ok {
		identity := cluster.NewClusterIdentity(id, l.kind)
		props := cluster.WithClusterIdentity(l.cluster.GetClusterKind(l.kind).Props, identity)
		pid = l.root.SpawnPrefix(props, l.kind+"/"+id+"/"+l.cluster.ActorSystem.ID+"/")
		l.active[id] = pid
	}
	if !ok || offer != "" {
		// Before anybody else's message, so that it knows whom to ask.
		l.root.Send(pid, &wire.Activate{LiveVideoId: id, View: view, From: offer, Offered: offer != ""})
	}
	return pid
}

// local gives the activation on this node, or nil.
func (l *lookup) local(id string) *actor.PID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.active[id]
}

// retire notes that an activation takes no requests any more.
func (l *lookup) retire(id string, pid *actor.PID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retired[id] = append(l.retired[id], pid)
}

// ended forgets it.
func (l *lookup) ended(id string, pid *actor.PID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(l.retired[id]), pid.Equal)
	if l.retired[id] = left; len(left) == 0 {
		delete(l.retired, id)
	}
}

// known gives the activations on this node that know something of a live
// video, the newest first.
func (l *lookup) known(id string) []*actor.PID {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := slices.Clone(l.retired[id])
	if pid, ok := l.active[id]; ok {
		known = append(known, pid)
	}
	slices.Reverse(known)
	return known
}

// Local sends a message to a live video that is active on this node, if it is.
func (m *Member) Local(liveVideoID string, message any) {
	if pid := m.lookup.local(liveVideoID); pid != nil {
		m.system.Root.Send(pid, message)
	}
}

// all gives the live videos that are active on this node.
func (l *lookup) all() map[string]*actor.PID {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[string]*actor.PID, len(l.active))
	for id, pid := range l.active {
		all[id] = pid
	}
	return all
}

func (l *lookup) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.active)
}

// RemovePid implements cluster.IdentityLookup: it forgets an activation.
func (l *lookup) RemovePid(identity *cluster.ClusterIdentity, pid *actor.PID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.active[identity.Identity]; ok && known.Equal(pid) {
		delete(l.active, identity.Identity)
	}
	if known, ok := l.elsewhere.Get(identity.Identity); ok && known.pid.Equal(pid) {
		l.elsewhere.Remove(identity.Identity)
	}
}

// Shutdown implements cluster.IdentityLookup.
func (l *lookup) Shutdown() {}
