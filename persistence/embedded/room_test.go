package embedded

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/records"
)

// roomModel is what a store must say of one live video after some records, said
// simply.
type roomModel struct {
	room   *records.Room
	slots  map[[2]uint64]map[string]uint64 // by comment and session
	events map[string]*records.RoomEvent
	parent map[uint64]uint64
	gone   map[uint64]bool
}

func newRoomModel(rs []*records.Record) *roomModel {
	m := &roomModel{&records.Room{}, map[[2]uint64]map[string]uint64{}, map[string]*records.RoomEvent{}, map[uint64]uint64{}, map[uint64]bool{}}
	for _, r := range rs {
		m.apply(r)
	}
	return m
}

func (m *roomModel) apply(r *records.Record) {
	persistence.MergeRoom(m.room, proto.CloneOf(r.Room))
	if c := r.GetCommentPosted().GetComment(); c != nil {
		m.parent[c.Id] = c.ParentId
	}
	if d := r.GetCommentDeleted(); d != nil {
		m.gone[d.CommentId] = true
		m.event(&records.RoomEvent{
			LiveVideoId: "v", Kind: "comment_deleted", EventId: d.CommentId, AtMs: d.DeletedAtMs,
			ActorId: d.DeletedBy, UserId: d.UserId, CommentId: d.CommentId,
		})
	}
	if e := r.GetRoomEvent(); e != nil {
		m.event(e)
	}
	if c := r.GetReactionsCounted(); c != nil {
		key := [2]uint64{c.CommentId, c.Session}
		if m.slots[key] == nil {
			m.slots[key] = map[string]uint64{}
		}
		for _, n := range c.Counts {
			m.slots[key][n.Type] = max(m.slots[key][n.Type], n.SessionTotal)
		}
	}
}

func (m *roomModel) event(e *records.RoomEvent) {
	m.events[fmt.Sprint(e.AtMs, "/", e.EventId, "/", e.Kind)] = e
}

// audit is what Audit must answer.
func (m *roomModel) audit(beforeMs int64, limit int) []*records.RoomEvent {
	all := slices.SortedFunc(maps.Values(m.events), func(a, b *records.RoomEvent) int {
		return cmp.Or(cmp.Compare(b.AtMs, a.AtMs), cmp.Compare(b.EventId, a.EventId), cmp.Compare(b.Kind, a.Kind))
	})
	all = slices.DeleteFunc(all, func(e *records.RoomEvent) bool { return beforeMs != 0 && e.AtMs >= beforeMs })
	n := min(limit, len(all))
	for n > 0 && n < len(all) && all[n].AtMs == all[n-1].AtMs {
		n++
	}
	return all[:n]
}

func (m *roomModel) replies(parents []uint64, before uint64) map[uint64]uint64 {
	counts := map[uint64]uint64{}
	for id, parent := range m.parent {
		if slices.Contains(parents, parent) && parent != 0 && !m.gone[id] && (before == 0 || id < before) {
			counts[parent]++
		}
	}
	return counts
}

func (m *roomModel) check(t *testing.T, rng *rand.Rand, s *Store) {
	t.Helper()
	room, err := s.Room(ctx, "v")
	if err != nil || !proto.Equal(room, m.room) {
		t.Fatalf("the room is\n%v, want\n%v: %v", room, m.room, err)
	}
	slots, err := s.ReactionSlots(ctx, "v", 1000)
	if err != nil || len(slots) != len(m.slots) {
		t.Fatalf("%d slots, want %d: %v", len(slots), len(m.slots), err)
	}
	for _, slot := range slots {
		if want := m.slots[[2]uint64{slot.CommentId, slot.Session}]; !maps.Equal(want, slot.Totals) {
			t.Fatalf("slot %v, want %v", slot, want)
		}
	}
	before, limit := int64(rng.IntN(40)), 1+rng.IntN(10)
	if before > 0 {
		before += start.UnixMilli()
	}
	events, err := s.Audit(ctx, "v", before, limit)
	want := m.audit(before, limit)
	if err != nil || !slices.EqualFunc(events, want, func(a, b *records.RoomEvent) bool { return proto.Equal(a, b) }) {
		t.Fatalf("audit before %d, %d of it: %v\nwant %v: %v", before, limit, events, want, err)
	}
	parents := []uint64{1 + rng.Uint64N(20), 1 + rng.Uint64N(20), 1 + rng.Uint64N(20), 1 + rng.Uint64N(20)}
	upTo := rng.Uint64N(60)
	counts, err := s.ReplyCounts(ctx, "v", parents, upTo)
	if want := m.replies(parents, upTo); err != nil || !maps.Equal(counts, want) {
		t.Fatalf("replies to %v below %d: %v, want %v: %v", parents, upTo, counts, want, err)
	}
}

