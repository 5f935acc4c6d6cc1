package harness

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Follower watches a live video the way a browser does: when its stream ends
// it opens another with Last-Event-ID. It keeps all comments that it was sent,
// in the order in which they came.
type Follower struct {
	client *Client
	video  string
	header http.Header

	mu       sync.Mutex
	comments []Comment
	gaps     []string
	faults   []error
	opened   int
	grown    chan struct{} // gets a token when something came
	ended    chan struct{}
}

// Follow begins at the present, or after lastID if that isn't empty, and goes
// on until ctx ends. Joined says when the first stream is open.
func (c *Client) Follow(ctx context.Context, video, lastID string, header http.Header) *Follower {
	f := &Follower{
		client: c, video: video, header: header.Clone(),
		grown: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	if f.header == nil {
		f.header = http.Header{}
	}
	go func() {
		defer close(f.ended)
		f.run(ctx, lastID)
	}()
	return f
}

func (f *Follower) run(ctx context.Context, lastID string) {
	for ctx.Err() == nil {
		lastID = f.watch(ctx, lastID)
		select { // the pause of a client before it comes back
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// watch follows one stream to its end and answers where to go on.
func (f *Follower) watch(ctx context.Context, lastID string) string {
	header := f.header.Clone()
	if lastID != "" {
		header.Set("Last-Event-ID", lastID)
	}
	s, err := f.client.Open(ctx, "/comments/"+f.video+"/stream", header)
	if err != nil {
		if status := StatusOf(err); status != 0 && ctx.Err() == nil {
			f.fault(fmt.Errorf("a browser would never come back: %w", err))
		}
		return lastID
	}
	defer s.Close()
	first := true
	for e := range s.Events {
		if first { // the retry line: the viewer is in the room
			first = false
			f.note(func() { f.opened++ })
		}
		switch {
		case IsComment(e):
			c, err := e.Comment()
			if err != nil {
				f.fault(err)
				continue
			}
			lastID = e.ID
			f.note(func() { f.comments = append(f.comments, c) })
		case e.Name == "gap":
			f.note(func() { f.gaps = append(f.gaps, e.Data) })
		}
	}
	return lastID
}

func (f *Follower) note(change func()) {
	f.mu.Lock()
	change()
	f.mu.Unlock()
	select {
	case f.grown <- struct{}{}:
	default:
	}
}

func (f *Follower) fault(err error) { f.note(func() { f.faults = append(f.faults, err) }) }

// Comments answers what has come so far.
func (f *Follower) Comments() []Comment {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Comment(nil), f.comments...)
}

// Check answers what went wrong: a gap, an answer that would have ended a
// browser's stream, ids that don't rise.
func (f *Follower) Check() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case len(f.faults) > 0:
		return f.faults[0]
	case len(f.gaps) > 0:
		return fmt.Errorf("a gap: %s", f.gaps[0])
	}
	return Rising(f.comments)
}

// Joined waits until the first stream is open.
func (f *Follower) Joined() error {
	return f.await("the stream to open", func() bool { return f.opened > 0 })
}

// Reach waits until the comment with this id has come.
func (f *Follower) Reach(id string) error {
	return f.await("comment "+id, func() bool {
		return len(f.comments) > 0 && !Less(f.comments[len(f.comments)-1].ID, id)
	})
}

// await waits until done, which is called with the lock held, holds.
func (f *Follower) await(what string, done func() bool) error {
	deadline := time.After(Patience)
	for {
		f.mu.Lock()
		ok, came := done(), len(f.comments)
		f.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-f.grown:
		case <-f.ended:
			return fmt.Errorf("the follower ended before %s", what)
		case <-deadline:
			return fmt.Errorf("waited %s for %s; %d comments came", Patience, what, came)
		}
	}
}

// Less compares ids as numbers.
func Less(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

// Rising answers an error unless each comment's id is above the one before.
func Rising(comments []Comment) error {
	for i := 1; i < len(comments); i++ {
		if !Less(comments[i-1].ID, comments[i].ID) {
			return fmt.Errorf("id %s comes after %s", comments[i].ID, comments[i-1].ID)
		}
	}
	return nil
}
