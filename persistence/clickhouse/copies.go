package clickhouse

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"barrage/persistence"
	"barrage/persistence/records"
)

// CopyState is what became of the record that a copy is of.
type CopyState int

const (
	// CopyPending says that its node will bring it to ClickHouse.
	CopyPending CopyState = iota
	// CopyArchived says that its node has brought it there.
	CopyArchived
	// CopyOrphan says that its node is gone, and may not have brought it there.
	CopyOrphan
)

// Copies knows the states of copies. Its methods may be called from any
// goroutine.
type Copies interface {
	State(c *records.Copy) CopyState
	// Changed answers a channel that is closed, or sent to, when a state that
	// is read after the call has changed.
	Changed() <-chan struct{}
}

// CopyWriter sees to it that other nodes' records of which this node has copies
// get into ClickHouse: it waits until their nodes have inserted them, and
// inserts what those can't. A row that both insert counts once.
type CopyWriter struct {
	*Writer
	copies   Copies
	patience time.Duration

	inserted, confirmed, pending atomic.Uint64

	// Of the one caller of Apply.
	waiting waiting
	// slow are the streams of copies of which one has been waited for in vain:
	// of those nothing is waited for until one is confirmed.
	slow map[stream]bool
}

// stream names the stream that a copy came by.
type stream struct {
	origin  string
	session uint64
}

func streamOf(c *records.Copy) stream { return stream{c.GetOrigin(), c.GetSession()} }

var _ persistence.Target = (*CopyWriter)(nil)

// NewCopyWriter begins where the checkpoint in its folder says. A copy whose
// state is not known patience after this writer met it is inserted: so the
// journal can be trimmed whatever becomes of other nodes.
func NewCopyWriter(cfg WriterConfig, copies Copies, patience time.Duration) (*CopyWriter, error) {
	if copies == nil || patience <= 0 {
		return nil, errors.New("clickhouse: copies need somebody who knows of them, and patience")
	}
	w, err := NewWriter(cfg)
	if err != nil {
		return nil, err
	}
	w.progress.begin(0) // copies are in no order that InsertedID could tell of
	return &CopyWriter{Writer: w, copies: copies, patience: patience, slow: map[stream]bool{}}, nil
}

// CopyStats is what became of the copies since the start.
type CopyStats struct {
	Confirmed uint64 // inserted by their nodes
	Inserted  uint64 // inserted here
	Pending   uint64 // of those in hand
}

// CopyStats may be asked often.
func (w *CopyWriter) CopyStats() CopyStats {
	return CopyStats{w.confirmed.Load(), w.inserted.Load(), w.pending.Load()}
}

// Apply waits until each of the copies among the entries is in ClickHouse, or
// is to be inserted here, and inserts those. Without copies it needs no server.
func (w *CopyWriter) Apply(ctx context.Context, entries []persistence.Entry) error {
	entries = w.rest(entries)
	if len(entries) == 0 {
		return nil
	}
	if err := w.decide(ctx, entries); err != nil {
		return err
	}
	orphans := w.waiting.orphans
	err := w.apply(ctx, entries, func(e persistence.Entry) bool { _, ok := orphans[e.LSN]; return ok })
	if err != nil {
		return err
	}
	w.inserted.Add(uint64(len(orphans)))
	w.confirmed.Add(w.waiting.confirmed)
	w.waiting = waiting{}
	return nil
}

// waiting is what is known of the copies of a batch. It is kept while the batch
// is tried again, so that patience counts from the first time.
type waiting struct {
	first, last persistence.LSN
	since       time.Time
	pending     []persistence.Entry
	orphans     map[persistence.LSN]struct{}
	lowest      uint64 // id of orphans; 0: none is a comment
	confirmed   uint64
}

// add notes an orphan.
func (x *waiting) add(e persistence.Entry) {
	x.orphans[e.LSN] = struct{}{}
	if id := e.Record.GetCommentPosted().GetComment().GetId(); id != 0 && (x.lowest == 0 || id < x.lowest) {
		x.lowest = id
	}
}

// decide returns when it is known of each copy whether it is to be inserted.
func (w *CopyWriter) decide(ctx context.Context, entries []persistence.Entry) error {
	first, last := entries[0].LSN, entries[len(entries)-1].LSN
	if x := &w.waiting; x.since.IsZero() || x.first != first || x.last != last {
		*x = waiting{first: first, last: last, since: time.Now(), orphans: map[persistence.LSN]struct{}{}}
		for _, e := range entries {
			if e.Record.GetCopy() != nil {
				x.pending = append(x.pending, e)
			}
		}
	}
	defer func() { w.pending.Store(uint64(len(w.waiting.pending))) }()
	patience := time.NewTimer(time.Until(w.waiting.since.Add(w.patience)))
	defer patience.Stop()
	for {
		changed := w.copies.Changed() // before the look, so that none is missed
		w.look()
		w.hold()
		if len(w.waiting.pending) == 0 {
			return nil
		}
		w.pending.Store(uint64(len(w.waiting.pending)))
		select {
		case <-changed:
		case <-patience.C:
			w.giveUp()
			w.hold()
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hold notes what ArchivedBelow must not be above.
func (w *CopyWriter) hold() {
	x := &w.waiting
	lowest := lowestID(x.pending, func(persistence.Entry) bool { return true })
	if lowest == 0 || x.lowest != 0 && x.lowest < lowest {
		lowest = x.lowest
	}
	w.progress.hold(lowest)
}

// look asks for the states of what is pending.
func (w *CopyWriter) look() {
	x := &w.waiting
	x.pending = slices.DeleteFunc(x.pending, func(e persistence.Entry) bool {
		c := e.Record.GetCopy()
		switch w.copies.State(c) {
		case CopyArchived:
			delete(w.slow, streamOf(c))
			x.confirmed++
			return true
		case CopyOrphan:
			delete(w.slow, streamOf(c))
		default:
			if !w.slow[streamOf(c)] {
				return false
			}
		}
		x.add(e)
		return true
	})
}

// giveUp has inserted here what is still pending.
func (w *CopyWriter) giveUp() {
	x := &w.waiting
	for _, e := range x.pending {
		w.slow[streamOf(e.Record.GetCopy())] = true
		x.add(e)
	}
	w.db.cfg.Logger.Warn("clickhouse: other nodes don't say that their records are there; inserting our copies", "records", len(x.pending))
	x.pending = nil
}
