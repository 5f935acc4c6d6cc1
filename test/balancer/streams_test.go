package balancer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"barrage/test/harness"
)

// open opens a stream and reads its retry line: the viewer is in the room then.
func open(t *testing.T, c *harness.Client, path string, header http.Header) *harness.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience) // heartbeats go on for ever
	t.Cleanup(cancel)
	s, err := c.Open(ctx, path, header)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if e, err := s.Next(); err != nil || e.Kind != harness.KindRetry {
		t.Fatalf("a stream must open with retry: got %+v, %v", e, err)
	}
	return s
}

func post(t *testing.T, c *harness.Client, video, message string) harness.Comment {
	t.Helper()
	posted, err := c.Post(t.Context(), video, message, nil)
	if err != nil {
		t.Fatalf("posting to %s: %v", video, err)
	}
	return posted
}

// holder answers which node has a comment, by asking each.
func holder(t *testing.T, nodes []*harness.Node, c harness.Comment) int {
	t.Helper()
	for i, n := range nodes {
		select {
		case <-n.Exited():
			continue
		default:
		}
		if _, err := n.Anyone().One(t.Context(), c.LiveVideoID, c.ID); err == nil {
			return i
		}
	}
	t.Fatalf("no node has %+v", c)
	return 0
}

// These nodes are no cluster: what is posted shows where a video goes.
func TestADeadNodesVideosGoElsewhereAndComeBack(t *testing.T) {
	forEach(t, func(t *testing.T, b balancer) {
		nodes, addrs, token := startNodes(t)
		c := b.start(t, addrs, b.strict...).client(t, token, false)
		const videos = 12
		name := func(i int) string { return fmt.Sprintf("video-%d", i) }
		homes := make([]int, videos)
		for i := range homes {
			homes[i] = holder(t, nodes, post(t, c, name(i), "one"))
			if again := holder(t, nodes, post(t, c, name(i), "two")); again != homes[i] {
				t.Errorf("%s went to node %d, then to %d", name(i), homes[i], again)
			}
		}
		dead := homes[0]
		nodes[dead].Kill()
		for range 5 {
			for i, home := range homes {
				now := holder(t, nodes, post(t, c, name(i), "while it is dead")) // none fails
				if home != dead && now != home {
					t.Errorf("%s moved from node %d, which lives, to %d", name(i), home, now)
				}
			}
		}
		nodes[dead].Start()
		began := time.Now()
		eventually(t, func() error {
			if now := holder(t, nodes, post(t, c, name(0), "is it back?")); now != dead {
				return fmt.Errorf("%s is still at node %d", name(0), now)
			}
			return nil
		})
		t.Logf("back after %s", time.Since(began).Round(time.Millisecond))
	})
}

func TestEventsArriveAtOnce(t *testing.T) {
	const posts = 40
	forEach(t, func(t *testing.T, b balancer) {
		nodes, addrs, token := startNodes(t, harness.Flags("--stream-frame-interval", "0"))
		f := b.start(t, addrs, b.strict...)
		for _, overTLS := range []bool{false, true} {
			for _, encoding := range []string{"identity", "gzip"} {
				t.Run(fmt.Sprintf("HTTPS %t, %s", overTLS, encoding), func(t *testing.T) {
					room := fmt.Sprintf("room-%t-%s", overTLS, encoding)
					c := f.client(t, token, overTLS)
					s := open(t, c, "/comments/"+room+"/stream", harness.Header("Accept-Encoding", encoding))
					if got := s.Header.Get("Content-Encoding"); got != map[string]string{"identity": "", "gzip": "gzip"}[encoding] {
						t.Errorf("Content-Encoding %q", got)
					}
					// Posted at the node: no time of the balancer's is in it.
					home := nodes[holder(t, nodes, post(t, c, room, "first"))].Client(token)
					if _, err := s.NextComment(); err != nil {
						t.Fatal(err)
					}
					var late []time.Duration
					for i := range posts {
						posted := post(t, home, room, fmt.Sprint(i)) // each alone: nothing comes after it
						answered := time.Now()
						e, err := s.Until(harness.IsComment)
						if err != nil || e.ID != posted.ID {
							t.Fatalf("got %+v, %v, want %+v", e, err, posted)
						}
						late = append(late, e.At.Sub(answered))
					}
					slices.Sort(late)
					median, last := late[posts/2], late[posts-1]
					t.Logf("after the answer of the post: median %s, longest %s", median, last)
					// What is buffered waits for more, or for a timer: 100 ms or never.
					if median > 50*time.Millisecond {
						t.Errorf("events are late: %s", late)
					}
				})
			}
		}
	})
}

