//go:build soak

package soak

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/test/harness"
)

// arrival is a comment at a viewer.
type arrival struct {
	id uint64
	at time.Time
}

// viewer notes when which comment came.
type viewer struct {
	room string
	err  error

	mu   sync.Mutex
	came []arrival
}

// watch opens a stream for each viewer and returns when all are in their
// rooms. The function that it answers ends them.
func watch(t testing.TB, n *harness.Node, rooms []string, each int) (all []*viewer, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	for _, room := range rooms {
		for range each {
			v := &viewer{room: room}
			all = append(all, v)
			in := make(chan struct{})
			ended.Go(func() { v.err = v.run(ctx, n.URL, in) })
			select {
			case <-in:
			case <-time.After(harness.Patience):
				cancel()
				ended.Wait()
				t.Fatalf("a viewer of %s could not join: %v", room, v.err)
			}
		}
	}
	return all, func() {
		cancel()
		ended.Wait()
	}
}

func (v *viewer) run(ctx context.Context, url string, in chan<- struct{}) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/comments/"+v.room+"/stream", http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Accept-Encoding", "identity")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "retry:"):
			if in == nil {
				return fmt.Errorf("a second %q", line)
			}
			close(in)
			in = nil
		case strings.HasPrefix(line, "event:") && strings.Contains(line, "gap"):
			return fmt.Errorf("a gap")
		case strings.HasPrefix(line, "id:"):
			id, err := strconv.ParseUint(strings.TrimSpace(line[3:]), 10, 64)
			if err != nil {
				return err
			}
			v.mu.Lock()
			v.came = append(v.came, arrival{id, time.Now()})
			v.mu.Unlock()
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("the stream ended: %w", lines.Err())
}

// reached says whether a viewer has so many comments.
func (v *viewer) reached(n int) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.came) >= n
}

// check answers an error unless the viewer got each comment of its room once,
// in order.
func (v *viewer) check(want []posted) error {
	if v.err != nil {
		return fmt.Errorf("a viewer of %s: %w", v.room, v.err)
	}
	if len(v.came) != len(want) {
		return fmt.Errorf("a viewer of %s got %d comments, want %d", v.room, len(v.came), len(want))
	}
	for i := range want {
		if v.came[i].id != want[i].id {
			return fmt.Errorf("a viewer of %s: comment %d is %d, want %d", v.room, i, v.came[i].id, want[i].id)
		}
	}
	return nil
}
