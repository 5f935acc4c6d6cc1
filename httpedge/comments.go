package httpedge

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/actors/wire"
	"barrage/persistence"
)

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
	posted, err := e.post(&postRequest{
		video: video, author: author, client: e.client(ctx, author),
		wanted: func() bool { return !hungUp(ctx) },
		read:   func() (commentBody, string, error) { return e.readPost(ctx) },
	})
	if err != nil {
		return err
	}
	status := fasthttp.StatusCreated
	if posted.Held {
		status = fasthttp.StatusAccepted
	}
	e.answerComment(ctx, status, video, posted.Row)
	return nil
}

// answerComment answers with a comment that is there since now.
func (e *Edge) answerComment(ctx *fasthttp.RequestCtx, status int, video string, row *wire.Row) {
	ctx.Response.Header.Set("Location", fmt.Sprintf("/comments/%s/%d", video, row.Id))
	answerJSON(ctx, status, actors.RowJSON(row))
}

// postRequest is a comment that is to be posted, whichever way it came.
type postRequest struct {
	video  string
	author *user
	client client // for limits
	// wanted says whether somebody still waits for the answer.
	wanted func() bool
	// read gives what was sent, and its Idempotency-Key or "".
	read func() (body commentBody, key string, err error)
}

// post checks a comment and posts it. It waits until the comment is durable, or
// held: then its row's JSON says so.
func (e *Edge) post(r *postRequest) (*wire.CommentAnswer, error) {
	body, key, err := r.read()
	if err != nil {
		return nil, err
	}
	post, err := newPost(body, key, r.author)
	if err != nil {
		return nil, err
	}
	// What is malformed is refused as such, and uses nothing up.
	if err := e.limitPost(r.client, r.video); err != nil {
		return nil, err
	}
	if err := e.mustExist(r.video); err != nil {
		return nil, err
	}
	deadline, cancel := context.WithTimeout(context.Background(), e.config.RetryTime)
	defer cancel()
	deadline = actors.WhileWanted(deadline, r.wanted)
	if err := e.checkParent(deadline, r.video, post); err != nil {
		return nil, err
	}
	blocked := e.moderate(deadline, r.video, post)
	if blocked && post.IdempotencyKey == "" {
		return nil, isBlocked.because(notAllowedHere)
	}
	// The same as with a parent that is gone: what was posted before is answered.
	post.NoParent = post.NoParent || blocked
	posted, err := e.change(deadline, r.video, post)
	if p := new(problem); blocked && errors.As(err, &p) && p.Status == fasthttp.StatusBadRequest {
		return nil, isBlocked.because(notAllowedHere)
	}
	return posted, err
}

// readPost reads what is to be posted from a request.
func (e *Edge) readPost(ctx *fasthttp.RequestCtx) (body commentBody, key string, err error) {
	if key, err = idempotencyKey(ctx); err != nil {
		return body, "", err
	}
	return body, key, e.body(ctx, &body)
}

