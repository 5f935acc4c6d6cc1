package harness

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// Stream is an open event stream.
type Stream struct {
	Header http.Header
	Events <-chan Event // closed at the end of the stream

	end    error // why it ended; valid once Events is closed
	cancel context.CancelFunc
}

// Open opens the stream at path. header may be nil; with Accept-Encoding: gzip
// in it the stream is decompressed. An answer that isn't a stream is an error
// of type *Answer.
func (c *Client) Open(ctx context.Context, path string, header http.Header) (*Stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.open(ctx, cancel, path, header)
	if err != nil {
		cancel()
	}
	return stream, err
}

func (c *Client) open(ctx context.Context, cancel context.CancelFunc, path string, header http.Header) (*Stream, error) {
	res, err := c.stream(ctx, path, header) //nolint:bodyclose // a stream's body is closed when the stream ends
	if err != nil {
		return nil, err
	}
	events := make(chan Event, 4096)
	s := &Stream{Header: res.Header, Events: events, cancel: cancel}
	go func() {
		defer close(events)
		defer res.Body.Close()
		s.end = pump(res, func(e Event) error {
			select {
			case events <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return s, nil
}

// Watch is like Open for who has many streams: it calls each with the events as
// they come, and answers how the stream ended: io.EOF if in the orderly way, or
// the error of each.
func (c *Client) Watch(ctx context.Context, path string, header http.Header, each func(Event) error) error {
	res, err := c.stream(ctx, path, header)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return pump(res, each)
}

// stream asks for a stream. Who calls it closes the body.
func (c *Client) stream(ctx context.Context, path string, header http.Header) (*http.Response, error) {
	req, err := c.request(ctx, http.MethodGet, path, nil, header)
	if err != nil {
		return nil, err
	}
	if req.Header.Get("Accept-Encoding") == "" {
		req.Header.Set("Accept-Encoding", "identity")
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "text/event-stream")
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		defer res.Body.Close()
		text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		if err != nil {
			return nil, err
		}
		return nil, &Answer{Status: res.StatusCode, Header: res.Header, Body: text}
	}
	return res, nil
}

// pump parses the body into events until it ends.
func pump(res *http.Response, each func(Event) error) error {
	body := io.Reader(res.Body)
	if res.Header.Get("Content-Encoding") == "gzip" {
		zip, err := gzip.NewReader(body)
		if err != nil {
			return err
		}
		body = zip
	}
	reader := newEventReader(body)
	for {
		e, err := reader.next()
		if err != nil {
			return err
		}
		if err := each(e); err != nil {
			return err
		}
	}
}

// Close hangs up.
func (s *Stream) Close() { s.cancel() }

// Next answers the next event, retry or comment line. At the end of the stream
// it answers how that ended: io.EOF if in the orderly way.
func (s *Stream) Next() (Event, error) {
	select {
	case e, open := <-s.Events:
		if !open {
			return Event{}, s.end
		}
		return e, nil
	case <-time.After(Patience):
		return Event{}, fmt.Errorf("nothing on the stream for %s", Patience)
	}
}

// Until answers the first event for which want holds, and drops those before.
func (s *Stream) Until(want func(Event) bool) (Event, error) {
	for {
		if e, err := s.Next(); err != nil || want(e) {
			return e, err
		}
	}
}

// IsComment holds for events that bring a comment.
func IsComment(e Event) bool { return e.Kind == KindEvent && e.Name == "" }

// Named makes a condition for Until.
func Named(name string) func(Event) bool {
	return func(e Event) bool { return e.Kind == KindEvent && e.Name == name }
}

// Comment reads the comment that an event brings.
func (e Event) Comment() (Comment, error) {
	var c Comment
	if err := json.Unmarshal([]byte(e.Data), &c); err != nil {
		return c, fmt.Errorf("%w in %.300q", err, e.Data)
	}
	if e.ID != c.ID || !e.HasID {
		return c, fmt.Errorf("the event's id is %q, that of its comment %q", e.ID, c.ID)
	}
	return c, nil
}

// NextComment answers the next comment and skips other events, except a gap,
// which is an error.
func (s *Stream) NextComment() (Comment, error) {
	e, err := s.Until(func(e Event) bool { return IsComment(e) || e.Name == "gap" })
	if err != nil {
		return Comment{}, err
	}
	if e.Name == "gap" {
		return Comment{}, fmt.Errorf("a gap: %s", e.Data)
	}
	return e.Comment()
}

// Comments answers the next n comments.
func (s *Stream) Comments(n int) ([]Comment, error) {
	all := make([]Comment, 0, n)
	for len(all) < n {
		c, err := s.NextComment()
		if err != nil {
			return all, fmt.Errorf("after %d of %d comments: %w", len(all), n, err)
		}
		all = append(all, c)
	}
	return all, nil
}

// Stream opens a live video's stream for the length of the test; query may be
// empty.
func (n *Node) Stream(t testing.TB, c *Client, video, query string, header http.Header) *Stream {
	t.Helper()
	path := "/comments/" + video + "/stream"
	if query != "" {
		path += "?" + query
	}
	s, err := c.Open(context.Background(), path, header)
	if err != nil {
		t.Fatalf("opening %s: %v", path, err)
	}
	t.Cleanup(s.Close)
	return s
}

// StatusOf is the status of an error that is an *Answer, or 0.
func StatusOf(err error) int {
	var answer *Answer
	if errors.As(err, &answer) {
		return answer.Status
	}
	return 0
}
