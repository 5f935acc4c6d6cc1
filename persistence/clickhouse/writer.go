package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

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
	// Node names the node in the names of batches.
	Node string
	// Begin is where a writer without a checkpoint starts: what is up to there
	// is not in the journal any more.
	Begin persistence.LSN
}

// Writer puts the journal's records into ClickHouse: the target of a pump.
type Writer struct {
	cfg WriterConfig
	db  *DB

	applied    atomic.Uint64
	insertedID atomic.Uint64
	missing    missing

	// Of the one caller of Apply and Sync.
	saved    checkpoint
	failures failures
	lastGood *records.Record // that was inserted
	unproven []suspect
	batch    batch
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
	if !found {
		saved.Inserted = cfg.Begin
	}
	w := &Writer{cfg: cfg, db: cfg.DB, saved: saved}
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
	prepared, err := w.db.Prepare(ctx)
	if err != nil {
		return err
	}
	if err := w.checkHistory(prepared.HistoryID); err != nil {
		return err
	}
	for len(entries) > 0 && entries[0].LSN <= w.AppliedLSN() {
		entries = entries[1:]
	}
	for len(entries) > 0 {
		n := w.boundary(entries)
		if err := w.send(ctx, prepared.Features, entries[:n]); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return nil
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

func (w *Writer) send(ctx context.Context, f schema.Features, entries []persistence.Entry) error {
	first, last := entries[0].LSN, entries[len(entries)-1].LSN
	if f.DeduplicationToken && w.saved.Pending != last {
		w.saved.Inserted, w.saved.Pending = w.AppliedLSN(), last
		if err := w.saved.write(w.cfg.Dir); err != nil {
			return err
		}
	}
	s := w.db.server()
	w.batch.reset()
	for _, e := range entries {
		w.batch.add(e.Record)
	}
	token := fmt.Sprintf("%s:%d-%d", w.cfg.Node, first, last)
	if err := w.db.insert(ctx, s, f, &w.batch, token); err != nil {
		w.failed(s, err)
		if !w.failures.suspicious(first, err) {
			return err
		}
		if err := w.siftAll(ctx, f, entries); err != nil {
			return err
		}
	}
	faultPoint("inserted")
	w.failures = failures{}
	w.inserted(entries)
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
	last := entries[len(entries)-1]
	w.lastGood = last.Record
	for i := len(entries) - 1; i >= 0; i-- {
		if c := entries[i].Record.GetCommentPosted().GetComment(); c != nil {
			w.insertedID.Store(max(w.insertedID.Load(), c.GetId()))
			break
		}
	}
	w.applied.Store(uint64(last.LSN))
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