// newPost makes of a body what an owner is asked for.
func newPost(body commentBody, key string, author *user) (post *wire.PostComment, err error) {
	if body.Message == nil {
		return nil, malformed.because("message is missing.")
	}
	post = &wire.PostComment{
		UserId: author.id, UserName: author.name, IdempotencyKey: key, Moderates: author.moderates(),
		PostToken: max(1, rand.Uint64()), //nolint:gosec // tells tries apart, no secret
	}
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

// checkParent says of a post whether the comment that it answers is gone, and
// puts an answer to an answer into the same thread. Whether it may be posted
// nevertheless, being sent again, its owner knows.
func (e *Edge) checkParent(ctx context.Context, video string, post *wire.PostComment) error {
	if post.ParentId == 0 {
		return nil
	}
	history := e.backend.Node.History()
	parent, err := history.Row(ctx, video, post.ParentId)
	if err == nil && parent.ParentId != 0 {
		post.BodyDigest = actors.BodyDigest(post.Message, post.ParentId)
		post.ParentId = parent.ParentId
		_, err = history.Row(ctx, video, post.ParentId)
	}
	if post.NoParent = errors.Is(err, persistence.ErrNotFound); post.NoParent {
		return nil
	}
	return err
}

// change asks a live video's owner to change comments and waits until that is
// durable.
func (e *Edge) change(ctx context.Context, video string, request protoMessage) (*wire.CommentAnswer, error) {
	return askOwner[*wire.CommentAnswer](ctx, e, video, request)
}

// askOwner asks a live video's owner and gives its answer, of type A, or the
// problem that the owner has with it.
func askOwner[A interface {
	protoMessage
	GetFault() *wire.Fault
}](ctx context.Context, e *Edge, video string, request protoMessage) (answer A, err error) {
	reply, err := e.backend.Owners.Request(ctx, video, request)
	if err != nil {
		e.log.Warn("the owner of a live video did not answer", "liveVideoId", video, "error", err)
		return answer, unavailable.because("The live video can't be reached now.").after(unavailableRetry)
	}
	answer, ok := reply.(A)
	if !ok {
		return answer, fmt.Errorf("unexpected answer %T of an owner", reply)
	}
	if fault := answer.GetFault(); fault.GetCode() != wire.Code_OK {
		return answer, problemOf(fault)
	}
	return answer, nil
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
	case wire.Code_ENDED:
		return hasEnded.because("This live video has ended.")
	case wire.Code_MUTED:
		return isMuted.because("%s", orElse(fault.Detail, "You may not post here now."))
	case wire.Code_SLOW_MODE:
		return slowMode.because("%s", orElse(fault.Detail, "Slow mode is on here.")).after(retryOf(fault))
	case wire.Code_REPEATED:
		return isRepeated.because("%s", orElse(fault.Detail, "You have just said that.")).after(retryOf(fault))
	case wire.Code_TOO_MANY_HELD:
		return rateLimited.because("%s", orElse(fault.Detail, "Too many of your comments wait for a moderator.")).after(retryOf(fault))
	default:
		return unavailable.because("%s", fault.Detail).after(unavailableRetry)
	}
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// retryOf is when it may be worth trying again.
func retryOf(fault *wire.Fault) time.Duration {
	return time.Duration(fault.RetryMs) * time.Millisecond
}

// getComment answers GET /comments/{liveVideoId}/{commentId}.
func (e *Edge) getComment(ctx *fasthttp.RequestCtx) error {
	video, reader, err := e.reads(ctx)
	if err != nil {
		return err
	}
	row, err := e.existing(ctx, video)
	if err != nil {
		held, err := e.heldInstead(ctx, video, reader, err)
		if err != nil {
			return err
		}
		answerJSON(ctx, fasthttp.StatusOK, appendHeld(nil, held, reader))
		return nil
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

// deleteComment answers DELETE /comments/{liveVideoId}/{commentId}. One that
// waits for a moderator is taken out of the queue.
func (e *Edge) deleteComment(ctx *fasthttp.RequestCtx) error {
	video, err := liveVideoID(ctx)
	if err != nil {
		return err
	}
	who, err := e.auth.needed(ctx)
	if err != nil {
		return err
	}
	if err := e.limitRead(e.client(ctx, who), video); err != nil {
		return err // of whether there is such a comment
	}
	var request protoMessage
	if row, err := e.existing(ctx, video); err != nil {
		held, err := e.heldInstead(ctx, video, who, err)
		if err != nil {
			return err
		}
		request = &wire.ResolveHeld{HeldId: held.Row.Id, By: who.id}
	} else {
		if row.UserId != who.id && !who.moderates() {
			return forbidden.because("Only its author, a moderator or an admin may delete a comment.")
		}
		request = &wire.DeleteComment{CommentId: row.Id, DeletedBy: who.id, UserId: row.UserId, ParentId: row.ParentId}
	}
	deadline, cancel := context.WithTimeout(context.Background(), e.config.RetryTime)
	defer cancel()
	if _, err := e.change(deadline, video, request); err != nil {
		return err
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return nil
}
