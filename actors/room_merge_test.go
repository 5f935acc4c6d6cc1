package actors

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// twoStores reads the comments of another node's store, too.
type twoStores struct {
	persistence.Store
	other *persistence.Store
}

func (s twoStores) Comments(ctx context.Context, id string, r persistence.Range) ([]*records.Comment, error) {
	comments, err := s.Store.Comments(ctx, id, r)
	if *s.other == nil || err != nil {
		return comments, err
	}
	more, err := (*s.other).Comments(ctx, id, r)
	comments = append(comments, more...)
	slices.SortFunc(comments, func(a, b *records.Comment) int {
		if r.Desc {
			a, b = b, a
		}
		return cmp.Compare(a.Id, b.Id)
	})
	return comments, err
}

// cutOff is a pair of nodes that own the same live videos, as neither sees the
// other.
func cutOff(t *testing.T, change ...func(*Config)) (a, b *testNode) {
	t.Helper()
	var clock testClock
	now := clock.tick // no two changes are of the same millisecond
	var stores [2]persistence.Store
	nodes := [2]*testNode{}
	for i := range nodes {
		nodes[i] = newTestNode(t, func(c *Config) {
			c.Own = c.Store
			c.Store = twoStores{c.Store, &stores[1-i]}
			ids, err := NewIDs(i+1, 0, now)
			if err != nil {
				t.Fatal(err)
			}
			c.IDs, c.Now = ids, now
			for _, f := range change {
				f(c)
			}
		})
	}
	stores[0], stores[1] = nodes[0].store, nodes[1].store
	return nodes[0], nodes[1]
}

// meet has a take over what b has of a live video: b retires.
func meet(t *testing.T, a, b *testNode, video string) {
	t.Helper()
	b.owners.move(t, video)
	b.owners.mu.Lock()
	handed := b.owners.handed[video]
	delete(b.owners.handed, video)
	b.owners.mu.Unlock()
	if err := b.pump.WaitApplied(t.Context(), b.journal.LastLSN()); err != nil {
		t.Fatal(err)
	}
	a.owners.system.Root.Send(a.owners.get(video), &lateClaim{asked: []string{"before"}, claimed: handed})
}

// copyHeld holds a post at both nodes, as one that was held before they were
// cut off.
func copyHeld(t *testing.T, a, b *testNode, video, user string, token uint64) uint64 {
	t.Helper()
	id := a.postAs(video, user, held(token)).Row.Id
	a.owners.move(t, video)
	a.owners.mu.Lock()
	handed := a.owners.handed[video]
	a.owners.mu.Unlock()
	b.owners.mu.Lock()
	b.owners.handed = map[string][]Claimed{video: handed}
	b.owners.mu.Unlock()
	if rows := b.held(video, &wire.ReadHeld{}); len(rows) != 1 {
		t.Fatalf("the other node holds %v", rows)
	}
	return id
}

func (n *testNode) resolve(video string, id uint64, approve bool) uint64 {
	n.tb.Helper()
	a := n.ask(video, &wire.ResolveHeld{HeldId: id, Approve: approve, By: "mod"}).(*wire.CommentAnswer)
	if a.Fault != nil {
		n.tb.Fatalf("resolving was answered with %v", a.Fault)
	}
	return a.GetRow().GetId()
}

// secrets are the comments that history shows of what was held.
func (n *testNode) secrets(video string) (ids []uint64) {
	n.tb.Helper()
	for _, row := range n.ask(video, &wire.ReadRecent{Limit: 100}).(*wire.RecentRows).Rows {
		if strings.Contains(string(row.Event), "secret words") {
			ids = append(ids, row.Id)
		}
	}
	return ids
}

