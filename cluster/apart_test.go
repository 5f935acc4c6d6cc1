//go:build !race

package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/actors"
	"barrage/actors/wire"
)

// longApart is longer than owners remember what they answered and deleted.
const longApart = 3 * time.Minute

// apart has each node think that it is the only one.
func (c *testCluster) apart() {
	c.revision++
	for _, n := range c.nodes {
		n.see(c.revision, n)
		n.member.mu.Lock()
		n.member.previous = nil // it can't be reached
		n.member.mu.Unlock()
	}
}

// restart ends the activations of a live video on a node, as a restart of the
// node would.
func (n *testNode) restart(id string) {
	n.cluster.t.Helper()
	for _, pid := range n.member.lookup.known(id) {
		n.member.system.Root.Stop(pid)
	}
	n.cluster.eventually("an activation to end", func() bool { return len(n.member.lookup.known(id)) == 0 })
}

func (n *testNode) mustDelete(id string, commentID uint64) {
	n.cluster.t.Helper()
	answer, err := n.member.Owners().Request(context.Background(), id, &wire.DeleteComment{CommentId: commentID, DeletedBy: "ann"})
	if err != nil || answer.(*wire.CommentAnswer).Fault != nil {
		n.cluster.t.Fatalf("deleting at %s: %v, %v", n.name(), answer, err)
	}
}

func (c *testCluster) untilHistory(id, want string) {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		same := true
		for _, n := range c.nodes {
			same = same && n.texts(id) == want
		}
		if same {
			break
		}
	}
	c.expectHistory(id, want)
}

// What a node took alone comes into history when it is back, however long ago
// that was, whether it still owns the live video or has restarted.
func TestWhatANodeTookAloneLongAgoComesIntoHistory(t *testing.T) {
	for name, restarted := range map[string]bool{"an owner": false, "restarted": true} {
		t.Run(name, func(t *testing.T) {
			c := newTestCluster(t, 2)
			a, b := c.nodes[0], c.nodes[1]
			id := ownedBy(t, a, a, b)
			a.mustPost(id, "both")
			c.members(b)
			b.mustPost(id, "alone1")
			b.mustPost(id, "alone2")
			c.apart()
			a.restart(id)
			if restarted {
				b.restart(id)
			}
			c.pass(longApart)
			viewer := a.watch(id, actors.ViewerConfig{})
			a.mustPost(id, "new")
			c.members(a, b)
			c.untilHistory(id, "both alone1 alone2 new")
			c.eventually("the gap to be told", func() bool { return strings.Contains(viewer.text(), "event: gap") })
			if v := b.video(id); v.Comments != 4 {
				t.Errorf("%d comments are counted", v.Comments)
			}
		})
	}
}

// A deletion holds everywhere when nodes see each other again, however long ago
// it was made.
func TestWhatWasDeletedLongAgoStaysDeleted(t *testing.T) {
	for name, restarted := range map[string]bool{"by an owner": false, "restarted": true} {
		t.Run(name, func(t *testing.T) {
			c := newTestCluster(t, 2)
			a, b := c.nodes[0], c.nodes[1]
			id := ownedBy(t, a, a, b)
			c.members(b) // so that b has it
			bad := b.mustPost(id, "bad")
			b.mustPost(id, "good")
			c.pass(longApart)
			c.members(a, b)
			a.mustPost(id, "both")
			viewer := a.watch(id, actors.ViewerConfig{History: 10})
			c.apart()
			a.mustPost(id, "a")
			c.pass(time.Second)
			b.mustPost(id, "b")
			b.mustDelete(id, bad.Id)
			c.pass(longApart)
			if restarted {
				b.restart(id)
			} else {
				b.mustPost(id, "b2")
			}
			c.pass(time.Second)
			a.mustPost(id, "a2")
			c.members(a, b)
			if restarted {
				c.untilHistory(id, "good both a b a2")
			} else {
				c.untilHistory(id, "good both a b b2 a2")
			}
			c.eventually("the deletion to be told", func() bool {
				return strings.Contains(viewer.text(), "event: delete\ndata: {\"id\":\""+actors.FormatID(bad.Id))
			})
		})
	}
}

