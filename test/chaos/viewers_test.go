package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"barrage/test/chaos/verify"
	"barrage/test/harness"
)

const (
	// silence after which a watchful viewer gives its stream up; heartbeats come
	// every two seconds.
	silence = 8 * time.Second
	// headPatience is how long a stream may take to open.
	headPatience = 10 * time.Second
)

// viewer watches one room, as a browser does: after the end of a stream the
// next one goes on after the last id. Where one can't be opened it tries the
// next node, as behind a balancer.
type viewer struct {
	name, room string
	home       int  // index of the node that it prefers
	gzip       bool // it takes compressed streams
	restless   bool // it comes back at random, also at other nodes
	watchful   bool // it gives up a stream that is silent

	w       *world
	clients []*harness.Client // at each node
	random  *rand.Rand
	opened  atomic.Int64
	stops   context.CancelFunc
	ended   chan struct{}

	mu    sync.Mutex
	seen  verify.Viewer
	fault error // an answer that would end a browser's stream for good
}

// number reads an id. What is none is 0, which no history has.
func number(id string) uint64 {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// watch starts a viewer. Its stream may not be open yet.
func (w *world) watch(v *viewer, clients []*harness.Client) *viewer {
	w.mu.Lock()
	w.rooms[v.room] = true
	seed := uint64(len(w.seen.Viewers)) + 1<<32
	w.seen.Viewers = append(w.seen.Viewers, &v.seen)
	w.mu.Unlock()
	v.w, v.clients = w, clients
	v.seen.Name, v.seen.Room = v.name, v.room
	v.random = rand.New(rand.NewPCG(w.seed, seed))
	ctx, cancel := context.WithCancel(context.Background())
	v.stops, v.ended = cancel, make(chan struct{})
	go func() {
		defer close(v.ended)
		v.run(ctx)
	}()
	return v
}

// watchers makes clients for viewers, with connections of their own.
func (w *world) watchers() []*harness.Client {
	var clients []*harness.Client
	for _, n := range w.cluster.Nodes {
		c := n.Anyone()
		transport := n.Transport()
		transport.ResponseHeaderTimeout = headPatience
		c.HTTP = &http.Client{Transport: transport}
		clients = append(clients, c)
	}
	return clients
}

// leave ends the viewer before the end of the run.
func (v *viewer) leave() {
	v.stop()
	v.seen.Left = true
}

// stop ends the viewer and waits for that.
func (v *viewer) stop() {
	v.stops()
	<-v.ended
}

// last is the newest comment's id.
func (v *viewer) last() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := len(v.seen.Items) - 1; i >= 0; i-- {
		if id := v.seen.Items[i].ID; id != 0 {
			return id
		}
	}
	return 0
}

// joined waits until the first stream is open.
func (v *viewer) joined() error {
	for deadline := time.Now().Add(harness.Patience); v.opened.Load() == 0; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s has not joined", v.name)
		}
	}
	return nil
}

func (v *viewer) run(ctx context.Context) {
	node := v.home
	for ctx.Err() == nil {
		before := v.opened.Load()
		retry := v.stream(ctx, node)
		switch {
		case v.opened.Load() == before: // it could not be opened
			node = (node + 1) % len(v.clients)
		case v.restless:
			node = v.random.IntN(len(v.clients))
		default:
			node = v.home
		}
		sleepUntil(ctx, time.Now().Add(retry))
	}
}

// stream follows one stream to its end, and answers how long to wait for the
// next.
func (v *viewer) stream(ctx context.Context, node int) (retry time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	retry = 100 * time.Millisecond
	header := http.Header{}
	if v.gzip {
		header.Set("Accept-Encoding", "gzip")
	}
	if last := v.last(); last != 0 {
		header.Set("Last-Event-ID", fmt.Sprint(last))
	}
	if v.restless {
		defer time.AfterFunc(time.Duration(2000+v.random.IntN(12000))*time.Millisecond, cancel).Stop()
	}
	heard := func() {}
	if v.watchful {
		dog := time.AfterFunc(silence+headPatience, cancel)
		defer dog.Stop()
		heard = func() { dog.Reset(silence) }
	}
	err := v.clients[node].Watch(ctx, "/comments/"+v.room+"/stream", header, func(e harness.Event) error {
		heard()
		if e.Kind == harness.KindRetry {
			retry = min(e.Retry, time.Second)
			v.opened.Add(1)
		}
		return v.take(e, nodeName(node))
	})
	if status := harness.StatusOf(err); status != 0 && ctx.Err() == nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.fault == nil {
			v.fault = fmt.Errorf("%s: %s at %s, a browser would never come back: %w", v.name, nodeName(node), time.Now().Format("15:04:05.000"), err)
		}
	}
	return retry
}

// take keeps a comment, a deletion or a gap.
func (v *viewer) take(e harness.Event, node string) error {
	var item verify.Item
	switch {
	case harness.IsComment(e):
		c, err := e.Comment()
		if err != nil {
			return err
		}
		item = verify.Item{ID: number(c.ID), Message: c.Message}
	case e.Name == "gap":
		var gap struct{ After, Before string }
		if err := json.Unmarshal([]byte(e.Data), &gap); err != nil {
			return err
		}
		item = verify.Item{After: number(gap.After), Before: number(gap.Before)}
	case e.Name == "delete":
		var gone struct{ ID string }
		if err := json.Unmarshal([]byte(e.Data), &gone); err != nil {
			return err
		}
		item = verify.Item{Deleted: number(gone.ID)}
	default:
		return nil
	}
	item.Node, item.At = node, e.At
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen.Items = append(v.seen.Items, item)
	return nil
}