// anyRoomRecord answers a record of a room that several owners may have had.
func anyRoomRecord(rng *rand.Rand, id *uint64) *records.Record {
	at := start.UnixMilli() + int64(rng.IntN(40))
	r := &records.Record{}
	switch rng.IntN(6) {
	case 0, 1:
		*id++
		r = posted("v", *id, rng.Uint64N(20))
	case 2:
		r = deleted("v", 1+rng.Uint64N(*id+5))
		d := r.GetCommentDeleted()
		d.DeletedAtMs = start.UnixMilli() + int64(d.CommentId%30) // the same each time
	case 3:
		c := &records.ReactionsCounted{LiveVideoId: "v", ReactionId: rng.Uint64(), CommentId: rng.Uint64N(3) * rng.Uint64N(5), Session: 1 + rng.Uint64N(4)}
		for _, kind := range []string{"like", "❤"}[:1+rng.IntN(2)] {
			c.Counts = append(c.Counts, &records.ReactionCount{Type: kind, Count: 1, SessionTotal: 1 + rng.Uint64N(100)})
		}
		r.Kind = &records.Record_ReactionsCounted{ReactionsCounted: c}
	default:
		e := &records.RoomEvent{LiveVideoId: "v", Kind: []string{"mute", "pin"}[rng.IntN(2)], EventId: rng.Uint64N(50), ActorId: "mod"}
		e.AtMs = start.UnixMilli() + int64(e.EventId%40)
		r.Kind = &records.Record_RoomEvent{RoomEvent: e}
	}
	if rng.IntN(2) == 0 {
		r.Room = anyChange(rng, at)
	}
	return r
}

func anyChange(rng *rand.Rand, at int64) *records.Room {
	room := &records.Room{}
	switch rng.IntN(6) {
	case 0:
		room.Ended = &records.Ended{Ended: rng.IntN(2) == 0, AtMs: at}
	case 1:
		room.SlowMode = &records.SlowMode{Seconds: rng.Uint32N(3), AtMs: at}
	case 2:
		room.Pin, room.CreatedAtMs = &records.Pin{CommentId: rng.Uint64N(3), AtMs: at}, at
	case 3, 4:
		for range 1 + rng.IntN(3) {
			room.Mutes = append(room.Mutes, &records.Mute{
				UserId: fmt.Sprint("user-", rng.IntN(4)), AtMs: at, UntilMs: rng.Int64N(2) * (at + 1000), Ended: rng.IntN(3) == 0, By: "mod",
			})
		}
	default:
		h := &records.Held{Comment: &records.Comment{Id: 1 + rng.Uint64N(5), UserId: "u"}}
		if h.Resolution = records.Resolution(rng.IntN(3)); h.Resolution == records.Resolution_WAITING {
			h.Comment.Message, h.Reason = "held", "word-list"
		} else {
			h.ResolvedAtMs, h.ResolvedBy = at, "mod"
		}
		room.Held = []*records.Held{h}
	}
	return room
}

// TestARoomIsTheSameInWhateverOrderItsRecordsCome gives the records of a room to
// several stores, each in an order of its own and some of them again, in
// batches, over crashes.
func TestARoomIsTheSameInWhateverOrderItsRecordsCome(t *testing.T) {
	for range 12 {
		seed := rand.Uint64()
		t.Run("", func(t *testing.T) {
			t.Parallel()
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			var all []*records.Record
			id := uint64(20)
			for range 150 {
				all = append(all, anyRoomRecord(rng, &id))
			}
			want := newRoomModel(all)
			for range 3 {
				order := slices.Clone(all)
				rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
				for range 50 {
					order = append(order, proto.CloneOf(order[rng.IntN(len(order))]))
				}
				es := entries(1, order...)
				fs := vfs.NewCrashableMem()
				s := open(t, Config{FS: fs})
				for int(s.AppliedLSN()) < len(es) {
					from := int(s.AppliedLSN())
					apply(t, s, es[from:min(len(es), from+1+rng.IntN(40))])
					switch rng.IntN(6) {
					case 0:
						if _, err := s.Sync(ctx); err != nil {
							t.Fatal(err)
						}
					case 1:
						fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
						_ = s.Close()
						s = open(t, Config{FS: fs})
					}
					newRoomModel(order[:s.AppliedLSN()]).check(t, rng, s)
				}
				want.check(t, rng, s)
			}
		})
	}
}

