package harness

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Shown is a comment as pages show it, with what has become of it.
type Shown struct {
	Comment
	ReplyCount int            `json:"replyCount"`
	Reactions  map[string]int `json:"reactions"`
	Held       bool           `json:"held"`
	Reason     string         `json:"reason"`
}

// ShownPage is a page of history, with what waits for moderators.
type ShownPage struct {
	Comments   []Shown `json:"comments"`
	NextCursor *string `json:"nextCursor"`
	Held       []Shown `json:"held"`
}

// Room is what GET /videos/{id} answers.
type Room struct {
	Video
	Reactions       map[string]int `json:"reactions"`
	SlowModeSeconds int            `json:"slowModeSeconds"`
	PinnedCommentID string         `json:"pinnedCommentId"`
	ReactionTypes   []string       `json:"reactionTypes"`
	You             *struct {
		UserID     string `json:"userId"`
		Role       string `json:"role"`
		Muted      bool   `json:"muted"`
		MutedUntil string `json:"mutedUntil"`
	} `json:"you"`
}

// Mute is a user who may not post.
type Mute struct {
	UserID     string  `json:"userId"`
	MutedUntil *string `json:"mutedUntil"`
	By         string  `json:"by"`
}

// AuditEvent is an act of those who keep order.
type AuditEvent struct {
	ID        string          `json:"id"`
	At        string          `json:"at"`
	Kind      string          `json:"kind"`
	ActorID   string          `json:"actorId"`
	UserID    string          `json:"userId"`
	CommentID string          `json:"commentId"`
	Detail    json.RawMessage `json:"detail"`
}

// Lobby is a page of GET /videos.
type Lobby struct {
	Videos []struct {
		Video
		Reactions map[string]int `json:"reactions"`
	} `json:"videos"`
	NextCursor *string `json:"nextCursor"`
}

// Get reads what a path answers into v.
func (c *Client) Get(ctx context.Context, path string, v any) error {
	return c.read(ctx, http.MethodGet, path, nil, nil, v)
}

// Send sends a request with a body, and reads the answer into v unless it is
// nil.
func (c *Client) Send(ctx context.Context, method, path string, body, v any) error {
	answer, err := c.Do(ctx, method, path, body, nil)
	if err != nil {
		return err
	}
	if answer.Status < 200 || answer.Status > 299 {
		return answer
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(answer.Body, v)
}

// Shown reads a page of history; query is like "sort=asc&pageSize=5".
func (c *Client) Shown(ctx context.Context, video, query string) (ShownPage, error) {
	var page ShownPage
	err := c.Get(ctx, "/comments/"+video+"?"+query, &page)
	return page, err
}

// Room reads what is set for a live video.
func (c *Client) Room(ctx context.Context, video string) (Room, error) {
	var room Room
	err := c.Get(ctx, "/videos/"+video, &room)
	return room, err
}

// SetRoom changes what is set for a live video: state, slowModeSeconds,
// pinnedCommentId.
func (c *Client) SetRoom(ctx context.Context, video string, change map[string]any) (Room, error) {
	var room Room
	err := c.Send(ctx, http.MethodPut, "/videos/"+video, change, &room)
	return room, err
}

// React sends reactions, to a comment unless that is "".
func (c *Client) React(ctx context.Context, video, kind string, count int, comment string) error {
	body := map[string]any{"type": kind, "count": count}
	if comment != "" {
		body["commentId"] = comment
	}
	return c.Send(ctx, http.MethodPost, "/comments/"+video+"/reactions", body, nil)
}

// Mute mutes a user, for good with 0 seconds.
func (c *Client) Mute(ctx context.Context, video, user string, seconds int) error {
	return c.Send(ctx, http.MethodPut, "/videos/"+video+"/mutes/"+url.PathEscape(user), map[string]int{"seconds": seconds}, nil)
}

// Unmute lets a user post again.
func (c *Client) Unmute(ctx context.Context, video, user string) error {
	return c.Send(ctx, http.MethodDelete, "/videos/"+video+"/mutes/"+url.PathEscape(user), nil, nil)
}

// Mutes lists who is muted.
func (c *Client) Mutes(ctx context.Context, video string) ([]Mute, error) {
	var answer struct{ Mutes []Mute }
	err := c.Get(ctx, "/videos/"+video+"/mutes", &answer)
	return answer.Mutes, err
}

// Held lists what waits for moderators.
func (c *Client) Held(ctx context.Context, video string) ([]Shown, error) {
	var answer struct{ Comments []Shown }
	err := c.Get(ctx, "/videos/"+video+"/held", &answer)
	return answer.Comments, err
}

// Approve posts a comment that waits.
func (c *Client) Approve(ctx context.Context, video, held string) (Comment, error) {
	var posted Comment
	err := c.Send(ctx, http.MethodPost, "/videos/"+video+"/held/"+held+"/approve", nil, &posted)
	return posted, err
}

// Reject refuses a comment that waits.
func (c *Client) Reject(ctx context.Context, video, held string) error {
	return c.Send(ctx, http.MethodPost, "/videos/"+video+"/held/"+held+"/reject", nil, nil)
}

// Audit reads the whole audit, newest first, pageSize events at a time.
func (c *Client) Audit(ctx context.Context, video string, pageSize string) ([]AuditEvent, error) {
	var all []AuditEvent
	query := url.Values{"pageSize": {pageSize}}
	for {
		var page struct {
			Events     []AuditEvent
			NextCursor *string
		}
		if err := c.Get(ctx, "/videos/"+video+"/audit?"+query.Encode(), &page); err != nil {
			return all, err
		}
		all = append(all, page.Events...)
		if page.NextCursor == nil {
			return all, nil
		}
		query.Set("cursor", *page.NextCursor)
	}
}

// Lobby reads a page of the lobby; query is like "state=all&sort=id".
func (c *Client) Lobby(ctx context.Context, query string) (Lobby, error) {
	var lobby Lobby
	err := c.Get(ctx, "/videos?"+query, &lobby)
	return lobby, err
}
