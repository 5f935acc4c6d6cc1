package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"barrage/persistence"
	"barrage/persistence/records"
)

func TestPagesAreExactInEveryDirection(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	// Names of which one begins the other, and one like a key's bytes.
	videos := []string{"v", "vv", "v\x00", strings.Repeat("long", 60), ""}
	s := open(t, Config{})
	var all []persistence.Entry
	id := uint64(0)
	for range 2000 {
		id += 1 + rng.Uint64N(3)
		video := videos[rng.IntN(len(videos))]
		switch r := rng.IntN(10); {
		case r == 0 && id > 50:
			all = append(all, entries(persistence.LSN(len(all)+1), deleted(video, 1+rng.Uint64N(id)))...)
		default:
			all = append(all, entries(persistence.LSN(len(all)+1), posted(video, id, rng.Uint64N(4)))...)
		}
	}
	apply(t, s, all)
	m := newModel(all)
	m.check(t, s)
	for i := range 1500 {
		if i == 500 { // from memory first, then from tables
			if _, err := s.Sync(ctx); err != nil {
				t.Fatal(err)
			}
		}
		r := persistence.Range{
			Desc: rng.IntN(2) == 0, Limit: rng.IntN(60) - 2, Parent: uint64(max(0, rng.IntN(8)-4)),
		}
		if rng.IntN(2) == 0 {
			r.After = rng.Uint64N(id + 10)
		}
		if rng.IntN(2) == 0 {
			r.Before = rng.Uint64N(id + 10)
		}
		checkPage(t, s, m, videos[rng.IntN(len(videos))], r)
	}
}

func TestIdsAtTheEndsOfTheirRange(t *testing.T) {
	s := open(t, Config{})
	all := entries(1, posted("v", 1, 0), posted("v", math.MaxUint64-1, 0), posted("v", math.MaxUint64, 0))
	apply(t, s, all)
	m := newModel(all)
	for _, r := range []persistence.Range{
		{Limit: 9},
		{Limit: 9, Desc: true},
		{Limit: 9, After: math.MaxUint64},
		{Limit: 9, After: math.MaxUint64 - 1},
		{Limit: 9, Before: 1},
		{Limit: 9, Before: 2},
		{Limit: 9, After: 5, Before: 5},
		{Limit: 9, After: 6, Before: 5},
		{Limit: 9, After: math.MaxUint64 - 1, Before: math.MaxUint64},
		{Limit: 9, Before: math.MaxUint64, Desc: true},
		{},
	} {
		checkPage(t, s, m, "v", r)
	}
}

func TestApplyingAgainChangesNothing(t *testing.T) {
	s := open(t, Config{})
	all := entries(1, posted("v", 10, 0), posted("v", 11, 10), deleted("v", 10), posted("w", 12, 0), posted("v", 13, 0))
	apply(t, s, all)
	for from := range all {
		apply(t, s, all[from:])
		apply(t, s, all[:from+1])
		if s.AppliedLSN() != 5 {
			t.Fatalf("applied up to %d", s.AppliedLSN())
		}
	}
	newModel(all).check(t, s)
}

// A comment can be in the journal twice, and after its own deletion, when a
// live video moved between nodes.
func TestRepeatedAndLateRecordsAreCountedOnce(t *testing.T) {
	for name, rs := range map[string][]*records.Record{
		"posted twice in a row":     {posted("v", 5, 0), posted("v", 5, 0)},
		"posted twice, others meet": {posted("v", 5, 0), posted("v", 6, 0), posted("v", 5, 0), posted("v", 6, 0)},
		"late":                      {posted("v", 9, 0), posted("v", 5, 0), posted("v", 5, 0)},
		"deleted twice":             {posted("v", 5, 0), deleted("v", 5), deleted("v", 5)},
		"posted after deletion":     {posted("v", 5, 1), deleted("v", 5), posted("v", 5, 1)},
		"deleted before posted":     {deleted("v", 5), posted("v", 5, 0)},
		"deleted unknown":           {posted("v", 4, 0), deleted("v", 5), deleted("w", 4)},
		"reply deleted":             {posted("v", 5, 0), posted("v", 6, 5), deleted("v", 6)},
		"parent deleted":            {posted("v", 5, 0), posted("v", 6, 5), deleted("v", 5)},
	} {
		for _, oneByOne := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", name, oneByOne), func(t *testing.T) {
				s := open(t, Config{})
				all := entries(1, rs...)
				if oneByOne {
					for i := range all {
						apply(t, s, all[i:i+1])
					}
				} else {
					apply(t, s, all)
				}
				m := newModel(all)
				m.check(t, s)
				for parent := range uint64(7) {
					checkPage(t, s, m, "v", persistence.Range{Limit: 10, Parent: parent})
				}
			})
		}
	}
}

