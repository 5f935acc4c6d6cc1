// Package cluster says who the members are, which of them owns a live video,
// and brings requests to it. So far a node is alone: the one member owns all.
package cluster

import (
	"fmt"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// name is what protoactor calls the cluster.
const name = "barrage"

// Config says how a node takes part in a cluster.
type Config struct {
	System *actor.ActorSystem
	// Kind is the name, and Props the making, of the virtual actor for live
	// videos.
	Kind  string
	Props *actor.Props
	Log   *slog.Logger
}

// Member is this node as a member of its cluster.
type Member struct {
	cluster *cluster.Cluster
	owners  *Owners
}

// Join makes this node a member. Actors must be spawned after it, for their
// addresses to hold.
func Join(config Config) (*Member, error) {
	identity, err := newIdentity()
	if err != nil {
		return nil, fmt.Errorf("making the node's certificate: %w", err)
	}
	// protoactor listens for other members even where there is none. Anybody
	// who can connect there could stop every actor, so that nobody gets in
	// without this node's own certificate, which exists in its memory alone.
	transport := remote.Configure("127.0.0.1", 0,
		remote.WithServerOptions(grpc.Creds(credentials.NewTLS(identity.server()))),
		remote.WithDialOptions(grpc.WithTransportCredentials(credentials.NewTLS(identity.client()))),
	)
	lookup := newLookup(config.System, config.Kind)
	provider := alone{announced: make(chan struct{})}
	c := cluster.New(config.System, cluster.Configure(name, provider, lookup, transport,
		cluster.WithKinds(cluster.NewKind(config.Kind, config.Props))))
	go c.StartMember()
	<-provider.announced
	return &Member{cluster: c, owners: &Owners{system: config.System, kind: config.Kind, lookup: lookup}}, nil
}

// Owners brings requests to live videos.
func (m *Member) Owners() *Owners { return m.owners }

// Leave ends the membership and all actors.
func (m *Member) Leave() {
	// Not protoactor's graceful way: that waits two seconds for other members
	// to take over.
	m.cluster.Shutdown(false)
}
