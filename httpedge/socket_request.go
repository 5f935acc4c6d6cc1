package httpedge

import (
	"encoding/json"
	"fmt"
	"time"

	"barrage/actors"
)

// socketRequest is a message of a client.
type socketRequest struct {
	Type string `json:"type"`
	// Ref is the client's own name for the request; the answer has it, too.
	Ref            *string `json:"ref"`
	IdempotencyKey *string `json:"idempotencyKey"`
	commentBody
	reactionRequest
}

// reactionRequest is a reaction; over HTTP its type is called so.
type reactionRequest struct {
	Reaction  *string `json:"reaction"`
	Count     *int    `json:"count"`
	CommentID *string `json:"commentId"`
}

// socketAnswer is what a client gets for a message.
type socketAnswer struct {
	Event string          `json:"event"`
	Ref   *string         `json:"ref,omitempty"`
	Data  json.RawMessage `json:"data"`
}

// socketProblem is a problem where there is no Retry-After header.
type socketProblem struct {
	*problem
	RetryAfter int `json:"retryAfter,omitempty"` // seconds
}

// handle does what a message asks for, and gives the answer.
func (s *socket) handle(message []byte) []byte {
	var r socketRequest
	err := decodeObject(message, &r)
	answer := socketAnswer{Ref: r.Ref} // also of a message whose other members are no good
	if err == nil {
		answer.Event, answer.Data, err = s.do(&r)
	}
	s.edge.metrics.socketMessage(err)
	if err != nil {
		answer.Event = "error"
		p := s.edge.asProblem(err, "WebSocket", s.video)
		if answer.Data, err = json.Marshal(socketProblem{p, p.retrySeconds()}); err != nil {
			panic(err) // strings and numbers always encode
		}
	}
	return encodeAnswer(&answer)
}

// encodeAnswer writes an answer. Its data is JSON already, and stays as it is.
func encodeAnswer(a *socketAnswer) []byte {
	b := fmt.Appendf(make([]byte, 0, len(a.Data)+64), `{"event":%q`, a.Event)
	if a.Ref != nil {
		ref, err := json.Marshal(*a.Ref)
		if err != nil { // a string always encodes
			panic(err)
		}
		b = append(append(b, `,"ref":`...), ref...)
	}
	b = append(append(b, `,"data":`...), a.Data...)
	return append(b, '}')
}

// do does what a message asks for, through what answers requests.
func (s *socket) do(r *socketRequest) (event string, data []byte, err error) {
	switch r.Type {
	case "post":
		return s.post(r)
	case "react":
		return s.react(r)
	case "":
		return "", nil, malformed.because("type is missing.")
	default:
		return "", nil, malformed.because("There is no message of type %.40q.", r.Type)
	}
}

// needAuthor gives who may change something: the token must still be good.
func (s *socket) needAuthor() (*user, error) {
	switch {
	case s.author == nil:
		return nil, unauthorized.because("Open the WebSocket with a token.")
	case !s.author.grant.InTime(time.Now()):
		return nil, unauthorized.because("The token has expired.")
	}
	return s.author, nil
}

// post posts a comment.
func (s *socket) post(r *socketRequest) (event string, data []byte, err error) {
	author, err := s.needAuthor()
	if err != nil {
		return "", nil, err
	}
	posted, err := s.edge.post(&postRequest{
		video: s.video, author: author, client: client{user: author, address: s.address}, wanted: s.wanted,
		read: func() (commentBody, string, error) {
			if r.IdempotencyKey == nil {
				return r.commentBody, "", nil
			}
			if !validKey(*r.IdempotencyKey) {
				return r.commentBody, "", malformed.because("idempotencyKey must be 1 to %d visible ASCII characters.", maxIdempotencyKey)
			}
			return r.commentBody, *r.IdempotencyKey, nil
		},
	})
	if err != nil {
		return "", nil, err
	}
	return "posted", actors.RowJSON(posted.Row), nil
}

// react counts reactions.
func (s *socket) react(r *socketRequest) (event string, data []byte, err error) {
	author, err := s.needAuthor()
	if err != nil {
		return "", nil, err
	}
	reaction, err := s.edge.reactionOf(reactionBody{Type: r.Reaction, Count: r.Count, CommentID: r.CommentID})
	if err != nil {
		return "", nil, err
	}
	if err := s.edge.react(client{user: author, address: s.address}, s.video, reaction); err != nil {
		return "", nil, err
	}
	return "reacted", fmt.Appendf(nil, `{"accepted":%d}`, reaction.count), nil
}
