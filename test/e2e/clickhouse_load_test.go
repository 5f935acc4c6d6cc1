package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/test/harness"
	"barrage/test/servers"
)

// roomLoad posts, replies and deletes in some rooms, with viewers in each, and
// keeps what was answered.
type roomLoad struct {
	t      *testing.T
	n      *harness.Node
	ops    *harness.Client
	rooms  []string
	steady bool // the node never goes away: nothing may fail

	writers   sync.WaitGroup
	stop      chan struct{}
	followers map[string][]*harness.Follower

	mu       sync.Mutex
	answered map[string][]harness.Comment // by live video
	deleted  map[string]bool              // ids
	tried    int                          // posts that were tried more than once
	took     []time.Duration              // of all posts that were answered at once
}

// loadWriters write in each room; each waits as long as pause does after each
// comment.
const loadWriters = 2

// startLoad begins to write, in a node that never goes away.
func startLoad(t *testing.T, n *harness.Node, rooms ...string) *roomLoad {
	t.Helper()
	l := newLoad(t, n, rooms...)
	l.steady = true
	l.write()
	return l
}

// startPatientLoad begins to write, and tries again while the node is away.
func startPatientLoad(t *testing.T, n *harness.Node, rooms ...string) *roomLoad {
	t.Helper()
	l := newLoad(t, n, rooms...)
	l.write()
	return l
}

func newLoad(t *testing.T, n *harness.Node, rooms ...string) *roomLoad {
	t.Helper()
	l := &roomLoad{
		t: t, n: n, ops: n.User("ops", "admin"), rooms: rooms, stop: make(chan struct{}),
		followers: map[string][]*harness.Follower{}, answered: map[string][]harness.Comment{}, deleted: map[string]bool{},
	}
	for _, room := range rooms {
		for _, encoding := range []string{"identity", "gzip"} {
			f := n.Anyone().Follow(t.Context(), room, "", harness.Header("Accept-Encoding", encoding))
			if err := f.Joined(); err != nil {
				t.Fatal(err)
			}
			l.followers[room] = append(l.followers[room], f)
		}
	}
	return l
}

func (l *roomLoad) write() {
	for _, room := range l.rooms {
		for w := range loadWriters {
			l.writers.Go(func() {
				if err := l.writer(l.t.Context(), room, fmt.Sprintf("%s-%d", room, w)); err != nil {
					l.t.Errorf("writing to %s: %v", room, err)
				}
			})
		}
	}
}

// writer posts until the load is stopped. Every tenth comment is an answer to
// the one before; every tenth is deleted when five more have come.
func (l *roomLoad) writer(ctx context.Context, room, name string) error {
	var mine []harness.Comment
	for i := 0; ; i++ {
		select {
		case <-l.stop:
			return nil
		default:
		}
		parent := ""
		if i%10 == 4 {
			parent = mine[i-1].ID
		}
		c, err := l.post(ctx, room, parent, fmt.Sprintf("%s-%d", name, i))
		if err != nil {
			return err
		}
		if i > 0 && !harness.Less(mine[i-1].ID, c.ID) {
			return fmt.Errorf("%s was answered with %+v, after id %s", c.Message, c, mine[i-1].ID)
		}
		if mine = append(mine, c); i%10 == 9 {
			if err := l.delete(ctx, room, mine[i-5].ID); err != nil {
				return err
			}
		}
		if pause(ctx) != nil {
			return ctx.Err()
		}
	}
}

