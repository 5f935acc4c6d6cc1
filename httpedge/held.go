package httpedge

import (
	"context"
	"errors"

	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/actors/wire"
)

// Comments that wait for a moderator are shown to their authors and to who
// keeps order, and to nobody else. They are with the live video's owner alone.

// listHeld answers GET /videos/{liveVideoId}/held.
func (e *Edge) listHeld(ctx *fasthttp.RequestCtx) error {
	video, err := liveVideoID(ctx)
	if err != nil {
		return err
	}
	reader, err := e.auth.needed(ctx)
	if err != nil {
		return err
	}
	if err := e.limitRead(e.client(ctx, reader), video); err != nil {
		return err
	}
	if err := e.mustExist(video); err != nil {
		return err
	}
	deadline, cancel := context.WithTimeout(context.Background(), readDeadline)
	defer cancel()
	rows, err := e.held(deadline, video, reader, 0)
	if err != nil {
		return err
	}
	body := append(heldJSON([]byte(`{"comments":`), rows, reader), '}')
	answerJSON(ctx, fasthttp.StatusOK, body)
	return nil
}

// held gives the comments that wait, oldest first, as far as a reader may see
// them; just the one with an id, if that is not 0.
func (e *Edge) held(ctx context.Context, video string, reader *user, id uint64) ([]*wire.HeldRow, error) {
	if reader == nil {
		return nil, nil
	}
	question := &wire.ReadHeld{HeldId: id}
	if !reader.moderates() {
		question.UserId = reader.id
	}
	answer, err := askOwner[*wire.HeldRows](ctx, e, video, question)
	if err != nil {
		return nil, err
	}
	return answer.Rows, nil
}

// heldJSON appends a list of comments that wait, with their reasons for who
// keeps order.
func heldJSON(to []byte, rows []*wire.HeldRow, reader *user) []byte {
	to = append(to, '[')
	for i, row := range rows {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendHeld(to, row, reader)
	}
	return append(to, ']')
}

func appendHeld(to []byte, row *wire.HeldRow, reader *user) []byte {
	reason := ""
	if reader.moderates() {
		reason = row.Reason
	}
	return spliced(to, actors.RowJSON(row.Row), text("reason", reason))
}

// heldInstead gives the comment that waits under the id of a path, if the reader
// may see it; otherwise what is missing stays so.
func (e *Edge) heldInstead(ctx *fasthttp.RequestCtx, video string, reader *user, missing error) (*wire.HeldRow, error) {
	id, err := commentID(ctx)
	if err != nil {
		return nil, err
	}
	if p := new(problem); reader == nil || !errors.As(missing, &p) || p.Status != fasthttp.StatusNotFound {
		return nil, missing
	}
	deadline, cancel := context.WithTimeout(context.Background(), readDeadline)
	defer cancel()
	rows, err := e.held(deadline, video, reader, id)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || rows[0].Resolved {
		return nil, missing
	}
	return rows[0], nil
}

// approve answers POST /videos/{liveVideoId}/held/{heldId}/approve: the comment
// is posted now, with a new id, as ids rise on streams.
func (e *Edge) approve(ctx *fasthttp.RequestCtx) error {
	video, answer, err := e.resolve(ctx, true)
	if err != nil {
		return err
	}
	e.answerComment(ctx, fasthttp.StatusCreated, video, answer.Row)
	return nil
}

// reject answers POST /videos/{liveVideoId}/held/{heldId}/reject.
func (e *Edge) reject(ctx *fasthttp.RequestCtx) error {
	if _, _, err := e.resolve(ctx, false); err != nil {
		return err
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return nil
}

func (e *Edge) resolve(ctx *fasthttp.RequestCtx, approve bool) (video string, answer *wire.CommentAnswer, err error) {
	video, moderator, err := e.keepsOrder(ctx)
	if err != nil {
		return "", nil, err
	}
	id, err := pathID(ctx, "heldId")
	if err != nil {
		return "", nil, err
	}
	deadline, cancel := e.changing(ctx)
	defer cancel()
	answer, err = e.change(deadline, video, &wire.ResolveHeld{HeldId: id, Approve: approve, By: moderator.id})
	return video, answer, err
}
