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

	"github.com/cockroachdb/pebble/v2/vfs"

	"barrage/persistence"
	"barrage/persistence/embedded"
	"barrage/persistence/records"
	"barrage/persistence/tiered"
)

// member is a node of a cluster: its journal, its store, and how far it has
// brought what it took to the archive.
type member struct {
	c        *cluster
	n        int
	local    *embedded.Store
	store    *tiered.Store
	journal  []entry
	inserted int // of the journal: in the archive, by this node or by others
	away     bool
	asked    int // for others' readers
}

// entry is a record in a journal, and the id of its comment.
type entry struct {
	record *records.Record
	id     uint64
}

// cluster is some members, the archive, and what they were told together.
type cluster struct {
	t        *testing.T
	rand     *rand.Rand
	members  []*member
	archive  *archive
	without  bool // there is no archive
	comments map[uint64]*records.Comment
	deleted  map[uint64]bool
	nextID   uint64
	given    []*records.Record
}

func newCluster(t *testing.T, seed uint64) *cluster {
	c := &cluster{
		t: t, rand: rand.New(rand.NewPCG(seed, 2)), nextID: 1000, without: seed%3 == 0,
		archive:  &archive{comments: map[uint64]*records.Comment{}, deleted: map[uint64]bool{}},
		comments: map[uint64]*records.Comment{}, deleted: map[uint64]bool{},
	}
	for n := range 2 + int(seed%4) {
		local, err := embedded.Open(embedded.Config{Dir: "store", FS: vfs.NewMem(), BallastBytes: -1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = local.Close() })
		m := &member{c: c, n: n, local: local}
		var a tiered.Archive
		if !c.without {
			a = c.archive
			if err := local.Join(0); err != nil {
				t.Fatal(err)
			}
		}
		m.store = tiered.New(local, a, others{m}, m.below)
		c.members = append(c.members, m)
	}
	return c
}

func (c *cluster) any() *member { return c.members[c.rand.IntN(len(c.members))] }

// below is what a member says is in the archive: of what it took, the lowest id
// that is not, or what is newer than all.
func (m *member) below() uint64 {
	below := m.c.nextID + 1
	for _, e := range m.journal[m.inserted:] {
		if e.record.GetCommentPosted() != nil {
			below = min(below, e.id)
		}
	}
	return below
}

func (m *member) apply(r *records.Record, id uint64) {
	m.journal = append(m.journal, entry{r, id})
	e := persistence.Entry{LSN: persistence.LSN(len(m.journal)), Record: r}
	if err := m.local.Apply(context.Background(), []persistence.Entry{e}); err != nil {
		m.c.t.Fatal(err)
	}
}

// insert brings some of what a member took to the archive. A copy is inserted
// twice.
func (m *member) insert() {
	for n := m.c.rand.IntN(10); n > 0 && m.inserted < len(m.journal); n-- {
		m.c.archive.take(m.journal[m.inserted].record)
		m.inserted++
	}
}

func (m *member) trim() {
	floor := min(m.below(), m.c.nextID-m.c.rand.Uint64N(30))
	if err := m.local.Trim(context.Background(), floor, persistence.LSN(m.inserted), nil); err != nil {
		m.c.t.Fatal(err)
	}
}

func (c *cluster) post() {
	c.nextID += 1 + c.rand.Uint64N(5)
	comment := &records.Comment{Id: c.nextID, LiveVideoId: video, UserId: "u", Message: "m"}
	if c.rand.IntN(3) == 0 {
		comment.ParentId = 1000 + c.rand.Uint64N(c.nextID-1000)
	}
	c.comments[comment.Id] = comment
	c.give(&records.Record{Kind: &records.Record_CommentPosted{CommentPosted: &records.CommentPosted{Comment: comment}}}, comment.Id)
}