func TestADeletedCommentIsGone(t *testing.T) {
	s := open(t, Config{})
	apply(t, s, entries(1, posted("v", 5, 0)))
	c, err := s.Comment(ctx, "v", 5)
	if err != nil || c.String() != posted("v", 5, 0).GetCommentPosted().Comment.String() {
		t.Fatalf("%v, %v", c, err)
	}
	apply(t, s, entries(2, deleted("v", 5)))
	for _, id := range []uint64{5, 6} {
		if _, err := s.Comment(ctx, "v", id); !errors.Is(err, persistence.ErrNotFound) {
			t.Errorf("comment %d: %v", id, err)
		}
	}
}

func TestRecordsThatMeanNothingDoNotStopHistory(t *testing.T) {
	s := open(t, Config{})
	all := entries(1, &records.Record{},
		&records.Record{Kind: &records.Record_CommentPosted{}},
		&records.Record{Kind: &records.Record_CommentDeleted{}},
		posted("v", 1, 0))
	apply(t, s, all)
	newModel(all[3:]).check(t, s)
}

func TestKeptAnswersLastAtLeastTheirRetention(t *testing.T) {
	now := start
	s := open(t, Config{Now: func() time.Time { return now }})
	lsn := persistence.LSN(0)
	// At many places within a bucket.
	for offset := time.Duration(0); offset < 2*persistence.IdempotencyKeyRetention; offset += 47 * time.Second {
		created := start.Add(offset)
		now = created
		lsn++
		key := fmt.Sprint("key", lsn)
		apply(t, s, entries(lsn, postedWithKey("v", uint64(lsn), key, created)))
		for _, age := range []time.Duration{-time.Minute, 0, time.Second, persistence.IdempotencyKeyRetention - time.Millisecond} {
			now = created.Add(age)
			k, err := s.KeptAnswer(ctx, "v", "user", key)
			if err != nil || !bytes.Equal(k.BodyDigest, []byte("digest")) ||
				k.Comment.String() != postedWithKey("v", uint64(lsn), key, created).GetCommentPosted().Comment.String() {
				t.Fatalf("offset %v, age %v: %v, %v", offset, age, k, err)
			}
		}
		now = created.Add(2 * persistence.IdempotencyKeyRetention)
		if _, err := s.KeptAnswer(ctx, "v", "user", key); !errors.Is(err, persistence.ErrNotFound) {
			t.Fatalf("offset %v: still there after twice the retention: %v", offset, err)
		}
		now = created
		for _, other := range [][3]string{{"w", "user", key}, {"v", "other", key}, {"v", "user", key + "x"}, {"vu", "ser", key}} {
			if _, err := s.KeptAnswer(ctx, other[0], other[1], other[2]); !errors.Is(err, persistence.ErrNotFound) {
				t.Fatalf("%v: %v", other, err)
			}
		}
	}
}

func TestKeptAnswersOutliveTheirComment(t *testing.T) {
	s := open(t, Config{})
	apply(t, s, entries(1, postedWithKey("v", 5, "key", start), deleted("v", 5)))
	if k, err := s.KeptAnswer(ctx, "v", "user", "key"); err != nil || k.Comment.Id != 5 {
		t.Errorf("%v, %v", k, err)
	}
}

