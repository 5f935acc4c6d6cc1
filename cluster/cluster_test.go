//go:build !race

// protoactor itself has races where several systems run in one process.

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"barrage/actors"
	"barrage/actors/wire"
	"barrage/cluster/membership"
	"barrage/persistence"
	"barrage/persistence/embedded"
	"barrage/persistence/journal"
	"barrage/persistence/records"
	"barrage/persistence/tiered"
)

// testCluster is some nodes in one process, with real journals, stores and
// connections, and members that the test decides about.
type testCluster struct {
	t        *testing.T
	revision uint64
	nodes    []*testNode
}

// testNode is one of them. It implements members and Storage.
type testNode struct {
	cluster *testCluster
	number  int
	actors  *actors.Node
	member  *Member
	journal *journal.Journal
	store   *embedded.Store
	pump    *persistence.Pump
	address string
	view    atomic.Pointer[membership.View]
	unsure  atomic.Bool
	stopped bool
}

func newTestCluster(t *testing.T, n int) *testCluster {
	t.Helper()
	c := &testCluster{t: t}
	for range n {
		c.add()
	}
	c.members(c.nodes...)
	return c
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// add starts a node that is no member yet.
func (c *testCluster) add() *testNode {
	t := c.t
	t.Helper()
	n := &testNode{cluster: c, number: len(c.nodes) + 1, address: freePort(t)}
	n.view.Store(membership.NewView(nil, 0))
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	dir := t.TempDir()
	var err error
	if n.store, err = embedded.Open(embedded.Config{Dir: filepath.Join(dir, "store"), BallastBytes: -1}); err != nil {
		t.Fatal(err)
	}
	if n.journal, err = journal.Open(journal.Config{Dir: filepath.Join(dir, "journal")}); err != nil {
		t.Fatal(err)
	}
	n.pump, err = persistence.NewPump(persistence.PumpConfig{
		Log: n.journal, Store: n.store,
		Read: func(after persistence.LSN) persistence.EntryReader { return n.journal.Reader(after) },
	})
	if err != nil {
		t.Fatal(err)
	}
	n.pump.Start()
	ids, err := actors.NewIDs(n.number, 0, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	n.actors, err = actors.NewNode(actors.Config{
		System: system, Journal: n.journal, Store: tiered.New(n.store, nil, n, nil), Own: n.store, Applied: n.pump, IDs: ids,
		Metrics: actors.NewMetrics(prometheus.NewRegistry()), Log: quiet, NodeName: func() string { return n.name() },
	})
	if err != nil {
		t.Fatal(err)
	}
	n.member, err = Start(Config{
		System: system, Kind: actors.Kind, Props: n.actors.LiveVideoProps(), Log: quiet, Registry: prometheus.NewRegistry(), Advertise: n.address,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.actors.Start(n.member.Owners())
	if err := n.member.Serve(n.actors, n); err != nil {
		t.Fatal(err)
	}
	var joined members = n
	n.member.members.Store(&joined)
	n.member.wg.Go(func() { n.member.peers.run(n.member.ctx) })
	c.nodes = append(c.nodes, n)
	t.Cleanup(n.stop)
	return n
}

func (n *testNode) stop() {
	if n.stopped {
		return
	}
	n.stopped = true
	n.member.Stop()
	n.actors.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := errors.Join(n.pump.Stop(ctx), n.journal.Close(), n.store.Close()); err != nil {
		n.cluster.t.Error(err)
	}
}

// members has all nodes see a view of these.
func (c *testCluster) members(nodes ...*testNode) {
	c.revision++
	for _, n := range c.nodes {
		n.see(c.revision, nodes...)
	}
}

// see has a node see a view.
func (n *testNode) see(revision uint64, nodes ...*testNode) {
	var all []membership.Member
	for _, m := range nodes {
		all = append(all, m.Self())
	}
	n.view.Store(membership.NewView(all, revision))
	n.member.update()
}

func (n *testNode) name() string                 { return fmt.Sprintf("node-%d", n.number) }
func (n *testNode) View() *membership.View       { return n.view.Load() }
func (n *testNode) Fresh() bool                  { return true }
func (n *testNode) Sure() bool                   { return !n.unsure.Load() }
func (n *testNode) Heard(*membership.View, bool) {}

// Leave has all nodes see, one after the other, that this one has left.
func (n *testNode) Leave(context.Context) error {
	n.cluster.members(slices.DeleteFunc(slices.Clone(n.cluster.nodes), func(other *testNode) bool { return other == n })...)
	return nil
}

func (n *testNode) Self() membership.Member {
	return membership.Member{ID: n.name(), Node: n.name(), Name: n.name(), Number: n.number, Address: n.address, Weight: 1}
}

func (n *testNode) ReadLocal(ctx context.Context, m *wire.ReadLocal) *wire.LocalRows {
	comments, err := n.store.Comments(ctx, m.LiveVideoId, persistence.Range{After: m.After, Before: m.Before, Limit: int(m.Limit), Desc: m.Desc, Parent: m.ParentId})
	if err != nil {
		return &wire.LocalRows{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE}}
	}
	rows := &wire.LocalRows{}
	for _, c := range comments {
		encoded, err := proto.Marshal(c)
		if err != nil {
			panic(err)
		}
		rows.Comments = append(rows.Comments, encoded)
	}
	deleted, err := n.store.Deleted(ctx, m.LiveVideoId, m.After+1, m.Before-1)
	if err != nil {
		return &wire.LocalRows{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE}}
	}
	for id := range deleted {
		rows.Deleted = append(rows.Deleted, id)
	}
	return rows
}

func (n *testNode) ReadReplies(ctx context.Context, m *wire.ReadReplies) *wire.RepliesOf {
	return AnswerReplies(ctx, n.store, m)
}

func (n *testNode) ReadAudit(ctx context.Context, m *wire.ReadAudit) *wire.Audit {
	return AnswerAudit(ctx, n.store, m)
}

// Replies and Audit are those of tiered.Peers.
func (n *testNode) Replies(ctx context.Context, id string, parents []uint64, after, before uint64) (map[uint64][]uint64, map[uint64]bool, bool, error) {
	return n.member.Replies(ctx, id, parents, after, before)
}

func (n *testNode) Audit(ctx context.Context, id string, beforeMs int64, limit int) ([][]*records.RoomEvent, bool, error) {
	return n.member.Audit(ctx, id, beforeMs, limit)
}

func (n *testNode) Replicate(string, *wire.Replicate, func(*wire.Replicated)) {}
func (n *testNode) Replicated(string, *wire.Replicated)                       {}
func (n *testNode) ArchivedBelow() uint64                                     { return 0 }
func (n *testNode) Confirm(string) []*wire.Archived                           { return nil }
func (n *testNode) Confirmed(string, []*wire.Archived)                        {}
func (n *testNode) MembersJoin(*membership.View)                              {}
func (n *testNode) MembersChanged(*membership.View)                           {}

// CompleteFrom implements tiered.Peers.
func (n *testNode) CompleteFrom() uint64 { return n.member.CompleteFrom() }

// Comments and ArchivedBelow are those of tiered.Peers.
func (n *testNode) Comments(ctx context.Context, id string, r persistence.Range) ([]*records.Comment, map[uint64]bool, uint64, bool, error) {
	return n.member.Comments(ctx, id, r)
}

// ownedBy gives a live video that a node owns among these.
func ownedBy(t *testing.T, n *testNode, among ...*testNode) string {
	t.Helper()
	for i := range 1000 {
		id := fmt.Sprintf("video-%d", i)
		if owner(id, among...) == n {
			return id
		}
	}
	t.Fatal("it owns nothing")
	return ""
}

func owner(id string, among ...*testNode) *testNode {
	var all []membership.Member
	for _, m := range among {
		all = append(all, m.Self())
	}
	m, _ := membership.NewView(all, 1).Owner(id)
	return among[slices.IndexFunc(among, func(n *testNode) bool { return n.name() == m.ID })]
}

func (n *testNode) post(id, text, key string) (*wire.Row, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	answer, err := n.member.Owners().Request(ctx, id, &wire.PostComment{
		UserId: "ann", Message: text, IdempotencyKey: key, PostToken: max(1, rand.Uint64()), // as the edge does
	})
	if err != nil {
		return nil, err
	}
	if a := answer.(*wire.CommentAnswer); a.GetFault().GetCode() != wire.Code_OK {
		return nil, fmt.Errorf("refused: %v", a.Fault)
	}
	return answer.(*wire.CommentAnswer).Row, nil
}

func (n *testNode) mustPost(id, text string) *wire.Row {
	n.cluster.t.Helper()
	row, err := n.post(id, text, "")
	if err != nil {
		n.cluster.t.Fatalf("posting %q at %s: %v", text, n.name(), err)
	}
	return row
}

// texts are the messages of a live video's history, as a node sees it.
func (n *testNode) texts(id string) string {
	n.cluster.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	rows, err := n.actors.History().Rows(ctx, id, persistence.Range{Limit: 1000})
	if err != nil {
		n.cluster.t.Fatalf("history at %s: %v", n.name(), err)
	}
	var texts []string
	for _, row := range rows {
		_, text, _ := strings.Cut(string(row.Event), `"message":"`)
		text, _, _ = strings.Cut(text, `"`)
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

func (c *testCluster) expectHistory(id, want string) {
	c.t.Helper()
	for _, n := range c.nodes {
		if n.stopped {
			continue
		}
		if got := n.texts(id); got != want {
			c.t.Errorf("history at %s: %q, want %q", n.name(), got, want)
		}
	}
}

func (n *testNode) video(id string) *wire.Video {
	n.cluster.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	answer, err := n.member.Owners().Request(ctx, id, &wire.ReadVideo{})
	if err != nil {
		n.cluster.t.Fatalf("reading the video at %s: %v", n.name(), err)
	}
	return answer.(*wire.Video)
}

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
