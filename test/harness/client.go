package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Client is one user, or with an empty token somebody unknown. Its methods may
// be called from any goroutine.
type Client struct {
	Base  string
	Token string
	HTTP  *http.Client
}

// Comment is a comment as http-api names its fields.
type Comment struct {
	ID          string `json:"id"`
	LiveVideoID string `json:"liveVideoId"`
	UserID      string `json:"userId"`
	UserName    string `json:"userName"`
	Message     string `json:"message"`
	ParentID    string `json:"parentId"`
	CreatedAt   string `json:"createdAt"`
}

// Page is a page of history.
type Page struct {
	Comments   []Comment `json:"comments"`
	NextCursor *string   `json:"nextCursor"`
}

// Video is what GET /videos/{id} answers.
type Video struct {
	LiveVideoID string `json:"liveVideoId"`
	State       string `json:"state"`
	Viewers     int    `json:"viewers"`
	Comments    int    `json:"comments"`
	Owner       string `json:"owner"`
	// Reactions to the live video itself.
	Reactions map[string]uint64 `json:"reactions"`
}

// Problem is an error's body.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// Answer is a response, read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Error describes an answer that was not the one wanted.
func (a *Answer) Error() string { return fmt.Sprintf("status %d: %.300s", a.Status, a.Body) }

// JSON reads a successful answer's body into v.
func (a *Answer) JSON(v any) error {
	if a.Status < 200 || a.Status > 299 {
		return a
	}
	return json.Unmarshal(a.Body, v)
}

// Client makes a client with a token of its own connections.
func (n *Node) Client(token string) *Client {
	return &Client{Base: n.URL, Token: token, HTTP: &http.Client{Transport: n.Transport()}}
}

// Transport makes connections to the node, from the host that it runs on.
func (n *Node) Transport() *http.Transport {
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	if n.host != nil {
		transport.DialContext = n.host.Dial
	}
	n.t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// User is a client with a token of that user and role.
func (n *Node) User(user, role string) *Client { return n.Client(n.Token(user, role)) }

// Anyone is a client without a token.
func (n *Node) Anyone() *Client { return n.Client("") }

// Header makes headers of names and values in turn.
func Header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// Do sends a request. A body of nil is none, []byte and string go as they are,
// anything else as JSON. A body is sent as application/json unless header
// says otherwise.
func (c *Client) Do(ctx context.Context, method, path string, body any, header http.Header) (*Answer, error) {
	req, err := c.request(ctx, method, path, body, header)
	if err != nil {
		return nil, err
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return &Answer{Status: res.StatusCode, Header: res.Header, Body: text}, err
}

func (c *Client) request(ctx context.Context, method, path string, body any, header http.Header) (*http.Request, error) {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		reader = bytes.NewReader(b)
	case string:
		reader = strings.NewReader(b)
	case io.Reader:
		reader = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, reader)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	return req, nil
}

// read sends a request and reads a successful answer's JSON into v. An answer
// of another status is an error of type *Answer.
func (c *Client) read(ctx context.Context, method, path string, body any, header http.Header, v any) error {
	answer, err := c.Do(ctx, method, path, body, header)
	if err != nil {
		return err
	}
	if answer.Status < 200 || answer.Status > 299 {
		return answer
	}
	if err := json.Unmarshal(answer.Body, v); err != nil {
		return fmt.Errorf("%s %s: %w in %.300q", method, path, err, answer.Body)
	}
	return nil
}

// Post posts a comment; header may be nil.
func (c *Client) Post(ctx context.Context, video, message string, header http.Header) (Comment, error) {
	return c.Submit(ctx, video, "", message, header)
}

// Reply posts an answer to a comment.
func (c *Client) Reply(ctx context.Context, video, parent, message string) (Comment, error) {
	return c.Submit(ctx, video, parent, message, nil)
}

// Submit posts a comment, as an answer unless parent is empty; header may be
// nil.
func (c *Client) Submit(ctx context.Context, video, parent, message string, header http.Header) (Comment, error) {
	body := map[string]string{"message": message}
	if parent != "" {
		body["parentId"] = parent
	}
	var posted Comment
	err := c.read(ctx, http.MethodPost, "/comments/"+video, body, header, &posted)
	return posted, err
}

// Page reads a page of history; query is like "sort=asc&pageSize=5".
func (c *Client) Page(ctx context.Context, video, query string) (Page, error) {
	var page Page
	err := c.read(ctx, http.MethodGet, "/comments/"+video+"?"+query, nil, nil, &page)
	return page, err
}

// All reads a whole history, oldest first, page by page.
func (c *Client) All(ctx context.Context, video string) ([]Comment, error) {
	return c.Walk(ctx, "/comments/"+video, url.Values{"sort": {"asc"}, "pageSize": {"100"}})
}

// Walk follows nextCursor from the first page of path to the last.
func (c *Client) Walk(ctx context.Context, path string, query url.Values) ([]Comment, error) {
	var all []Comment
	for {
		var page Page
		if err := c.read(ctx, http.MethodGet, path+"?"+query.Encode(), nil, nil, &page); err != nil {
			return all, err
		}
		all = append(all, page.Comments...)
		if page.NextCursor == nil {
			return all, nil
		}
		if query.Get("cursor") == *page.NextCursor {
			return all, fmt.Errorf("%s: cursor %q leads to itself", path, *page.NextCursor)
		}
		query.Set("cursor", *page.NextCursor)
	}
}

// One reads one comment.
func (c *Client) One(ctx context.Context, video, id string) (Comment, error) {
	var one Comment
	err := c.read(ctx, http.MethodGet, "/comments/"+video+"/"+id, nil, nil, &one)
	return one, err
}

// Delete removes a comment.
func (c *Client) Delete(ctx context.Context, video, id string) error {
	answer, err := c.Do(ctx, http.MethodDelete, "/comments/"+video+"/"+id, nil, nil)
	if err == nil && answer.Status != http.StatusNoContent {
		err = answer
	}
	return err
}

// Video reads the state of a live video.
func (c *Client) Video(ctx context.Context, video string) (Video, error) {
	var v Video
	err := c.read(ctx, http.MethodGet, "/videos/"+video, nil, nil, &v)
	return v, err
}
