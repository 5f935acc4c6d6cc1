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
	"path/filepath"
	"slices"
	"strings"
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
	"barrage/test/servers"
)

// testCluster is some nodes in one process, with real journals, stores and
// connections, and members that the test decides about.
type testCluster struct {
	t        *testing.T
	revision uint64
	nodes    []*testNode
	ahead    atomic.Int64 // of the clock, nanoseconds
	recent   int          // comments in memory; 0: as many as by default
}

func (c *testCluster) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// pass has all nodes find that so much time has gone by.
func (c *testCluster) pass(d time.Duration) { c.ahead.Add(int64(d)) }

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
	metrics *prometheus.Registry
	view    atomic.Pointer[membership.View]
	unsure  atomic.Bool
	slow    atomic.Bool // its store takes a while for what the journal has
	stopped bool
}

func newTestCluster(t *testing.T, n int) *testCluster {
	t.Helper()
	return startTestCluster(t, n, 0)
}

func startTestCluster(t *testing.T, n, recent int) *testCluster {
	t.Helper()
	c := &testCluster{t: t, recent: recent}
	for range n {
		c.add()
	}
	c.members(c.nodes...)
	return c
}

func freePort(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", servers.ReservedPort(t))
}

// add starts a node that is no member yet.
func (c *testCluster) add() *testNode {
	c.t.Helper()
	return c.addAt(freePort(c.t))
}

func (c *testCluster) addAt(address string) *testNode {
	t := c.t
	t.Helper()
	n := &testNode{cluster: c, number: len(c.nodes) + 1, address: address, metrics: prometheus.NewRegistry()}
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
		Log: n.journal, Store: slowTarget{n.store, &n.slow},
		Read: func(after persistence.LSN) persistence.EntryReader { return n.journal.Reader(after) },
	})
	if err != nil {
		t.Fatal(err)
	}
	n.pump.Start()
	ids, err := actors.NewIDs(n.number, 0, c.now)
	if err != nil {
		t.Fatal(err)
	}
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	n.actors, err = actors.NewNode(actors.Config{
		System: system, Journal: n.journal, Store: tiered.New(n.store, nil, n, nil), Own: n.store, Applied: n.pump, IDs: ids,
		Metrics: actors.NewMetrics(prometheus.NewRegistry()), Log: quiet, NodeName: func() string { return n.name() },
		Now: c.now, Marks: n.store.Deleted, RecentComments: c.recent,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.member, err = Start(Config{
		System: system, Kind: actors.Kind, Props: n.actors.LiveVideoProps(), Log: quiet, Registry: n.metrics, Advertise: n.address, Now: c.now,
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

type slowTarget struct {
	persistence.Target
	slow *atomic.Bool
}

func (s slowTarget) Apply(ctx context.Context, entries []persistence.Entry) error {
	if s.slow.Load() {
		time.Sleep(300 * time.Millisecond)
	}
	return s.Target.Apply(ctx, entries)
}

func (n *testNode) stop() {
	if n.stopped {
		return
	}
	n.stopped = true
	n.member.Stop()
	n.actors.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
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
