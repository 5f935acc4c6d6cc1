package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"barrage/actors/wire"
	"barrage/persistence"
)

// History reads a live video's comments: the newest from its owner's memory,
// the others from the store. It may be used from any goroutine.
type History struct {
	owners Owners
	store  persistence.Store
}

// Rows gives the comments of a range, in the order that it asks for. The
// number of rows is r.Limit unless the range has no more. With
// persistence.ErrIncomplete they are the newest of it, of which there is at
// least one: the rest can't be read now.
func (h *History) Rows(ctx context.Context, liveVideoID string, r persistence.Range) ([]*wire.Row, error) {
	memory, err := h.recent(ctx, liveVideoID, &wire.ReadRecent{
		After: r.After, Before: r.Before, Limit: uint32(r.Limit), Desc: r.Desc, ParentId: r.Parent,
	})
	if err != nil {
		return nil, err
	}
	return h.rows(ctx, liveVideoID, r, memory)
}

// rows puts a range together of what memory has of it, and of the store.
func (h *History) rows(ctx context.Context, liveVideoID string, r persistence.Range, memory *wire.RecentRows) ([]*wire.Row, error) {
	if r.Desc {
		if len(memory.Rows) >= r.Limit {
			return memory.Rows, nil
		}
		older, err := h.stored(ctx, liveVideoID, r, r.Limit-len(memory.Rows), memory)
		rows := append(memory.Rows, older...)
		if len(rows) > 0 && errors.Is(err, persistence.ErrUnavailable) {
			err = fmt.Errorf("%w: %w", persistence.ErrIncomplete, err)
		}
		return rows, err
	}
	rows, err := h.stored(ctx, liveVideoID, r, r.Limit, memory)
	if err != nil {
		return nil, err
	}
	return append(rows, memory.Rows[:min(len(memory.Rows), r.Limit-len(rows))]...), nil
}

// stored reads the part of a range that is below memory's floor.
func (h *History) stored(ctx context.Context, liveVideoID string, r persistence.Range, limit int, memory *wire.RecentRows) ([]*wire.Row, error) {
	if r.Before == 0 || r.Before > memory.Floor {
		r.Before = memory.Floor
	}
	if r.Before <= r.After+1 {
		return nil, nil
	}
	r.Limit = limit + len(memory.Deleted)
	comments, err := h.store.Comments(ctx, liveVideoID, r)
	if err != nil {
		err = fmt.Errorf("reading history: %w", err)
	}
	rows := make([]*wire.Row, 0, limit)
	for _, c := range comments {
		if len(rows) < limit && !slices.Contains(memory.Deleted, c.Id) {
			rows = append(rows, EncodeRow(c))
		}
	}
	return rows, err
}

// Row gives one comment; the error wraps persistence.ErrNotFound if there is
// none.
func (h *History) Row(ctx context.Context, liveVideoID string, id uint64) (*wire.Row, error) {
	if id == 0 {
		return nil, persistence.ErrNotFound // the owner would take it for any
	}
	memory, err := h.recent(ctx, liveVideoID, &wire.ReadRecent{CommentId: id})
	switch {
	case err != nil:
		return nil, err
	case len(memory.Rows) > 0:
		return memory.Rows[0], nil
	case id >= memory.Floor || slices.Contains(memory.Deleted, id):
		return nil, persistence.ErrNotFound
	}
	c, err := h.store.Comment(ctx, liveVideoID, id)
	if err != nil {
		return nil, fmt.Errorf("reading a comment: %w", err)
	}
	return EncodeRow(c), nil
}

func (h *History) recent(ctx context.Context, liveVideoID string, m *wire.ReadRecent) (*wire.RecentRows, error) {
	answer, err := h.owners.Request(ctx, liveVideoID, m)
	if err != nil {
		return nil, fmt.Errorf("asking the owner for recent comments: %w", err)
	}
	rows, ok := answer.(*wire.RecentRows)
	if !ok {
		return nil, fmt.Errorf("unexpected answer %T of the owner", answer)
	}
	if rows.GetFault().GetCode() != wire.Code_OK {
		return nil, fmt.Errorf("%w: the owner says: %s", persistence.ErrUnavailable, rows.Fault.Detail)
	}
	return rows, nil
}