func (l *roomLoad) post(ctx context.Context, room, parent, text string) (harness.Comment, error) {
	for tries := 1; ; tries++ {
		began := time.Now()
		c, err := l.ops.Submit(ctx, room, parent, text, harness.Header("Idempotency-Key", text))
		if err == nil {
			if c.Message != text || c.ParentID != parent {
				return c, fmt.Errorf("%s was answered with %+v", text, c)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.answered[room] = append(l.answered[room], c)
			if tries > 1 {
				l.tried++
			} else {
				l.took = append(l.took, time.Since(began))
			}
			return c, nil
		}
		if err := l.again(ctx, err); err != nil {
			return c, fmt.Errorf("%s: %w", text, err)
		}
	}
}

func (l *roomLoad) delete(ctx context.Context, room, id string) error {
	for tries := 1; ; tries++ {
		err := l.ops.Delete(ctx, room, id)
		if err == nil || tries > 1 && harness.StatusOf(err) == http.StatusNotFound {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.deleted[id] = true
			return nil
		}
		if err := l.again(ctx, err); err != nil {
			return fmt.Errorf("deleting %s: %w", id, err)
		}
	}
}

// again answers nil if what failed is to be tried once more.
func (l *roomLoad) again(ctx context.Context, err error) error {
	if status := harness.StatusOf(err); l.steady || status != 0 && status != http.StatusServiceUnavailable {
		return err
	}
	if pause(ctx) != nil {
		return err
	}
	return nil
}

// arrives waits until ClickHouse has a comment that is posted now.
func (l *roomLoad) arrives(ch *servers.ClickHouse, text string) {
	l.t.Helper()
	c, err := l.post(l.t.Context(), l.rooms[0], "", text)
	if err != nil {
		l.t.Fatal(err)
	}
	eventually(l.t, func() error {
		var rows uint64
		err := ch.Conn().QueryRow(l.t.Context(), "SELECT count() FROM barrage.comments WHERE live_video_id = ? AND comment_id = toUInt64(?)",
			l.rooms[0], c.ID).Scan(&rows)
		if err == nil && rows == 0 {
			err = fmt.Errorf("ClickHouse doesn't get %s", text)
		}
		return err
	})
}

// end stops the load, and answers what there must be of each room.
func (l *roomLoad) end() map[string][]harness.Comment {
	l.t.Helper()
	close(l.stop)
	l.writers.Wait()
	visible := map[string][]harness.Comment{}
	for _, room := range l.rooms {
		if _, err := l.post(l.t.Context(), room, "", "end-of-"+room); err != nil {
			l.t.Fatal(err)
		}
		slices.SortFunc(l.answered[room], byID)
		visible[room] = l.visible(room)
	}
	return visible
}

// visible is what there must be of a room, when the load has ended.
func (l *roomLoad) visible(room string) []harness.Comment {
	return slices.DeleteFunc(slices.Clone(l.answered[room]), func(c harness.Comment) bool { return l.deleted[c.ID] })
}

func byID(a, b harness.Comment) int {
	if len(a.ID) != len(b.ID) {
		return len(a.ID) - len(b.ID)
	}
	return strings.Compare(a.ID, b.ID)
}

// check ends the load and compares what was answered with what viewers saw,
// with history, and with ClickHouse. It answers what there is of each room.
func (l *roomLoad) check(ch *servers.ClickHouse) map[string][]harness.Comment {
	t := l.t
	t.Helper()
	visible := l.end()
	posts := 0
	for _, room := range l.rooms {
		posts += len(l.answered[room])
		l.checkViewers(room)
		l.checkHistory(room, visible[room])
	}
	caughtUp(t, l.n)
	for _, room := range l.rooms {
		expectInClickHouse(t, ch, room, visible[room])
	}
	if lines := logged(l.n, "set aside"); lines > 0 {
		t.Errorf("%d records were set aside", lines)
	}
	t.Logf("%d comments answered, the slowest after %s; %d tried again, %d deleted", posts, l.slowest().Round(time.Millisecond), l.tried, len(l.deleted))
	// Where the machine stands still, some posts do.
	if l.steady {
		if most := l.took[len(l.took)*95/100]; most > 5*time.Second {
			t.Errorf("one of twenty posts took over %s", most)
		}
	}
	return visible
}

// slowest is how long the slowest post took of those that were answered at
// once. The load has ended.
func (l *roomLoad) slowest() time.Duration {
	if len(l.took) == 0 {
		return 0
	}
	slices.Sort(l.took)
	return l.took[len(l.took)-1]
}

// has waits until so many posts to a room have been answered.
func (l *roomLoad) has(room string, posts int) {
	l.t.Helper()
	eventually(l.t, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if n := len(l.answered[room]); n < posts {
			return fmt.Errorf("%d comments were posted to %s, want %d", n, room, posts)
		}
		return nil
	})
}

// checkHistory compares what is to be there with all that readers get.
func (l *roomLoad) checkHistory(room string, want []harness.Comment) {
	l.t.Helper()
	if got := history(l.t, l.n.Anyone(), room); !slices.Equal(got, want) {
		l.t.Errorf("%s: history has %d comments, want %d", room, len(got), len(want))
	}
	if v := video(l.t, l.n.Anyone(), room); v.Comments != len(want) {
		l.t.Errorf("%s: the count says %d, want %d", room, v.Comments, len(want))
	}
}

// checkViewers compares the streams with what was answered. What was deleted
// before a viewer's next frame was made need not have come.
func (l *roomLoad) checkViewers(room string) {
	l.t.Helper()
	all := l.answered[room]
	for i, f := range l.followers[room] {
		if err := f.Reach(all[len(all)-1].ID); err != nil {
			l.t.Errorf("viewer %d of %s: %v", i, room, err)
		}
		if err := f.Check(); err != nil {
			l.t.Errorf("viewer %d of %s: %v", i, room, err)
		}
		got := map[string]harness.Comment{}
		for _, c := range f.Comments() {
			got[c.ID] = c
		}
		lost := 0
		for at, c := range all {
			if got[c.ID] != c && !l.deleted[c.ID] {
				lost++
				l.t.Logf("viewer %d of %s: number %d of %d, %s, came as %+v", i, room, at, len(all), c.Message, got[c.ID])
			}
			delete(got, c.ID)
		}
		if lost > 0 || len(got) > 0 {
			l.t.Errorf("viewer %d of %s: %d of %d comments lost, %d that nobody was answered with", i, room, lost, len(all), len(got))
		}
	}
}
