package clickhouse

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestEqualReadsShareAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(Config{}.withDefaults())
		var asked, answered atomic.Int32
		release := make(chan struct{})
		ask := func(ctx context.Context) (int, error) {
			asked.Add(1)
			<-release
			return 7, ctx.Err()
		}
		leaving, leave := context.WithCancel(t.Context())
		for i := range 100 {
			ctx := t.Context()
			if i%2 == 0 {
				ctx = leaving // also the first, whose question it is
			}
			go func() {
				n, err := shared(ctx, g, "page", ask)
				if i%2 == 0 && errors.Is(err, context.Canceled) || err == nil && n == 7 {
					answered.Add(1)
				}
			}()
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		if n := answered.Load(); n != 50 {
			t.Errorf("%d left, not 50", n)
		}
		close(release)
		synctest.Wait()
		if asked.Load() != 1 || answered.Load() != 100 {
			t.Errorf("asked %d times, answered %d", asked.Load(), answered.Load())
		}
	})
}
