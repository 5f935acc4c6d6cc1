package clickhouse_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/clickhouse"
	"barrage/persistence/records"
	"barrage/test/servers"
)

// open answers a database of its own on a real server.
func open(t testing.TB, ch *servers.ClickHouse, change ...func(*clickhouse.Config)) *clickhouse.DB {
	t.Helper()
	cfg := clickhouse.Config{DSN: ch.DSN("barrage")}
	for _, c := range change {
		c(&cfg)
	}
	db, err := clickhouse.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func idAt(t time.Time, n uint64) uint64 { return persistence.FirstIDAt(t) + n }

func comment(video string, id, parent uint64) *records.Comment {
	return &records.Comment{
		Id: id, LiveVideoId: video, UserId: fmt.Sprint("user-", id%7), UserName: "名字", ParentId: parent,
		Message: fmt.Sprintf("弹幕 %d\n'\\%%?", id), CreatedAtMs: persistence.IDTime(id).UnixMilli(),
	}
}

func posted(c *records.Comment) *records.Record {
	return &records.Record{Kind: &records.Record_CommentPosted{CommentPosted: &records.CommentPosted{Comment: c}}}
}

func deleted(c *records.Comment) *records.Record {
	return &records.Record{Kind: &records.Record_CommentDeleted{CommentDeleted: &records.CommentDeleted{
		LiveVideoId: c.LiveVideoId, CommentId: c.Id, DeletedBy: "mod", DeletedAtMs: c.CreatedAtMs + 1, UserId: c.UserId, ParentId: c.ParentId,
	}}}
}

func entries(first persistence.LSN, rs ...*records.Record) []persistence.Entry {
	es := make([]persistence.Entry, len(rs))
	for i, r := range rs {
		es[i] = persistence.Entry{LSN: first + persistence.LSN(i), Record: r}
	}
	return es
}

func newWriter(t testing.TB, db *clickhouse.DB, dir string) *clickhouse.Writer {
	t.Helper()
	w, err := clickhouse.NewWriter(clickhouse.WriterConfig{DB: db, Dir: dir, Node: "node-1"})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func apply(t testing.TB, w *clickhouse.Writer, es []persistence.Entry) {
	t.Helper()
	if err := w.Apply(t.Context(), es); err != nil {
		t.Fatal(err)
	}
}

// room is a live video as it must be read.
type room struct {
	name     string
	comments []*records.Comment // visible, oldest first
}

// pick is what a range holds, said simply.
func (r *room) pick(q persistence.Range) []*records.Comment {
	all := slices.DeleteFunc(slices.Clone(r.comments), func(c *records.Comment) bool {
		return c.Id <= q.After || q.Before != 0 && c.Id >= q.Before || q.Parent != 0 && c.ParentId != q.Parent
	})
	if q.Desc {
		slices.Reverse(all)
	}
	return all[:min(len(all), q.Limit)]
}

// TestPagesAreWhatWasPosted reads random ranges of rooms that are dense, thin,
// and both, with rows that were inserted twice and rows that were taken back.
func TestPagesAreWhatWasPosted(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	db := open(t, ch)
	random := rand.New(rand.NewPCG(7, 7))
	begin := time.Now().Add(-40 * 24 * time.Hour)
	rooms := []*room{
		{"dense", fill("dense", random, begin, 3000, func() uint64 { return 1 + random.Uint64N(1<<22) })},
		{"thin", fill("thin", random, begin, 300, func() uint64 { return 1 + random.Uint64N(3600_000<<22) })},
		{"bursts", fill("bursts", random, begin, 2000, func() uint64 {
			if random.IntN(200) == 0 {
				return 24 * 3600_000 << 22 // silence for a day
			}
			return 1 + random.Uint64N(100<<22)
		})},
		{"one", fill("one", random, begin, 1, func() uint64 { return 1 })},
		{"empty", nil},
		{"弹幕' OR 1=1 --", fill("弹幕' OR 1=1 --", random, begin, 50, func() uint64 { return 1 << 30 })},
	}
	w := newWriter(t, db, t.TempDir())
	var all []*records.Record
	for _, r := range rooms {
		for _, c := range r.comments {
			all = append(all, posted(c))
		}
	}
	for _, r := range rooms {
		r.comments = slices.DeleteFunc(r.comments, func(c *records.Comment) bool {
			if random.IntN(8) > 0 {
				return false
			}
			all = append(all, deleted(c))
			return true
		})
	}
	apply(t, w, entries(1, all...))
	apply(t, newWriter(t, db, t.TempDir()), entries(1, all[:len(all)/2]...)) // as another node would
	ch.Exec(t, "OPTIMIZE TABLE barrage.comments FINAL")
	apply(t, newWriter(t, db, t.TempDir()), entries(1, all[len(all)/3:]...)) // of which nothing is merged
	for i := range 1500 {
		r := rooms[i%len(rooms)]
		q := anyRange(random, r)
		got, err := db.Comments(t.Context(), r.name, q)
		if err != nil {
			t.Fatal(err)
		}
		if want := r.pick(q); !slices.EqualFunc(got, want, func(a, b *records.Comment) bool { return proto.Equal(a, b) }) {
			t.Fatalf("%s %+v: got %v, want %v", r.name, q, got, want)
		}
	}
	for _, r := range rooms {
		checkScanAndCount(t, db, r)
	}
}

func fill(video string, random *rand.Rand, begin time.Time, n int, step func() uint64) (comments []*records.Comment) {
	id := idAt(begin, 0)
	for range n {
		id += step()
		parent := uint64(0)
		if len(comments) > 0 && random.IntN(3) == 0 {
			parent = comments[random.IntN(min(len(comments), 5))].Id
		}
		comments = append(comments, comment(video, id, parent))
	}
	return comments
}

func anyRange(random *rand.Rand, r *room) persistence.Range {
	q := persistence.Range{Limit: 1 + random.IntN(150), Desc: random.IntN(2) == 0}
	if len(r.comments) == 0 {
		return q
	}
	around := func() uint64 { return r.comments[random.IntN(len(r.comments))].Id + random.Uint64N(3) - 1 }
	if random.IntN(3) > 0 {
		q.After = around()
	}
	if random.IntN(3) > 0 {
		q.Before = around()
	}
	if random.IntN(6) == 0 {
		q.Parent = r.comments[random.IntN(min(len(r.comments), 5))].Id
	}
	return q
}

func checkScanAndCount(t *testing.T, db *clickhouse.DB, r *room) {
	t.Helper()
	from := clickhouse.Position{LiveVideoID: r.name}
	var got []*records.Comment
	err := db.Scan(t.Context(), from, []string{r.name}, func(c *records.Comment) error {
		got = append(got, c)
		return nil
	})
	if err != nil || len(got) != len(r.comments) {
		t.Errorf("%s: %d scanned, want %d: %v", r.name, len(got), len(r.comments), err)
	}
	if n, err := db.Count(t.Context(), r.name, 1<<63, nil); err != nil || n != uint64(len(r.comments)) {
		t.Errorf("%s: %d counted, want %d: %v", r.name, n, len(r.comments), err)
	}
	for _, c := range r.comments[:min(3, len(r.comments))] {
		one, err := db.Comment(t.Context(), r.name, c.Id)
		if err != nil || !proto.Equal(one, c) {
			t.Errorf("%s: comment %v, %v", r.name, one, err)
		}
		if _, err := db.Comment(t.Context(), r.name, c.Id+1<<60); !errors.Is(err, persistence.ErrNotFound) {
			t.Errorf("%s: a comment that is not there: %v", r.name, err)
		}
	}
}

func TestAScanHasAllVideosOnceInOrder(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	db := open(t, ch)
	var all []*records.Comment
	for v := range 1300 { // more than are listed at once
		for n := range uint64(2) {
			all = append(all, comment(fmt.Sprint("video-", v), idAt(time.Now(), n+1), 0))
		}
	}
	if err := db.InsertComments(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b *records.Comment) int {
		return cmp.Or(cmp.Compare(a.LiveVideoId, b.LiveVideoId), cmp.Compare(a.Id, b.Id))
	})
	for _, from := range []int{0, 1, 777, len(all) - 1, len(all)} {
		var after clickhouse.Position
		if from > 0 {
			after = clickhouse.Position{LiveVideoID: all[from-1].LiveVideoId, CommentID: all[from-1].Id}
		}
		var got []*records.Comment
		err := db.Scan(t.Context(), after, nil, func(c *records.Comment) error { got = append(got, c); return nil })
		if err != nil || !slices.EqualFunc(got, all[from:], func(a, b *records.Comment) bool { return proto.Equal(a, b) }) {
			t.Fatalf("from %d: %d, want %d: %v", from, len(got), len(all)-from, err)
		}
	}
}

func TestAServerThatDoesNotAnswerIsSoonLeftAlone(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	db := open(t, ch, func(c *clickhouse.Config) { c.ReadTimeout = 200 * time.Millisecond })
	ch.Pause()
	read := func() {
		if _, err := db.Comment(t.Context(), "v", 1); !errors.Is(err, persistence.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	}
	for range 5 {
		read()
	}
	begun := time.Now()
	for range 100 {
		read()
	}
	// If each waited for its time limit, they would take 20 s.
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("100 reads of a server that hangs took %v", took)
	}
	ch.Resume()
	deadline := time.Now().Add(servers.Patience)
	for {
		_, err := db.Comment(t.Context(), "v", 1)
		if errors.Is(err, persistence.ErrNotFound) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
