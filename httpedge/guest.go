package httpedge

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"
	"google.golang.org/protobuf/proto"

	"barrage/actors"
	"barrage/httpedge/identity"
	"barrage/httpedge/moderation"
)

type protoMessage = proto.Message

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
	if body.Name == nil || identity.CleanName(*body.Name) == "" {
		return malformed.because("name must have a character that is seen.")
	}
	if n := len([]rune(*body.Name)); n > actors.MaxUserName {
		return malformed.because("name may have %d characters, not %d.", actors.MaxUserName, n)
	}
	if err := e.limitGuest(e.client(ctx, nil)); err != nil {
		return err
	}
	guest := &user{id: "guest-" + rand.Text(), name: identity.CleanName(*body.Name), role: roleViewer}
	if e.backend.Moderator != nil && e.backend.Moderator.CheckName(guest.name).Action != moderation.Allow {
		// A name can be neither masked nor held: everybody would see it.
		return isBlocked.because("The name breaks a rule of this site.")
	}
	token, err := e.auth.sign(guest, guestLifetime)
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
