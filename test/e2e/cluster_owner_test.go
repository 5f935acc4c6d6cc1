package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"barrage/test/harness"
)

// steady posts at some nodes in turn, one after the other at each, until it is
// stopped. A post is tried once: what a node can wait out, its client need not.
type steady struct {
	t      *testing.T
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu     sync.Mutex
	posted []harness.Comment
}

func postSteadily(t *testing.T, room string, nodes ...*harness.Node) *steady {
	ctx, cancel := context.WithCancel(t.Context())
	s := &steady{t: t, cancel: cancel}
	for i, n := range nodes {
		ops := n.User("ops", "admin")
		s.ended.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				posted, err := ops.Post(context.WithoutCancel(ctx), room, fmt.Sprintf("%d-%d", i, k), nil)
				if err != nil {
					t.Errorf("a post at %s: %v", n.Addr, err)
				} else {
					s.mu.Lock()
					s.posted = append(s.posted, posted)
					s.mu.Unlock()
				}
				select {
				case <-ctx.Done():
				case <-time.After(5 * time.Millisecond):
				}
			}
		})
	}
	return s
}

// more waits until so many have been posted from now on.
func (s *steady) more(n int) {
	s.t.Helper()
	count := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.posted)
	}
	n += count()
	eventually(s.t, func() error {
		if got := count(); got < n {
			return fmt.Errorf("%d comments were posted, want %d", got, n)
		}
		return nil
	})
}

// haveAll says that streams bring all comments, once and in order.
func haveAll(t *testing.T, followers []*harness.Follower, all []harness.Comment) {
	t.Helper()
	for _, f := range followers {
		if err := f.Reach(all[len(all)-1].ID); err != nil {
			t.Error(err)
		}
		if err := f.Check(); err != nil {
			t.Error(err)
		}
		if got := f.Comments(); messages(got) != messages(all) {
			t.Errorf("a stream brought %d comments of %d", len(got), len(all))
		}
	}
}

// check stops posting and compares history, at all nodes, with what was
// answered.
func (s *steady) check(c *harness.Cluster, room string) []harness.Comment {
	s.t.Helper()
	s.cancel()
	s.ended.Wait()
	var all []harness.Comment
	for _, n := range c.Nodes {
		all = history(s.t, n.Anyone(), room)
		if err := harness.Rising(all); err != nil {
			s.t.Error(err)
		}
		if len(all) != len(s.posted) {
			s.t.Errorf("%s has %d comments, %d were answered", n.Addr, len(all), len(s.posted))
		}
		have := map[harness.Comment]bool{}
		for _, comment := range all {
			have[comment] = true
		}
		for _, p := range s.posted {
			if !have[p] {
				s.t.Errorf("%s lacks %+v", n.Addr, p)
			}
		}
	}
	return all
}

func TestARoomOutlivesItsOwner(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		harm func(c *harness.Cluster, owner *harness.Node)
	}{
		{"that leaves and comes back", func(_ *harness.Cluster, owner *harness.Node) {
			if status := owner.Terminate(); status != 0 {
				owner.Stuck()
			}
		}},
		{"that is killed", func(_ *harness.Cluster, owner *harness.Node) { owner.Kill() }},
		{"that is killed and loses its data", func(_ *harness.Cluster, owner *harness.Node) {
			owner.Kill()
			owner.LoseData()
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := harness.StartCluster(t, harness.ClusterOptions{Flags: []string{harness.Patient}})
			owner := c.Nodes[0]
			room := c.OwnedBy(t, owner, "room-", 1)[0]
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var followers []*harness.Follower
			for _, n := range c.Nodes[1:] {
				f := n.Anyone().Follow(ctx, room, "", nil)
				if err := f.Joined(); err != nil {
					t.Fatal(err)
				}
				followers = append(followers, f)
			}
			s := postSteadily(t, room, c.Nodes[1], c.Nodes[2])
			s.more(50)
			test.harm(c, owner)
			s.more(50)
			if now, err := c.Owner(t.Context(), c.Nodes[1], room); err != nil || now == owner {
				t.Errorf("the owner is %v, %v", now, err)
			}
			owner.Launch()
			c.WaitWhole()
			s.more(50)
			all := s.check(c, room)
			haveAll(t, followers, all)
		})
	}
}

// A process that was stopped, and thought dead, must not answer with what it
// knew.
func TestAMemberThatWasStoppedNoticesBeforeItAnswers(t *testing.T) {
	c := harness.StartCluster(t, harness.ClusterOptions{Flags: []string{harness.Patient}})
	owner := c.Nodes[0]
	room := c.OwnedBy(t, owner, "room-", 1)[0]
	before := post(t, owner.User("ops", "admin"), room, "before")
	owner.Pause()
	meanwhile, err := c.Nodes[1].User("ops", "admin").Post(t.Context(), room, "meanwhile", nil)
	if err != nil {
		t.Fatalf("a post while the owner is stopped: %v", err)
	}
	owner.Resume()
	// The first that it answers, whenever that is.
	var got []harness.Comment
	eventually(t, func() error {
		var err error
		got, err = owner.Anyone().All(t.Context(), room)
		return err
	})
	if messages(got) != "before meanwhile" {
		t.Errorf("it answers %q", messages(got))
	}
	after := post(t, owner.User("ops", "admin"), room, "after")
	if err := harness.Rising([]harness.Comment{before, meanwhile, after}); err != nil {
		t.Error(err)
	}
	c.WaitWhole()
	for _, n := range c.Nodes {
		if got := messages(history(t, n.Anyone(), room)); got != "before meanwhile after" {
			t.Errorf("%s has %q", n.Addr, got)
		}
	}
}

// Consul may be away, and may come back knowing nothing: the members stay.
func TestTheClusterGoesOnWithoutConsul(t *testing.T) {
	c := harness.StartCluster(t, harness.ClusterOptions{})
	room := c.OwnedBy(t, c.Nodes[0], "room-", 1)[0]
	f := c.Nodes[2].Anyone().Follow(t.Context(), room, "", nil)
	if err := f.Joined(); err != nil {
		t.Fatal(err)
	}
	s := postSteadily(t, room, c.Nodes...)
	s.more(30)
	c.Consul.Kill()
	s.more(100)
	c.Consul.LoseState()
	c.Consul.Start()
	s.more(100)
	c.WaitWhole()
	s.more(30)
	all := s.check(c, room)
	if err := f.Reach(all[len(all)-1].ID); err != nil {
		t.Fatal(err)
	}
	if err := f.Check(); err != nil || messages(f.Comments()) != messages(all) {
		t.Errorf("the stream brought %d comments of %d: %v", len(f.Comments()), len(all), err)
	}
}
