package actors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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
		if err := n.addMarksFrom(ctx, m.LiveVideoId, min(m.After+1, max(m.Floor, 1)), answer); err != nil {
			return nil, err
		}
		if m.Older && m.Floor <= m.After {
			older, err := n.config.Own.Comments(ctx, m.LiveVideoId, persistence.Range{
				After: m.Floor - 1, Before: m.After + 1, Limit: int(m.Limit), Desc: true, IDsOnly: true,
			})
			if err != nil {
				return nil, err
			}
			for _, c := range older {
				answer.OlderIds = append(answer.OlderIds, c.Id)
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

// Complete completes what an owner of this node's handed over. All of it is in
// this node's store then: who merges it looks there, and takes what is not there
// for deleted. And it has which comments of its memory are deleted: the owner
// remembers that for a while only, and others may have them still.
func (n *Node) Complete(ctx context.Context, m *wire.Claim, answer *wire.Claimed) {
	err := n.Settle(ctx)
	if err == nil {
		from := max(answer.Floor, 1)
		if m.Floor != 0 {
			from = min(from, m.Floor)
		}
		err = n.addMarksFrom(ctx, m.LiveVideoId, from, answer)
	}
	if err != nil {
		n.log.Warn("completing what another node is told of a live video", "liveVideoId", m.LiveVideoId, "error", err)
	}
}

// mostMarks is how many deletions are told, the newest comments' first.
const mostMarks = 10_000

func (n *Node) addMarksFrom(ctx context.Context, video string, from uint64, answer *wire.Claimed) error {
	if n.config.Marks == nil {
		return nil
	}
	marks, err := n.config.Marks(ctx, video, from, ^uint64(0))
	if err != nil {
		return err
	}
	ids := slices.Sorted(maps.Keys(marks))
	answer.Deleted = append(answer.Deleted, ids[max(0, len(ids)-mostMarks):]...)
	return nil
}

// ringRows asks a relay for the comments that it has in its ring.
type ringRows struct {
	video  string
	after  uint64
	limit  int
	answer chan []*wire.Row
}

// keptAnswer looks for what a post's Idempotency-Key was answered with; nil if
// it was not used. holders are asked if nobody here knows it and unknown says
// so, and if the comment is gone: of two that owners took at a time one was taken
// back, and the key stands for the other.
func (n *Node) keptAnswer(ctx context.Context, video string, m *wire.PostComment, holders []string, unknown bool) (*records.KeptAnswer, error) {
	found, err := n.store.KeptAnswer(ctx, video, m.UserId, m.IdempotencyKey)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		if found = nil; !unknown {
			return nil, nil //nolint:nilnil // a new key
		}
	case err != nil:
		return nil, err
	case len(holders) == 0 || !n.isGone(ctx, video, found.Comment.GetId()):
		return found, nil
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
		if found == nil || kept.Comment.GetId() != found.Comment.GetId() && !n.isGone(ctx, video, kept.Comment.GetId()) {
			return kept, nil
		}
	}
	return found, nil
}

// isGone says whether a comment is known not to be in history.
func (n *Node) isGone(ctx context.Context, video string, id uint64) bool {
	_, err := n.history.Row(ctx, video, id)
	return errors.Is(err, persistence.ErrNotFound)
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