// delete deletes a comment at any of the members, whoever has it.
func (c *cluster) delete() {
	for _, id := range slices.Sorted(maps.Keys(c.comments)) {
		if !c.deleted[id] && c.rand.IntN(len(c.comments)) < 3 {
			c.deleted[id] = true
			c.give(&records.Record{Kind: &records.Record_CommentDeleted{CommentDeleted: &records.CommentDeleted{
				LiveVideoId: video, CommentId: id, ParentId: c.comments[id].ParentId, DeletedBy: "mod", DeletedAtMs: timeOf(c.nextID),
			}}}, id)
			return
		}
	}
}

// give gives a record to a member, and perhaps a copy to another.
func (c *cluster) give(r *records.Record, id uint64) {
	c.given = append(c.given, r)
	owner := c.any()
	owner.apply(r, id)
	if other := c.any(); other != owner {
		other.apply(r, id)
	}
}

// others reads the stores of all members but one.
type others struct{ m *member }

func (o others) ArchivedBelow() uint64 {
	below := uint64(math.MaxUint64)
	for _, m := range o.m.c.members {
		if m != o.m {
			below = min(below, m.below())
		}
	}
	return below
}

func (o others) Comments(ctx context.Context, v string, r persistence.Range) (all []*records.Comment, deleted map[uint64]bool, floor uint64, whole bool, err error) {
	whole, deleted = true, map[uint64]bool{}
	for _, m := range o.m.c.members {
		if m == o.m {
			continue
		}
		if m.asked++; m.away {
			whole = false
			continue
		}
		comments, err := m.local.Comments(ctx, v, r)
		if err != nil {
			return nil, nil, 0, false, err
		}
		all = append(all, comments...)
		to := r.Before - 1
		if r.Before == 0 {
			to = math.MaxUint64
		}
		marks, err := m.local.Deleted(ctx, v, r.After+1, to)
		if err != nil {
			return nil, nil, 0, false, err
		}
		maps.Copy(deleted, marks)
		floor = max(floor, m.local.Floor())
	}
	slices.SortStableFunc(all, func(a, b *records.Comment) int {
		if r.Desc {
			a, b = b, a
		}
		return cmp.Compare(a.GetId(), b.GetId())
	})
	all = slices.CompactFunc(all, func(a, b *records.Comment) bool { return a.GetId() == b.GetId() })
	return all[:min(len(all), r.Limit)], deleted, floor, whole, nil
}

// CompleteFrom may be anything: who is asked more than needed knows no less.
func (o others) CompleteFrom() uint64 {
	switch o.m.c.rand.IntN(3) {
	case 0:
		return 0
	case 1:
		return math.MaxUint64
	}
	return 1000 + o.m.c.rand.Uint64N(o.m.c.nextID-990)
}

// onTheirWay are the deletions that the archive does not know, of comments that
// are read there: of those, the owner tells readers.
func (c *cluster) onTheirWay(m *member) map[uint64]bool {
	ids := map[uint64]bool{}
	for id := range c.deleted {
		if !c.without && id < min(m.below(), others{m}.ArchivedBelow()) && !c.archive.deleted[id] {
			ids[id] = true
		}
	}
	return ids
}

func (c *cluster) anyRange() persistence.Range {
	return (&world{rand: c.rand, nextID: c.nextID}).anyRange()
}

