//go:build soak

package soak

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"barrage/test/harness"
)

// posted is a comment that was answered with 201.
type posted struct {
	id            uint64
	due, answered time.Time
}

// load posts at a steady rate, whatever the answers do, in turn to each room.
type load struct {
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu     sync.Mutex
	rooms  map[string][]posted
	failed int
	err    error // the first
}

// posters is how many posts may be under way at a time.
const posters = 128

// startLoad begins to post; stop ends it.
func startLoad(n *harness.Node, rooms []string, perSecond int) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel, rooms: map[string][]posted{}}
	client := n.User("soak", "admin")
	type job struct {
		room, text string
		due        time.Time
	}
	jobs := make(chan job, 10*perSecond)
	for range posters {
		l.ended.Go(func() {
			for j := range jobs {
				// What was due is sent, also after the end.
				ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
				c, err := client.Post(ctx, j.room, j.text, nil)
				cancel()
				l.note(j.room, c, j.due, err)
			}
		})
	}
	l.ended.Go(func() {
		defer close(jobs)
		began := time.Now()
		for i := 0; ; i++ {
			due := began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
			if wait := time.Until(due); wait > 0 {
				select {
				case <-time.After(wait):
				case <-ctx.Done():
					return
				}
			}
			if ctx.Err() != nil {
				return
			}
			text := fmt.Sprint(phrases[i%len(phrases)], " ", phrases[i/7%len(phrases)], " ", i)
			jobs <- job{rooms[i%len(rooms)], text, due}
		}
	})
	return l
}

func (l *load) note(room string, c harness.Comment, due time.Time, err error) {
	now := time.Now()
	id, errID := strconv.ParseUint(c.ID, 10, 64)
	if err == nil {
		err = errID
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed++
		if l.err == nil {
			l.err = err
		}
		return
	}
	l.rooms[room] = append(l.rooms[room], posted{id, due, now})
}

// stop waits until all that was posted is answered, and fails if a post was
// not answered with 201.
func (l *load) stop(t testing.TB) map[string][]posted {
	t.Helper()
	l.cancel()
	l.ended.Wait()
	if l.failed > 0 {
		t.Errorf("%d posts failed; the first: %v", l.failed, l.err)
	}
	return l.rooms
}

// newest answers an id that was posted some comments ago, 0 if there is none.
func (l *load) newest(room string, ago int) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.rooms[room]
	if len(all) <= ago {
		return 0
	}
	return all[len(all)-1-ago].id
}

// answers are how long posts took, from when they were due.
func answers(rooms map[string][]posted) *latencies {
	l := new(latencies)
	for _, all := range rooms {
		for _, p := range all {
			l.add(p.answered.Sub(p.due))
		}
	}
	return l
}
