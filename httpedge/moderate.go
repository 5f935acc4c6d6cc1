package httpedge

import (
	"context"
	"strings"
	"unicode"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"barrage/actors"
	"barrage/actors/wire"
	"barrage/httpedge/moderation"
)

// Moderator looks at texts before anybody else sees them.
type Moderator interface {
	// Check gives the verdict on a text. It may wait for a site's own service,
	// and gives an answer of its own when that does not come in time.
	Check(ctx context.Context, text moderation.Text) moderation.Verdict
	// CheckName gives the verdict on a name that its bearer has chosen.
	CheckName(name string) moderation.Verdict
}

// notAllowedHere is all that the author of a blocked comment is told: the rule
// that it broke is for moderators.
const notAllowedHere = "The comment breaks a rule of this site."

// moderate has a post's text looked at, and says whether it is blocked. Texts
// of those who keep order are not looked at.
func (e *Edge) moderate(ctx context.Context, video string, post *wire.PostComment) (blocked bool) {
	if post.Moderates {
		return false
	}
	post.TextHash = TextHash(post.Message)
	if e.backend.Moderator == nil {
		return false
	}
	v := e.backend.Moderator.Check(ctx, moderation.Text{
		LiveVideoID: video, UserID: post.UserId, UserName: post.UserName, Message: post.Message,
	})
	if v.Action == moderation.Hold {
		post.Hold = v.Reason
	}
	if v.Message != "" && v.Message != post.Message {
		if post.BodyDigest == nil {
			post.BodyDigest = actors.BodyDigest(post.Message, post.ParentId)
		}
		post.Message = v.Message
	}
	return v.Action == moderation.Block
}

// TextHash is the same for texts that say the same: without regard to case,
// width and other compatible forms, spaces, punctuation and what nobody sees. It
// is never 0.
func TextHash(message string) uint64 {
	folded := cases.Fold().String(norm.NFKC.String(message))
	seen := without(folded, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Variation_Selector)
	})
	said := without(seen, unicode.IsPunct)
	if said == "" {
		said = seen // "?!" is not "…"
	}
	return max(1, xxhash.Sum64String(said))
}

func without(text string, is func(r rune) bool) string {
	return strings.Map(func(r rune) rune {
		if is(r) {
			return -1
		}
		return r
	}, text)
}
