//go:build !race

package cluster

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/actors"
)

// client is a viewer's connection that takes all.
type client struct {
	mu   sync.Mutex
	sent bytes.Buffer
}

func (c *client) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent.Write(b)
}

func (c *client) Close() {}

func (c *client) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent.String()
}

// ids are the comments that it was sent, in order.
func (c *client) ids() (ids []uint64) {
	for _, line := range strings.Split(c.text(), "\n") {
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			n, _ := strconv.ParseUint(id, 10, 64)
			ids = append(ids, n)
		}
	}
	return ids
}

// watch opens a stream at a node, and waits until it has joined.
func (n *testNode) watch(id string, config actors.ViewerConfig) *client {
	n.cluster.t.Helper()
	c := &client{}
	config.Conn, config.LiveVideoID = c, id
	n.actors.NewViewer().Open(config)
	n.cluster.eventually("the viewer to join", func() bool { return strings.Contains(c.text(), "retry:") })
	return c
}

func (c *testCluster) eventually(what string, ok func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("waited 20 s for %s", what)
		}
	}
}

func TestViewersOfAllNodesSeeComments(t *testing.T) {
	c := newTestCluster(t, 3)
	id := ownedBy(t, c.nodes[0], c.nodes...)
	var clients []*client
	for _, n := range c.nodes {
		clients = append(clients, n.watch(id, actors.ViewerConfig{}))
	}
	for i, n := range c.nodes {
		n.mustPost(id, fmt.Sprint(i))
	}
	for i, client := range clients {
		c.eventually("three comments", func() bool { return len(client.ids()) == 3 })
		if n := client.ids(); !slices.IsSorted(n) {
			t.Errorf("viewer %d: %v", i, n)
		}
	}
	c.eventually("the count of viewers", func() bool { return c.nodes[2].video(id).Viewers == 3 })
}

func TestStreamsHaveNoGapAndNoDuplicateWhileOwnersChange(t *testing.T) {
	c := newTestCluster(t, 3)
	const id = "moving"
	var clients []*client
	for _, n := range c.nodes {
		clients = append(clients, n.watch(id, actors.ViewerConfig{}))
	}
	var posted []uint64
	var mu sync.Mutex
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i, n := range c.nodes {
		wg.Go(func() {
			for j := 0; ; j++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				row, err := n.post(id, fmt.Sprintf("%d.%d", i, j), "")
				if err != nil {
					t.Errorf("posting: %v", err)
					return
				}
				mu.Lock()
				posted = append(posted, row.Id)
				mu.Unlock()
			}
		})
	}
	for i := range 10 {
		time.Sleep(100 * time.Millisecond)
		members := slices.Clone(c.nodes)
		if i%2 == 0 {
			at := slices.Index(c.nodes, owner(id, c.nodes...))
			members = slices.Delete(members, at, at+1)
		}
		c.revision++
		for _, n := range c.nodes {
			n.see(c.revision, members...)
			time.Sleep(5 * time.Millisecond)
		}
	}
	close(stop)
	wg.Wait()
	slices.Sort(posted)
	last := posted[len(posted)-1]
	for i, client := range clients {
		c.eventually("the last comment", func() bool { return strings.Contains(client.text(), fmt.Sprintf("id: %d\n", last)) })
		if text := client.text(); strings.Contains(text, "event: gap") {
			at := strings.Index(text, "event: gap")
			t.Errorf("viewer %d: %.100s", i, text[at:])
		}
		if got := client.ids(); !slices.Equal(got, posted) {
			t.Errorf("viewer %d was sent %d comments of %d", i, len(got), len(posted))
		}
	}
	t.Logf("%d posts", len(posted))
}
