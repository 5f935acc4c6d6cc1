package clickhouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"barrage/persistence"
	"barrage/persistence/clickhouse/schema"
	"barrage/persistence/records"
)

// A record that ClickHouse refuses for what it is must not hold up all behind
// it for ever. Nothing is lost for that: it goes into a file.

// suspectAfter failures in a row of the same batch, something in it is looked
// for that may be the cause.
const suspectAfter = 3

// failures counts attempts at the same batch.
type failures struct {
	first persistence.LSN
	n     int
}

// suspicious says whether it is time to look for a record that is the cause.
func (f *failures) suspicious(first persistence.LSN, err error) bool {
	if f.first != first {
		*f = failures{first: first}
	}
	f.n++
	return f.n >= suspectAfter && refused(err)
}

// Codes of ClickHouse's exceptions that are about the server, whatever the
// rows are (src/Common/ErrorCodes.cpp).
var serverCodes = []int32{
	3, 16, 20, 32, 60, 74, 75, 76, 77, 81, 87, 88, 95, 96, 97, 99, 101, 107, 115, 159, 160, 164, 173, 192, 193, 194, 198,
	201, 202, 203, 204, 205, 209, 210, 225, 236, 241, 242, 243, 244, 245, 252, 254, 285, 286, 289, 305, 319, 341, 373, 381,
	394, 410, 416, 425, 439, 497, 499, 516, 519, 574, 589, 594, 668, 701, 702, 703, 722, 723, 733, 739, 999, 1000, 1001,
}

const (
	codeUnknownTable    = 60
	codeUnknownDatabase = 81
)

func codeOf(err error) (int32, bool) {
	var e *driver.Exception
	if !errors.As(err, &e) {
		return 0, false
	}
	return e.Code, true
}

// refused says whether a server understood a batch and did not want it.
func refused(err error) bool {
	code, ok := codeOf(err)
	return ok && !slices.Contains(serverCodes, code)
}

func tableGone(err error) bool {
	code, _ := codeOf(err)
	return code == codeUnknownTable || code == codeUnknownDatabase
}

// sift inserts a batch in parts, and sets aside what is refused by itself
// while other records are taken.
func (w *Writer) sift(ctx context.Context, f schema.Features, entries []persistence.Entry) error {
	err := w.insertEntries(ctx, f, entries)
	switch {
	case err == nil:
		w.lastGood = entries[len(entries)-1].Record
		return nil
	case !refused(err):
		return err
	case len(entries) > 1:
		half := len(entries) / 2
		if err := w.sift(ctx, f, entries[:half]); err != nil {
			return err
		}
		return w.sift(ctx, f, entries[half:])
	}
	return w.suspect(ctx, f, suspect{entries[0], err})
}

// suspect is a record that was refused by itself.
type suspect struct {
	entry persistence.Entry
	cause error
}

// mostUnproven records are kept for later, where none was taken yet to compare
// them with. More of them are the server's fault.
const mostUnproven = 8

func (w *Writer) suspect(ctx context.Context, f schema.Features, s suspect) error {
	poison, err := w.provePoison(ctx, f, s.entry)
	if errors.Is(err, errNoneTaken) && len(w.unproven) < mostUnproven {
		w.unproven = append(w.unproven, s)
		return nil
	}
	if err != nil || !poison {
		return err
	}
	return w.setAside(s.entry, s.cause)
}

// siftAll sifts a batch, and decides in the end on what had nothing to be
// compared with.
func (w *Writer) siftAll(ctx context.Context, f schema.Features, entries []persistence.Entry) error {
	w.unproven = nil
	if err := w.sift(ctx, f, entries); err != nil {
		return err
	}
	late := w.unproven
	w.unproven = nil
	for _, s := range late {
		if w.lastGood == nil {
			return fmt.Errorf("%w: %w", errNoneTaken, s.cause)
		}
		if err := w.suspect(ctx, f, s); err != nil {
			return err
		}
	}
	return nil
}

// errNoneTaken says that there is no record to compare a refused one with.
var errNoneTaken = errors.New("no record was taken yet, to compare a refused one with")

// provePoison inserts a record once more, between others. Only if it is
// refused and they are taken it is the record's fault, and not the server's.
func (w *Writer) provePoison(ctx context.Context, f schema.Features, entry persistence.Entry) (bool, error) {
	good, err := w.goodRecord(ctx)
	if err != nil {
		return false, err
	}
	if err := w.insertEntries(ctx, f, good); err != nil {
		return false, err
	}
	if err := w.insertEntries(ctx, f, []persistence.Entry{entry}); err == nil || !refused(err) {
		return false, err
	}
	return true, w.insertEntries(ctx, f, good)
}

// goodRecord is one that ClickHouse has taken before.
func (w *Writer) goodRecord(ctx context.Context) ([]persistence.Entry, error) {
	if w.lastGood == nil {
		c, err := w.db.anyComment(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, errNoneTaken
		}
		if err != nil {
			return nil, fmt.Errorf("looking for a record that was taken, to compare a refused one with: %w", err)
		}
		w.lastGood = &records.Record{Kind: &records.Record_CommentPosted{CommentPosted: &records.CommentPosted{Comment: c}}}
	}
	return []persistence.Entry{{Record: w.lastGood}}, nil
}

func (w *Writer) insertEntries(ctx context.Context, f schema.Features, entries []persistence.Entry) error {
	var b batch
	for _, e := range entries {
		b.add(e.Record)
	}
	return w.db.insert(ctx, w.db.server(), f, &b, "")
}
