package tiered_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/embedded"
	"barrage/persistence/records"
	"barrage/persistence/tiered"
)

// timeOf is a time that ids of about one would have. Many ids have it, so that
// events of one millisecond occur.
func timeOf(id uint64) int64 { return persistence.IDTime(id).UnixMilli() }

// actAt answers the record of an act, with some reactions now and then.
func actAt(rng *rand.Rand, id uint64) *records.Record {
	at := timeOf(id)
	return &records.Record{
		Kind: &records.Record_RoomEvent{RoomEvent: &records.RoomEvent{
			LiveVideoId: video, Kind: "mute", EventId: rng.Uint64(), AtMs: at, ActorId: "mod", UserId: "u",
		}},
		Room: &records.Room{Mutes: []*records.Mute{{UserId: fmt.Sprint("u", rng.IntN(4)), AtMs: at, By: "mod", UntilMs: rng.Int64N(2)}}},
	}
}

func (a *archive) ReplyCounts(_ context.Context, _ string, parents []uint64, before uint64, without []uint64) (map[uint64]uint64, error) {
	if err := a.ask(); err != nil {
		return nil, err
	}
	counts := map[uint64]uint64{}
	for id, c := range a.comments {
		if id < before && !a.deleted[id] && slices.Contains(parents, c.ParentId) && !slices.Contains(without, id) {
			counts[c.ParentId]++
		}
	}
	return counts, nil
}

func (a *archive) Replies(_ context.Context, _ string, parents []uint64, from, before uint64) (replies map[uint64][]uint64, deleted map[uint64]bool, err error) {
	if err := a.ask(); err != nil {
		return nil, nil, err
	}
	replies, deleted = map[uint64][]uint64{}, map[uint64]bool{}
	for id, c := range a.comments {
		switch {
		case id < from || before != 0 && id >= before || !slices.Contains(parents, c.ParentId):
		case a.deleted[id]:
			deleted[id] = true
		default:
			replies[c.ParentId] = append(replies[c.ParentId], id)
		}
	}
	for id := range a.deleted { // whose comment has not come yet
		deleted[id] = true
	}
	return replies, deleted, nil
}

func (a *archive) Audit(_ context.Context, _ string, beforeMs int64, limit int) ([]*records.RoomEvent, error) {
	if err := a.ask(); err != nil {
		return nil, err
	}
	return auditOf(a.room, beforeMs, limit), nil
}

func (a *archive) Room(context.Context, string) (*records.Room, error) {
	if err := a.ask(); err != nil {
		return nil, err
	}
	return roomOf(a.room), nil
}

func (a *archive) ReactionSlots(context.Context, string, int) (slots []*records.ReactionSlot, err error) {
	if err := a.ask(); err != nil {
		return nil, err
	}
	for _, r := range a.room {
		if c := r.GetReactionsCounted(); c != nil {
			slot := &records.ReactionSlot{CommentId: c.CommentId, Session: c.Session}
			persistence.MergeSlot(slot, map[string]uint64{c.Counts[0].Type: c.Counts[0].SessionTotal})
			slots = append(slots, slot)
		}
	}
	return slots, nil
}

// roomOf is what is set by some records.
func roomOf(rs []*records.Record) *records.Room {
	room := new(records.Room)
	for _, r := range rs {
		persistence.MergeRoom(room, proto.CloneOf(r.Room))
	}
	return room
}

// auditOf is the audit of some records, said simply.
func auditOf(rs []*records.Record, beforeMs int64, limit int) []*records.RoomEvent {
	events := map[string]*records.RoomEvent{}
	for _, r := range rs {
		e := r.GetRoomEvent()
		if d := r.GetCommentDeleted(); d != nil {
			e = persistence.DeletionEvent(d)
		}
		if e != nil && (beforeMs == 0 || e.AtMs < beforeMs) {
			events[fmt.Sprint(e.AtMs, e.EventId, e.Kind)] = e
		}
	}
	all := slices.SortedFunc(maps.Values(events), func(a, b *records.RoomEvent) int {
		return cmp.Or(cmp.Compare(b.AtMs, a.AtMs), cmp.Compare(b.EventId, a.EventId), cmp.Compare(b.Kind, a.Kind))
	})
	n := min(limit, len(all))
	for n > 0 && n < len(all) && all[n].AtMs == all[n-1].AtMs {
		n++
	}
	return all[:n]
}

