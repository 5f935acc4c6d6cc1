package clickhouse

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"barrage/persistence"
	"barrage/persistence/clickhouse/schema"
	"barrage/persistence/records"
)

// WriterConfig wires a writer.
type WriterConfig struct {
	DB *DB
	// Dir is the writer's own folder, for its checkpoint and for records that
	// ClickHouse refuses.
	Dir string
	// Node names the node in the names of batches of a folder of an older
	// version; others name themselves.
	Node string
	// Begin is where a writer without a checkpoint starts: what is up to there
	// is not in the journal any more.
	Begin persistence.LSN
	// Last answers the journal's last durable position. Without it
	// ArchivedBelow knows nothing.
	Last func() persistence.LSN
}

// Writer puts the journal's records into ClickHouse: the target of a pump.
// Copies of other nodes' records are not its business; see CopyWriter.
type Writer struct {
	cfg WriterConfig
	db  *DB
	// progress is what is known of the ids that are still to be inserted.
	progress progress

	applied    atomic.Uint64
	insertedID atomic.Uint64
	missing    missing

	// Of the one caller of Apply and Sync.
	saved    checkpoint
	failures failures
	lastGood *records.Record // that was inserted
	unproven []suspect
	batch    batch
	chosen   []persistence.Entry
}

var _ persistence.Target = (*Writer)(nil)

// NewWriter begins where the checkpoint says.
func NewWriter(cfg WriterConfig) (*Writer, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	saved, found, err := readCheckpoint(cfg.Dir)
	if err != nil {
		return nil, err
	}
	switch {
	case !found:
		// Not the node's name: numbers of nodes are given again, and a batch
		// must not be taken for one of a node before.
		saved.Inserted, saved.Writer = cfg.Begin, rand.Text()
	case saved.Writer == "":
		saved.Writer = cfg.Node
	}
	w := &Writer{cfg: cfg, db: cfg.DB, saved: saved}
	w.progress.begin(saved.InsertedID)
	if err := w.missing.load(cfg.Dir, cfg.DB.cfg.Logger); err != nil {
		return nil, err
	}
	w.applied.Store(uint64(saved.Inserted))
	w.insertedID.Store(saved.InsertedID)
	return w, nil
}

// AppliedLSN is the last position that is in ClickHouse.
func (w *Writer) AppliedLSN() persistence.LSN { return persistence.LSN(w.applied.Load()) }

// InsertedID is an id below which nothing of this node's is left to insert,
// give or take a step of its clock.
func (w *Writer) InsertedID() uint64 { return w.insertedID.Load() }

// errOtherHistory has the journal read again from its beginning.
var errOtherHistory = errors.New("the database is not the one that was written to before; inserting again what the journal still has")

// Apply inserts entries. What may have been inserted by an attempt that failed
// is inserted again: readers and views count it once.
func (w *Writer) Apply(ctx context.Context, entries []persistence.Entry) error {
	return w.apply(ctx, w.rest(entries), func(e persistence.Entry) bool { return e.Record.GetCopy() == nil })
}

// rest are the entries that are not applied yet.
func (w *Writer) rest(entries []persistence.Entry) []persistence.Entry {
	for len(entries) > 0 && entries[0].LSN <= w.AppliedLSN() {
		entries = entries[1:]
	}
	return entries
}

// apply inserts some of the entries, and passes over the others.
func (w *Writer) apply(ctx context.Context, entries []persistence.Entry, some func(persistence.Entry) bool) error {
	w.mark()
	if !slices.ContainsFunc(entries, some) {
		if len(entries) > 0 { // ClickHouse may well be away
			w.applied.Store(uint64(entries[len(entries)-1].LSN))
		}
		return nil
	}
	w.progress.hold(lowestID(entries, some))
	prepared, err := w.db.Prepare(ctx)
	if err != nil {
		return err
	}
	if err := w.checkHistory(prepared.HistoryID); err != nil {
		return err
	}
	defer func() { clear(w.chosen); w.chosen = w.chosen[:0] }()
	for len(entries) > 0 {
		n := w.boundary(entries)
		w.chosen = w.chosen[:0]
		for _, e := range entries[:n] {
			if some(e) {
				w.chosen = append(w.chosen, e)
			}
		}
		if err := w.send(ctx, prepared.Features, entries[0].LSN, entries[n-1].LSN, w.chosen); err != nil {
			return err
		}
		entries = entries[n:]
	}
	w.progress.hold(0)
	return nil
}

