package clickhouse_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/records"
	"barrage/test/servers"
)

func roomEvent(kind string, id uint64, at time.Time, room *records.Room) *records.Record {
	return &records.Record{Room: room, Kind: &records.Record_RoomEvent{RoomEvent: &records.RoomEvent{
		LiveVideoId: "v", Kind: kind, EventId: id, AtMs: at.UnixMilli(), ActorId: "mod", Detail: "{}",
	}}}
}

// TestAHeldCommentIsNowhereBeforeItIsApproved looks at every text in every
// table.
func TestAHeldCommentIsNowhereBeforeItIsApproved(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	db := open(t, ch)
	w := newWriter(t, db, t.TempDir())
	now := time.Now()
	held := comment("v", idAt(now, 1), 0)
	held.Message = "the word that is held"
	apply(t, w, entries(1, posted(comment("v", idAt(now, 2), 0)),
		roomEvent("hold", held.Id, now, &records.Room{Held: []*records.Held{{Comment: held, Reason: "word-list"}}})))
	found := func() (tables []string) {
		columns := ch.Rows(t, "SELECT table, name FROM system.columns WHERE database = 'barrage' AND type LIKE '%String%' AND table NOT LIKE '%_mv' AND table NOT LIKE '.inner%'")
		if len(columns) < 10 {
			t.Fatalf("columns: %v", columns)
		}
		for _, c := range columns {
			if ch.Number(t, fmt.Sprintf("SELECT count() FROM barrage.`%s` WHERE toString(`%s`) LIKE '%%is held%%'", c[0], c[1])) > 0 {
				tables = append(tables, c[0])
			}
		}
		return tables
	}
	if tables := found(); tables != nil {
		t.Errorf("it can be read in %v", tables)
	}
	approved := proto.CloneOf(held)
	approved.Id = idAt(now, 3)
	r := posted(approved)
	r.Room = &records.Room{Held: []*records.Held{{Comment: &records.Comment{Id: held.Id, UserId: "u"}, Resolution: records.Resolution_APPROVED, ResolvedAtMs: 1, CommentId: approved.Id}}}
	apply(t, w, entries(3, r))
	if tables := found(); !slices.Contains(tables, "comments") {
		t.Errorf("approved, it is in %v", tables)
	}
	if c, err := db.Comment(t.Context(), "v", approved.Id); err != nil || !proto.Equal(c, approved) {
		t.Errorf("%v, %v", c, err)
	}
}

