package actors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/embedded"
	"barrage/persistence/journal"
)

// testNode is a node with a real journal and store, and no HTTP.
type testNode struct {
	*Node
	tb      testing.TB
	owners  *testOwners
	journal *journal.Journal
	store   *embedded.Store
	pump    *persistence.Pump
}

func newTestNode(tb testing.TB, change func(*Config)) *testNode {
	tb.Helper()
	n := startTestNode(tb, tb.TempDir(), change)
	tb.Cleanup(n.close)
	return n
}

func startTestNode(tb testing.TB, dir string, change func(*Config)) *testNode {
	tb.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	store, err := embedded.Open(embedded.Config{Dir: filepath.Join(dir, "store"), BallastBytes: -1})
	if err != nil {
		tb.Fatal(err)
	}
	log, err := journal.Open(journal.Config{Dir: filepath.Join(dir, "journal"), After: store.AppliedLSN()})
	if err != nil {
		tb.Fatal(err)
	}
	pump, err := persistence.NewPump(persistence.PumpConfig{
		Log: log, Store: store,
		Read: func(after persistence.LSN) persistence.EntryReader { return log.Reader(after) },
	})
	if err != nil {
		tb.Fatal(err)
	}
	pump.Start()
	if err := pump.WaitApplied(context.Background(), log.LastLSN()); err != nil {
		tb.Fatal(err)
	}
	highest, err := store.MaxCommentID(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	ids, err := NewIDs(1, highest, time.Now)
	if err != nil {
		tb.Fatal(err)
	}
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	config := Config{
		System: system, Journal: log, Store: store, Applied: pump, IDs: ids,
		Metrics: NewMetrics(prometheus.NewRegistry()), Log: quiet, NodeName: func() string { return "test" },
	}
	if change != nil {
		change(&config)
	}
	node, err := NewNode(config)
	if err != nil {
		tb.Fatal(err)
	}
	owners := &testOwners{node: node, system: system, active: map[string]*actor.PID{}}
	node.Start(owners)
	return &testNode{Node: node, tb: tb, owners: owners, journal: log, store: store, pump: pump}
}

func (n *testNode) close() {
	n.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := errors.Join(n.pump.Stop(ctx), n.journal.Close(), n.store.Close()); err != nil {
		n.tb.Error(err)
	}
}

// testOwners activates live videos, as package cluster does.
type testOwners struct {
	node   *Node
	system *actor.ActorSystem

	mu     sync.Mutex
	active map[string]*actor.PID
	// handed is what activations said that were moved.
	handed map[string][]Claimed

	// What other nodes answer; nil: there are none.
	claim, claimFrom func(m *wire.Claim, from []string) ([]Claimed, error)
	// strangers are addresses of nodes that are no members.
	strangers map[string]bool
	moving    map[string]chan struct{} // closed when handed is there
	partial   atomic.Bool
}

// move has a live video begin anew, with what its activation hands over.
func (o *testOwners) move(tb testing.TB, id string) {
	tb.Helper()
	// One that still began would wait for itself in Claim.
	if _, err := o.Request(context.Background(), id, &wire.ReadVideo{}); err != nil {
		tb.Fatal(err)
	}
	moved := make(chan struct{})
	defer close(moved)
	pid := o.get(id)
	o.mu.Lock()
	if o.moving == nil {
		o.moving = map[string]chan struct{}{}
	}
	o.moving[id] = moved
	o.mu.Unlock()
	answer, err := o.system.Root.RequestFuture(pid, &wire.Claim{LiveVideoId: id}, 10*time.Second).Result()
	claimed, ok := answer.(*wire.Claimed)
	if err != nil || !ok {
		tb.Fatalf("a claim was answered with %v, %v", answer, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.handed == nil {
		o.handed = map[string][]Claimed{}
	}
	o.handed[id] = []Claimed{{Address: "before", Claimed: claimed}}
}

func (o *testOwners) get(id string) *actor.PID {
	o.mu.Lock()
	defer o.mu.Unlock()
	pid, ok := o.active[id]
	if !ok {
		pid = o.system.Root.Spawn(o.node.LiveVideoProps())
		o.active[id] = pid
		o.system.Root.Send(pid, &cluster.ClusterInit{Identity: cluster.NewClusterIdentity(id, Kind)})
	}
	return pid
}

func (o *testOwners) Request(_ context.Context, id string, m proto.Message) (proto.Message, error) {
	for {
		answer, err := o.system.Root.RequestFuture(o.get(id), m, 10*time.Second).Result()
		if err != nil {
			return nil, fmt.Errorf("asking %s: %w", id, err)
		}
		if f, ok := answer.(interface{ GetFault() *wire.Fault }); !ok || f.GetFault().GetCode() != wire.Code_MOVED {
			return answer.(proto.Message), nil
		}
	}
}

func (o *testOwners) Claim(_ context.Context, m *wire.Claim, from ...string) ([]Claimed, error) {
	if o.claim != nil {
		return o.claim(m, from)
	}
	o.mu.Lock()
	moving := o.moving[m.LiveVideoId]
	o.mu.Unlock()
	if moving != nil {
		<-moving
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	handed := o.handed[m.LiveVideoId]
	delete(o.handed, m.LiveVideoId)
	return handed, nil
}

func (o *testOwners) ClaimFrom(_ context.Context, m *wire.Claim, from ...string) ([]Claimed, error) {
	if o.claimFrom == nil {
		return nil, nil
	}
	return o.claimFrom(m, from)
}

func (o *testOwners) Ask(context.Context, string, proto.Message) (proto.Message, error) {
	return nil, errors.New("there is no other node")
}

func (o *testOwners) AskAll(context.Context, proto.Message) []proto.Message { return nil }

func (o *testOwners) Member(address string) bool { return !o.strangers[address] }

func (o *testOwners) Owner(string) string { return o.system.Address() }

func (o *testOwners) Sure() bool { return true }

func (o *testOwners) Partial() bool { return o.partial.Load() }

func (o *testOwners) Release(id string, pid *actor.PID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.active[id] == pid {
		delete(o.active, id)
	}
}

// holds says whether an activation is the one that takes requests.
func (o *testOwners) holds(id string, pid *actor.PID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.active[id] == pid
}

func (n *testNode) ask(video string, m proto.Message) proto.Message {
	n.tb.Helper()
	answer, err := n.owners.Request(context.Background(), video, m)
	if err != nil {
		n.tb.Fatal(err)
	}
	return answer
}

// post posts a comment and gives its id.
func (n *testNode) post(video, message string) uint64 {
	n.tb.Helper()
	answer := n.ask(video, &wire.PostComment{UserId: "u", Message: message}).(*wire.CommentAnswer)
	if answer.Fault != nil {
		n.tb.Fatalf("posting: %v", answer.Fault)
	}
	return answer.Row.Id
}

// testConn is a client in memory. It takes as many bytes as it was given
// leave to.
type testConn struct {
	viewer Viewer

	mu     sync.Mutex
	bytes  []byte
	leave  int // bytes that it still takes; negative: all
	closed bool
	wake   chan struct{}
}

func (c *testConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, io.ErrClosedPipe
	}
	n := len(b)
	if c.leave >= 0 {
		n = min(n, c.leave)
		c.leave -= n
	}
	c.bytes = append(c.bytes, b[:n]...)
	c.notify()
	return n, nil
}

func (c *testConn) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.notify()
}

func (c *testConn) notify() {
	close(c.wake)
	c.wake = make(chan struct{})
}

// take lets the client take n more bytes, or all from now on.
func (c *testConn) take(n int) {
	c.mu.Lock()
	if n < 0 {
		c.leave = -1
	} else {
		c.leave += n
	}
	c.mu.Unlock()
	c.viewer.Writable()
}

// until waits until what the client has got, or that it is closed, satisfies
// a condition.
func (c *testConn) until(tb testing.TB, what string, done func(got string, closed bool) bool) string {
	tb.Helper()
	deadline := time.After(20 * time.Second)
	for {
		c.mu.Lock()
		got, closed, wake := string(c.bytes), c.closed, c.wake
		c.mu.Unlock()
		if done(got, closed) {
			return got
		}
		select {
		case <-wake:
		case <-deadline:
			tb.Fatalf("no %s in %q", what, got[max(0, len(got)-2000):])
		}
	}
}

func (c *testConn) untilHas(tb testing.TB, text string) string {
	tb.Helper()
	return c.until(tb, text, func(got string, _ bool) bool { return strings.Contains(got, text) })
}

// watch opens a stream. The config's Conn and video are filled in.
func (n *testNode) watch(video string, config ViewerConfig) *testConn {
	c := &testConn{leave: -1, wake: make(chan struct{})}
	c.viewer = n.NewViewer()
	config.Conn, config.LiveVideoID = c, video
	c.viewer.Open(config)
	return c
}

// sse is an event of a stream.
type sse struct{ id, name, data string }

// events reads the events of an identity stream without chunks.
func events(stream string) (list []sse) {
	for _, block := range strings.Split(stream, "\n\n") {
		var e sse
		for _, line := range strings.Split(block, "\n") {
			field, value, _ := strings.Cut(line, ": ")
			switch field {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				e.data = value
			}
		}
		if e.data != "" {
			list = append(list, e)
		}
	}
	return list
}

// commentIDs are the ids of a stream's comments, in their order.
func commentIDs(stream string) (ids []uint64) {
	for _, e := range events(stream) {
		if e.name == "" {
			id, _ := strconv.ParseUint(e.id, 10, 64)
			ids = append(ids, id)
		}
	}
	return ids
}

// testClock is a clock that the test sets.
type testClock struct {
	mu    sync.Mutex
	at    time.Time
	ticks int
}

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *testClock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func (c *testClock) add(d time.Duration) { c.set(c.now().Add(d)) }

// tick is the time of day, and a millisecond ahead of it for each look: no two
// looks are in the same millisecond.
func (c *testClock) tick() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ticks++
	return time.Now().Add(time.Duration(c.ticks) * time.Millisecond)
}

// eventually waits until a condition holds.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatal("not in time: " + what)
		}
	}
}
