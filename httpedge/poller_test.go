package httpedge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"

	"barrage/actors"
	"barrage/cluster"
	"barrage/cluster/membership"
	"barrage/persistence"
	"barrage/persistence/embedded"
	"barrage/persistence/journal"
)

// newTestEdge starts a whole node behind a listener of its own, and gives its
// address.
func newTestEdge(t testing.TB, change func(*Config)) (*Edge, string) {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	dir := t.TempDir()
	store, err := embedded.Open(embedded.Config{Dir: filepath.Join(dir, "store"), BallastBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	log, err := journal.Open(journal.Config{Dir: filepath.Join(dir, "journal")})
	if err != nil {
		t.Fatal(err)
	}
	pump, err := persistence.NewPump(persistence.PumpConfig{
		Log: log, Store: store, Read: func(after persistence.LSN) persistence.EntryReader { return log.Reader(after) },
	})
	if err != nil {
		t.Fatal(err)
	}
	pump.Start()
	ids, err := actors.NewIDs(1, 0, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	node, err := actors.NewNode(actors.Config{
		System: system, Journal: log, Store: store, Applied: pump, IDs: ids,
		Metrics: actors.NewMetrics(registry), Log: quiet, NodeName: func() string { return "test" },
	})
	if err != nil {
		t.Fatal(err)
	}
	member, err := cluster.Start(cluster.Config{System: system, Kind: actors.Kind, Props: node.LiveVideoProps(), Log: quiet, Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	node.Start(member.Owners())
	if err := member.Serve(node, nil); err != nil {
		t.Fatal(err)
	}
	member.JoinAlone(membership.Member{ID: "test", Weight: 1})
	config := Config{
		Registry: registry, Log: quiet,
		JWTSecret: []byte("secret"), CookieName: "session", MaxBodyBytes: 8192, Autocreate: true, RetryTime: 8 * time.Second,
	}
	if change != nil {
		change(&config)
	}
	edge, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- edge.Serve(listener) }()
	edge.Open(Backend{Node: node, Owners: member.Owners()})
	t.Cleanup(func() {
		edge.Drain()
		node.EndStreams()
		node.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(edge.Shutdown(ctx), <-served, pump.Stop(ctx), log.Close(), store.Close()); err != nil {
			t.Error(err)
		}
		member.Stop()
	})
	return edge, listener.Addr().String()
}

// openRaw opens a stream by hand and gives its connection.
func openRaw(t *testing.T, address, video string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /comments/%s/stream HTTP/1.1\r\nHost: x\r\n\r\n", video)
	return conn
}

func postRaw(t *testing.T, edge *Edge, address, video, message string) {
	t.Helper()
	token, err := edge.auth.sign(&user{id: "u", role: roleAdmin}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	body := fmt.Sprintf(`{"message":%q}`, message)
	fmt.Fprintf(conn, "POST /comments/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		video, token, len(body), body)
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 201")) {
		t.Fatalf("posting: %s, %v", answer, err)
	}
}

// TestAReusedFileDescriptorGetsNobodyElsesBytes opens and closes streams of
// two rooms as fast as it can, so that file descriptors change hands all the
// time, while both rooms are posted to.
func TestAReusedFileDescriptorGetsNobodyElsesBytes(t *testing.T) {
	edge, address := newTestEdge(t, nil)
	stop := make(chan struct{})
	var posters, watchers sync.WaitGroup
	for _, video := range []string{"red", "blue"} {
		posters.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					postRaw(t, edge, address, video, "of "+video)
				}
			}
		})
	}
	for w := range 8 {
		watchers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 3))
			for range 150 {
				video, other := "red", "of blue"
				if random.IntN(2) == 0 {
					video, other = "blue", "of red"
				}
				conn := openRaw(t, address, video)
				if random.IntN(4) > 0 {
					got := make([]byte, 1+random.IntN(2000))
					n, _ := io.ReadAtLeast(conn, got, 1)
					if strings.Contains(string(got[:n]), other) {
						t.Errorf("a viewer of %s got bytes of the other room: %q", video, got[:n])
					}
				}
				_ = conn.Close()
			}
		})
	}
	watchers.Wait()
	close(stop)
	posters.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for edge.backend.Node.Streams() > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d streams are left of clients that have all gone", edge.backend.Node.Streams())
		}
		time.Sleep(time.Millisecond)
	}
	edge.admit.mu.Lock()
	defer edge.admit.mu.Unlock()
	if edge.admit.open != 0 {
		t.Errorf("%d streams are still admitted", edge.admit.open)
	}
}

func TestANodeThatStartsSaysSo(t *testing.T) {
	edge, err := New(Config{
		Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		JWTSecret: []byte("secret"), CookieName: "session", MaxBodyBytes: 8192,
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- edge.Serve(listener) }()
	for path, want := range map[string]string{
		"/healthz": "HTTP/1.1 200", "/metrics": "HTTP/1.1 200", "/readyz": "HTTP/1.1 503",
		"/comments/v": "HTTP/1.1 503", "/comments/v/stream": "HTTP/1.1 200",
	} {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)
		answer, err := io.ReadAll(conn)
		if err != nil || !bytes.HasPrefix(answer, []byte(want)) || strings.HasSuffix(path, "stream") && !bytes.Contains(answer, []byte("retry: ")) {
			t.Errorf("%s is answered %q, %v", path, answer, err)
		}
		_ = conn.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := errors.Join(edge.Shutdown(ctx), <-served); err != nil {
		t.Error(err)
	}
}

func TestAFullNodeTellsStreamsToComeBack(t *testing.T) {
	_, address := newTestEdge(t, func(c *Config) { c.MaxStreams = 1 })
	first := openRaw(t, address, "v")
	defer func() { _ = first.Close() }()
	head := make([]byte, 15)
	if _, err := io.ReadFull(first, head); err != nil {
		t.Fatal(err)
	}
	second := openRaw(t, address, "v")
	defer func() { _ = second.Close() }()
	answer, err := io.ReadAll(second)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 OK")) || !bytes.Contains(answer, []byte("text/event-stream")) || !bytes.Contains(answer, []byte("retry: ")) {
		t.Errorf("a stream too many is answered %q, %v", answer, err)
	}
}

// BenchmarkSend is the floor under every delivery: writing a small frame to a
// socket whose reader keeps up.
func BenchmarkSend(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, client) }()
	server, err := listener.Accept()
	if err != nil {
		b.Fatal(err)
	}
	p, err := newPoller()
	if err != nil {
		b.Fatal(err)
	}
	stream, err := p.adopt(server, 0, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer stream.Close()
	frame := bytes.Repeat([]byte("x"), 130)
	for b.Loop() {
		if _, err := stream.Write(frame); err != nil {
			b.Fatal(err)
		}
	}
}
