//go:build !race

// protoactor itself has races where several systems run in one process.

package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/actors"
	"barrage/actors/wire"
	"barrage/persistence"
)

func TestAnyNodeTakesPostsAndShowsHistory(t *testing.T) {
	c := newTestCluster(t, 3)
	id := ownedBy(t, c.nodes[1], c.nodes...)
	for i, n := range c.nodes {
		n.mustPost(id, fmt.Sprint(i))
	}
	c.expectHistory(id, "0 1 2")
	for _, n := range c.nodes {
		if v := n.video(id); v.Owner != "node-2" || v.Comments != 3 {
			t.Errorf("at %s: %v", n.name(), v)
		}
	}
}

func TestALiveVideoMovesToWhoOwnsItNow(t *testing.T) {
	c := newTestCluster(t, 2)
	third := c.add()
	id := ownedBy(t, third, c.nodes...)
	c.members(c.nodes[:2]...)
	c.nodes[0].mustPost(id, "a")
	c.nodes[1].mustPost(id, "b")
	c.members(c.nodes...)
	c.nodes[1].mustPost(id, "c")
	c.expectHistory(id, "a b c")
	if v := c.nodes[0].video(id); v.Owner != third.name() || v.Comments != 3 {
		t.Errorf("%v", v)
	}
	c.members(c.nodes[:2]...) // it leaves
	c.nodes[0].mustPost(id, "d")
	c.expectHistory(id, "a b c d")
	if v := c.nodes[0].video(id); v.Owner == third.name() || v.Comments != 4 {
		t.Errorf("%v", v)
	}
}