// TestARoomComesBackAsItWas inserts changes of a room in any order, some of them
// twice, and reads the room, before and after rows are merged.
func TestARoomComesBackAsItWas(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	db := open(t, ch)
	random := rand.New(rand.NewPCG(3, 3))
	now := time.Now()
	want := new(records.Room)
	var all []*records.Record
	for i := range 200 {
		at := now.UnixMilli() + random.Int64N(300)
		room := &records.Room{}
		switch i % 5 {
		case 0:
			room.Ended = &records.Ended{Ended: random.IntN(2) == 0, AtMs: at}
		case 1:
			room.SlowMode = &records.SlowMode{Seconds: random.Uint32N(100), AtMs: at}
		case 2:
			room.Pin = &records.Pin{CommentId: random.Uint64N(1 << 63), AtMs: at}
		case 3:
			room.CreatedAtMs = at
		default:
			// One change of a user in a millisecond, as from one owner.
			user := random.IntN(9)
			at = now.UnixMilli() + int64(i)
			room.Mutes = []*records.Mute{{
				UserId: fmt.Sprint("u'", user), AtMs: at, By: "mod", Ended: random.IntN(3) == 0, UntilMs: random.Int64N(2) * (at + 3600_000),
			}}
		}
		all = append(all, roomEvent("change", uint64(i), now, room))
		persistence.MergeRoom(want, proto.CloneOf(room))
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	apply(t, newWriter(t, db, t.TempDir()), entries(1, all...))
	apply(t, newWriter(t, db, t.TempDir()), entries(1, all[50:]...))
	for _, merged := range []bool{false, true} {
		if merged {
			ch.Exec(t, "OPTIMIZE TABLE barrage.room_state FINAL")
		}
		got, err := db.Room(t.Context(), "v")
		if err != nil || !proto.Equal(got, want) {
			t.Errorf("merged %v:\n%v, want\n%v: %v", merged, got, want, err)
		}
	}
	if got, err := db.Room(t.Context(), "w"); err != nil || !proto.Equal(got, &records.Room{}) {
		t.Errorf("another room: %v, %v", got, err)
	}
}

func TestReactionsOfSessionsAddUpOnce(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	db := open(t, ch)
	count := func(comment, session, total uint64, at time.Time) *records.Record {
		return &records.Record{Kind: &records.Record_ReactionsCounted{ReactionsCounted: &records.ReactionsCounted{
			LiveVideoId: "v", ReactionId: total, CommentId: comment, Session: session, CreatedAtMs: at.UnixMilli(),
			Counts: []*records.ReactionCount{{Type: "like", Count: 1, SessionTotal: total}, {Type: "❤", Count: 1, SessionTotal: 2 * total}},
		}}}
	}
	now := time.Now()
	all := entries(1, count(0, 1, 5, now), count(0, 1, 9, now.AddDate(0, -1, 0)), count(0, 2, 1, now),
		count(7, 1, 3, now), count(8, 1, 4, now), count(8, 2, 5, now), count(9, 3, 6, now))
	apply(t, newWriter(t, db, t.TempDir()), all)
	apply(t, newWriter(t, db, t.TempDir()), all)
	for limit, want := range map[int]string{
		100: "0/1:9 0/2:1 9/3:6 8/1:4 8/2:5 7/1:3",
		0:   "0/1:9 0/2:1",
		3:   "0/1:9 0/2:1 9/3:6", // a part of those to 8 would be wrong
	} {
		slots, err := db.ReactionSlots(t.Context(), "v", limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range slots {
			if s.Totals["❤"] != 2*s.Totals["like"] {
				t.Errorf("%v", s)
			}
			got = append(got, fmt.Sprintf("%d/%d:%d", s.CommentId, s.Session, s.Totals["like"]))
		}
		if fmt.Sprint(got) != "["+want+"]" {
			t.Errorf("limit %d: %v, want %s", limit, got, want)
		}
	}
}

// TestRepliesAndTheAuditAreWhatHappened reads them with rows that are there
// twice or taken back.
func TestRepliesAndTheAuditAreWhatHappened(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	db := open(t, ch)
	random := rand.New(rand.NewPCG(5, 5))
	begin := time.Now().Add(-time.Hour)
	comments := fill("v", random, begin, 400, func() uint64 { return 1 + random.Uint64N(1<<22) })
	var all []*records.Record
	gone := map[uint64]bool{}
	for _, c := range comments {
		all = append(all, posted(c))
	}
	for _, c := range comments {
		if random.IntN(6) == 0 {
			gone[c.Id] = true
			all = append(all, deleted(c))
		}
	}
	apply(t, newWriter(t, db, t.TempDir()), entries(1, all...))
	apply(t, newWriter(t, db, t.TempDir()), entries(1, all[100:]...))
	for range 50 {
		var parents []uint64
		for range 1 + random.IntN(30) {
			parents = append(parents, comments[random.IntN(30)].Id)
		}
		before := comments[random.IntN(len(comments))].Id
		without := comments[random.IntN(len(comments))].Id
		want := map[uint64]uint64{}
		for _, c := range comments {
			if slices.Contains(parents, c.ParentId) && !gone[c.Id] && c.Id < before && c.Id != without {
				want[c.ParentId]++
			}
		}
		got, err := db.ReplyCounts(t.Context(), "v", parents, before, []uint64{without})
		if err != nil || !maps.Equal(got, want) {
			t.Fatalf("%v, want %v: %v", got, want, err)
		}
		replies, deleted, err := db.Replies(t.Context(), "v", parents, 0, before)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range comments {
			if in := slices.Contains(parents, c.ParentId) && c.Id < before; in && deleted[c.Id] != gone[c.Id] || in != (deleted[c.Id] || slices.Contains(replies[c.ParentId], c.Id)) {
				t.Fatalf("reply %d: %v", c.Id, in)
			}
		}
	}
	var events []*records.RoomEvent
	for beforeMs := int64(0); ; {
		page, err := db.Audit(t.Context(), "v", beforeMs, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		events = append(events, page...)
		beforeMs = page[len(page)-1].AtMs
	}
	if len(events) != len(gone) {
		t.Errorf("%d events, want %d", len(events), len(gone))
	}
	for _, e := range events {
		if !gone[e.CommentId] || e.Kind != "comment_deleted" || e.ActorId != "mod" || e.LiveVideoId != "v" {
			t.Errorf("%v", e)
		}
		delete(gone, e.CommentId)
	}
}
