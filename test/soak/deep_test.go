//go:build soak

package soak

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"barrage/test/harness"
)

const (
	deepPagers = 200
	// pagesInARow is how far a client pages before it begins elsewhere.
	pagesInARow = 20
)

// scrolling is the pause of somebody who scrolls back quickly, between a page
// and the next.
const scrolling = 500 * time.Millisecond

// deep are clients that page through the big room.
type deep struct {
	cancel context.CancelFunc
	ended  sync.WaitGroup
	took   latencies

	mu  sync.Mutex
	err error // the first
}

// startDeep has clients begin that pause between pages, or not at all.
func startDeep(n *harness.Node, want []uint64, pause time.Duration) *deep {
	ctx, cancel := context.WithCancel(context.Background())
	d := &deep{cancel: cancel}
	r := newReader(n)
	for i := range deepPagers {
		d.ended.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 2))
			wait(ctx, time.Duration(random.Int64N(int64(pause)+1))) // not all in step
			for ctx.Err() == nil {
				cursor := strconv.FormatUint(want[random.IntN(len(want))], 10)
				for range pagesInARow {
					began := time.Now()
					_, next, err := r.page(ctx, bigRoom, "pageSize=50&cursor="+cursor)
					if ctx.Err() != nil {
						return
					}
					if err != nil {
						d.fail(err)
						return
					}
					d.took.add(time.Since(began))
					if cursor = next; next == "" {
						break
					}
					wait(ctx, pause)
				}
			}
		})
	}
	return d
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (d *deep) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = err
	}
}

func (d *deep) count() int {
	d.took.mu.Lock()
	defer d.took.mu.Unlock()
	return len(d.took.all)
}

func (d *deep) stop(t *testing.T) {
	t.Helper()
	d.cancel()
	d.ended.Wait()
	if d.err != nil {
		t.Errorf("a deep page failed: %v", d.err)
	}
}
