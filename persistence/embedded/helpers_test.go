package embedded

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"barrage/persistence"
	"barrage/persistence/records"
)

var (
	ctx   = context.Background()
	start = time.Date(2026, 5, 4, 12, 3, 0, 0, time.UTC)
)

func open(tb testing.TB, cfg Config) *Store {
	tb.Helper()
	if cfg.FS == nil {
		cfg.FS = vfs.NewMem()
	}
	if cfg.Dir == "" {
		cfg.Dir = "history"
	}
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return start }
	}
	s, err := Open(cfg)
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func posted(video string, id, parent uint64) *records.Record {
	return &records.Record{Kind: &records.Record_CommentPosted{CommentPosted: &records.CommentPosted{
		Comment: &records.Comment{
			Id: id, LiveVideoId: video, ParentId: parent,
			UserId: fmt.Sprint("user-", id%7), UserName: "弹幕", Message: fmt.Sprint("message ", id),
			CreatedAtMs: start.UnixMilli(), PostToken: id * 3, PostSentMs: int64(id) * 5, PostWaitedMs: uint32(id % 7),
		},
	}}}
}

// revised gives a record its place among the changes of its live video, and
// the total after it; negative: that is not known.
func revised(r *records.Record, revision uint64, total int) *records.Record {
	r.Revision = revision
	if total >= 0 {
		n := uint64(total)
		r.TotalComments = &n
	}
	return r
}

func postedWithKey(video string, id uint64, key string, at time.Time) *records.Record {
	r := posted(video, id, 0)
	p := r.GetCommentPosted()
	p.Comment.UserId, p.Comment.CreatedAtMs = "user", at.UnixMilli()
	p.Comment.PostToken, p.Comment.PostSentMs, p.Comment.PostWaitedMs = 0, 0, 0
	p.IdempotencyKey = &records.IdempotencyKey{Key: key, BodyDigest: []byte("digest")}
	return r
}

func deleted(video string, id uint64) *records.Record {
	return &records.Record{Kind: &records.Record_CommentDeleted{CommentDeleted: &records.CommentDeleted{
		LiveVideoId: video, CommentId: id, DeletedBy: "moderator", DeletedAtMs: start.UnixMilli(),
	}}}
}

// entries numbers records from a position on.
func entries(first persistence.LSN, rs ...*records.Record) []persistence.Entry {
	es := make([]persistence.Entry, len(rs))
	for i, r := range rs {
		es[i] = persistence.Entry{LSN: first + persistence.LSN(i), Record: r}
	}
	return es
}

func apply(tb testing.TB, s *Store, es []persistence.Entry) {
	tb.Helper()
	if err := s.Apply(ctx, es); err != nil {
		tb.Fatalf("apply: %v", err)
	}
	if last := es[len(es)-1].LSN; s.AppliedLSN() < last {
		tb.Fatalf("applied up to %d, want %d", s.AppliedLSN(), last)
	}
}

// model is what history must say after some entries.
type model struct {
	comments map[string]map[uint64]*records.Comment
	gone     map[string]map[uint64]bool
	last     map[string]uint64
	counts   map[string]*counted
	maxID    uint64
}

// counted is what the totals of a live video must be.
type counted struct{ comments, revision, total uint64 }

// count is the rule: what is not in the last total is counted, and a total of a
// newer record holds.
func (c *counted) count(r *records.Record, change int) {
	if r.Revision == 0 || r.Revision > c.total {
		c.comments = uint64(max(0, int(c.comments)+change))
	}
	if r.Revision > c.revision {
		c.revision = r.Revision
		if r.TotalComments != nil {
			c.comments, c.total = *r.TotalComments, r.Revision
		}
	}
}

func newModel(es []persistence.Entry) *model {
	m := &model{
		comments: map[string]map[uint64]*records.Comment{},
		gone:     map[string]map[uint64]bool{},
		last:     map[string]uint64{},
		counts:   map[string]*counted{},
	}
	for _, e := range es {
		m.apply(e.Record)
	}
	return m
}

func (m *model) apply(r *records.Record) {
	p, d := r.GetCommentPosted().GetComment(), r.GetCommentDeleted()
	video, id := p.GetLiveVideoId(), p.GetId()
	if d != nil {
		video, id = d.LiveVideoId, d.CommentId
	}
	if m.counts[video] == nil {
		m.comments[video], m.gone[video], m.counts[video] = map[uint64]*records.Comment{}, map[uint64]bool{}, &counted{}
	}
	count, change := m.counts[video], 0
	if p != nil {
		if !m.gone[video][id] && m.comments[video][id] == nil {
			m.comments[video][id] = p
			change = 1
		}
	} else {
		// One that only other nodes have is in a total of theirs.
		elsewhere := !m.gone[video][id] && count.total > 0 && r.Revision > count.revision
		if m.comments[video][id] != nil || elsewhere {
			change = -1
		}
		m.gone[video][id] = true
		delete(m.comments[video], id)
	}
	count.count(r, change)
	m.last[video] = max(m.last[video], id)
	m.maxID = max(m.maxID, id)
}

// page is what Comments must answer.
func (m *model) page(video string, r persistence.Range) []uint64 {
	ids := slices.Sorted(maps.Keys(m.comments[video]))
	ids = slices.DeleteFunc(ids, func(id uint64) bool {
		return id <= r.After || r.Before != 0 && id >= r.Before || r.Parent != 0 && m.comments[video][id].ParentId != r.Parent
	})
	if r.Desc {
		slices.SortFunc(ids, func(a, b uint64) int { return cmp.Compare(b, a) })
	}
	return ids[:min(len(ids), max(0, r.Limit))]
}

func (m *model) check(tb testing.TB, s *Store) {
	tb.Helper()
	for video := range m.last {
		totals, err := s.Totals(ctx, video)
		if err != nil {
			tb.Fatal(err)
		}
		if want := m.counts[video]; totals.Comments != want.comments || totals.Revision != want.revision || totals.LastCommentId != m.last[video] {
			tb.Fatalf("%s: totals %v, want %+v up to %d", video, totals, want, m.last[video])
		}
		checkPage(tb, s, m, video, persistence.Range{Limit: 1 << 20})
	}
	if id, err := s.MaxCommentID(ctx); err != nil || id != m.maxID {
		tb.Fatalf("highest id %d, %v, want %d", id, err, m.maxID)
	}
}

func checkPage(tb testing.TB, s *Store, m *model, video string, r persistence.Range) {
	tb.Helper()
	got, err := s.Comments(ctx, video, r)
	if err != nil {
		tb.Fatalf("%+v: %v", r, err)
	}
	want := m.page(video, r)
	if len(got) != len(want) {
		tb.Fatalf("%s %+v: %d comments, want %d", video, r, len(got), len(want))
	}
	for i, c := range got {
		if w := m.comments[video][want[i]]; c.String() != w.String() {
			tb.Fatalf("%s %+v: comment %d is %v, want %v", video, r, i, c, w)
		}
	}
}