func TestAReactionWithoutASessionCountsOnce(t *testing.T) {
	s := open(t, Config{})
	old := func(id uint64, n uint32) *records.Record {
		return &records.Record{Kind: &records.Record_ReactionsCounted{ReactionsCounted: &records.ReactionsCounted{
			LiveVideoId: "v", ReactionId: id, Counts: []*records.ReactionCount{{Type: "like", Count: n}},
		}}}
	}
	apply(t, s, entries(1, old(1, 3), old(2, 4), old(1, 3), old(2, 4)))
	videos, err := s.Videos(ctx, "", 10)
	if err != nil || len(videos) != 1 || videos[0].Reactions["like"] != 7 {
		t.Errorf("%+v, %v", videos, err)
	}
}

func TestTheSlotsOfTheNewestCommentsAreComplete(t *testing.T) {
	s := open(t, Config{})
	var rs []*records.Record
	for comment := range uint64(10) {
		for session := range uint64(3) {
			rs = append(rs, reaction("v", comment, session+1, 1))
		}
	}
	apply(t, s, entries(1, append(rs, reaction("vv", 9, 1, 1))...))
	for limit, want := range map[int]int{0: 3, 1: 6, 3: 6, 4: 9, 1000: 30} {
		slots, err := s.ReactionSlots(ctx, "v", limit)
		if err != nil || len(slots) != want {
			t.Fatalf("%d of %d: %v", len(slots), limit, err)
		}
		for i, slot := range slots {
			if id := uint64(10 - i/3); i < 3 && slot.CommentId != 0 || i >= 3 && slot.CommentId != id {
				t.Errorf("slot %d is of %d", i, slot.CommentId)
			}
		}
	}
}

func reaction(video string, comment, session, total uint64) *records.Record {
	return &records.Record{Kind: &records.Record_ReactionsCounted{ReactionsCounted: &records.ReactionsCounted{
		LiveVideoId: video, ReactionId: total, CommentId: comment, Session: session,
		Counts: []*records.ReactionCount{{Type: "like", Count: 1, SessionTotal: total}},
	}}}
}

func event(video, kind string, id uint64, at time.Time) *records.Record {
	return &records.Record{Kind: &records.Record_RoomEvent{RoomEvent: &records.RoomEvent{
		LiveVideoId: video, Kind: kind, EventId: id, AtMs: at.UnixMilli(), ActorId: "mod",
	}}}
}

