package persistence_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	. "barrage/persistence"
	"barrage/persistence/embedded"
	"barrage/persistence/journal"
	"barrage/persistence/records"
)

// counting is a sink that counts what was kept.
type counting struct {
	mu   sync.Mutex
	wg   sync.WaitGroup
	kept int
}

func (c *counting) Durable(n int, _ LSN, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.kept += n
	}
	c.wg.Add(-n)
}

// powered is a journal that trims nothing more once the power is off.
type powered struct {
	*journal.Journal
	off atomic.Bool
}

func (p *powered) Trim(upTo LSN) error {
	if p.off.Load() {
		return nil
	}
	return p.Journal.Trim(upTo)
}

// TestJournalPumpAndStoreGiveExactHistoryOverCrashes runs the real parts
// together. The store loses power again and again, the journal stays.
func TestJournalPumpAndStoreGiveExactHistoryOverCrashes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	ctx, dir := context.Background(), t.TempDir()
	mem := vfs.NewCrashableMem()
	alive := map[uint64]bool{}
	id := uint64(0)
	for round := range 10 {
		store, err := embedded.Open(embedded.Config{Dir: "history", FS: mem})
		if err != nil {
			t.Fatal(err)
		}
		j, err := journal.Open(journal.Config{Dir: dir, SegmentBytes: 16 << 10, After: store.AppliedLSN()})
		if err != nil {
			t.Fatal(err)
		}
		log := &powered{Journal: j}
		p, err := NewPump(PumpConfig{
			Log:          log,
			Read:         func(after LSN) EntryReader { return j.Reader(after) },
			Store:        store,
			BatchEntries: 1 + rng.IntN(50),
			SyncBytes:    2000 + rng.IntN(20_000),
		})
		if err != nil {
			t.Fatal(err)
		}
		p.Start()
		var sink counting
		appended := 0
		for range 400 {
			record := &records.Record{Kind: &records.Record_CommentDeleted{CommentDeleted: &records.CommentDeleted{
				LiveVideoId: "v", CommentId: max(1, rng.Uint64N(id+1)),
			}}}
			if id == 0 || rng.IntN(5) > 0 {
				id++
				record.Kind = &records.Record_CommentPosted{CommentPosted: &records.CommentPosted{
					Comment: &records.Comment{Id: id, LiveVideoId: "v", Message: fmt.Sprint("message ", id)},
				}}
				alive[id] = true
			} else {
				delete(alive, record.GetCommentDeleted().CommentId)
			}
			sink.wg.Add(1)
			appended++
			if err := j.Append(record, &sink); err != nil {
				t.Fatal(err)
			}
		}
		sink.wg.Wait()
		if sink.kept != appended {
			t.Fatalf("%d of %d kept", sink.kept, appended)
		}
		if err := p.WaitApplied(ctx, j.LastLSN()); err != nil {
			t.Fatal(err)
		}
		totals, err := store.Totals(ctx, "v")
		if err != nil || totals.Comments != uint64(len(alive)) {
			t.Fatalf("round %d: %v, %v, want %d", round, totals, err, len(alive))
		}
		page, err := store.Comments(ctx, "v", Range{Limit: 1 << 20})
		if err != nil || len(page) != len(alive) {
			t.Fatalf("round %d: %d comments, %v", round, len(page), err)
		}
		for _, c := range page {
			if !alive[c.Id] || c.Message != fmt.Sprint("message ", c.Id) {
				t.Fatalf("round %d: %v", round, c)
			}
		}
		if round%2 == 0 { // the power fails
			log.off.Store(true)
			mem = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
		}
		if err := p.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
