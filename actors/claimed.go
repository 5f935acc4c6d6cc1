package actors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// What a node that does not own a live video tells its owner of it.

// AnswerClaim says what this node knows of a live video that it does not own.
// earlier is what activations on this node say that were owners before.
func (n *Node) AnswerClaim(ctx context.Context, m *wire.Claim, earlier ...*wire.Claimed) *wire.Claimed {
	answer, err := n.answerClaim(ctx, m, earlier)
	if err != nil {
		n.log.Warn("telling another node of a live video", "liveVideoId", m.LiveVideoId, "error", err)
		return &wire.Claimed{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: err.Error()}}
	}
	return answer
}

func (n *Node) answerClaim(ctx context.Context, m *wire.Claim, earlier []*wire.Claimed) (*wire.Claimed, error) {
	if err := n.Settle(ctx); err != nil {
		return nil, err
	}
	totals, err := n.config.Own.Totals(ctx, m.LiveVideoId)
	if err != nil {
		return nil, err
	}
	answer := &wire.Claimed{
		LastCommentId: totals.LastCommentId, Revision: totals.Revision, Holds: totals.LastCommentId != 0,
	}
	if totals.Revision != 0 && totals.CountedFrom == 0 {
		answer.TotalComments = &totals.Comments
	}
	if err := n.claimRoom(ctx, m.LiveVideoId, answer); err != nil {
		return nil, err
	}
	if n.config.Deletions != nil {
		if answer.Deleted, err = n.config.Deletions(ctx, m.LiveVideoId); err != nil {
			return nil, err
		}
	}
	cut := false
	if m.After != 0 {
		// Of an owner that has been one for a while: what it was not given by
		// this node's store before.
		comments, err := n.config.Own.Comments(ctx, m.LiveVideoId, persistence.Range{After: m.After, Limit: int(m.Limit), Desc: true})
		if err != nil {
			return nil, err
		}
		for _, c := range comments {
			answer.Rows = append(answer.Rows, EncodeRow(c))
		}
		cut = len(comments) == int(m.Limit)
		if n.config.Marks != nil {
			marks, err := n.config.Marks(ctx, m.LiveVideoId, m.After+1, ^uint64(0))
			if err != nil {
				return nil, err
			}
			for id := range marks {
				answer.Deleted = append(answer.Deleted, id)
			}
		}
	}
	asked := &ringRows{video: m.LiveVideoId, after: m.After, limit: int(m.Limit), answer: make(chan []*wire.Row, 1)}
	n.root.Send(n.relays, asked)
	select {
	case rows := <-asked.answer:
		answer.Rows = append(answer.Rows, rows...)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for _, e := range earlier {
		addEarlier(answer, e)
	}
	answer.Rows = slices.DeleteFunc(answer.Rows, func(row *wire.Row) bool { return row.Id <= m.After })
	slices.SortFunc(answer.Rows, func(a, b *wire.Row) int {
		// An owner knows more of the tries than the store.
		return cmp.Or(cmp.Compare(b.Id, a.Id), cmp.Compare(b.PostSentMs, a.PostSentMs), cmp.Compare(b.AnsweredAfterMs, a.AnsweredAfterMs))
	})
	answer.Rows = slices.CompactFunc(answer.Rows, func(a, b *wire.Row) bool { return a.Id == b.Id })
	bytes := 0
	for i, row := range answer.Rows {
		if bytes += len(row.Event); bytes > maxAnswerBytes {
			answer.Rows, cut = answer.Rows[:i], true
			break
		}
	}
	if cut && m.After != 0 {
		answer.MissingAfter = m.After
	}
	return answer, nil
}

// ringRows asks a relay for the comments that it has in its ring.
type ringRows struct {
	video  string
	after  uint64
	limit  int
	answer chan []*wire.Row
}

// keptAnswer looks for what a post's Idempotency-Key was answered with; nil if
// it was not used.
func (n *Node) keptAnswer(ctx context.Context, video string, m *wire.PostComment, holders []string) (*records.KeptAnswer, error) {
	kept, err := n.store.KeptAnswer(ctx, video, m.UserId, m.IdempotencyKey)
	if !errors.Is(err, persistence.ErrNotFound) {
		return kept, err
	}
	question := &wire.ReadKey{LiveVideoId: video, UserId: m.UserId, IdempotencyKey: m.IdempotencyKey}
	for _, holder := range holders {
		answer, err := n.owners.Ask(ctx, holder, question)
		key, ok := answer.(*wire.KeptKey)
		if err != nil || !ok || key.GetFault().GetCode() != wire.Code_OK {
			continue // it is away, or doesn't know the key
		}
		kept := new(records.KeptAnswer)
		if err := proto.Unmarshal(key.Kept, kept); err != nil {
			return nil, fmt.Errorf("reading what a key was answered with: %w", err)
		}
		return kept, nil
	}
	return nil, nil //nolint:nilnil // a new key
}

// AnswerKey says what this node's store has for a key.
func (n *Node) AnswerKey(ctx context.Context, m *wire.ReadKey) *wire.KeptKey {
	kept, err := n.config.Own.KeptAnswer(ctx, m.LiveVideoId, m.UserId, m.IdempotencyKey)
	var encoded []byte
	if err == nil {
		encoded, err = proto.Marshal(kept)
	}
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return &wire.KeptKey{Fault: &wire.Fault{Code: wire.Code_NOT_FOUND}}
	case err != nil:
		return &wire.KeptKey{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: err.Error()}}
	}
	return &wire.KeptKey{Kept: encoded}
}