func countsOf(comments map[uint64]*records.Comment, deleted map[uint64]bool, parents []uint64, before uint64) map[uint64]uint64 {
	counts := map[uint64]uint64{}
	for id, c := range comments {
		if slices.Contains(parents, c.ParentId) && !deleted[id] && (before == 0 || id < before) {
			counts[c.ParentId]++
		}
	}
	return counts
}

func sameEvents(got, want []*records.RoomEvent) bool {
	return slices.EqualFunc(got, want, func(a, b *records.RoomEvent) bool { return proto.Equal(a, b) })
}

// allowed says whether an error is one that there may be.
func allowed(err error, trouble bool) bool {
	return err == nil || trouble && errors.Is(err, persistence.ErrIncomplete)
}

// anyParents answers a page of comments, and below which id replies count.
func anyParents(rng *rand.Rand, nextID uint64) (parents []uint64, before uint64) {
	for range 1 + rng.IntN(20) {
		parents = append(parents, 1000+rng.Uint64N(nextID-999))
	}
	slices.Sort(parents)
	if rng.IntN(2) == 0 {
		before = 1000 + rng.Uint64N(nextID-990)
	}
	return slices.Compact(parents), before
}

// checkRoom compares the counts of replies and the audit with what they must
// be. What was in the archive before the node counts, too.
func (w *world) checkRoom() {
	parents, before := anyParents(w.rand, w.nextID)
	counts, err := w.store.ReplyCounts(context.Background(), video, parents, before)
	want := countsOf(w.comments, w.deleted, parents, before)
	switch {
	case err == nil && maps.Equal(counts, want):
	case err != nil && w.archive.away && errors.Is(err, persistence.ErrIncomplete):
		for id, n := range counts {
			if n > want[id] {
				w.t.Fatalf("%d replies to %d, want no more than %d", n, id, want[id])
			}
		}
	default:
		w.t.Fatalf("replies to %v below %d: %v, want %v: %v", parents, before, counts, want, err)
	}
	var all []*records.Record
	for _, e := range w.journal {
		all = append(all, e.Record)
	}
	limit := 1 + w.rand.IntN(5)
	events, err := w.store.Audit(context.Background(), video, 0, limit)
	if wanted := auditOf(all, 0, limit); !allowed(err, w.archive.away) || err == nil && !sameEvents(events, wanted) {
		w.t.Fatalf("audit: %v\nwant %v: %v", events, wanted, err)
	}
}

func (o others) Replies(ctx context.Context, v string, parents []uint64, after, before uint64) (replies map[uint64][]uint64, deleted map[uint64]bool, whole bool, err error) {
	replies, deleted, whole = map[uint64][]uint64{}, map[uint64]bool{}, true
	for _, m := range o.m.c.members {
		if m == o.m {
			continue
		}
		if m.asked++; m.away {
			whole = false
			continue
		}
		if err := m.local.EachReply(ctx, v, parents, after, before, func(parent, id uint64) { replies[parent] = append(replies[parent], id) }); err != nil {
			return nil, nil, false, err
		}
		to := uint64(math.MaxUint64)
		if before != 0 {
			to = before - 1
		}
		marks, err := m.local.Deleted(ctx, v, after+1, to)
		if err != nil {
			return nil, nil, false, err
		}
		maps.Copy(deleted, marks)
	}
	return replies, deleted, whole, nil
}

func (o others) Audit(ctx context.Context, v string, beforeMs int64, limit int) (all [][]*records.RoomEvent, whole bool, err error) {
	whole = true
	for _, m := range o.m.c.members {
		if m == o.m {
			continue
		}
		if m.away {
			whole = false
			continue
		}
		events, err := m.local.Audit(ctx, v, beforeMs, limit)
		if err != nil {
			return nil, false, err
		}
		all = append(all, events)
	}
	return all, whole, nil
}