func TestWhatTwoOwnersResolvedIsOneComment(t *testing.T) {
	for _, c := range []struct {
		name      string
		act       func(a, b *testNode, id uint64)
		survivors int
	}{
		{"both approve, a first", func(a, b *testNode, id uint64) { a.resolve("v", id, true); b.resolve("v", id, true) }, 1},
		{"both approve, b first", func(a, b *testNode, id uint64) { b.resolve("v", id, true); a.resolve("v", id, true) }, 1},
		{"a approves, b rejects later", func(a, b *testNode, id uint64) { a.resolve("v", id, true); b.resolve("v", id, false) }, 1},
		{"b rejects, a approves later", func(a, b *testNode, id uint64) { b.resolve("v", id, false); a.resolve("v", id, true) }, 0},
		{"a rejects, b approves later", func(a, b *testNode, id uint64) { a.resolve("v", id, false); b.resolve("v", id, true) }, 0},
		{"b approves and deletes, a approves", func(a, b *testNode, id uint64) {
			b.ask("v", &wire.DeleteComment{CommentId: b.resolve("v", id, true)})
			a.resolve("v", id, true)
		}, 0},
		{"a approves, b approves and deletes", func(a, b *testNode, id uint64) {
			a.resolve("v", id, true)
			b.ask("v", &wire.DeleteComment{CommentId: b.resolve("v", id, true)})
		}, 0},
		{"a approves and deletes, b approves", func(a, b *testNode, id uint64) {
			a.ask("v", &wire.DeleteComment{CommentId: a.resolve("v", id, true)})
			b.resolve("v", id, true)
		}, 0},
		{"b approves, a approves and deletes", func(a, b *testNode, id uint64) {
			b.resolve("v", id, true)
			a.ask("v", &wire.DeleteComment{CommentId: a.resolve("v", id, true)})
		}, 0},
		{"b approves alone", func(_, b *testNode, id uint64) { b.resolve("v", id, true) }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := cutOff(t)
			id := copyHeld(t, a, b, "v", "u", 7)
			a.post("v", "of a")
			viewer := a.watch("v", ViewerConfig{UserID: "m", Moderator: true})
			viewer.untilHas(t, "event: viewers")
			c.act(a, b, id)
			b.post("v", "of b")
			meet(t, a, b, "v")
			viewer.untilHas(t, fmt.Sprintf(`"id":"%d","resolved":`, id))
			eventually(t, "what b took", func() bool {
				return strings.Contains(a.ask("v", &wire.ReadRecent{Limit: 100}).(*wire.RecentRows).String(), "of b")
			})
			eventually(t, "what survives", func() bool { return len(a.secrets("v")) == c.survivors })
			// So it stays, also with an owner that begins anew.
			a.post("v", "more")
			a.owners.move(t, "v")
			a.post("v", "more")
			if ids := a.secrets("v"); len(ids) != c.survivors {
				t.Errorf("comments %v are left, not %d", ids, c.survivors)
			}
			if rows := a.held("v", &wire.ReadHeld{}); len(rows) != 0 {
				t.Errorf("still waiting: %v", rows)
			}
		})
	}
}

func TestWhatTwoOwnersSetComesTogether(t *testing.T) {
	a, b := cutOff(t)
	a.post("v", "of a")
	pinned := b.post("v", "of b")
	viewer := a.watch("v", ViewerConfig{UserID: "x"})
	moderator := a.watch("v", ViewerConfig{UserID: "m", Moderator: true})
	viewer.untilHas(t, "event: viewers")
	moderator.untilHas(t, "event: viewers")
	a.change("v", &wire.ChangeRoom{SlowModeSeconds: proto.Uint32(5), Mute: &wire.MuteUser{UserId: "y"}})
	b.change("v", &wire.ChangeRoom{SlowModeSeconds: proto.Uint32(9), PinnedCommentId: &pinned})
	b.change("v", &wire.ChangeRoom{Mute: &wire.MuteUser{UserId: "x"}})
	waiting := b.postAs("v", "z", held(3)).Row.Id
	count := func(n *testNode, session, total uint64) {
		n.ask("v", &wire.React{Session: session, Seq: total, Targets: []*wire.ReactTarget{{Counts: []*wire.ReactCount{{Type: "like", Count: 1, SessionTotal: total}}}}})
	}
	count(a, 1, 4)
	count(b, 1, 3) // an edge that was at both
	count(b, 2, 5)
	meet(t, a, b, "v")
	for _, text := range []string{`"slowModeSeconds":9}`, `event: muted`, fmt.Sprintf(`"commentId":"%d","comment":{`, pinned), `{"like":9}`} {
		viewer.untilHas(t, text)
	}
	moderator.untilHas(t, `"comment":{"id":"`+FormatID(waiting)+`"`)
	if m := a.ask("v", &wire.ReadMutes{}).(*wire.Mutes); len(m.Mutes) != 2 {
		t.Errorf("muted are %v", m)
	}
	if strings.Contains(string(viewer.text(Identity)), "event: held") {
		t.Error("a viewer reads what is held")
	}
}