// check reads a page and a comment at any of the members.
func (c *cluster) check() {
	m := c.any()
	asked := 0
	for _, x := range c.members {
		asked += x.asked
	}
	r := c.anyRange()
	told := c.onTheirWay(m)
	// As readers of the store do, who leave out what the owner names.
	wide := r
	wide.Limit += len(told)
	got, err := m.store.Comments(context.Background(), video, wide)
	if len(got) > wide.Limit {
		c.t.Fatalf("%+v: %d comments", wide, len(got))
	}
	got = slices.DeleteFunc(got, func(x *records.Comment) bool { return told[x.GetId()] })
	want := pick(c.comments, c.deleted, persistence.Range{After: r.After, Before: r.Before, Desc: r.Desc, Parent: r.Parent, Limit: wide.Limit})
	trouble := c.archive.away && !c.without || c.someAway(m)
	switch {
	case err == nil:
		got, want = got[:min(len(got), r.Limit)], want[:min(len(want), r.Limit)]
		if !slices.Equal(ids(got), ids(want)) {
			c.t.Fatalf("member %d, %+v: got %v, want %v", m.n, r, ids(got), ids(want))
		}
	case !trouble || !errors.Is(err, persistence.ErrUnavailable):
		c.t.Fatalf("%+v: %v", r, err)
	case errors.Is(err, persistence.ErrIncomplete):
		if n := len(got); !r.Desc || n > len(want) || !slices.Equal(ids(got), ids(want[:n])) {
			c.t.Fatalf("member %d, %+v with parts away: got %v of %v", m.n, r, ids(got), ids(want))
		}
	case len(got) > 0:
		c.t.Fatalf("%+v: comments and %v", r, err)
	}
	for _, x := range c.members {
		asked -= x.asked
	}
	archived := min(m.below(), others{m}.ArchivedBelow())
	if !c.without && !c.archive.away && r.Before != 0 && r.Before <= archived && asked != 0 {
		c.t.Fatalf("%+v: members were asked for what is below %d", r, archived)
	}
	c.checkOne(m, told)
	c.checkCount(m, r.Before)
}

func (c *cluster) checkCount(m *member, before uint64) {
	want := len(pick(c.comments, c.deleted, persistence.Range{Before: before, Limit: math.MaxInt}))
	// Some that are deleted were never anywhere.
	deleted := append(slices.Collect(maps.Keys(c.deleted)), 1, 2, 3)
	got, err := m.store.Count(context.Background(), video, before, deleted)
	trouble := c.archive.away && !c.without || c.someAway(m)
	if err != nil && (!trouble || !errors.Is(err, persistence.ErrUnavailable)) || err == nil && got != uint64(want) {
		c.t.Fatalf("member %d, below %d: %d comments, want %d: %v", m.n, before, got, want, err)
	}
}

func (c *cluster) someAway(m *member) bool {
	return slices.ContainsFunc(c.members, func(x *member) bool { return x != m && x.away })
}

func (c *cluster) checkOne(m *member, told map[uint64]bool) {
	id := 995 + c.rand.Uint64N(c.nextID-990)
	got, err := m.store.Comment(context.Background(), video, id)
	exists := c.comments[id] != nil && !c.deleted[id]
	trouble := c.archive.away && !c.without || c.someAway(m)
	switch {
	case told[id]: // the owner was asked before
	case err == nil && exists && got.GetId() == id:
	case errors.Is(err, persistence.ErrNotFound) && !exists:
	case trouble && (errors.Is(err, persistence.ErrUnavailable) || err == nil && c.comments[id] != nil):
	default:
		c.t.Fatalf("member %d, comment %d: %v, %v; it exists: %v", m.n, id, got, err, exists)
	}
}

// TestAClustersStoresAreOneHistory posts to members and their replicas, deletes
// at others, inserts, trims, has members and the archive go away and come back,
// in random order, and reads at any member all the while.
func TestAClustersStoresAreOneHistory(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, seed)
			for range 250 {
				switch n := c.rand.IntN(24); {
				case n < 6:
					c.post()
				case n < 8:
					c.delete()
				case n < 13 && !c.without:
					c.any().insert()
				case n < 15 && !c.without:
					c.any().trim()
				case n < 17:
					c.give(actAt(c.rand, c.nextID), c.nextID)
				case n < 18:
					c.archive.away = !c.archive.away
				case n < 19:
					m := c.any()
					m.away = !m.away
				}
				c.check()
				c.checkRoom()
			}
		})
	}
}