// checkRoom does at any of the members what world.checkRoom does. Deletions of
// what is archived may be on their way there: of those the owner tells.
func (c *cluster) checkRoom() {
	m := c.any()
	trouble := c.archive.away && !c.without || c.someAway(m)
	told := c.onTheirWay(m)
	parents, before := anyParents(c.rand, c.nextID)
	most := maps.Clone(c.deleted)
	maps.DeleteFunc(most, func(id uint64, _ bool) bool { return told[id] })
	counts, err := m.store.ReplyCounts(context.Background(), video, parents, before)
	low, high := countsOf(c.comments, c.deleted, parents, before), countsOf(c.comments, most, parents, before)
	for _, id := range parents {
		if n := counts[id]; err == nil && n < low[id] || n > high[id] && !trouble {
			c.t.Fatalf("member %d: %d replies to %d below %d, want %d to %d", m.n, n, id, before, low[id], high[id])
		}
	}
	if !allowed(err, trouble) {
		c.t.Fatal(err)
	}
	limit := 1 + c.rand.IntN(5)
	events, err := m.store.Audit(context.Background(), video, 0, limit)
	if want := auditOf(c.given, 0, limit); !allowed(err, trouble) || err == nil && !sameEvents(events, want) {
		c.t.Fatalf("member %d, audit: %v\nwant %v: %v", m.n, events, want, err)
	}
}

func TestRepliesToWhatIsAtHandNeedNoArchive(t *testing.T) {
	w := newWorld(t, 0)
	for range 100 {
		w.post()
	}
	w.inserted = len(w.journal)
	if err := w.local.Trim(t.Context(), w.nextID-50, 100, nil); err != nil {
		t.Fatal(err)
	}
	w.archive.away = true
	counts, err := w.store.ReplyCounts(t.Context(), video, []uint64{w.nextID - 40, w.nextID - 30}, 0)
	if err != nil || w.archive.asked != 0 {
		t.Errorf("%v, %v, asked %d times", counts, err, w.archive.asked)
	}
}

// TestARoomThatAllHaveLostComesBackFromTheArchive starts with an empty data
// folder, and goes on with reactions of a session from before.
func TestARoomThatAllHaveLostComesBackFromTheArchive(t *testing.T) {
	count := func(session, total uint64) *records.Record {
		return &records.Record{Kind: &records.Record_ReactionsCounted{ReactionsCounted: &records.ReactionsCounted{
			LiveVideoId: video, ReactionId: total, Session: session, Counts: []*records.ReactionCount{{Type: "like", Count: 1, SessionTotal: total}},
		}}}
	}
	a := &archive{comments: map[uint64]*records.Comment{}, deleted: map[uint64]bool{}}
	a.take(count(1, 10))
	a.take(count(2, 5))
	act := actAt(rand.New(rand.NewPCG(1, 1)), persistence.FirstIDAt(time.Now()))
	a.take(act)
	local, err := embedded.Open(embedded.Config{Dir: "store", FS: vfs.NewMem(), BallastBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close() //nolint:errcheck // a test's
	if err := local.Join(2000); err != nil {
		t.Fatal(err)
	}
	store := tiered.New(local, a, nil, nil)
	total := func() (n uint64) {
		t.Helper()
		slots, err := store.ReactionSlots(t.Context(), video, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range slots {
			n += s.Totals["like"]
		}
		return n
	}
	a.away = true
	if n := total(); n != 0 { // it starts, with what is known here
		t.Errorf("%d", n)
	}
	if err := local.Apply(t.Context(), []persistence.Entry{{LSN: 1, Record: count(2, 6)}}); err != nil {
		t.Fatal(err)
	}
	a.away = false
	if n := total(); n != 16 {
		t.Errorf("%d reactions, want 16", n)
	}
	room, err := store.Room(t.Context(), video)
	if err != nil || !proto.Equal(room, act.Room) {
		t.Errorf("%v, want %v: %v", room, act.Room, err)
	}
	asked := a.asked
	a.take(count(3, 100)) // by another node, which tells its owner
	if n := total(); n != 16 || a.asked != asked {
		t.Errorf("%d reactions, and the archive was asked again %d times", n, a.asked-asked)
	}
}
