package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"barrage/test/harness"
)

func TestSIGTERMDrainsAndExits0(t *testing.T) {
	n := harness.Start(t)
	streams := map[string]*harness.Stream{}
	for _, encoding := range []string{"identity", "gzip"} {
		streams[encoding] = openedStream(t, n, n.Anyone(), "room", "", harness.Header("Accept-Encoding", encoding))
	}
	mark := post(t, n.User("ann", "viewer"), "room", "last words")
	for name, s := range streams {
		if got, err := s.NextComment(); err != nil || got != mark {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
	}
	began := time.Now()
	if status := n.Terminate(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	// The deadline is 10 s.
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("draining took %s, over its deadline", took)
	}
	for name, s := range streams {
		retry := false
		for {
			e, err := s.Next()
			if err == nil {
				retry = retry || e.Kind == harness.KindRetry && e.Retry > 0
				continue
			}
			// A gzip stream may end without its trailer.
			if !errors.Is(err, io.EOF) && (name != "gzip" || !errors.Is(err, io.ErrUnexpectedEOF)) {
				t.Errorf("%s: the stream ended with %v", name, err)
			}
			break
		}
		if !retry {
			t.Errorf("%s: no new retry before the end", name)
		}
	}
	n.Start()
	if got := history(t, n.Anyone(), "room"); len(got) != 1 || got[0] != mark {
		t.Errorf("history is %+v", got)
	}
}

func TestSIGTERMUnderLoadLosesNothingAnswered(t *testing.T) {
	n := harness.Start(t)
	ops := n.User("ops", "admin")
	var writers sync.WaitGroup
	var mu sync.Mutex
	answered := map[string]string{}
	stop := make(chan struct{})
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ; i++ {
				c, err := ops.Post(t.Context(), "room", fmt.Sprintf("%d-%d", w, i), nil)
				if err != nil {
					if status := harness.StatusOf(err); status != 0 && status != http.StatusServiceUnavailable {
						t.Errorf("while draining: %v", err)
					}
					return
				}
				mu.Lock()
				answered[c.ID] = c.Message
				if len(answered) == 200 {
					close(stop)
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-stop:
	case <-time.After(harness.Patience):
		t.Fatal("no load")
	}
	if status := n.Terminate(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	writers.Wait()
	n.Start()
	for _, c := range history(t, n.Anyone(), "room") {
		if answered[c.ID] == c.Message {
			delete(answered, c.ID)
		}
	}
	if len(answered) > 0 {
		t.Errorf("%d answered comments are lost", len(answered))
	}
}

// Both of a wrapper's signals, sent to the process and to its group, are one.
func TestInterruptDrainsTooAndTwiceAtOnceIsOnce(t *testing.T) {
	n := harness.Start(t)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if err := syscall.Kill(n.PID(), signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
	if status := n.Wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}
