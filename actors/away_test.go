package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// halfStore is a store of which only the comments from floor on can be read
// while the rest is away.
type halfStore struct {
	persistence.Store
	floor atomic.Uint64
	away  atomic.Bool
}

var errAway = fmt.Errorf("%w: away", persistence.ErrUnavailable)

func (s *halfStore) Comments(ctx context.Context, video string, r persistence.Range) ([]*records.Comment, error) {
	comments, err := s.Store.Comments(ctx, video, r)
	if err != nil || !s.away.Load() {
		return comments, err
	}
	here := slices.DeleteFunc(comments, func(c *records.Comment) bool { return c.Id < s.floor.Load() })
	switch {
	case r.After+1 >= s.floor.Load() || r.Desc && len(here) == r.Limit:
		return here, nil
	case r.Desc && len(here) > 0:
		return here, fmt.Errorf("%w: %w", persistence.ErrIncomplete, errAway)
	}
	return nil, errAway
}

// Totals leave 500 comments to another store.
func (s *halfStore) Totals(ctx context.Context, video string) (*records.VideoTotals, error) {
	totals, err := s.Store.Totals(ctx, video)
	if totals != nil {
		totals.CountedFrom = 1
	}
	return totals, err
}

func (s *halfStore) CountElsewhere(context.Context, string) (uint64, error) {
	if s.away.Load() {
		return 0, errAway
	}
	return 500, nil
}

// halfAway makes a room of 1000 comments, of which memory has the last, the
// store some before them, and nobody the rest for now.
func halfAway(t *testing.T) (*testNode, *halfStore, []uint64) {
	t.Helper()
	s := &halfStore{}
	n := newTestNode(t, func(c *Config) {
		s.Store = c.Store
		c.Store, c.RecentComments, c.RingComments = s, MaxHistory, MaxHistory
	})
	var ids []uint64
	for i := range 1000 {
		ids = append(ids, n.post("v", fmt.Sprintf("comment %d", i)))
	}
	if err := n.pump.WaitApplied(context.Background(), n.journal.LastLSN()); err != nil {
		t.Fatal(err)
	}
	ids = append(ids, n.post("v", "one more lets memory forget what the store has"))
	s.floor.Store(ids[500])
	s.away.Store(true)
	return n, s, ids
}

func TestPagesAreGivenAsFarAsTheyAreAtHand(t *testing.T) {
	n, s, ids := halfAway(t)
	rows := func(r persistence.Range) (got []uint64, err error) {
		list, err := n.History().Rows(context.Background(), "v", r)
		for _, row := range list {
			got = append(got, row.Id)
		}
		return got, err
	}
	newest := slices.Clone(ids[500:])
	slices.Reverse(newest)
	for _, limit := range []int{1, 50, 300, 501} {
		if got, err := rows(persistence.Range{Limit: limit, Desc: true}); err != nil || !slices.Equal(got, newest[:limit]) {
			t.Errorf("the newest %d: %d, %v", limit, len(got), err)
		}
	}
	if got, err := rows(persistence.Range{Limit: 900, Desc: true}); !errors.Is(err, persistence.ErrIncomplete) || !slices.Equal(got, newest) {
		t.Errorf("more than is at hand: %d, %v", len(got), err)
	}
	if got, err := rows(persistence.Range{Limit: 10, Desc: true, Before: ids[500]}); !errors.Is(err, persistence.ErrUnavailable) || len(got) > 0 {
		t.Errorf("what is not: %v, %v", got, err)
	}
	if got, err := rows(persistence.Range{Limit: 10, After: ids[600]}); err != nil || !slices.Equal(got, ids[601:611]) {
		t.Errorf("onwards from what is at hand: %v, %v", got, err)
	}
	if _, err := rows(persistence.Range{Limit: 10, After: ids[100]}); !errors.Is(err, persistence.ErrUnavailable) {
		t.Errorf("onwards from what is not: %v", err)
	}
	s.away.Store(false)
	if got, err := rows(persistence.Range{Limit: 10, After: ids[100]}); err != nil || !slices.Equal(got, ids[101:111]) {
		t.Errorf("when all is back: %v, %v", got, err)
	}
}

func TestAResumedStreamGoesLiveWithAGapIfHistoryIsAway(t *testing.T) {
	n, s, ids := halfAway(t)
	last := fmt.Sprintf("id: %d\n", ids[1000])
	got := n.watch("v", ViewerConfig{Resume: true, After: ids[9]}).untilHas(t, last)
	if want := fmt.Sprintf(`"after":"%d","before":"%d"`, ids[9], ids[500]); !strings.Contains(got, want) || !slices.Equal(commentIDs(got), ids[500:]) {
		t.Errorf("no gap %s, or other comments: %.300s", want, got)
	}
	s.floor.Store(ids[1000]) // nothing but memory
	got = n.watch("v", ViewerConfig{Resume: true, After: ids[9]}).untilHas(t, last)
	if replayed := commentIDs(got); !strings.Contains(got, fmt.Sprintf(`"after":"%d"`, ids[9])) || !slices.Equal(replayed, ids[1001-len(replayed):]) {
		t.Errorf("no gap, or other comments: %.300s", got)
	}
	bundle := n.watch("", ViewerConfig{Videos: []string{"v", "w"}, Resume: true, Positions: []uint64{ids[9], 0}}).untilHas(t, `"message":"one more`)
	if !strings.Contains(bundle, fmt.Sprintf(`"after":"%d"`, ids[9])) {
		t.Errorf("no gap on a bundle: %.300s", bundle)
	}
	s.away.Store(false)
	got = n.watch("v", ViewerConfig{Resume: true, After: ids[9]}).untilHas(t, last)
	if strings.Contains(got, "gap") || !slices.Equal(commentIDs(got), ids[10:]) {
		t.Errorf("a gap or other comments when all is back: %.300s", got)
	}
}

func TestALiveVideoStartsWithoutItsOlderHistory(t *testing.T) {
	n, s, ids := halfAway(t)
	for _, floor := range []uint64{ids[900], ids[1000] + 1} {
		s.floor.Store(floor)
		n.owners.Release("v", n.owners.get("v"))
		if id := n.post("v", "after a new start"); id <= ids[1000] {
			t.Errorf("id %d is not above %d", id, ids[1000])
		}
		if video := n.ask("v", &wire.ReadVideo{}).(*wire.Video); video.Fault != nil || video.Comments < 1001 {
			t.Errorf("%v", video)
		}
	}
	s.away.Store(false)
	n.owners.Release("v", n.owners.get("v"))
	if video := n.ask("v", &wire.ReadVideo{}).(*wire.Video); video.Comments != 1003+500 {
		t.Errorf("not counted elsewhere: %v", video)
	}
	rows, err := n.History().Rows(context.Background(), "v", persistence.Range{Limit: 2000})
	if err != nil || len(rows) != 1003 {
		t.Errorf("%d comments when all is back: %v", len(rows), err)
	}
}