// TestReactionsAreCountedOnce counts from many sessions, with answers that get
// lost and are asked for again, while owners change and the node is restarted.
func TestReactionsAreCountedOnce(t *testing.T) {
	dir := t.TempDir()
	n := startTestNode(t, dir, nil)
	random := rand.New(rand.NewPCG(3, 4))
	comments := []uint64{0, n.post("v", "a"), n.post("v", "b")}
	type session struct {
		id, seq uint64
		totals  map[uint64]map[string]uint64
		again   *wire.React
	}
	var sessions []*session
	for i := range 4 {
		sessions = append(sessions, &session{id: uint64(i + 1), totals: map[uint64]map[string]uint64{}})
	}
	var sent []*wire.React
	want := map[uint64]map[string]uint64{}
	for _, id := range comments {
		want[id] = map[string]uint64{}
	}
	for step := range 400 {
		s := sessions[random.IntN(len(sessions))]
		m := s.again
		if m == nil {
			s.seq++
			m = &wire.React{Session: s.id, Seq: s.seq}
			for _, id := range comments {
				if random.IntN(2) == 0 {
					continue
				}
				if s.totals[id] == nil {
					s.totals[id] = map[string]uint64{}
				}
				kind, more := []string{"like", "wow"}[random.IntN(2)], 1+random.Uint64N(50)
				s.totals[id][kind] += more
				want[id][kind] += more
				m.Targets = append(m.Targets, &wire.ReactTarget{CommentId: id, Counts: []*wire.ReactCount{{Type: kind, Count: uint32(more), SessionTotal: s.totals[id][kind]}}})
			}
		}
		s.again = nil
		sent = append(sent, m)
		n.ask("v", sent[random.IntN(len(sent))]) // an old try arrives late
		var wg sync.WaitGroup
		for range 1 + random.IntN(3) { // several tries at the same time
			wg.Go(func() { n.ask("v", m) })
		}
		wg.Wait()
		if random.IntN(4) == 0 {
			s.again = m // its answer gets lost
		}
		switch {
		case step%50 == 20:
			n.owners.move(t, "v")
		case step%100 == 70:
			n.close()
			n = startTestNode(t, dir, nil)
		}
	}
	check := func(when string) {
		t.Helper()
		many := n.ask("v", &wire.ReadReactions{CommentIds: comments}).(*wire.ManyReactions)
		for _, got := range many.Totals {
			if !maps.Equal(got.Totals, want[got.CommentId]) {
				t.Errorf("%s comment %d has %v, not %v", when, got.CommentId, got.Totals, want[got.CommentId])
			}
		}
	}
	check("in memory")
	n.close()
	n = startTestNode(t, dir, nil)
	defer n.close()
	check("after a restart")
	records := map[uint64]uint64{}
	if slots, err := n.store.ReactionSlots(t.Context(), "v", 100); err == nil {
		for _, slot := range slots {
			records[slot.CommentId] += slot.Totals["like"] + slot.Totals["wow"]
		}
	}
	for _, id := range comments {
		if records[id] != want[id]["like"]+want[id]["wow"] {
			t.Errorf("the store has %d reactions to %d, not %v", records[id], id, want[id])
		}
	}
}