func TestWithAHealthyArchiveMembersAreNotAsked(t *testing.T) {
	c := newCluster(t, 1)
	for range 100 {
		c.post()
	}
	for _, m := range c.members {
		for m.inserted < len(m.journal) {
			m.insert()
		}
		m.away = true
	}
	for range 300 {
		r := c.anyRange()
		r.Before = min(max(r.Before, 1), c.nextID)
		want := pick(c.comments, c.deleted, r)
		got, err := c.any().store.Comments(t.Context(), video, r)
		if err != nil || !slices.Equal(ids(got), ids(want)) {
			t.Fatalf("%+v: got %v, want %v, %v", r, ids(got), ids(want), err)
		}
	}
	for _, m := range c.members {
		if m.asked > 0 {
			t.Errorf("member %d was asked %d times", m.n, m.asked)
		}
	}
}

// TestAMemberThatIsAwayIsNoHole: what it alone may have is not passed over.
func TestAMemberThatIsAwayIsNoHole(t *testing.T) {
	c := newCluster(t, 0) // two members, no archive
	for range 50 {
		c.post()
	}
	c.members[1].away = true
	for _, desc := range []bool{false, true} {
		got, err := c.members[0].store.Comments(t.Context(), video, persistence.Range{Limit: 20, Desc: desc})
		if len(got) > 0 || !errors.Is(err, persistence.ErrUnavailable) || errors.Is(err, persistence.ErrIncomplete) {
			t.Errorf("desc %v: %d comments, %v", desc, len(got), err)
		}
	}
}

func TestARoomThatIsNewHereIsCountedInTheArchive(t *testing.T) {
	c := newCluster(t, 1)
	for range 10 {
		c.post()
	}
	for _, m := range c.members {
		for m.inserted < len(m.journal) {
			m.insert()
		}
	}
	local, err := embedded.Open(embedded.Config{Dir: "store", FS: vfs.NewMem(), BallastBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close() //nolint:errcheck // a test's
	if err := local.Join(1005); err != nil {
		t.Fatal(err)
	}
	fresh := &member{c: c, n: 9, local: local}
	fresh.store = tiered.New(local, c.archive, others{fresh}, fresh.below)
	if n, err := fresh.store.Count(t.Context(), video, 0, nil); err != nil || n != 10 {
		t.Errorf("%d, %v", n, err)
	}
	// What only a member has counts, too.
	c.post()
	if n, err := fresh.store.Count(t.Context(), video, 0, nil); err != nil || n != 11 {
		t.Errorf("%d, %v", n, err)
	}
}

// cutOff is all other members out of reach.
type cutOff struct{ others }

func (cutOff) ArchivedBelow() uint64 { return math.MaxUint64 }

func (cutOff) Comments(context.Context, string, persistence.Range) ([]*records.Comment, map[uint64]bool, uint64, bool, error) {
	return nil, map[uint64]bool{}, 0, true, nil
}

func (cutOff) CompleteFrom() uint64 { return math.MaxUint64 }

// TestAMemberThatIsCutOffHasWhatTheArchiveHas, beside what is its own.
func TestAMemberThatIsCutOffHasWhatTheArchiveHas(t *testing.T) {
	for _, without := range []bool{false, true} {
		c := newCluster(t, 1)
		m, other := c.members[0], c.members[1]
		post := func(at *member, inserted bool) uint64 {
			c.nextID++
			r := &records.Record{Kind: &records.Record_CommentPosted{CommentPosted: &records.CommentPosted{
				Comment: &records.Comment{Id: c.nextID, LiveVideoId: video, UserId: "u", Message: "m"},
			}}}
			at.apply(r, c.nextID)
			if inserted {
				c.archive.take(r)
			}
			return c.nextID
		}
		old, own, lost, late := post(other, true), post(m, false), post(other, false), post(other, true)
		want := []uint64{old, own, late}
		store := tiered.New(m.local, c.archive, cutOff{}, func() uint64 { return own })
		if without {
			store, want = tiered.New(m.local, nil, cutOff{}, nil), []uint64{own}
		}
		got, err := store.Comments(t.Context(), video, persistence.Range{Limit: 10})
		if err != nil || !slices.Equal(ids(got), want) {
			t.Errorf("without an archive %v: %v, %v; want %v, and not %d", without, ids(got), err, want, lost)
		}
	}
}