func TestKnownVideosAreListedById(t *testing.T) {
	s := open(t, Config{})
	ended := event("zz", "end", 1, start)
	ended.Room = &records.Room{Ended: &records.Ended{Ended: true, AtMs: 1}, Mutes: []*records.Mute{{UserId: "u", AtMs: 1}}}
	apply(t, s, entries(1, posted("b", 1, 0), posted("aaa", 2, 0), ended, reaction("弹", 0, 1, 5), reaction("弹", 0, 2, 6), reaction("弹", 3, 2, 9)))
	var got []string
	for behind := ""; ; {
		page, err := s.Videos(ctx, behind, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		v := page[0]
		got, behind = append(got, fmt.Sprint(v.LiveVideoID, v.Totals.Comments, v.Room.GetEnded().GetEnded(), v.Reactions["like"])), v.LiveVideoID
	}
	if want := []string{"aaa1 false 0", "b1 false 0", "zz0 true 0", "弹0 false 11"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestWhatIsOverIsForgottenAfterADay: a room doesn't grow for ever.
func TestWhatIsOverIsForgottenAfterADay(t *testing.T) {
	now := start
	s := open(t, Config{Now: func() time.Time { return now }})
	r := event("v", "mute", 1, start)
	at := start.UnixMilli()
	r.Room = &records.Room{
		Mutes: []*records.Mute{{UserId: "a", AtMs: at, UntilMs: at + 1}, {UserId: "b", AtMs: at}, {UserId: "c", AtMs: at, Ended: true}},
		Held: []*records.Held{
			{Comment: &records.Comment{Id: 1}}, {Comment: &records.Comment{Id: 2}, Resolution: records.Resolution_REJECTED, ResolvedAtMs: at},
		},
	}
	apply(t, s, entries(1, r))
	now = now.Add(3 * 24 * time.Hour)
	apply(t, s, entries(2, posted("v", 1, 0)))
	room, err := s.Room(ctx, "v")
	if err != nil || len(room.Mutes) != 1 || room.Mutes[0].UserId != "b" || len(room.Held) != 1 || room.Held[0].Comment.Id != 1 {
		t.Errorf("%v, %v", room, err)
	}
}

func TestTrimLeavesTheAuditAndReactionsThatTheArchiveLacks(t *testing.T) {
	now := start
	s := open(t, Config{Now: func() time.Time { return now }})
	before := event("v", "mute", 1, start.Add(-time.Hour)) // of a time before the join
	apply(t, s, entries(1, before, reaction("v", 1, 1, 1)))
	if err := s.Join(persistence.FirstIDAt(start)); err != nil {
		t.Fatal(err)
	}
	old := persistence.FirstIDAt(start.Add(time.Second)) // of comments
	apply(t, s, entries(3,
		event("v", "mute", 3, start.Add(time.Second)), // archived
		reaction("v", old, 1, 1),                      // archived
		reaction("v", old+1, 1, 1),
		reaction("v", 0, 1, 1),
		event("v", "pin", 7, start.Add(time.Second)), // not archived yet
		reaction("v", old+1, 1, 2),                   // the same
		event("v", "pin", 9, start.Add(100*24*time.Hour)),
	))
	trim := func(after time.Duration) {
		now = start.Add(after)
		if err := s.Trim(ctx, persistence.FirstIDAt(now), 6, nil); err != nil {
			t.Fatal(err)
		}
	}
	check := func(events, slots int) {
		t.Helper()
		audit, err := s.Audit(ctx, "v", 0, 100)
		if err != nil || len(audit) != events {
			t.Errorf("%d events, want %d: %v", len(audit), events, err)
		}
		all, err := s.ReactionSlots(ctx, "v", 100)
		if err != nil || len(all) != slots {
			t.Errorf("%d slots, want %d: %v", len(all), slots, err)
		}
	}
	check(4, 4)
	trim(24 * time.Hour)
	check(3, 4) // reactions stay for SlotMemory
	trim(SlotMemory + 24*time.Hour)
	check(3, 3)
}

// TestWhatIsAdoptedIsMerged: the archive's knowledge and the store's own come
// together, whichever is first, and are kept over a restart.
func TestWhatIsAdoptedIsMerged(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, Config{FS: fs})
	newer := event("v", "slow_mode", 1, start)
	newer.Room = &records.Room{SlowMode: &records.SlowMode{Seconds: 5, AtMs: 10}}
	apply(t, s, entries(1, newer, reaction("v", 0, 1, 7)))
	adopted := &records.Room{
		SlowMode: &records.SlowMode{Seconds: 9, AtMs: 3}, Ended: &records.Ended{Ended: true, AtMs: 2}, Mutes: []*records.Mute{{UserId: "u", AtMs: 1}},
	}
	slots := []*records.ReactionSlot{{Session: 1, Totals: map[string]uint64{"like": 3, "❤": 2}}, {CommentId: 4, Session: 2, Totals: map[string]uint64{"like": 1}}}
	if known, err := s.Adopted("v"); known || err != nil {
		t.Fatal(known, err)
	}
	for range 2 {
		if err := s.Adopt("v", adopted, slots); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	s = open(t, Config{FS: fs})
	if known, err := s.Adopted("v"); !known || err != nil {
		t.Error(known, err)
	}
	room, err := s.Room(ctx, "v")
	if err != nil || room.SlowMode.Seconds != 5 || !room.Ended.Ended || len(room.Mutes) != 1 {
		t.Errorf("%v, %v", room, err)
	}
	all, err := s.ReactionSlots(ctx, "v", 10)
	if err != nil || len(all) != 2 || all[0].Totals["like"] != 7 || all[0].Totals["❤"] != 2 || all[1].CommentId != 4 {
		t.Errorf("%v, %v", all, err)
	}
}
