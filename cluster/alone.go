package cluster

import (
	"fmt"

	"github.com/asynkron/protoactor-go/cluster"
)

// alone is the cluster provider of a node without others: it announces the
// one member, so that the rest works as in any cluster.
type alone struct {
	// announced is closed when that is done: protoactor itself sleeps for a
	// second afterwards, for other members to be heard of.
	announced chan struct{}
}

func (a alone) StartMember(c *cluster.Cluster) error {
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

func (alone) StartClient(*cluster.Cluster) error { return nil }

func (alone) Shutdown(bool) error { return nil }