// A post that two owners took is there once, and its key is answered with the
// comment that stays, however long they were apart.
func TestAPostThatTwoOwnersTookLongAgoIsThereOnce(t *testing.T) {
	for _, key := range []string{"", "key"} {
		t.Run("key "+key, func(t *testing.T) {
			c := newTestCluster(t, 2)
			a, b := c.nodes[0], c.nodes[1]
			id := ownedBy(t, a, a, b)
			a.mustPost(id, "both")
			c.apart()
			var rows []*wire.Row
			for _, n := range c.nodes {
				time.Sleep(2 * time.Millisecond) // the later one was sent later
				post := &wire.PostComment{UserId: "ann", Message: "once", IdempotencyKey: key, PostToken: 77}
				answer, err := n.member.Owners().Request(t.Context(), id, post)
				if err != nil || answer.(*wire.CommentAnswer).Fault != nil {
					t.Fatalf("posting at %s: %v, %v", n.name(), answer, err)
				}
				rows = append(rows, answer.(*wire.CommentAnswer).Row)
			}
			c.pass(longApart)
			a.mustPost(id, "a")
			c.pass(time.Second)
			b.mustPost(id, "b")
			c.members(a, b)
			c.untilHistory(id, "both once a b")
			if key == "" {
				return
			}
			c.pass(longApart)
			a.mustPost(id, "later") // and what was remembered is forgotten
			row, err := a.post(id, "once", key)
			if err != nil || row.Id != rows[1].Id {
				t.Errorf("the key is answered with %v, %v, and not with the comment of the last try", row, err)
			}
		})
	}
}

// So it is if memory does not go back that far.
func TestAPostThatTwoOwnersTookIsFoundInTheStores(t *testing.T) {
	const smallMemory = actors.MaxHistory
	c := startTestCluster(t, 2, smallMemory)
	a, b := c.nodes[0], c.nodes[1]
	id := ownedBy(t, a, a, b)
	a.mustPost(id, "both")
	c.apart()
	kept, err := a.post(id, "once", "key")
	if err != nil {
		t.Fatal(err)
	}
	c.pass(20 * time.Second)
	if _, err := b.post(id, "once", "key"); err != nil {
		t.Fatal(err)
	}
	for i := range smallMemory + 1 {
		a.mustPost(id, fmt.Sprint(i))
	}
	c.pass(longApart)
	a.mustPost(id, "a")
	c.members(a, b)
	once := func(n *testNode) bool { return strings.Count(n.texts(id)+" ", " once ") == 1 }
	c.eventually("the post to be there once", func() bool { return once(a) && once(b) })
	if row, err := a.actors.History().Row(t.Context(), id, kept.Id); err != nil || row == nil {
		t.Errorf("the one that was answered: %v, %v", row, err)
	}
	c.eventually("the comments to be counted", func() bool { return b.video(id).Comments == uint64(smallMemory+4) })
}

// A node that was away for long has the deletions of that time from its owner.
func TestAViewerOfANodeThatWasAwayIsToldOfDeletions(t *testing.T) {
	c := newTestCluster(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	id := ownedBy(t, a, a, b)
	viewer := b.watch(id, actors.ViewerConfig{})
	bad := a.mustPost(id, "bad")
	a.mustPost(id, "good")
	c.eventually("both comments", func() bool { return len(viewer.ids()) == 2 })
	c.pass(time.Minute) // its lease ends, and it is told nothing
	a.mustDelete(id, bad.Id)
	c.pass(longApart)
	c.eventually("the deletion", func() bool { return strings.Contains(viewer.text(), "event: delete") })
	later := b.watch(id, actors.ViewerConfig{History: 10})
	c.eventually("history", func() bool { return len(later.ids()) > 0 })
	if strings.Contains(later.text(), `"bad"`) || len(later.ids()) != 1 {
		t.Errorf("a new viewer is shown %q", later.text())
	}
	if ids := viewer.ids(); len(ids) != 2 || strings.Contains(viewer.text(), "event: gap") {
		t.Errorf("the viewer was sent %q", viewer.text())
	}
}

// Whom it hands a live video over to may have comments from others that were
// deleted here, before all that it remembers.
func TestAnOwnerThatHandsOverTellsAllDeletionsOfItsMemory(t *testing.T) {
	c := newTestCluster(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	id := ownedBy(t, a, a, b)
	bad := a.mustPost(id, "bad")
	a.mustDelete(id, bad.Id)
	c.pass(longApart)
	a.mustPost(id, "good") // and what was remembered is forgotten
	claimed := b.tell(a, &wire.Claim{LiveVideoId: id, View: c.revision + 1, From: b.address, Limit: 10}).(*wire.Claimed)
	if !claimed.WasOwner || !slices.Contains(claimed.Deleted, bad.Id) {
		t.Errorf("it says %v", claimed)
	}
}

// What another owner took is looked up in its node's store before it is merged:
// that may be a while behind.
func TestWhatAnotherOwnerTookLastIsMerged(t *testing.T) {
	c := newTestCluster(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	id := ownedBy(t, a, a, b)
	a.mustPost(id, "both")
	viewer := a.watch(id, actors.ViewerConfig{})
	// b alone went on without a, which stood still and knows nothing of it.
	c.revision++
	b.see(c.revision, b)
	b.member.mu.Lock()
	b.member.previous = nil
	b.member.mu.Unlock()
	b.mustPost(id, "b1")
	b.slow.Store(true)
	b.mustPost(id, "b2")
	c.revision++
	b.see(c.revision, a, b)
	c.untilHistory(id, "both b1 b2")
	c.eventually("the gap to be told", func() bool { return strings.Contains(viewer.text(), "event: gap") })
}
