package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tmaxmax/go-sse"

	"barrage/test/harness"
)

// lockedBuffer takes the output of a process that still runs.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.buf.Bytes())
}

// start runs a command for the length of the test and answers its output.
func start(t *testing.T, cmd *exec.Cmd) *lockedBuffer {
	t.Helper()
	out := new(lockedBuffer)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // it was killed
	})
	return out
}

func TestCurlFollowsAStream(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skipf("%s needs curl", t.Name())
	}
	n := harness.Start(t)
	ops := n.User("ops", "admin")
	want := postMany(t, ops, "room", 3)
	outputs := map[string]*lockedBuffer{}
	for name, args := range map[string][]string{
		"plain":      {"-sN", n.URL + "/comments/room/stream?history=3"},
		"compressed": {"-sN", "--compressed", n.URL + "/comments/room/stream?history=3"},
		"HTTP/1.0":   {"-sN", "--http1.0", n.URL + "/comments/room/stream?history=3"},
		"by Accept":  {"-sN", "-H", "Accept: text/event-stream", n.URL + "/comments/room?history=3"},
		"closing":    {"-sN", "-H", "Connection: close", n.URL + "/comments/room/stream?history=3"},
	} {
		outputs[name] = start(t, exec.Command("curl", args...))
	}
	for name, out := range outputs {
		eventually(t, func() error { return has(name, out, 3) })
	}
	want = append(want, postMany(t, ops, "room", 50)...)
	for name, out := range outputs {
		eventually(t, func() error { return has(name, out, len(want)) })
		var got []harness.Comment
		for _, e := range harness.ParseEvents(out.Bytes()) {
			if harness.IsComment(e) {
				c, err := e.Comment()
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				got = append(got, c)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q", name, messages(got))
		}
	}
}

func has(name string, out *lockedBuffer, comments int) error {
	n := 0
	for _, e := range harness.ParseEvents(out.Bytes()) {
		if harness.IsComment(e) {
			n++
		}
	}
	if n < comments {
		return fmt.Errorf("curl %s has %d of %d comments: %q", name, n, comments, out.Bytes())
	}
	return nil
}

// go-sse takes gzip by itself and comes back by Last-Event-ID.
func TestGoSSEFollowsOverARestart(t *testing.T) {
	t.Parallel()
	n := harness.Start(t, harness.Flags("--stream-retry=100ms", "--stream-retry-jitter=50ms"))
	ops := n.User("ops", "admin")
	want := postMany(t, ops, "room", 5)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL+"/comments/room/stream?history=5", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	connection := sse.NewConnection(req)
	events := make(chan sse.Event, 1000)
	connection.SubscribeToAll(func(e sse.Event) { events <- e })
	ended := make(chan error, 1)
	go func() { ended <- connection.Connect() }()
	expect := func(comments []harness.Comment) {
		t.Helper()
		for _, c := range comments {
			for {
				select {
				case e := <-events:
					if e.Type == "gap" {
						t.Fatalf("a gap: %s", e.Data)
					}
					if e.Type != "" || e.Data == "" {
						continue
					}
					if e.LastEventID != c.ID {
						t.Fatalf("got %+v, want %+v", e, c)
					}
				case err := <-ended:
					t.Fatalf("it gave up: %v", err)
				case <-time.After(harness.Patience):
					t.Fatalf("waited %s for %+v", harness.Patience, c)
				}
				break
			}
		}
	}
	expect(want)
	expect(postMany(t, ops, "room", 20))
	n.Restart()
	expect(postMany(t, ops, "room", 20))
	n.Kill()
	n.Start()
	expect(postMany(t, ops, "room", 20))
}
