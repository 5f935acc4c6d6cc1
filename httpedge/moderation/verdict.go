// Package moderation looks at the text of comments before anybody else does:
// by a list of words, by rules for links, and by asking a site's own service.
// It knows nothing of rooms and users' rights: who keeps order is not asked, and
// mutes and slow mode are the owner's business.
//
// Read verdict.go (what is asked and answered), moderation.go (the order of the
// checks), then words.go, links.go and webhook.go.
package moderation

import (
	"fmt"
	"slices"
)

// Text is what somebody wants to post.
type Text struct {
	LiveVideoID, UserID, UserName string
	// Message is as it would be kept: trimmed, valid, within its limits.
	Message string
}

// Action is what becomes of a text. A higher one outweighs a lower one.
type Action uint8

// Actions, from the mildest to the strictest.
const (
	Allow Action = iota // posted as it is
	Mask                // posted with its offending parts masked
	Hold                // held until a moderator approves it
	Block               // refused
)

var actionNames = []string{Allow: "allow", Mask: "mask", Hold: "hold", Block: "block"}

// String is the action's name in settings, word lists and webhooks.
func (a Action) String() string { return actionNames[a] }

// ParseAction reads the name of an action.
func ParseAction(name string) (Action, error) {
	if i := slices.Index(actionNames, name); i >= 0 {
		return Action(i), nil
	}
	return 0, fmt.Errorf("%.32q is none of allow, mask, hold, block", name)
}

// Reasons of verdicts, for moderators, metrics and the audit.
const (
	ReasonWordList    = "word-list"
	ReasonLink        = "link"
	ReasonWebhook     = "webhook"
	ReasonWebhookAway = "webhook-away"
)

// Verdict is the outcome of a check.
type Verdict struct {
	Action Action
	// Message is what is to be posted or held: the text's own, unless parts of
	// it are masked.
	Message string
	// Reason is empty with Allow.
	Reason string
}

// stricter gives the stricter of two verdicts on a text; the message that is
// masked is kept in either case.
func (v Verdict) stricter(other Verdict) Verdict {
	if other.Action > v.Action {
		v.Action, v.Reason = other.Action, other.Reason
	}
	v.Message = other.Message
	return v
}
