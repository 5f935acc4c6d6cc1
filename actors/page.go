package actors

import (
	"context"
	"errors"
	"fmt"

	"barrage/actors/wire"
	"barrage/persistence"
)

// Page is a part of history, with what has become of its comments.
type Page struct {
	Rows []*wire.Row
	// Replies says how many answers comments have, Reactions which reactions:
	// those of Rows that have any.
	Replies   map[uint64]uint64
	Reactions map[uint64]map[string]uint64
	// Holding: comments of the live video wait for moderators.
	Holding bool
}

// Page gives the comments of a range as Rows does, with the same errors. The
// owner is asked again only where there are reactions, and the store is asked
// for answers only below what the owner has in memory.
func (h *History) Page(ctx context.Context, liveVideoID string, r persistence.Range) (*Page, error) {
	memory, err := h.recent(ctx, liveVideoID, &wire.ReadRecent{
		After: r.After, Before: r.Before, Limit: uint32(r.Limit), Desc: r.Desc, ParentId: r.Parent,
	})
	if err != nil {
		return nil, err
	}
	p := &Page{Holding: memory.Holding}
	var incomplete error
	if p.Rows, incomplete = h.rows(ctx, liveVideoID, r, memory); incomplete != nil && !errors.Is(incomplete, persistence.ErrIncomplete) {
		return nil, incomplete
	}
	if r.Parent == 0 {
		p.Replies = h.replies(ctx, liveVideoID, p.Rows, memory)
	}
	if memory.Reacted && len(p.Rows) > 0 {
		if p.Reactions, err = h.reactions(ctx, liveVideoID, p.Rows); err != nil {
			return nil, err
		}
	}
	return p, incomplete
}

// replies counts the answers to comments. Those in a store that can't be asked
// now are left out: the comments themselves are worth more.
func (h *History) replies(ctx context.Context, liveVideoID string, rows []*wire.Row, memory *wire.RecentRows) map[uint64]uint64 {
	wanted := make(map[uint64]bool, len(rows))
	var stored []uint64 // what is not below the floor has all its answers in memory
	for _, row := range rows {
		if row.ParentId != 0 {
			continue
		}
		wanted[row.Id] = true
		if row.Id < memory.Floor {
			stored = append(stored, row.Id)
		}
	}
	counts := map[uint64]uint64{}
	if len(stored) > 0 {
		if found, err := h.store.ReplyCounts(ctx, liveVideoID, stored, memory.Floor); err == nil {
			counts = found
		}
	}
	for _, replies := range memory.Replies {
		if wanted[replies.ParentId] {
			counts[replies.ParentId] += uint64(replies.Count)
		}
	}
	return counts
}

// reactions asks the owner for the reactions to comments.
func (h *History) reactions(ctx context.Context, liveVideoID string, rows []*wire.Row) (map[uint64]map[string]uint64, error) {
	question := &wire.ReadReactions{}
	for _, row := range rows {
		question.CommentIds = append(question.CommentIds, row.Id)
	}
	answer, err := h.owners.Request(ctx, liveVideoID, question)
	if err != nil {
		return nil, fmt.Errorf("asking the owner for reactions: %w", err)
	}
	many, ok := answer.(*wire.ManyReactions)
	if !ok {
		return nil, fmt.Errorf("unexpected answer %T of the owner", answer)
	}
	if many.GetFault().GetCode() != wire.Code_OK {
		return nil, fmt.Errorf("%w: the owner says: %s", persistence.ErrUnavailable, many.Fault.Detail)
	}
	totals := make(map[uint64]map[string]uint64, len(many.Totals))
	for _, t := range many.Totals {
		totals[t.CommentId] = t.Totals
	}
	return totals, nil
}
