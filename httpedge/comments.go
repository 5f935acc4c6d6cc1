package httpedge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/actors/wire"
	"barrage/persistence"
)

// postDeadline is how long a comment may wait for its live video's owner to
// come back, before its author is told to try again.
const postDeadline = 8 * time.Second

// readDeadline is how long a reader waits for history.
const readDeadline = 5 * time.Second

type commentBody struct {
	Message  *string `json:"message"`
	ParentID *string `json:"parentId"`
}

// postComment answers POST /comments/{liveVideoId}.
func (e *Edge) postComment(ctx *fasthttp.RequestCtx) error {
	video, err := liveVideoID(ctx)
	if err != nil {
		return err
	}
	author, err := e.auth.needed(ctx)
	if err != nil {
		return err
	}
	if err := e.limitPost(ctx, author); err != nil {
		return err
	}
	post, err := e.readPost(ctx, author)
	if err != nil {
		return err
	}
	if err := e.mustExist(video); err != nil {
		return err
	}
	deadline, cancel := context.WithTimeout(context.Background(), postDeadline)
	defer cancel()
	row, err := e.keptAnswer(deadline, video, post)
	if err == nil && row == nil {
		if err = e.checkParent(deadline, video, post.ParentId); err == nil {
			row, err = e.change(deadline, video, post)
		}
	}
	if err != nil {
		return err
	}
	ctx.Response.Header.Set("Location", fmt.Sprintf("/comments/%s/%d", video, row.Id))
	answerJSON(ctx, fasthttp.StatusCreated, actors.RowJSON(row))
	return nil
}

// readPost reads what is to be posted from a request.
func (e *Edge) readPost(ctx *fasthttp.RequestCtx, author *user) (*wire.PostComment, error) {
	key, err := idempotencyKey(ctx)
	if err != nil {
		return nil, err
	}
	var body commentBody
	if err := e.body(ctx, &body); err != nil {
		return nil, err
	}
	if body.Message == nil {
		return nil, malformed.because("message is missing.")
	}
	post := &wire.PostComment{UserId: author.id, UserName: author.name, IdempotencyKey: key}
	if post.Message, err = cleanMessage(*body.Message); err != nil {
		return nil, err
	}
	if body.ParentID != nil {
		if post.ParentId, err = actors.ParseID(*body.ParentID); err != nil || post.ParentId == 0 {
			return nil, malformed.because("parentId: %.32q is not a comment id.", *body.ParentID)
		}
	}
	return post, nil
}

// keptAnswer gives the comment with which a post's Idempotency-Key was
// answered before, as far as the store knows; nil if it doesn't.
func (e *Edge) keptAnswer(ctx context.Context, video string, post *wire.PostComment) (*wire.Row, error) {
	if post.IdempotencyKey == "" {
		return nil, nil // no key, no answer
	}
	kept, err := e.backend.Store.KeptAnswer(ctx, video, post.UserId, post.IdempotencyKey)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return nil, nil // a new key
	case err != nil:
		return nil, fmt.Errorf("looking up an idempotency key: %w", err)
	case string(kept.BodyDigest) != string(actors.BodyDigest(post.Message, post.ParentId)):
		return nil, problemOf(&wire.Fault{Code: wire.Code_KEY_REUSED})
	}
	return actors.EncodeRow(kept.Comment), nil
}

// checkParent refuses an answer to a comment that does not exist.
func (e *Edge) checkParent(ctx context.Context, video string, parentID uint64) error {
	if parentID == 0 {
		return nil
	}
	_, err := e.backend.Node.History().Row(ctx, video, parentID)
	if errors.Is(err, persistence.ErrNotFound) {
		return problemOf(&wire.Fault{Code: wire.Code_NO_PARENT})
	}
	return err
}

// change asks a live video's owner for a change and waits until it is durable.
func (e *Edge) change(ctx context.Context, video string, request protoMessage) (*wire.Row, error) {
	answer, err := e.backend.Owners.Request(ctx, video, request)
	if err != nil {
		e.log.Warn("the owner of a live video did not answer", "liveVideoId", video, "error", err)
		return nil, unavailable.because("The live video can't be reached now.").after(unavailableRetry)
	}
	changed, ok := answer.(*wire.CommentAnswer)
	if !ok {
		return nil, fmt.Errorf("unexpected answer %T of an owner", answer)
	}
	if changed.GetFault().GetCode() != wire.Code_OK {
		return nil, problemOf(changed.Fault)
	}
	return changed.Row, nil
}

// problemOf makes a problem of an owner's refusal.
func problemOf(fault *wire.Fault) *problem {
	switch fault.Code {
	case wire.Code_NOT_FOUND:
		return notFound.because("There is no such comment.")
	case wire.Code_FORBIDDEN:
		return forbidden.because("%s", fault.Detail)
	case wire.Code_KEY_REUSED:
		return keyReused.because("This Idempotency-Key was used for another comment.")
	case wire.Code_NO_PARENT:
		return malformed.because("parentId: the comment that this one answers does not exist.")
	default:
		return unavailable.because("%s", fault.Detail).after(unavailableRetry)
	}
}

// getComment answers GET /comments/{liveVideoId}/{commentId}.
func (e *Edge) getComment(ctx *fasthttp.RequestCtx) error {
	video, err := e.readable(ctx)
	if err != nil {
		return err
	}
	row, err := e.existing(ctx, video)
	if err != nil {
		return err
	}
	answerJSON(ctx, fasthttp.StatusOK, actors.RowJSON(row))
	return nil
}

// existing gives the comment that a path names.
func (e *Edge) existing(ctx *fasthttp.RequestCtx, video string) (*wire.Row, error) {
	id, err := commentID(ctx)
	if err != nil {
		return nil, err
	}
	deadline, cancel := context.WithTimeout(context.Background(), readDeadline)
	defer cancel()
	row, err := e.backend.Node.History().Row(deadline, video, id)
	if errors.Is(err, persistence.ErrNotFound) {
		return nil, problemOf(&wire.Fault{Code: wire.Code_NOT_FOUND})
	}
	return row, err
}

// deleteComment answers DELETE /comments/{liveVideoId}/{commentId}.
func (e *Edge) deleteComment(ctx *fasthttp.RequestCtx) error {
	video, err := liveVideoID(ctx)
	if err != nil {
		return err
	}
	who, err := e.auth.needed(ctx)
	if err != nil {
		return err
	}
	row, err := e.existing(ctx, video)
	if err != nil {
		return err
	}
	if row.UserId != who.id && !who.moderates() {
		return forbidden.because("Only its author, a moderator or an admin may delete a comment.")
	}
	deadline, cancel := context.WithTimeout(context.Background(), postDeadline)
	defer cancel()
	request := &wire.DeleteComment{CommentId: row.Id, DeletedBy: who.id, UserId: row.UserId, ParentId: row.ParentId}
	if _, err := e.change(deadline, video, request); err != nil {
		return err
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return nil
}
