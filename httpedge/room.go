package httpedge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/actors/wire"
	"barrage/persistence"
)

// Limits of what is set for a live video.
const (
	maxSlowMode = 3600 // seconds
	// knownVideos are the live videos that are remembered to exist.
	knownVideos = 10_000
)

// States of a live video.
const (
	stateLive  = "live"
	stateEnded = "ended"
)

func stateOf(ended bool) string {
	if ended {
		return stateEnded
	}
	return stateLive
}

// videoJSON is a live video as clients see it.
type videoJSON struct {
	LiveVideoID     string            `json:"liveVideoId"`
	State           string            `json:"state"`
	Viewers         uint64            `json:"viewers"`
	Comments        uint64            `json:"comments"`
	Reactions       map[string]uint64 `json:"reactions"`
	Owner           string            `json:"owner"`
	SlowModeSeconds uint32            `json:"slowModeSeconds"`
	PinnedCommentID string            `json:"pinnedCommentId,omitempty"`
	ReactionTypes   []string          `json:"reactionTypes"`
	You             *youJSON          `json:"you,omitempty"`
}

// youJSON is who asks.
type youJSON struct {
	UserID     string `json:"userId"`
	Role       string `json:"role"`
	Muted      bool   `json:"muted"`
	MutedUntil string `json:"mutedUntil,omitempty"`
}

// getVideo answers GET /videos/{liveVideoId}.
func (e *Edge) getVideo(ctx *fasthttp.RequestCtx) error {
	video, reader, err := e.reads(ctx)
	if err != nil {
		return err
	}
	state, err := e.video(video, reader)
	if err != nil {
		return err
	}
	return e.answerVideo(ctx, video, state, reader)
}

func (e *Edge) answerVideo(ctx *fasthttp.RequestCtx, id string, v *wire.Video, reader *user) error {
	answer := videoJSON{
		LiveVideoID: id, State: stateOf(v.GetRoom().GetEnded()), Viewers: v.Viewers, Comments: v.Comments,
		Reactions: v.Reactions, Owner: v.Owner, SlowModeSeconds: v.GetRoom().GetSlowModeSeconds(),
		ReactionTypes: e.config.ReactionTypes,
	}
	if answer.Reactions == nil {
		answer.Reactions = map[string]uint64{}
	}
	if pinned := v.GetRoom().GetPinnedCommentId(); pinned != 0 {
		answer.PinnedCommentID = actors.FormatID(pinned)
	}
	if reader != nil {
		answer.You = &youJSON{UserID: reader.id, Role: reader.role}
		if m := v.Mute; m != nil && (m.UntilMs == 0 || time.Now().UnixMilli() < m.UntilMs) {
			answer.You.Muted, answer.You.MutedUntil = true, mutedUntil(m.UntilMs)
		}
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("encoding a live video: %w", err)
	}
	answerJSON(ctx, fasthttp.StatusOK, body)
	return nil
}

// video asks a live video's owner for its state, and whether a reader, if there
// is one, is muted.
func (e *Edge) video(id string, reader *user) (*wire.Video, error) {
	deadline, cancel := context.WithTimeout(context.Background(), readDeadline)
	defer cancel()
	question := &wire.ReadVideo{}
	if reader != nil {
		question.UserId = reader.id
	}
	return askOwner[*wire.Video](deadline, e, id, question)
}

// mustExist refuses a live video that was never used or made, where live videos
// are not made by their first use.
func (e *Edge) mustExist(video string) error {
	if e.config.Autocreate || e.exist.Contains(video) {
		return nil
	}
	state, err := e.video(video, nil)
	if err == nil && !state.Exists {
		return notFound.because("There is no live video %s.", video)
	}
	if err == nil {
		e.exist.Add(video, struct{}{})
	}
	return err
}

type roomBody struct {
	State           *string         `json:"state"`
	SlowModeSeconds *int            `json:"slowModeSeconds"`
	PinnedCommentID json.RawMessage `json:"pinnedCommentId"` // absent, null, or a text
}

// putVideo answers PUT /videos/{liveVideoId}.
func (e *Edge) putVideo(ctx *fasthttp.RequestCtx) error {
	video, err := liveVideoID(ctx)
	if err != nil {
		return err
	}
	admin, err := e.auth.needed(ctx)
	if err != nil {
		return err
	}
	if admin.role != roleAdmin {
		return forbidden.because("Only an admin may change a live video.")
	}
	var body roomBody
	if err := e.body(ctx, &body); err != nil {
		return err
	}
	deadline, cancel := e.changing(ctx)
	defer cancel()
	change, err := e.roomChange(deadline, video, &body)
	if err != nil {
		return err
	}
	change.By = admin.id
	state, err := askOwner[*wire.Video](deadline, e, video, change)
	if err != nil {
		return err
	}
	return e.answerVideo(ctx, video, state, admin)
}

// roomChange makes of a body what an owner is asked for.
func (e *Edge) roomChange(ctx context.Context, video string, body *roomBody) (*wire.ChangeRoom, error) {
	change := &wire.ChangeRoom{Create: !e.config.Autocreate}
	if body.State != nil {
		if *body.State != stateLive && *body.State != stateEnded {
			return nil, malformed.because("state must be live or ended.")
		}
		ended := *body.State == stateEnded
		change.Ended = &ended
	}
	if body.SlowModeSeconds != nil {
		if *body.SlowModeSeconds < 0 || *body.SlowModeSeconds > maxSlowMode {
			return nil, malformed.because("slowModeSeconds must be a whole number from 0 to %d.", maxSlowMode)
		}
		seconds := uint32(*body.SlowModeSeconds)
		change.SlowModeSeconds = &seconds
	}
	if body.PinnedCommentID != nil {
		return change, e.pin(ctx, video, body.PinnedCommentID, change)
	}
	return change, nil
}

// pin puts the comment that is to be pinned into a change.
func (e *Edge) pin(ctx context.Context, video string, raw json.RawMessage, change *wire.ChangeRoom) error {
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil {
		return malformed.because("pinnedCommentId must be a comment id, or null.")
	}
	change.PinnedCommentId = new(uint64)
	if text == nil || *text == "" {
		return nil
	}
	id, err := actors.ParseID(*text)
	if err != nil || id == 0 {
		return malformed.because("pinnedCommentId: %.32q is not a comment id.", *text)
	}
	row, err := e.backend.Node.History().Row(ctx, video, id)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return notFound.because("There is no comment %d to pin.", id)
	case err != nil:
		return err
	}
	*change.PinnedCommentId, change.Pinned = id, actors.RowJSON(row)
	return nil
}
