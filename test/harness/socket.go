package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// Socket is a stream over a WebSocket, by a client library that is not ours.
type Socket struct {
	conn *websocket.Conn
	// Seen are the comments that came while an answer was waited for.
	Seen []Comment
}

// SocketEvent is a text message of a stream.
type SocketEvent struct {
	Event string          `json:"event"`
	ID    string          `json:"id"`
	Ref   string          `json:"ref"`
	Data  json.RawMessage `json:"data"`
}

// Socket opens the stream of a live video over a WebSocket for the length of
// the test; query may be empty. A refused handshake is an error of type
// *Answer.
func (c *Client) Socket(ctx context.Context, video, query string) (*Socket, error) {
	header := http.Header{}
	if c.Token != "" {
		header.Set("Authorization", "Bearer "+c.Token)
	}
	url := "ws" + strings.TrimPrefix(c.Base, "http") + "/comments/" + video + "/ws?" + query
	conn, res, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: c.HTTP, HTTPHeader: header}) //nolint:bodyclose // the library's
	if err != nil {
		if res != nil {
			return nil, errors.Join(&Answer{Status: res.StatusCode, Header: res.Header}, err)
		}
		return nil, err
	}
	conn.SetReadLimit(1 << 20)
	return &Socket{conn: conn}, nil
}

// Socket opens the stream of a live video over a WebSocket, and reads its first
// event, the retry.
func (n *Node) Socket(t testing.TB, c *Client, video, query string) *Socket {
	t.Helper()
	s, err := c.Socket(context.Background(), video, query)
	if err != nil {
		t.Fatalf("opening a WebSocket of %s: %v", video, err)
	}
	t.Cleanup(s.Close)
	if e, err := s.Next(); err != nil || e.Event != "retry" {
		t.Fatalf("a WebSocket must open with retry: got %+v, %v", e, err)
	}
	return s
}

// Close hangs up without a word.
func (s *Socket) Close() { _ = s.conn.CloseNow() }

// Next answers the next event. The end of the stream is an error, of which
// websocket.CloseStatus tells the code.
func (s *Socket) Next() (SocketEvent, error) {
	var e SocketEvent
	text, err := s.Text()
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, fmt.Errorf("%w in %.300q", err, text)
	}
	return e, nil
}

// Text answers the next event as it came.
func (s *Socket) Text() ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	kind, text, err := s.conn.Read(ctx)
	if err == nil && kind != websocket.MessageText {
		err = fmt.Errorf("a message of type %v", kind)
	}
	return text, err
}

// Send sends a message.
func (s *Socket) Send(text []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, text)
}

// comment reads the comment of an event.
func (e *SocketEvent) comment() (c Comment, err error) {
	if err := json.Unmarshal(e.Data, &c); err != nil {
		return c, fmt.Errorf("%w in %.300q", err, e.Data)
	}
	if e.ID != c.ID {
		return c, fmt.Errorf("the event's id is %q, that of its comment %q", e.ID, c.ID)
	}
	return c, nil
}

// NextComment answers the next comment and skips other events, except a gap,
// which is an error.
func (s *Socket) NextComment() (c Comment, err error) {
	if len(s.Seen) > 0 {
		c, s.Seen = s.Seen[0], s.Seen[1:]
		return c, nil
	}
	for {
		e, err := s.Next()
		switch {
		case err != nil:
			return c, err
		case e.Event == "comment":
			return e.comment()
		case e.Event == "gap":
			return c, fmt.Errorf("a gap: %s", e.Data)
		}
	}
}

// Comments answers the next n comments.
func (s *Socket) Comments(n int) (all []Comment, err error) {
	for len(all) < n {
		c, err := s.NextComment()
		if err != nil {
			return all, fmt.Errorf("after %d of %d comments: %w", len(all), n, err)
		}
		all = append(all, c)
	}
	return all, nil
}

// Post posts a comment over the WebSocket, as an answer unless parent is empty.
func (s *Socket) Post(message, parent, key string) (c Comment, err error) {
	request := map[string]string{"type": "post", "ref": fmt.Sprint(time.Now().UnixNano()), "message": message}
	if parent != "" {
		request["parentId"] = parent
	}
	if key != "" {
		request["idempotencyKey"] = key
	}
	text, err := json.Marshal(request)
	if err != nil {
		return c, err
	}
	if err := s.Send(text); err != nil {
		return c, err
	}
	for {
		e, err := s.Next()
		switch {
		case err != nil:
			return c, err
		case e.Event == "comment":
			seen, err := e.comment()
			if err != nil {
				return c, err
			}
			s.Seen = append(s.Seen, seen)
		case e.Ref != request["ref"]:
		case e.Event == "posted":
			return c, json.Unmarshal(e.Data, &c)
		case e.Event == "error":
			var p Problem
			if err := json.Unmarshal(e.Data, &p); err != nil {
				return c, err
			}
			return c, &Answer{Status: p.Status, Body: e.Data}
		}
	}
}