func TestReactionsOfOldCommentsAreForgottenInMemory(t *testing.T) {
	var r reactions
	r.init()
	const all = 2 * MaxReactedComments
	for id := uint64(1); id <= all; id++ {
		r.merge(id, 1, map[string]uint64{"like": id})
	}
	if n := len(r.comments); n < MaxReactedComments || n > MaxReactedComments*11/10 {
		t.Errorf("%d comments are kept, not about %d", n, MaxReactedComments)
	}
	if r.merge(5, 2, map[string]uint64{"like": 7}) != 0 || r.comments[5] != nil {
		t.Error("an old comment's reactions come back in part")
	}
	if got := r.comments[all].all(); got["like"] != all {
		t.Errorf("the newest comment has %v", got)
	}
	encoded, floor := r.encodeSlots(10_000)
	size := 0
	for _, b := range encoded {
		size += len(b)
	}
	if size > 10_000 || floor <= r.floor {
		t.Errorf("%d bytes are handed over, from %d on", size, floor)
	}
}

func TestWhatComesLateIsTaken(t *testing.T) {
	n := newTestNode(t, nil)
	n.post("v", "x")
	viewer := n.watch("v", ViewerConfig{})
	viewer.untilHas(t, "event: viewers")
	n.owners.system.Root.Send(n.owners.get("v"), &Straggler{Room: &records.Room{SlowMode: &records.SlowMode{Seconds: 8, AtMs: 5}}})
	n.owners.system.Root.Send(n.owners.get("v"), &Straggler{Reactions: &records.ReactionsCounted{
		LiveVideoId: "v", Session: 3, Counts: []*records.ReactionCount{{Type: "like", Count: 1, SessionTotal: 6}},
	}})
	viewer.untilHas(t, `"slowModeSeconds":8}`)
	viewer.untilHas(t, `{"like":6}`)
}

// Who was cut off may have taken comments that the other's memory is long past,
// or more than it has in memory itself: viewers are told of them all, and of no
// more than that where memory has them.
func TestViewersAreToldOfAllThatAnotherOwnerTook(t *testing.T) {
	for name, c := range map[string]struct {
		before, theirs, after int
		exactly               bool
	}{
		"theirs are in memory":            {2, 5, 2, true},
		"memory is past them":             {2, 5, MaxHistory + 50, false},
		"they are more than memory holds": {2, MaxHistory + 50, 2, false},
		"both":                            {2, MaxHistory + 50, 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := cutOff(t, func(c *Config) { c.RecentComments, c.RingComments = MaxHistory, MaxHistory })
			var mine, theirs []uint64
			for range c.before {
				mine = append(mine, a.post("v", "of a"))
			}
			viewer := a.watch("v", ViewerConfig{})
			viewer.untilHas(t, "event: viewers")
			for range c.theirs {
				theirs = append(theirs, b.post("v", "of b"))
			}
			for range c.after {
				mine = append(mine, a.post("v", "of a"))
			}
			viewer.untilHas(t, FormatID(mine[len(mine)-1]))
			if err := a.pump.WaitApplied(t.Context(), a.journal.LastLSN()); err != nil {
				t.Fatal(err)
			}
			meet(t, a, b, "v")
			after, before := lastGap(t, viewer.untilHas(t, `"before"`))
			if first, last := theirs[0], theirs[len(theirs)-1]; after >= first || before <= last || c.exactly && after != first-1 {
				t.Errorf("they are told of what is between %d and %d; %d to %d were taken elsewhere", after, before, first, last)
			}
			want := slices.Concat(mine, theirs)
			slices.Sort(want)
			rows, err := a.History().Rows(t.Context(), "v", persistence.Range{Limit: len(want) + 1})
			if err != nil || !slices.Equal(idsOf(rows), want) {
				t.Errorf("history has %d comments, not %d; %v", len(rows), len(want), err)
			}
		})
	}
}

// lastGap reads the last gap event of a stream.
func lastGap(t *testing.T, stream string) (after, before uint64) {
	t.Helper()
	var gap struct {
		After, Before uint64 `json:",string"`
	}
	for _, e := range events(stream) {
		if e.name == "gap" {
			if err := json.Unmarshal([]byte(e.data), &gap); err != nil {
				t.Fatal(err)
			}
		}
	}
	return gap.After, gap.Before
}
