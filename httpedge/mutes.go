package httpedge

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/actors/wire"
)

// maxMute is the longest mute that ends by itself, in seconds: ten years.
const maxMute = 10 * 365 * 24 * 3600

// timeJSON is RFC 3339 with milliseconds, for times in UTC.
const timeJSON = "2006-01-02T15:04:05.000Z"

func formatMs(ms int64) string { return time.UnixMilli(ms).UTC().Format(timeJSON) }

// mutedUntil is when a mute ends, "" if never.
func mutedUntil(untilMs int64) string {
	if untilMs == 0 {
		return ""
	}
	return formatMs(untilMs)
}

// muteJSON is a mute as clients see it. MutedUntil is nil for one that is for
// good.
type muteJSON struct {
	UserID     string  `json:"userId"`
	MutedUntil *string `json:"mutedUntil"`
	By         string  `json:"by,omitempty"`
	At         string  `json:"at,omitempty"`
}

func muteOf(userID string, untilMs int64) muteJSON {
	m := muteJSON{UserID: userID}
	if until := mutedUntil(untilMs); until != "" {
		m.MutedUntil = &until
	}
	return m
}

// putMute answers PUT /videos/{liveVideoId}/mutes/{userId}.
func (e *Edge) putMute(ctx *fasthttp.RequestCtx) error {
	video, moderator, err := e.keepsOrder(ctx)
	if err != nil {
		return err
	}
	userID, err := pathUser(ctx)
	if err != nil {
		return err
	}
	var body struct {
		Seconds *int64 `json:"seconds"`
	}
	if err := e.body(ctx, &body); err != nil {
		return err
	}
	if body.Seconds == nil || *body.Seconds < 0 || *body.Seconds > maxMute {
		return malformed.because("seconds must be a whole number from 0 (for good) to %d.", maxMute)
	}
	mute := &wire.MuteUser{UserId: userID}
	if *body.Seconds > 0 {
		mute.UntilMs = time.Now().Add(time.Duration(*body.Seconds) * time.Second).UnixMilli()
	}
	if err := e.mute(ctx, video, moderator, mute); err != nil {
		return err
	}
	answer, err := json.Marshal(muteOf(userID, mute.UntilMs))
	if err != nil {
		return fmt.Errorf("encoding a mute: %w", err)
	}
	answerJSON(ctx, fasthttp.StatusOK, answer)
	return nil
}

// deleteMute answers DELETE /videos/{liveVideoId}/mutes/{userId}.
func (e *Edge) deleteMute(ctx *fasthttp.RequestCtx) error {
	video, moderator, err := e.keepsOrder(ctx)
	if err != nil {
		return err
	}
	userID, err := pathUser(ctx)
	if err != nil {
		return err
	}
	if err := e.mute(ctx, video, moderator, &wire.MuteUser{UserId: userID, Unmute: true}); err != nil {
		return err
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return nil
}

// changing is for a change of a room. It is tried as long as its client waits:
// one that comes late, from a node that stood still, would undo what was asked
// for meanwhile elsewhere.
func (e *Edge) changing(ctx *fasthttp.RequestCtx) (context.Context, context.CancelFunc) {
	deadline, cancel := context.WithTimeout(context.Background(), e.config.RetryTime)
	return actors.WhileWanted(deadline, func() bool { return !hungUp(ctx) }), cancel
}

func (e *Edge) mute(ctx *fasthttp.RequestCtx, video string, moderator *user, mute *wire.MuteUser) error {
	deadline, cancel := e.changing(ctx)
	defer cancel()
	_, err := askOwner[*wire.Video](deadline, e, video, &wire.ChangeRoom{By: moderator.id, Mute: mute})
	return err
}

// listMutes answers GET /videos/{liveVideoId}/mutes.
func (e *Edge) listMutes(ctx *fasthttp.RequestCtx) error {
	video, _, err := e.keepsOrder(ctx)
	if err != nil {
		return err
	}
	deadline, cancel := context.WithTimeout(context.Background(), readDeadline)
	defer cancel()
	muted, err := askOwner[*wire.Mutes](deadline, e, video, &wire.ReadMutes{})
	if err != nil {
		return err
	}
	answer := struct {
		Mutes []muteJSON `json:"mutes"`
	}{Mutes: []muteJSON{}}
	now := time.Now().UnixMilli()
	for _, m := range muted.Mutes {
		if m.UntilMs != 0 && m.UntilMs <= now {
			continue
		}
		mute := muteOf(m.UserId, m.UntilMs)
		if mute.By = m.By; m.AtMs != 0 {
			mute.At = formatMs(m.AtMs)
		}
		answer.Mutes = append(answer.Mutes, mute)
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("encoding mutes: %w", err)
	}
	answerJSON(ctx, fasthttp.StatusOK, body)
	return nil
}

// keepsOrder gives the live video that a moderator's request names, and the
// moderator.
func (e *Edge) keepsOrder(ctx *fasthttp.RequestCtx) (video string, moderator *user, err error) {
	if video, err = liveVideoID(ctx); err != nil {
		return "", nil, err
	}
	if moderator, err = e.auth.needed(ctx); err != nil {
		return "", nil, err
	}
	if !moderator.moderates() {
		return "", nil, forbidden.because("Only a moderator or an admin may do this.")
	}
	return video, moderator, e.mustExist(video)
}

// pathUser gives the user that a path names.
func pathUser(ctx *fasthttp.RequestCtx) (string, error) {
	id, err := pathPart(ctx, "userId")
	if err != nil || id == "" || len(id) > actors.MaxUserID || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return "", malformed.because("A user id is 1 to %d bytes of text without control characters, percent-encoded.", actors.MaxUserID)
	}
	return id, nil
}
