package tiered_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"barrage/persistence"
	"barrage/persistence/embedded"
	"barrage/persistence/records"
	"barrage/persistence/tiered"
)

// archive is a ClickHouse that has what it was given, and can be away.
type archive struct {
	comments map[uint64]*records.Comment
	deleted  map[uint64]bool
	away     bool
	asked    int
	room     []*records.Record // that it has
}

var errAway = fmt.Errorf("%w: away", persistence.ErrUnavailable)

func (a *archive) take(r *records.Record) {
	a.room = append(a.room, r)
	if c := r.GetCommentPosted().GetComment(); c != nil {
		a.comments[c.Id] = c
	} else if d := r.GetCommentDeleted(); d != nil {
		a.deleted[d.CommentId] = true
	}
}

func (a *archive) ask() error {
	a.asked++
	if a.away {
		return errAway
	}
	return nil
}

func (a *archive) Comment(_ context.Context, _ string, id uint64) (*records.Comment, error) {
	if err := a.ask(); err != nil {
		return nil, err
	}
	if c := a.comments[id]; c != nil && !a.deleted[id] {
		return c, nil
	}
	return nil, persistence.ErrNotFound
}

func (a *archive) Comments(_ context.Context, _ string, r persistence.Range) ([]*records.Comment, error) {
	if err := a.ask(); err != nil {
		return nil, err
	}
	return pick(a.comments, a.deleted, r), nil
}

func (a *archive) Deleted(_ context.Context, _ string, ids []uint64) (map[uint64]bool, error) {
	if err := a.ask(); err != nil {
		return nil, err
	}
	deleted := map[uint64]bool{}
	for _, id := range ids {
		if a.deleted[id] {
			deleted[id] = true
		}
	}
	return deleted, nil
}

func (a *archive) Count(_ context.Context, _ string, before uint64, without []uint64) (n uint64, err error) {
	for id := range a.comments {
		if id < before && !a.deleted[id] && !slices.Contains(without, id) {
			n++
		}
	}
	return n, a.ask()
}

// pick is what a range holds, said simply.
func pick(comments map[uint64]*records.Comment, deleted map[uint64]bool, r persistence.Range) []*records.Comment {
	all := slices.SortedFunc(maps.Values(comments), func(a, b *records.Comment) int { return cmp.Compare(a.Id, b.Id) })
	all = slices.DeleteFunc(all, func(c *records.Comment) bool {
		return deleted[c.Id] || c.Id <= r.After || r.Before != 0 && c.Id >= r.Before || r.Parent != 0 && c.ParentId != r.Parent
	})
	if r.Desc {
		slices.Reverse(all)
	}
	return all[:min(len(all), r.Limit)]
}

func ids(comments []*records.Comment) (ids []uint64) {
	for _, c := range comments {
		ids = append(ids, c.GetId())
	}
	return ids
}

const video = "弹"

// world is a node with both stores, and what it was told.
type world struct {
	t       *testing.T
	rand    *rand.Rand
	local   *embedded.Store
	archive *archive
	store   *tiered.Store

	comments map[uint64]*records.Comment
	deleted  map[uint64]bool
	journal  []persistence.Entry
	inserted int // of the journal, into the archive
	nextID   uint64
}

func newWorld(t *testing.T, seed uint64) *world {
	local, err := embedded.Open(embedded.Config{Dir: "store", FS: vfs.NewMem(), BallastBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = local.Close() })
	w := &world{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), local: local, nextID: 1000,
		archive:  &archive{comments: map[uint64]*records.Comment{}, deleted: map[uint64]bool{}},
		comments: map[uint64]*records.Comment{}, deleted: map[uint64]bool{},
	}
	switch seed % 3 {
	case 0: // the first node of all: nothing was before
		w.join(0)
	case 1: // a new node where others have been
		for range w.rand.IntN(20) {
			c := w.comment()
			w.comments[c.Id], w.archive.comments[c.Id] = c, c
		}
		w.join(w.nextID + 1)
	case 2: // a node that kept its history itself
		for range w.rand.IntN(20) {
			w.post()
		}
		w.inserted = len(w.journal)
		w.join(w.nextID + 1)
	}
	w.store = tiered.New(local, w.archive, nil, nil)
	return w
}

func (w *world) join(from uint64) {
	if err := w.local.Join(from); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) comment() *records.Comment {
	w.nextID += 1 + w.rand.Uint64N(5)
	c := &records.Comment{Id: w.nextID, LiveVideoId: video, UserId: "u", Message: "m"}
	if w.rand.IntN(3) == 0 {
		c.ParentId = 1000 + w.rand.Uint64N(w.nextID-1000)
	}
	return c
}

