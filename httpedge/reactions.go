package httpedge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/persistence"
)

// reaction is what a client counts.
type reaction struct {
	kind    string // its type
	count   int
	comment uint64 // 0: to the live video itself
}

type reactionBody struct {
	Type      *string `json:"type"`
	Count     *int    `json:"count"`
	CommentID *string `json:"commentId"`
}

// postReactions answers POST /comments/{liveVideoId}/reactions.
func (e *Edge) postReactions(ctx *fasthttp.RequestCtx) error {
	video, err := liveVideoID(ctx)
	if err != nil {
		return err
	}
	who, err := e.auth.needed(ctx)
	if err != nil {
		return err
	}
	var body reactionBody
	if err := e.body(ctx, &body); err != nil {
		return err
	}
	r, err := e.reactionOf(body)
	if err != nil {
		return err
	}
	if err := e.react(e.client(ctx, who), video, r); err != nil {
		return err
	}
	answerJSON(ctx, fasthttp.StatusAccepted, fmt.Appendf(nil, `{"accepted":%d}`, r.count))
	return nil
}

// reactionOf checks a reaction as far as the edge alone can.
func (e *Edge) reactionOf(body reactionBody) (r reaction, err error) {
	switch {
	case body.Type == nil:
		return r, malformed.because("type is missing.")
	case !slices.Contains(e.config.ReactionTypes, *body.Type):
		return r, malformed.because("type must be one of %s.", strings.Join(e.config.ReactionTypes, ", "))
	}
	r.kind, r.count = *body.Type, 1
	if body.Count != nil {
		r.count = *body.Count
	}
	if r.count < 1 || r.count > maxReactions {
		return r, malformed.because("count must be a whole number from 1 to %d.", maxReactions)
	}
	if body.CommentID != nil {
		if r.comment, err = actors.ParseID(*body.CommentID); err != nil || r.comment == 0 {
			return r, malformed.because("commentId: %.32q is not a comment id.", *body.CommentID)
		}
	}
	return r, nil
}

// react counts a reaction of a user, whichever way it came. It waits until that
// is durable.
func (e *Edge) react(from client, video string, r reaction) error {
	if err := e.limitReactions(from, video, r.count); err != nil {
		return err
	}
	if err := e.mustExist(video); err != nil {
		return err
	}
	if err := e.mustHaveComment(video, r.comment); err != nil {
		return err
	}
	return e.reactors.count(video, r)
}

const (
	// knownComments are the comments, to which somebody reacted, that are
	// remembered to exist; knownFor is for how long: one that is deleted
	// meanwhile at another node gets reactions no longer than that.
	knownComments = 10_000
	knownFor      = time.Second
)

// commentKey names a comment.
type commentKey struct {
	liveVideoID string
	id          uint64
}

func newKnownComments() *expirable.LRU[commentKey, struct{}] {
	return expirable.NewLRU[commentKey, struct{}](knownComments, nil, knownFor)
}

// mustHaveComment refuses reactions to a comment that there is not.
func (e *Edge) mustHaveComment(video string, id uint64) error {
	if id == 0 {
		return nil
	}
	key := commentKey{video, id}
	if _, known := e.known.Get(key); known {
		return nil
	}
	deadline, cancel := context.WithTimeout(context.Background(), readDeadline)
	defer cancel()
	_, err := e.backend.Node.History().Row(deadline, video, id)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return notFound.because("There is no such comment.")
	case err != nil:
		return err
	}
	e.known.Add(key, struct{}{})
	return nil
}
