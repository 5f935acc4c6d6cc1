package httpedge

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"
	"google.golang.org/protobuf/proto"

	"barrage/actors"
	"barrage/actors/wire"
)

type protoMessage = proto.Message

type videoJSON struct {
	LiveVideoID string         `json:"liveVideoId"`
	State       string         `json:"state"`
	Viewers     uint64         `json:"viewers"`
	Comments    uint64         `json:"comments"`
	Reactions   map[string]int `json:"reactions"`
	Owner       string         `json:"owner"`
}

// getVideo answers GET /videos/{liveVideoId}.
func (e *Edge) getVideo(ctx *fasthttp.RequestCtx) error {
	video, err := e.readable(ctx)
	if err != nil {
		return err
	}
	state, err := e.video(video)
	if err != nil {
		return err
	}
	body, err := json.Marshal(videoJSON{
		LiveVideoID: video, State: "live", Viewers: state.Viewers, Comments: state.Comments,
		Reactions: map[string]int{}, Owner: state.Owner,
	})
	if err != nil {
		return fmt.Errorf("encoding a live video: %w", err)
	}
	answerJSON(ctx, fasthttp.StatusOK, body)
	return nil
}

// video asks a live video's owner for its state.
func (e *Edge) video(id string) (*wire.Video, error) {
	deadline, cancel := context.WithTimeout(context.Background(), readDeadline)
	defer cancel()
	answer, err := e.backend.Owners.Request(deadline, id, &wire.ReadVideo{})
	if err != nil {
		return nil, fmt.Errorf("asking for a live video: %w", err)
	}
	state, ok := answer.(*wire.Video)
	if !ok || state.GetFault().GetCode() != wire.Code_OK {
		return nil, unavailable.because("The live video can't be reached now.").after(unavailableRetry)
	}
	return state, nil
}

// guestLifetime is how long a guest's token is good.
const guestLifetime = 30 * 24 * time.Hour

// postGuest answers POST /guest: a token for somebody with just a name.
func (e *Edge) postGuest(ctx *fasthttp.RequestCtx) error {
	var body struct {
		Name *string `json:"name"`
	}
	if err := e.body(ctx, &body); err != nil {
		return err
	}
	if body.Name == nil || cleanName(*body.Name) == "" {
		return malformed.because("name must not be empty.")
	}
	if n := len([]rune(*body.Name)); n > actors.MaxUserName {
		return malformed.because("name may have %d characters, not %d.", actors.MaxUserName, n)
	}
	guest := &user{id: "guest-" + rand.Text(), name: cleanName(*body.Name), role: roleViewer}
	token, err := e.auth.sign(guest, guestLifetime, time.Now())
	if err != nil {
		return fmt.Errorf("signing a guest's token: %w", err)
	}
	answer, err := json.Marshal(map[string]string{"token": token, "userId": guest.id})
	if err != nil {
		return fmt.Errorf("encoding a guest's token: %w", err)
	}
	answerJSON(ctx, fasthttp.StatusOK, answer)
	return nil
}
