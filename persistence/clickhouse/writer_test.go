package clickhouse_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"barrage/persistence"
	"barrage/persistence/clickhouse"
	"barrage/persistence/records"
	"barrage/test/servers"
)

func TestEveryKindOfRecordHasItsRows(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	w := newWriter(t, open(t, ch), t.TempDir())
	now := time.Now()
	c := comment("v", idAt(now, 1), 0)
	reply := comment("v", idAt(now, 2), c.Id)
	all := entries(1, posted(c), posted(reply), deleted(reply),
		&records.Record{Kind: &records.Record_ReactionsCounted{ReactionsCounted: &records.ReactionsCounted{
			LiveVideoId: "v", ReactionId: 5, CreatedAtMs: now.UnixMilli(),
			Counts: []*records.ReactionCount{{Type: "like", Count: 3}, {Type: "❤", Count: 2}},
		}}},
		&records.Record{Kind: &records.Record_RoomEvent{RoomEvent: &records.RoomEvent{
			LiveVideoId: "v", Kind: "user_muted", EventId: 6, AtMs: now.UnixMilli(), ActorId: "mod", UserId: "u", Detail: "{}",
		}}},
		&records.Record{}, // of a newer version
	)
	apply(t, w, all)
	apply(t, newWriter(t, open(t, ch), t.TempDir()), all) // once more, from elsewhere
	for query, want := range map[string]uint64{
		"SELECT count() FROM barrage.visible_comments":                                                                                    1,
		"SELECT count() FROM barrage.comments WHERE deleted = 1 AND message = '' AND user_id = '" + reply.UserId + "'":                    2,
		"SELECT count() FROM barrage.replies":                                                                                             4,
		"SELECT sum(count) FROM barrage.visible_reactions":                                                                                5,
		"SELECT sum(reactions) FROM barrage.reactions_per_minute":                                                                         5,
		"SELECT count() FROM barrage.visible_room_events":                                                                                 2,
		"SELECT count() FROM barrage.visible_room_events WHERE kind = 'comment_deleted' AND actor_id = 'mod'":                             1,
		"SELECT sum(comments) FROM barrage.comments_per_minute":                                                                           1,
		"SELECT toUInt64(sum(created_at_ms = toUInt64(toUnixTimestamp(created_at)) * 1000 + created_at_ms % 1000)) FROM barrage.comments": 6,
	} {
		if got := ch.Number(t, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}

func TestACheckpointSaysWhereToGoOn(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	db, dir := open(t, ch), t.TempDir()
	w := newWriter(t, db, dir)
	now := time.Now()
	for lsn := persistence.LSN(1); lsn <= 3; lsn++ {
		apply(t, w, entries(lsn, posted(comment("v", idAt(now, uint64(lsn)), 0))))
	}
	if again := newWriter(t, db, dir); again.AppliedLSN() != 0 {
		t.Errorf("it goes on at %d, which was not kept", again.AppliedLSN())
	}
	upTo, err := w.Sync(t.Context())
	if err != nil || upTo != 3 {
		t.Fatalf("%d, %v", upTo, err)
	}
	again := newWriter(t, db, dir)
	if again.AppliedLSN() != 3 || again.InsertedID() != idAt(now, 3) {
		t.Errorf("it goes on at %d, id %d", again.AppliedLSN(), again.InsertedID())
	}
	apply(t, again, entries(2, posted(comment("v", idAt(now, 99), 0)), posted(comment("v", idAt(now, 98), 0))))
	if n := ch.Number(t, "SELECT count() FROM barrage.comments"); n != 3 {
		t.Errorf("%d rows: what was inserted is inserted again", n)
	}
	if err := os.WriteFile(filepath.Join(dir, "checkpoint.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := clickhouse.NewWriter(clickhouse.WriterConfig{DB: db, Dir: dir}); err == nil || !strings.Contains(err.Error(), "checkpoint.json") {
		t.Errorf("a damaged checkpoint: %v", err)
	}
}

// TestAnotherDatabaseGetsWhatTheJournalStillHas: the operator pointed the node
// elsewhere, or the server lost everything.
func TestAnotherDatabaseGetsWhatTheJournalStillHas(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	dir := t.TempDir()
	w := newWriter(t, open(t, ch), dir)
	now := time.Now()
	apply(t, w, entries(1, posted(comment("v", idAt(now, 1), 0)), posted(comment("v", idAt(now, 2), 0))))
	if _, err := w.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := open(t, ch, func(c *clickhouse.Config) { c.DSN = ch.DSN("other") })
	w = newWriter(t, other, dir)
	err := w.Apply(t.Context(), entries(3, posted(comment("v", idAt(now, 3), 0))))
	if err == nil || w.AppliedLSN() != 0 {
		t.Fatalf("%v, applied %d", err, w.AppliedLSN())
	}
	apply(t, w, entries(2, posted(comment("v", idAt(now, 2), 0)), posted(comment("v", idAt(now, 3), 0))))
	if n := ch.Number(t, "SELECT count() FROM other.comments"); n != 2 {
		t.Errorf("%d rows", n)
	}
}

func TestTablesThatAreGoneAreMadeAgain(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	w := newWriter(t, open(t, ch), t.TempDir())
	now := time.Now()
	apply(t, w, entries(1, posted(comment("v", idAt(now, 1), 0))))
	ch.Exec(t, "DROP DATABASE barrage")
	deadline := time.Now().Add(servers.Patience)
	for w.Apply(t.Context(), entries(w.AppliedLSN()+1, posted(comment("v", idAt(now, 2), 0)))) != nil {
		if time.Now().After(deadline) {
			t.Fatal("the tables do not come back")
		}
	}
	if n := ch.Number(t, "SELECT count() FROM barrage.visible_comments"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestAConfigurationIsChecked(t *testing.T) {
	for name, cfg := range map[string]clickhouse.Config{
		"no scheme":  {DSN: "localhost:9000"},
		"HTTP":       {DSN: "http://localhost:8123"},
		"no port":    {DSN: "clickhouse://localhost/db"},
		"no CA file": {DSN: "clickhouse://localhost:9000", CAFile: "/does/not/exist"},
		"cert only":  {DSN: "clickhouse://localhost:9000", CertFile: "/does/not/exist"},
	} {
		if _, err := clickhouse.Open(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	_, err := clickhouse.Open(clickhouse.Config{DSN: "clickhouse://u:hunter2@%zz"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password in an error: %v", err)
	}
}

func TestBeforeAServerWasReachedHistoryIsNotAtHand(t *testing.T) {
	db, err := clickhouse.Open(clickhouse.Config{DSN: "clickhouse://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Comments(t.Context(), "v", persistence.Range{Limit: 1}); !errors.Is(err, persistence.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if _, err := db.Prepare(t.Context()); err == nil {
		t.Error("prepared")
	}
}

func TestWhatIsRefusedIsSetAsideAndKnownAfterwards(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	db, dir := open(t, ch), t.TempDir()
	w := newWriter(t, db, dir)
	now := time.Now()
	ch.Exec(t, "ALTER TABLE barrage.comments ADD COLUMN poison UInt8 MATERIALIZED throwIf(message = 'poison')")
	var all []persistence.Entry
	bad := map[uint64]bool{idAt(now, 3): true, idAt(now, 77): true}
	for n := uint64(1); n <= 100; n++ {
		c := comment("v", idAt(now, n), 0)
		if bad[c.Id] {
			c.Message = "poison"
		}
		all = append(all, entries(persistence.LSN(n), posted(c))...)
	}
	for attempt := 1; ; attempt++ {
		err := w.Apply(t.Context(), all)
		if err == nil {
			break
		}
		if attempt > 10 {
			t.Fatal(err)
		}
	}
	if n := ch.Number(t, "SELECT count() FROM barrage.visible_comments"); n != 98 || w.AppliedLSN() != 100 {
		t.Errorf("%d rows, applied %d", n, w.AppliedLSN())
	}
	check := func(w *clickhouse.Writer, want int) {
		t.Helper()
		aside := w.SetAside()["v"]
		if len(aside) != want || want >= 2 && (!bad[aside[0]] || !bad[aside[1]]) {
			t.Errorf("set aside: %v", aside)
		}
	}
	check(w, 2)
	file := filepath.Join(dir, clickhouse.SetAsideFile)
	text, err := os.ReadFile(file)
	if err != nil || strings.Count(string(text), "\n") != 2 || !strings.Contains(string(text), `"lsn":3`) {
		t.Fatalf("%v in %s", err, text)
	}
	// A line that a crash tore is no obstacle, and the next is not lost in it.
	if err := os.WriteFile(file, append(text, `{"lsn":`...), 0o600); err != nil {
		t.Fatal(err)
	}
	w = newWriter(t, db, dir)
	check(w, 2)
	c := comment("v", idAt(now, 200), 0)
	c.Message = "poison"
	bad[c.Id] = true
	for attempt := 0; attempt < 10 && w.Apply(t.Context(), entries(101, posted(c))) != nil; attempt++ {
	}
	check(newWriter(t, db, dir), 3)
}
