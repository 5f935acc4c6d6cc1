package e2e

import (
	"context"
	"testing"
	"time"

	"barrage/test/harness"
)

// pause lets a little time go by between two questions.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Millisecond):
		return nil
	}
}

// A machine may stand still as a whole, with all nodes and Consul on it: for
// longer than a node is sure of its membership, and shorter than it takes the
// others to go on without it.
func TestAPauseOfTheWholeMachineLosesNothing(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	room := c.OwnedBy(t, c.Nodes[0], "room-", 1)[0]
	var followers []*harness.Follower
	for _, n := range c.Nodes {
		f := n.Anyone().Follow(t.Context(), room, "", nil)
		if err := f.Joined(); err != nil {
			t.Fatal(err)
		}
		followers = append(followers, f)
	}
	s := postSteadily(t, room, c.Nodes...)
	s.more(60)
	for range 4 {
		for _, n := range c.Nodes {
			n.Pause()
		}
		c.Consul.Pause()
		time.Sleep(2300 * time.Millisecond)
		c.Consul.Resume()
		for _, n := range c.Nodes {
			n.Resume()
		}
		s.more(60)
	}
	haveAll(t, followers, s.check(c, room))
}