// Nobody watches most rooms, and nobody posts there: they are handed over all
// the same, and at once.
func TestWhoLeavesHandsQuietRoomsOver(t *testing.T) {
	c := newTestCluster(t, 3)
	leaver := c.nodes[0]
	const rooms = 3 * maxOffers
	for i := 0; leaver.member.lookup.count() < rooms; i++ {
		if id := fmt.Sprintf("quiet-%d", i); leaver.member.Owners().Owner(id) == leaver.address {
			leaver.mustPost(id, "hello")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := leaver.member.Leave(ctx); err != nil {
		t.Error(err)
	}
	if n := c.nodes[1].member.lookup.count() + c.nodes[2].member.lookup.count(); n != rooms {
		t.Errorf("%d of %d rooms are elsewhere", n, rooms)
	}
}

// Who leaves hears of no later change.
func TestWhoLeavesHandsRoomsOverToANodeThatItHasNotHeardOf(t *testing.T) {
	c := newTestCluster(t, 2)
	leaver, stays, comes := c.nodes[0], c.nodes[1], c.add()
	id := ""
	for i := 0; id == "" || owner(id, leaver, stays) != leaver || owner(id, stays, comes) != comes; i++ {
		id = fmt.Sprintf("video-%d", i)
	}
	leaver.mustPost(id, "a")
	stays.see(3, stays, comes)
	comes.see(3, stays, comes)
	began := time.Now()
	leaver.see(2, stays)
	c.eventually("it is handed over", func() bool { return leaver.member.lookup.count() == 0 })
	if took := time.Since(began); took > tryTimeout {
		t.Errorf("after %s", took)
	}
	stays.mustPost(id, "b")
	comes.mustPost(id, "c")
	if got := comes.texts(id); got != "a b c" || comes.member.lookup.local(id) == nil {
		t.Errorf("it has %q", got)
	}
}

func TestPostsSucceedOnceWhileOwnersChange(t *testing.T) {
	c := newTestCluster(t, 3)
	const id = "moving"
	stop, done := make(chan struct{}), make(chan error, 3)
	var posted sync.Map
	for i, n := range c.nodes {
		go func() {
			for j := 0; ; j++ {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				text := fmt.Sprintf("%d.%d", i, j)
				row, err := n.post(id, text, "")
				if err != nil {
					done <- fmt.Errorf("%s: %w", text, err)
					return
				}
				posted.Store(text, row.Id)
			}
		}()
	}
	for i := range 12 {
		time.Sleep(100 * time.Millisecond)
		members := slices.Clone(c.nodes)
		if i%2 == 0 {
			at := slices.Index(c.nodes, owner(id, c.nodes...))
			members = slices.Delete(members, at, at+1)
		}
		// They hear of it one after the other.
		c.revision++
		for _, n := range c.nodes {
			n.see(c.revision, members...)
			time.Sleep(5 * time.Millisecond)
		}
	}
	close(stop)
	for range c.nodes {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	var all []string
	texts := map[uint64]string{}
	posted.Range(func(text, id any) bool {
		all = append(all, text.(string))
		if other, twice := texts[id.(uint64)]; twice {
			t.Errorf("%s and %s were answered with one comment", text, other)
		}
		texts[id.(uint64)] = text.(string)
		return true
	})
	for _, n := range c.nodes {
		got := strings.Fields(c.everything(n, id))
		slices.Sort(got)
		slices.Sort(all)
		if !slices.Equal(got, all) {
			t.Errorf("%d posted, history at %s has %d", len(all), n.name(), len(got))
		}
	}
	if v := c.nodes[0].video(id); int(v.Comments) != len(all) {
		t.Errorf("%d comments are counted, of %d", v.Comments, len(all))
	}
	t.Logf("%d posts", len(all))
}

func (c *testCluster) everything(n *testNode, id string) string {
	c.t.Helper()
	rows, err := n.actors.History().Rows(context.Background(), id, persistence.Range{Limit: 1 << 20})
	if err != nil {
		c.t.Fatal(err)
	}
	var texts []string
	for _, row := range rows {
		_, text, _ := strings.Cut(string(row.Event), `"message":"`)
		text, _, _ = strings.Cut(text, `"`)
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

func TestTwoOwnersMergeWhatTheyTook(t *testing.T) {
	c := newTestCluster(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	id := ownedBy(t, a, a, b)
	a.mustPost(id, "both")
	// Each thinks that it is the only one.
	c.revision++
	a.see(c.revision, a)
	b.see(c.revision, b)
	b.member.mu.Lock()
	b.member.previous = nil // it can't be reached
	b.member.mu.Unlock()
	a.mustPost(id, "a")
	b.mustPost(id, "b")
	if got := b.texts(id); got != "b" { // without copies, what a took is at a
		t.Errorf("cut off: %q", got)
	}
	c.members(a, b)
	deadline := time.Now().Add(20 * time.Second)
	for (a.texts(id) != "both a b" || b.texts(id) != "both a b") && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	c.expectHistory(id, "both a b")
	if v := b.video(id); v.Comments != 3 || v.Owner != a.name() {
		t.Errorf("%v", v)
	}
	a.mustPost(id, "c")
	c.expectHistory(id, "both a b c")
}

func TestAKeyIsAnsweredTheSameByTheNextOwner(t *testing.T) {
	c := newTestCluster(t, 3)
	first := c.nodes[0]
	id := ownedBy(t, first, c.nodes...)
	was, err := c.nodes[1].post(id, "text", "key")
	if err != nil {
		t.Fatal(err)
	}
	c.members(c.nodes[1:]...)
	for _, n := range c.nodes {
		again, err := n.post(id, "text", "key")
		if err != nil || again.Id != was.Id {
			t.Errorf("at %s: %v, %v, not comment %d", n.name(), again, err, was.Id)
		}
		if _, err := n.post(id, "another text", "key"); err == nil {
			t.Errorf("at %s another text is taken under the same key", n.name())
		}
	}
	c.expectHistory(id, "text")
}

func TestAPostThatNobodyWaitsForIsNotTaken(t *testing.T) {
	c := newTestCluster(t, 2)
	id := ownedBy(t, c.nodes[0], c.nodes...)
	for _, n := range c.nodes {
		gone := actors.WhileWanted(context.Background(), func() bool { return false })
		if _, err := n.member.Owners().Request(gone, id, &wire.PostComment{UserId: "ann", Message: "late"}); !errors.Is(err, errUnwanted) {
			t.Errorf("at %s: %v", n.name(), err)
		}
		there := actors.WhileWanted(context.Background(), func() bool { return true })
		if _, err := n.member.Owners().Request(there, id, &wire.PostComment{UserId: "ann", Message: "now"}); err != nil {
			t.Errorf("at %s: %v", n.name(), err)
		}
	}
	c.expectHistory(id, "now now")
}

func TestAnUnsureNodeAnswersNothing(t *testing.T) {
	c := newTestCluster(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	id := ownedBy(t, a, a, b)
	a.mustPost(id, "1")
	a.unsure.Store(true)
	answered := make(chan error, 1)
	go func() {
		_, err := b.post(id, "2", "")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Errorf("answered: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	a.unsure.Store(false)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	c.expectHistory(id, "1 2")
}

// A node that was not sure for a moment, as after a pause, is still the owner:
// a second activation beside the first would be another one.
func TestANodeThatWasUnsureOwnsALiveVideoOnce(t *testing.T) {
	c := newTestCluster(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	id := ownedBy(t, a, a, b)
	viewer := b.watch(id, actors.ViewerConfig{})
	a.mustPost(id, "1")
	was := a.member.lookup.local(id)
	a.unsure.Store(true)
	answered := make(chan error, 1)
	go func() {
		_, err := a.post(id, "2", "")
		answered <- err
	}()
	time.Sleep(50 * time.Millisecond) // it is refused meanwhile
	a.unsure.Store(false)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if is := a.member.lookup.local(id); !is.Equal(was) {
		t.Errorf("the live video is %v now, and was %v", is, was)
	}
	c.eventually("the viewer to have both", func() bool { return len(viewer.ids()) == 2 })
	c.expectHistory(id, "1 2")
}

func (n *testNode) tell(to *testNode, m proto.Message) proto.Message {
	n.cluster.t.Helper()
	answer, err := n.member.ask(context.Background(), to.address, m, 20*time.Second)
	if err != nil {
		n.cluster.t.Fatal(err)
	}
	return answer
}

// The node that it was handed to may lose it before it has begun.
func TestAnOwnerThatHandedOverSaysWhatItKnewWhenItIsAskedAgain(t *testing.T) {
	c := newTestCluster(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	id := ownedBy(t, a, a, b)
	row := a.mustPost(id, "1")
	for i := range 3 {
		claim := &wire.Claim{LiveVideoId: id, View: c.revision + 1, From: b.address, Limit: 10}
		claimed := b.tell(a, claim).(*wire.Claimed)
		if claimed.WasOwner != (i == 0) || len(claimed.Rows) != 1 || claimed.Rows[0].Id != row.Id || claimed.Rows[0].PostToken != row.PostToken {
			t.Errorf("asked for the %d. time it says %v", i+1, claimed)
		}
	}
}

func TestAnOfferByAnOldViewIsRefused(t *testing.T) {
	c := newTestCluster(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	id := ownedBy(t, a, a, b)
	offer := &wire.Activate{LiveVideoId: id, View: c.revision - 1, Offered: true, From: a.address}
	if got := a.tell(b, offer).(*wire.Activated).GetFault(); got.GetCode() != wire.Code_MOVED || got.Owner != a.address {
		t.Errorf("%v", got)
	}
	// By the same view the two may differ in whom they can reach.
	offer.View = c.revision
	if got := a.tell(b, offer).(*wire.Activated).GetFault(); got.GetCode() != wire.Code_OK {
		t.Errorf("%v", got)
	}
}

func TestALiveVideoThatFailsIsActivatedAnew(t *testing.T) {
	c := newTestCluster(t, 1)
	n := c.nodes[0]
	n.mustPost("v", "1")
	n.actors.Stop() // of its goroutines; the live video goes on
	pid := n.member.lookup.local("v")
	n.member.system.Root.Stop(pid)
	deadline := time.Now().Add(10 * time.Second)
	for n.member.lookup.local("v") == pid && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n.member.lookup.local("v") == pid {
		t.Error("an activation that is gone is remembered")
	}
}

func TestACrowdAtANodeThatIsNotTheOwnerSharesItsReads(t *testing.T) {
	c := newTestCluster(t, 2)
	id := ownedBy(t, c.nodes[0], c.nodes...)
	other := c.nodes[1]
	var made atomic.Int32
	page := func() string {
		text, err := other.actors.FirstPage(context.Background(), id, 10, func(page *actors.Page, _ error) *actors.MadePage {
			made.Add(1)
			return &actors.MadePage{Body: fmt.Append(nil, len(page.Rows))}
		})
		if err != nil {
			t.Error(err)
			return ""
		}
		return string(text.Body)
	}
	for i := range 10 {
		other.mustPost(id, "text")
		if got := page(); got != fmt.Sprint(i+1) {
			t.Errorf("after %d posts the newest page has %s", i+1, got)
		}
	}
	made.Store(0)
	var wg sync.WaitGroup
	for range 2000 {
		wg.Go(func() { page() })
	}
	wg.Wait()
	if n := made.Load(); n > 1000 {
		t.Errorf("2000 readers at once were served by %d readings", n)
	}
}
