package balancer

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"barrage/test/harness"
)

func TestAWebSocketGoesThroughTheBalancer(t *testing.T) {
	forEach(t, func(t *testing.T, b balancer) {
		nodes, addrs, token := startNodes(t)
		f := b.start(t, addrs, b.strict...)
		for _, overTLS := range []bool{false, true} {
			room := fmt.Sprintf("room-%t", overTLS)
			c := f.client(t, token, overTLS)
			home := holder(t, nodes, post(t, c, room, "first"))
			if overTLS { // as browsers do: HTTP/1.1 alone
				c.HTTP.Transport.(*http.Transport).ForceAttemptHTTP2 = false
			}
			s, err := c.Socket(t.Context(), room, "history=1")
			if err != nil {
				t.Fatal(err)
			}
			posted, err := s.Post("over the WebSocket", "", "")
			if err != nil || holder(t, nodes, posted) != home {
				t.Fatalf("%+v, %v", posted, err)
			}
			if got, err := s.Comments(2); err != nil || got[1] != posted {
				t.Errorf("%+v, %v", got, err)
			}
			s.Close()
		}
	})
}

// What the files give a WebSocket is four heartbeats; here all is faster.
func TestPingsKeepASilentWebSocket(t *testing.T) {
	forEach(t, func(t *testing.T, b balancer) {
		nodes, addrs, token := startNodes(t, harness.Flags("--stream-heartbeat", "250ms"))
		f := b.start(t, addrs, append(b.silence, b.strict...)...)
		c := f.client(t, token, false)
		home := holder(t, nodes, post(t, c, "room", "first"))
		s, err := c.Socket(t.Context(), "room", "")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		told := make(chan error, 1)
		go func() {
			for {
				e, err := s.Next()
				if err != nil || e.Event == "comment" {
					told <- err
					return
				}
			}
		}()
		select {
		case err := <-told:
			t.Fatalf("in the silence: %v", err)
		case <-time.After(6 * time.Second): // longer than a dumb one has
		}
		post(t, nodes[home].Client(token), "room", "after the silence")
		if err := <-told; err != nil {
			t.Error(err)
		}
	})
}

func TestADrainingNodeClosesItsWebSocketsThroughTheBalancer(t *testing.T) {
	forEach(t, func(t *testing.T, b balancer) {
		nodes, addrs, token := startNodes(t)
		c := b.start(t, addrs, b.strict...).client(t, token, false)
		home := holder(t, nodes, post(t, c, "room", "first"))
		s, err := c.Socket(t.Context(), "room", "")
		if err != nil {
			t.Fatal(err)
		}
		if e, err := s.Next(); err != nil || e.Event != "retry" {
			t.Fatalf("%+v, %v", e, err)
		}
		if status := nodes[home].Terminate(); status != 0 {
			t.Errorf("exit status %d", status)
		}
		last := ""
		for {
			e, err := s.Next()
			if err != nil {
				if websocket.CloseStatus(err) != websocket.StatusGoingAway {
					t.Error(err)
				}
				break
			}
			last = e.Event
		}
		if last != "retry" {
			t.Errorf("the last event is %q", last)
		}
		if s, err = c.Socket(t.Context(), "room", ""); err != nil {
			t.Fatal(err)
		}
		s.Close()
	})
}

// A poll waits for longer than other requests may take.
func TestAPollMayWaitThroughTheBalancer(t *testing.T) {
	forEach(t, func(t *testing.T, b balancer) {
		nodes, addrs, token := startNodes(t)
		// Other requests have a second here.
		swaps := map[string][]swap{
			"nginx":   {{"proxy_read_timeout 15s;", "proxy_read_timeout 1s;"}},
			"haproxy": {{"timeout server 15s", "timeout server 1s"}},
		}[b.name]
		c := b.start(t, addrs, append(swaps, b.strict...)...).client(t, token, false)
		first := post(t, c, "room", "first")
		home := nodes[holder(t, nodes, first)].Client(token)
		type answer struct {
			page harness.Page
			err  error
		}
		polled := make(chan answer, 1)
		go func() {
			page, err := c.Page(context.Background(), "room", "wait=60&since="+first.ID)
			polled <- answer{page, err}
		}()
		select {
		case got := <-polled:
			t.Fatalf("at once: %+v", got)
		case <-time.After(3 * time.Second):
		}
		second := post(t, home, "room", "second")
		if got := <-polled; got.err != nil || len(got.page.Comments) != 1 || got.page.Comments[0] != second {
			t.Errorf("%+v", got)
		}
	})
}