func TestManyStreamsShareAnHTTP2Connection(t *testing.T) {
	forEach(t, func(t *testing.T, b balancer) {
		_, addrs, token := startNodes(t)
		f := b.start(t, addrs, b.strict...)
		c := f.client(t, token, true)
		var connections atomic.Int32
		transport := c.HTTP.Transport.(*http.Transport)
		roots := transport.TLSClientConfig
		transport.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			connections.Add(1)
			return (&tls.Dialer{Config: &tls.Config{RootCAs: roots.RootCAs, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}}).DialContext(ctx, network, addr)
		}
		res, err := c.HTTP.Get(f.TLS + "/comments/room")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body) // so that the connection is free
		if err := res.Body.Close(); err != nil || res.Proto != "HTTP/2.0" || res.StatusCode != http.StatusOK {
			t.Fatalf("%s %s, %v", res.Proto, res.Status, err)
		}
		var streams []*harness.Stream
		for range 20 {
			streams = append(streams, open(t, c, "/comments/room/stream", nil))
		}
		if n := connections.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
		streams[0].Close() // the others go on
		posted := post(t, c, "room", "hello")
		for _, s := range streams[1:] {
			if got, err := s.NextComment(); err != nil || got != posted {
				t.Errorf("%+v, %v", got, err)
			}
		}
	})
}

func TestAStreamResumesThroughTheBalancer(t *testing.T) {
	forEach(t, func(t *testing.T, b balancer) {
		_, addrs, token := startNodes(t)
		c := b.start(t, addrs, b.strict...).client(t, token, false)
		var posted []harness.Comment
		for i := range 5 {
			posted = append(posted, post(t, c, "room", fmt.Sprint(i)))
		}
		for _, path := range []string{"/comments/room/stream", "/stream?videos=room", "/comments/room"} {
			s := open(t, c, path, harness.Header("Last-Event-ID", posted[1].ID))
			got, err := s.Comments(3)
			if err != nil || !slices.Equal(got, posted[2:]) {
				t.Errorf("%s: %+v, %v", path, got, err)
			}
		}
	})
}

// What the files give a stream is four heartbeats; here all is faster.
func TestHeartbeatsKeepASilentStreamAndADumbNodeLosesIt(t *testing.T) {
	forEach(t, func(t *testing.T, b balancer) {
		for heartbeat, survives := range map[string]bool{"250ms": true, "30s": false} {
			t.Run(heartbeat, func(t *testing.T) {
				_, addrs, token := startNodes(t, harness.Flags("--stream-heartbeat", heartbeat))
				f := b.start(t, addrs, append(b.silence, b.strict...)...)
				for _, overTLS := range []bool{false, true} {
					t.Run(fmt.Sprintf("HTTPS %t", overTLS), func(t *testing.T) {
						t.Parallel()
						keepSilent(t, f.client(t, token, overTLS), fmt.Sprintf("room-%t", overTLS), survives)
					})
				}
			})
		}
	})
}

func keepSilent(t *testing.T, c *harness.Client, room string, survives bool) {
	s := open(t, c, "/comments/"+room+"/stream", nil)
	for began := time.Now(); !survives || time.Since(began) < 6*time.Second; {
		e, err := s.Next()
		if err != nil {
			if survives {
				t.Fatalf("in the silence: %v", err)
			}
			return
		}
		if e.Kind == harness.KindNote && !survives {
			t.Fatal("a node that says nothing kept its stream until its first heartbeat")
		}
		if e.Kind != harness.KindNote && e.Name != "viewers" {
			t.Errorf("in the silence came %+v", e)
		}
	}
	posted := post(t, c, room, "after the silence")
	if got, err := s.NextComment(); err != nil || got != posted {
		t.Errorf("%+v, %v", got, err)
	}
}

// A rolling restart as viewers and authors see it.
func TestADrainingNodeLosesNobody(t *testing.T) {
	forEach(t, func(t *testing.T, b balancer) {
		nodes, addrs, token := startNodes(t)
		c := b.start(t, addrs, b.strict...).client(t, token, false)
		home := holder(t, nodes, post(t, c, "room", "first"))
		s := open(t, c, "/comments/room/stream", nil)

		ended := make(chan error, 1)
		stop := make(chan struct{})
		go func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					ended <- nil
					return
				case <-time.After(5 * time.Millisecond):
				}
				if _, err := c.Post(context.Background(), "room", fmt.Sprint(i), harness.Header("Idempotency-Key", fmt.Sprint(i))); err != nil {
					ended <- fmt.Errorf("post %d: %w", i, err)
					return
				}
			}
		}()
		if status := nodes[home].Terminate(); status != 0 {
			t.Errorf("exit status %d", status)
		}
		retry := time.Duration(0)
		for {
			e, err := s.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Errorf("the stream ended with %v", err)
				}
				break
			}
			if e.Kind == harness.KindRetry {
				retry = e.Retry
			}
		}
		if retry == 0 {
			t.Error("nobody said when to come back")
		}
		open(t, c, "/comments/room/stream", nil)
		close(stop)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
