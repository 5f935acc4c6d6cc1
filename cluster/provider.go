package cluster

import (
	"fmt"

	"github.com/asynkron/protoactor-go/cluster"
)

// provider is protoactor's cluster provider, for a node alone as in a cluster.
// It announces this node only: protoactor's own list of members blocks for
// good whoever has left once, tells others to do so, and lets activations of
// two owners stay. Who the members are, package membership knows.
type provider struct {
	// announced is closed when that is done: protoactor itself sleeps for a
	// second afterwards, for other members to be heard of.
	announced chan struct{}
}

func (a provider) StartMember(c *cluster.Cluster) error {
	host, port, err := c.ActorSystem.GetHostPort()
	if err != nil {
		return fmt.Errorf("address of the node: %w", err)
	}
	c.MemberList.UpdateClusterTopology(cluster.Members{{
		Id: c.ActorSystem.ID, Host: host, Port: int32(port), Kinds: c.GetClusterKinds(),
	}})
	close(a.announced)
	return nil
}

func (provider) StartClient(*cluster.Cluster) error { return nil }

func (provider) Shutdown(bool) error { return nil }
