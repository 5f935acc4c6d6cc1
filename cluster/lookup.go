package cluster

import (
	"sync"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
)

// lookup knows where live videos are active, and activates them. At most one
// activation of a live video takes requests at any time.
type lookup struct {
	root    *actor.RootContext
	kind    string
	cluster *cluster.Cluster

	mu     sync.Mutex
	active map[string]*actor.PID // by live video id
}

func newLookup(system *actor.ActorSystem, kind string) *lookup {
	l := &lookup{kind: kind, active: map[string]*actor.PID{}}
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
		}
	})
}

// Get implements cluster.IdentityLookup: it gives the activation of a live
// video, made if there is none.
func (l *lookup) Get(identity *cluster.ClusterIdentity) *actor.PID {
	l.mu.Lock()
	defer l.mu.Unlock()
	if pid, ok := l.active[identity.Identity]; ok {
		return pid
	}
	props := cluster.WithClusterIdentity(l.cluster.GetClusterKind(identity.Kind).Props, identity)
	pid := l.root.SpawnPrefix(props, identity.Kind+"/"+identity.Identity)
	l.active[identity.Identity] = pid
	return pid
}

// RemovePid implements cluster.IdentityLookup: it forgets an activation.
func (l *lookup) RemovePid(identity *cluster.ClusterIdentity, pid *actor.PID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.active[identity.Identity]; ok && known.Equal(pid) {
		delete(l.active, identity.Identity)
	}
}

// Shutdown implements cluster.IdentityLookup.
func (l *lookup) Shutdown() {}