func TestOldBucketsAreRemoved(t *testing.T) {
	now := start
	fs := vfs.NewMem()
	s := open(t, Config{FS: fs, Now: func() time.Time { return now }})
	count := func() (n int) {
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keptKind}, UpperBound: []byte{keptKind + 1}})
		if err != nil {
			t.Fatal(err)
		}
		defer it.Close()
		for ok := it.First(); ok; ok = it.Next() {
			n++
		}
		return n
	}
	for i := range persistence.LSN(40) {
		now = start.Add(time.Duration(i) * 5 * time.Minute)
		apply(t, s, entries(i+1, postedWithKey("v", uint64(i)+1, fmt.Sprint(i), now)))
		if n := count(); n > 8 {
			t.Fatalf("%d kept answers after %v", n, now.Sub(start))
		}
		if i > 1 { // one of exactly the retention's age is still there
			if _, err := s.KeptAnswer(ctx, "v", "user", fmt.Sprint(i-2)); err != nil {
				t.Fatalf("after %v: %v", now.Sub(start), err)
			}
		}
	}
	// Records that are read again long afterwards leave none either.
	apply(t, s, entries(100, postedWithKey("v", 1000, "old", start)))
	if n := count(); n > 8 {
		t.Fatalf("%d kept answers", n)
	}
}

func TestANewerFormatIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, Config{FS: fs})
	if err := s.db.Set(formatKey, be.AppendUint64(nil, formatVersion+1), pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: "history", FS: fs}); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("%v", err)
	}
}

func TestTheFolderIsNotSharedWithASecondStore(t *testing.T) {
	dir := t.TempDir()
	open(t, Config{Dir: dir, FS: vfs.Default})
	if _, err := Open(Config{Dir: dir}); err == nil {
		t.Error("opened twice")
	}
}

func TestReadersMeetCloseWithoutPanic(t *testing.T) {
	s := open(t, Config{})
	apply(t, s, entries(1, posted("v", 1, 0), posted("v", 2, 1)))
	var wg sync.WaitGroup
	begun := make(chan struct{}, 8)
	for range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				_, err1 := s.Comments(ctx, "v", persistence.Range{Limit: 10})
				_, err2 := s.Comments(ctx, "v", persistence.Range{Limit: 10, Parent: 1})
				_, err3 := s.KeptAnswer(ctx, "v", "u", "k")
				_, err4 := s.Totals(ctx, "v")
				_, err5 := s.Comment(ctx, "v", 1)
				_ = s.Stats()
				if i == 0 {
					begun <- struct{}{}
				}
				for _, err := range []error{err1, err2, err3, err4, err5} {
					if errors.Is(err, persistence.ErrClosed) {
						return
					}
					if err != nil && !errors.Is(err, persistence.ErrNotFound) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for range 4 {
		<-begun
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := s.Apply(ctx, nil); !errors.Is(err, persistence.ErrClosed) {
		t.Errorf("apply: %v", err)
	}
	if _, err := s.Sync(ctx); !errors.Is(err, persistence.ErrClosed) {
		t.Errorf("sync: %v", err)
	}
	if err := s.Close(); !errors.Is(err, persistence.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
}

func TestCloseGivesUpOnCallsThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{})
		if !s.gate.enter() {
			t.Fatal("closed")
		}
		if err := s.Close(); err == nil || !strings.Contains(err.Error(), "hang") {
			t.Errorf("%v", err)
		}
		s.gate.leave()
		if err := s.db.Close(); err != nil { // nobody is in it, so this may be
			t.Error(err)
		}
	})
}

func TestReadersSeePagesWithoutHolesWhileCommentsAreDeleted(t *testing.T) {
	s := open(t, Config{})
	var rs []*records.Record
	for id := uint64(1); id <= 400; id++ {
		rs = append(rs, posted("v", id, 1000))
	}
	apply(t, s, entries(1, rs...))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for id := uint64(1); id <= 200; id++ {
			if err := s.Apply(ctx, entries(persistence.LSN(400+id), deleted("v", id))); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		page, err := s.Comments(ctx, "v", persistence.Range{Limit: 150, Parent: 1000})
		if err != nil || len(page) != 150 {
			t.Fatalf("%d replies, %v", len(page), err)
		}
	}
}

func TestCallsEndWithTheirContext(t *testing.T) {
	s := open(t, Config{})
	apply(t, s, entries(1, posted("v", 1, 0)))
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err1 := s.Comments(ended, "v", persistence.Range{Limit: 1})
	_, err2 := s.Comment(ended, "v", 1)
	_, err3 := s.Totals(ended, "v")
	_, err4 := s.KeptAnswer(ended, "v", "u", "k")
	for i, err := range []error{err1, err2, err3, err4} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]Config{"no folder": {}, "negative cache": {Dir: "x", CacheBytes: -1}} {
		if _, err := Open(c); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}