// mark notes how far the journal is now.
func (w *Writer) mark() {
	if w.cfg.Last == nil {
		return
	}
	at := time.Now().Round(0) // the clock of ids, not the monotonic one
	last := w.cfg.Last()
	w.progress.mark(w.AppliedLSN(), mark{last, at})
}

// ArchivedBelow answers an id: of the comments that this writer was given, all
// with a lower one are in ClickHouse. It may be lower than need be. Deletions
// of such comments may still be on their way: readers hear of those from the
// live video's owner (embedded.Store.UnarchivedDeletions).
//
// It relies on a comment being in the journal within settle of its id's time,
// and, of those that come later, on seeing them before they are inserted.
func (w *Writer) ArchivedBelow() uint64 {
	below := w.DoneBelow()
	if refused := w.missing.lowestID(); refused != 0 {
		below = min(below, refused)
	}
	return below
}

// DoneBelow is ArchivedBelow, but for comments that were set aside.
func (w *Writer) DoneBelow() uint64 {
	w.mark()
	return w.progress.below(w.AppliedLSN())
}

// checkHistory notices another database than before.
func (w *Writer) checkHistory(id string) error {
	if w.saved.HistoryID == id {
		return nil
	}
	known := w.saved.HistoryID != ""
	w.saved.HistoryID = id
	if !known {
		return nil
	}
	w.db.cfg.Logger.Error("clickhouse: this is not the database that history was written to before; " +
		"what the journal no longer has is missing in it, see 'barrage import'")
	w.saved.Inserted, w.saved.Pending = 0, 0
	w.applied.Store(0)
	w.progress.begin(0)
	return errOtherHistory
}

// boundary is how many entries make the next batch: all, or as many as were
// sent together before a crash.
func (w *Writer) boundary(entries []persistence.Entry) int {
	if w.saved.Pending > w.AppliedLSN() {
		for i, e := range entries {
			if e.LSN > w.saved.Pending {
				return max(i, 1)
			}
		}
	}
	return len(entries)
}

// send inserts a batch: those that were chosen of the entries from one position
// to another.
func (w *Writer) send(ctx context.Context, f schema.Features, first, last persistence.LSN, chosen []persistence.Entry) error {
	if len(chosen) == 0 {
		w.applied.Store(uint64(last))
		return nil
	}
	if f.DeduplicationToken && w.saved.Pending != last {
		w.saved.Inserted, w.saved.Pending = w.AppliedLSN(), last
		if err := w.saved.write(w.cfg.Dir); err != nil {
			return err
		}
	}
	s := w.db.server()
	w.batch.reset()
	for _, e := range chosen {
		w.batch.add(e.Record)
	}
	token := fmt.Sprintf("%s:%d-%d", w.saved.Writer, first, last)
	if err := w.db.insert(ctx, s, f, &w.batch, token); err != nil {
		w.failed(s, err)
		if !w.failures.suspicious(first, err) {
			return err
		}
		if err := w.siftAll(ctx, f, chosen); err != nil {
			return err
		}
	}
	faultPoint("inserted")
	w.failures = failures{}
	w.inserted(chosen)
	w.applied.Store(uint64(last))
	return nil
}

// failed has the next attempt go elsewhere, and look for tables that are gone.
func (w *Writer) failed(s server, err error) {
	w.db.next(s)
	if tableGone(err) {
		w.db.forget()
	}
}

func (w *Writer) inserted(entries []persistence.Entry) {
	w.lastGood = entries[len(entries)-1].Record
	for i := len(entries) - 1; i >= 0; i-- {
		if c := entries[i].Record.GetCommentPosted().GetComment(); c != nil {
			w.insertedID.Store(max(w.insertedID.Load(), c.GetId()))
			break
		}
	}
}

// Sync keeps the position, so that the journal can be trimmed up to it.
func (w *Writer) Sync(context.Context) (persistence.LSN, error) {
	upTo := w.AppliedLSN()
	if upTo == w.saved.Inserted {
		return upTo, nil
	}
	w.saved.Inserted, w.saved.InsertedID = upTo, w.InsertedID()
	return upTo, w.saved.write(w.cfg.Dir)
}