func (w *world) apply(r *records.Record) {
	e := persistence.Entry{LSN: persistence.LSN(len(w.journal) + 1), Record: r}
	w.journal = append(w.journal, e)
	if err := w.local.Apply(context.Background(), []persistence.Entry{e}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) post() {
	c := w.comment()
	w.comments[c.Id] = c
	w.apply(&records.Record{Kind: &records.Record_CommentPosted{CommentPosted: &records.CommentPosted{Comment: c}}})
}

func (w *world) delete() {
	for id, c := range w.comments {
		if !w.deleted[id] {
			w.deleted[id] = true
			w.apply(&records.Record{Kind: &records.Record_CommentDeleted{CommentDeleted: &records.CommentDeleted{
				LiveVideoId: video, CommentId: id, ParentId: c.ParentId, DeletedBy: "mod", DeletedAtMs: timeOf(w.nextID),
			}}})
			return
		}
	}
}

func (w *world) act() {
	w.apply(actAt(w.rand, w.nextID))
}

func (w *world) insert() {
	for n := w.rand.IntN(10); n > 0 && w.inserted < len(w.journal); n-- {
		w.archive.take(w.journal[w.inserted].Record)
		w.inserted++
	}
}

// trim lets go of what the archive has, as a node does.
func (w *world) trim() {
	floor := w.nextID - w.rand.Uint64N(30)
	for _, e := range w.journal[w.inserted:] {
		if c := e.Record.GetCommentPosted().GetComment(); c != nil {
			floor = min(floor, c.Id)
			break
		}
	}
	if err := w.local.Trim(context.Background(), floor, persistence.LSN(w.inserted), nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) anyRange() persistence.Range {
	r := persistence.Range{Limit: 1 + w.rand.IntN(12), Desc: w.rand.IntN(2) == 0}
	around := func() uint64 { return 995 + w.rand.Uint64N(w.nextID-990) }
	if w.rand.IntN(2) == 0 {
		r.After = around()
	}
	if w.rand.IntN(2) == 0 {
		r.Before = around()
	}
	if w.rand.IntN(5) == 0 {
		r.Parent = around()
	}
	return r
}

// check compares a page, a comment and the totals with what they must be.
func (w *world) check() {
	r := w.anyRange()
	got, err := w.store.Comments(context.Background(), video, r)
	want := pick(w.comments, w.deleted, r)
	switch {
	case err == nil:
		if !slices.Equal(ids(got), ids(want)) {
			w.t.Fatalf("%+v: got %v, want %v", r, ids(got), ids(want))
		}
	case !w.archive.away || !errors.Is(err, persistence.ErrUnavailable):
		w.t.Fatalf("%+v: %v", r, err)
	case errors.Is(err, persistence.ErrIncomplete):
		// The newest without a hole.
		if n := len(got); n == 0 || !r.Desc || n > len(want) || !slices.Equal(ids(got), ids(want[:n])) {
			w.t.Fatalf("%+v while the archive is away: got %v of %v", r, ids(got), ids(want))
		}
	case len(got) > 0:
		w.t.Fatalf("%+v: comments and %v", r, err)
	}
	w.checkOne()
	totals, err := w.store.Totals(context.Background(), video)
	if err != nil {
		w.t.Fatal(err)
	}
	elsewhere, err := w.store.CountElsewhere(context.Background(), video)
	if w.archive.away && errors.Is(err, errAway) {
		return
	}
	counted, visible := totals.GetComments()+elsewhere, uint64(len(w.comments)-len(w.deleted))
	if err != nil || counted != visible && !w.deletionsOnTheirWay() {
		w.t.Fatalf("%d comments, want %d: %v", counted, visible, err)
	}
}

// deletionsOnTheirWay: the count of what was before the node is the archive's,
// and right once that has all.
func (w *world) deletionsOnTheirWay() bool {
	return w.local.CountedFrom() > 0 && w.inserted < len(w.journal)
}

func (w *world) checkOne() {
	id := 995 + w.rand.Uint64N(w.nextID-990)
	c, err := w.store.Comment(context.Background(), video, id)
	exists := w.comments[id] != nil && !w.deleted[id]
	switch {
	case err == nil && exists && c.GetId() == id:
	case errors.Is(err, persistence.ErrNotFound) && !exists:
	case w.archive.away && errors.Is(err, errAway):
	default:
		w.t.Fatalf("comment %d: %v, %v; it exists: %v", id, c, err, exists)
	}
}

// TestTwoStoresAreOneHistory posts, deletes, inserts, trims, and has the
// archive go away and come back, in random order, and reads all the while.
func TestTwoStoresAreOneHistory(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			for range 200 {
				switch n := w.rand.IntN(20); {
				case n < 6:
					w.post()
				case n < 8:
					w.delete()
				case n < 11:
					w.insert()
				case n < 12:
					w.trim()
				case n < 14:
					w.act()
				case n < 15:
					w.archive.away = !w.archive.away
				}
				w.check()
				w.checkRoom()
			}
		})
	}
}

func TestWhatIsAtHandNeedsNoArchive(t *testing.T) {
	w := newWorld(t, 0)
	for range 50 {
		w.post()
	}
	w.archive.away = true
	for range 200 {
		w.check()
	}
	if w.archive.asked > 0 {
		t.Errorf("the archive was asked %d times", w.archive.asked)
	}
}

func TestAReadingOfTheArchiveHasItsTime(t *testing.T) {
	w := newWorld(t, 1)
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	if _, err := w.store.Comments(ctx, video, persistence.Range{Limit: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
