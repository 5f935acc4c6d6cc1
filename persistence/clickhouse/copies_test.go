package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/clickhouse"
	"barrage/persistence/journal"
	"barrage/persistence/records"
	"barrage/test/servers"
)

// origins says what other nodes say.
type origins struct {
	mu       sync.Mutex
	archived uint64 // up to this place in each stream
	gone     map[string]bool
	changed  chan struct{}
}

func newOrigins() *origins { return &origins{gone: map[string]bool{}, changed: make(chan struct{})} }

func (o *origins) State(c *records.Copy) clickhouse.CopyState {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case c.Seq <= o.archived:
		return clickhouse.CopyArchived
	case o.gone[c.Origin]:
		return clickhouse.CopyOrphan
	}
	return clickhouse.CopyPending
}

func (o *origins) Changed() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed
}

func (o *origins) change(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
	close(o.changed)
	o.changed = make(chan struct{})
}

func copyOf(r *records.Record, origin string, seq uint64) *records.Record {
	c := proto.CloneOf(r)
	c.Copy = &records.Copy{Origin: origin, Session: 1, Seq: seq}
	return c
}

// nowhere is a database that can't be reached.
func nowhere(t *testing.T) *clickhouse.DB {
	t.Helper()
	db, err := clickhouse.Open(clickhouse.Config{DSN: "clickhouse://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func newCopyWriter(t *testing.T, cfg clickhouse.WriterConfig, o *origins, patience time.Duration) *clickhouse.CopyWriter {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	w, err := clickhouse.NewCopyWriter(cfg, o, patience)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestACopyWaitsUntilItsNodeHasInsertedIt, without a server: nothing is
// inserted that needs not be.
func TestACopyWaitsUntilItsNodeHasInsertedIt(t *testing.T) {
	db, dir := nowhere(t), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o, last := newOrigins(), persistence.LSN(4)
		w := newCopyWriter(t, clickhouse.WriterConfig{DB: db, Dir: dir, Last: func() persistence.LSN { return last }}, o, time.Minute)
		now := time.Now()
		old := idAt(now.Add(-time.Hour), 1) // it came late
		all := entries(1, posted(comment("v", idAt(now, 5), 0)), copyOf(posted(comment("v", idAt(now, 2), 0)), "a", 1),
			copyOf(posted(comment("v", old, 0)), "a", 2), posted(comment("v", idAt(now, 4), 0)))
		done := make(chan error, 1)
		go func() { done <- w.Apply(t.Context(), all) }()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if s := w.CopyStats(); s.Pending != 2 || w.ArchivedBelow() > old {
			t.Errorf("%+v; below %v", s, persistence.IDTime(w.ArchivedBelow()))
		}
		o.change(func() { o.archived = 1 })
		synctest.Wait()
		if s := w.CopyStats(); s.Pending != 1 || w.ArchivedBelow() > old {
			t.Errorf("%+v; below %v", s, persistence.IDTime(w.ArchivedBelow()))
		}
		o.change(func() { o.archived = 2 })
		if err := <-done; err != nil || w.AppliedLSN() != 4 {
			t.Errorf("%v, applied %d", err, w.AppliedLSN())
		}
		if s := w.CopyStats(); s != (clickhouse.CopyStats{Confirmed: 2}) {
			t.Errorf("%+v", s)
		}
		if below := persistence.IDTime(w.ArchivedBelow()); time.Since(below) > 10*time.Second {
			t.Errorf("nothing is left, below %v", below)
		}
		// Nobody answers, and the node stops.
		last = 5
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Apply(ctx, entries(5, copyOf(posted(comment("v", old, 0)), "a", 3))); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if w.AppliedLSN() != 4 || w.ArchivedBelow() > old {
			t.Errorf("applied %d, below %v", w.AppliedLSN(), persistence.IDTime(w.ArchivedBelow()))
		}
		if upTo, err := w.Sync(t.Context()); err != nil || upTo != 4 {
			t.Errorf("%d, %v", upTo, err)
		}
		if again := newCopyWriter(t, clickhouse.WriterConfig{DB: db, Dir: dir}, o, time.Minute); again.AppliedLSN() != 4 {
			t.Errorf("it goes on at %d", again.AppliedLSN())
		}
	})
}

func TestAWriterLeavesCopiesAlone(t *testing.T) {
	w := newWriter(t, nowhere(t), t.TempDir())
	now := time.Now()
	apply(t, w, entries(1, copyOf(posted(comment("v", idAt(now, 1), 0)), "a", 1), copyOf(deleted(comment("v", idAt(now, 1), 0)), "a", 2)))
	if w.AppliedLSN() != 2 {
		t.Errorf("applied %d", w.AppliedLSN())
	}
}

// TestWhatTwoNodesInsertCountsOnce: the origin, which is slow or dead in the
// middle, and the node that has copies.
func TestWhatTwoNodesInsertCountsOnce(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	db := open(t, ch)
	now := time.Now()
	var all []*records.Record
	for n := range uint64(60) {
		c := comment("v", idAt(now, n+1), 0)
		if n > 5 && n%3 == 0 {
			c.ParentId = idAt(now, 1)
		}
		all = append(all, posted(c))
		if n%7 == 3 {
			all = append(all, deleted(c))
		}
	}
	all = append(all, &records.Record{Kind: &records.Record_ReactionsCounted{ReactionsCounted: &records.ReactionsCounted{
		LiveVideoId: "v", ReactionId: 5, CreatedAtMs: now.UnixMilli(), Counts: []*records.ReactionCount{{Type: "like", Count: 3}},
	}}}, &records.Record{Kind: &records.Record_RoomEvent{RoomEvent: &records.RoomEvent{
		LiveVideoId: "v", Kind: "user_muted", EventId: 6, AtMs: now.UnixMilli(), ActorId: "mod", UserId: "u", Detail: "{}",
	}}})
	copies := make([]*records.Record, len(all))
	for i, r := range all {
		copies[i] = copyOf(r, "a", uint64(i+1))
	}
	origin := newWriter(t, db, t.TempDir())
	apply(t, origin, entries(1, all[:40]...))

	o := newOrigins()
	o.archived, o.gone["a"] = 20, true // it did not say all
	cfg := clickhouse.WriterConfig{DB: db, Dir: t.TempDir(), Node: "node-1"}
	w := newCopyWriter(t, cfg, o, time.Minute)
	for from := 0; from < len(copies); from += 13 {
		if err := w.Apply(t.Context(), entries(persistence.LSN(from+1), copies[from:min(len(copies), from+13)]...)); err != nil {
			t.Fatal(err)
		}
	}
	if s := w.CopyStats(); s != (clickhouse.CopyStats{Confirmed: 20, Inserted: uint64(len(all) - 20)}) {
		t.Errorf("%+v", s)
	}
	// The whole again, by another that has copies, cut elsewhere.
	o.archived = 0
	cfg.Dir = t.TempDir()
	if err := newCopyWriter(t, cfg, o, time.Minute).Apply(t.Context(), entries(1, copies...)); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]uint64{
		"SELECT count() FROM barrage.visible_comments":            51,
		"SELECT sum(comments) FROM barrage.comments_per_minute":   51,
		"SELECT sum(count) FROM barrage.visible_reactions":        3,
		"SELECT sum(reactions) FROM barrage.reactions_per_minute": 3,
		"SELECT count() FROM barrage.visible_room_events":         10,
		// Rows of one comment are equal, merged or not.
		"SELECT max(kinds) FROM (SELECT uniqExact(live_video_id, user_id, user_name, message, parent_id, created_at_ms) AS kinds FROM barrage.comments GROUP BY comment_id, deleted)": 1,
	} {
		if got := ch.Number(t, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	ch.Exec(t, "OPTIMIZE TABLE barrage.comments FINAL")
	if got := ch.Number(t, "SELECT count() FROM barrage.comments"); got != 60 {
		t.Errorf("%d rows after a merge", got)
	}
	ids := []uint64{idAt(now, 4), idAt(now, 5), idAt(now, 11), 7}
	gone, err := db.Deleted(t.Context(), "v", ids)
	if err != nil || len(gone) != 2 || !gone[ids[0]] || !gone[ids[2]] {
		t.Errorf("deleted: %v, %v", gone, err)
	}
}

// TestPatienceWithAnotherNodeEnds: then its stream is not waited for again,
// until it says something.
func TestPatienceWithAnotherNodeEnds(t *testing.T) {
	const patience = 4 * time.Second
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	o := newOrigins()
	w := newCopyWriter(t, clickhouse.WriterConfig{DB: open(t, ch)}, o, patience)
	now := time.Now()
	lsn := persistence.LSN(0)
	took := func() time.Duration {
		t.Helper()
		lsn++
		begun := time.Now()
		if err := w.Apply(t.Context(), entries(lsn, copyOf(posted(comment("v", idAt(now, uint64(lsn)), 0)), "a", uint64(lsn)))); err != nil {
			t.Fatal(err)
		}
		return time.Since(begun)
	}
	if d := took(); d < patience {
		t.Errorf("inserted after %v", d)
	}
	begun := time.Now()
	for range 5 {
		took()
	}
	if d := time.Since(begun); d > 3*patience {
		t.Errorf("five more took %v", d)
	}
	if s := w.CopyStats(); s.Inserted != 6 || ch.Number(t, "SELECT count() FROM barrage.comments") != 6 {
		t.Errorf("%+v", s)
	}
	o.archived = 7
	took()
	if d := took(); d < patience {
		t.Errorf("after a sign of life a copy was inserted after %v", d)
	}
}

func TestACopyThatIsRefusedIsSetAside(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	db, dir := open(t, ch), filepath.Join(t.TempDir(), "copies")
	ch.Exec(t, "ALTER TABLE barrage.comments ADD COLUMN poison UInt8 MATERIALIZED throwIf(message = 'poison')")
	o := newOrigins()
	o.gone["a"] = true
	w := newCopyWriter(t, clickhouse.WriterConfig{DB: db, Dir: dir}, o, time.Minute)
	now := time.Now()
	var all []persistence.Entry
	for n := uint64(1); n <= 20; n++ {
		c := comment("v", idAt(now, n), 0)
		if n == 7 {
			c.Message = "poison"
		}
		all = append(all, entries(persistence.LSN(n), copyOf(posted(c), "a", n))...)
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
	if got := fmt.Sprint(w.SetAside()["v"]); got != fmt.Sprint([]uint64{idAt(now, 7)}) {
		t.Errorf("set aside: %v", got)
	}
	if below := w.ArchivedBelow(); below > idAt(now, 7) {
		t.Errorf("others don't read what was set aside: below %d", below)
	}
	if _, err := os.Stat(filepath.Join(dir, clickhouse.SetAsideFile)); err != nil {
		t.Error(err)
	}
}

// TestCopiesLetGoOfTheJournal runs both writers over one journal, of which
// nobody says what became of the copies.
func TestCopiesLetGoOfTheJournal(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	db, dir := open(t, ch), t.TempDir()
	j, err := journal.Open(journal.Config{Dir: filepath.Join(dir, "journal"), SegmentBytes: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close() //nolint:errcheck // a test's
	cfg := func(name string) clickhouse.WriterConfig {
		return clickhouse.WriterConfig{DB: db, Dir: filepath.Join(dir, name), Last: j.LastLSN}
	}
	own, err := clickhouse.NewWriter(cfg("clickhouse"))
	if err != nil {
		t.Fatal(err)
	}
	copies := newCopyWriter(t, cfg("copies"), newOrigins(), 300*time.Millisecond)
	for i, log := range persistence.Share(j, 2) {
		target := []persistence.Target{own, copies}[i]
		p, err := persistence.NewPump(persistence.PumpConfig{
			Log: log, Store: target, SyncBytes: 1,
			Read: func(after persistence.LSN) persistence.EntryReader {
				return persistence.Gather(j.Reader(after), 10*time.Millisecond, 50, 1<<20)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		p.Start()
		defer p.Stop(t.Context()) //nolint:errcheck // a test's
	}
	now := time.Now()
	for n := uint64(1); n <= 500; n++ {
		r := posted(comment("v", idAt(now, n), 0))
		if n%2 == 0 {
			r = copyOf(r, "a", n/2)
		}
		if err := j.Append(r, ignore{}); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(servers.Patience)
	for j.LastLSN() < 500 || own.AppliedLSN() < 500 || copies.AppliedLSN() < 500 || j.FirstLSN() < 200 {
		if time.Now().After(deadline) {
			t.Fatalf("own up to %d, copies up to %d, the journal begins at %d", own.AppliedLSN(), copies.AppliedLSN(), j.FirstLSN())
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := ch.Number(t, "SELECT count() FROM barrage.visible_comments"); n != 500 {
		t.Errorf("%d comments", n)
	}
}

type ignore struct{}

func (ignore) Durable(int, persistence.LSN, error) {}
