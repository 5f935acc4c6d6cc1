package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/test/harness"
)

// The attacks of this file are made while somebody posts and others watch: who
// watches must get every comment, in order.

// bystanders are an author and viewers who have nothing to do with an attack.
type bystanders struct {
	t       *testing.T
	author  *harness.Client
	streams []*harness.Stream
	posted  []harness.Comment
}

const bystandersRoom = "bystanders"

func newBystanders(t *testing.T, n *harness.Node) *bystanders {
	t.Helper()
	b := &bystanders{t: t, author: n.User("author", "admin")}
	for _, encoding := range []string{"identity", "identity", "gzip"} {
		b.streams = append(b.streams, openedStream(t, n, n.Anyone(), bystandersRoom, "", harness.Header("Accept-Encoding", encoding)))
	}
	return b
}

// go on: a comment is posted, and comes to all.
func (b *bystanders) goOn() {
	b.t.Helper()
	b.posted = append(b.posted, post(b.t, b.author, bystandersRoom, fmt.Sprint("comment ", len(b.posted))))
	want := b.posted[len(b.posted)-1]
	for i, s := range b.streams {
		if got, err := s.NextComment(); err != nil || got != want {
			b.t.Fatalf("viewer %d got %+v, %v, want %+v", i, got, err, want)
		}
	}
}

// attackers are connections by hand.
type attackers struct {
	t     *testing.T
	n     *harness.Node
	mu    sync.Mutex
	conns []net.Conn
}

func newAttackers(t *testing.T, n *harness.Node) *attackers {
	a := &attackers{t: t, n: n}
	t.Cleanup(a.close)
	return a
}

// connect opens a connection and sends something. What the server does with
// it is not this function's business.
func (a *attackers) connect(text string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: harness.Patience}).DialContext(a.t.Context(), "tcp", a.n.Addr)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.conns = append(a.conns, conn)
	a.mu.Unlock()
	_ = conn.SetDeadline(time.Now().Add(2 * harness.Patience))
	if text != "" {
		_, _ = io.WriteString(conn, text) // it may be closed by now
	}
	return conn, nil
}

func (a *attackers) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, conn := range a.conns {
		_ = conn.Close()
	}
	a.conns = nil
}

// memory is the node's resident memory in MB.
func memory(t *testing.T, n *harness.Node) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.PID()))
	if err != nil {
		t.Skipf("there is no /proc: %v", err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kB, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return kB / 1024
}

// settles waits until a gauge of the node is no more than a value.
func settles(t *testing.T, n *harness.Node, series string, most float64) {
	t.Helper()
	client := n.Anyone()
	eventually(t, func() error {
		value, err := client.Metric(t.Context(), series)
		if err == nil && value > most {
			err = fmt.Errorf("%s is %v, not %v", series, value, most)
		}
		return err
	})
}

const (
	connectionsOpen = "barrage_http_connections_open"
	goroutines      = "go_goroutines"
	streamsOpen     = "barrage_streams_open"
)

func halfOpen(t *testing.T) int {
	if testing.Short() {
		return 2000
	}
	return 10_000
}

// perHalfOpen is what a connection with half a request may cost, in KB: a
// goroutine, a buffer of 16 KB for its head, and the request.
const perHalfOpen = 40.0

func TestThousandsOfHalfOpenConnectionsHarmNobody(t *testing.T) {
	const most = 4000
	n := harness.Start(t, harness.Flags("--http-header-timeout=8s", "--http-body-timeout=4s", fmt.Sprint("--http-max-connections=", most)))
	b := newBystanders(t, n)
	b.goOn()
	before := memory(t, n)
	a := newAttackers(t, n)
	count, began := halfOpen(t), time.Now()
	starts := []string{"", "G", "GET /comments/room HTTP/1.1\r\nHost: x\r\nX-Slow: ", "POST /comments/room HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"}
	jobs := make(chan int)
	var ended sync.WaitGroup
	for range 8 {
		ended.Go(func() {
			for i := range jobs {
				if _, err := a.connect(starts[i%len(starts)]); err != nil {
					t.Errorf("connection %d: %v", i, err)
				}
			}
		})
	}
	for i := range count {
		if jobs <- i; i%(count/10) == 0 {
			b.goOn()
			answer := do(t, n.Anyone(), "GET", "/comments/"+bystandersRoom, nil, nil) // by a new connection
			if answer.Status != 200 {
				t.Errorf("a reader got %v", answer)
			}
		}
	}
	close(jobs)
	ended.Wait()
	b.goOn()
	open, err := n.Anyone().Metric(t.Context(), connectionsOpen)
	if err != nil || open > most {
		t.Errorf("%v connections are open, %v", open, err)
	}
	grown := memory(t, n) - before
	t.Logf("%d connections in %v, %v open at the end: %.0f MB more", count, time.Since(began).Round(time.Millisecond), open, grown)
	if bound := 64 + min(float64(count), most)*perHalfOpen/1024; grown > bound && !harness.UnderRace {
		t.Errorf("the node took %.0f MB more, not up to %.0f", grown, bound)
	}
	// They are let go when their time is over, though they stay.
	settles(t, n, connectionsOpen, 50)
	settles(t, n, goroutines, 300)
	b.goOn()
}

func TestSlowRequestsHarmNobody(t *testing.T) {
	n := harness.Start(t, harness.Flags("--http-header-timeout=2s", "--http-body-timeout=2s"))
	b := newBystanders(t, n)
	a := newAttackers(t, n)
	var ended sync.WaitGroup
	var mu sync.Mutex
	statuses := map[string]int{}
	for i := range 200 {
		start := "GET /comments/room HTTP/1.1\r\nHost: x\r\nX-Slow: "
		if i%2 == 1 {
			start = "POST /comments/room HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 8000\r\n\r\n{\"message\":\""
		}
		conn, err := a.connect(start)
		if err != nil {
			t.Fatal(err)
		}
		ended.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				for pauseFor(ctx, 300*time.Millisecond) == nil {
					if _, err := io.WriteString(conn, "x"); err != nil {
						return
					}
				}
			}()
			answer, err := io.ReadAll(conn)
			status, _, _ := strings.Cut(strings.TrimPrefix(string(answer), "HTTP/1.1 "), " ")
			if err != nil && status == "" {
				status = "none"
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	for range 5 {
		b.goOn()
	}
	ended.Wait() // the last of them after some 4 s
	if statuses["408"] != 200 {
		t.Errorf("200 slow requests were answered %v", statuses)
	}
	settles(t, n, connectionsOpen, 20)
	b.goOn()
}

func pauseFor(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func TestFloodsOfHeadersHarmNobody(t *testing.T) {
	n := harness.Start(t)
	b := newBystanders(t, n)
	a := newAttackers(t, n)
	before := memory(t, n)
	line := "X-Flood: " + strings.Repeat("a", 1000) + "\r\n"
	var ended sync.WaitGroup
	for i := range 100 {
		conn, err := a.connect("GET /comments/room HTTP/1.1\r\nHost: x\r\n")
		if err != nil {
			t.Fatal(err)
		}
		ended.Go(func() {
			sent := 0
			for ; sent < 20_000; sent++ { // 20 MB, if it is taken
				if _, err := io.WriteString(conn, line); err != nil {
					break
				}
			}
			if sent == 20_000 {
				t.Errorf("connection %d: all was taken", i)
			}
		})
	}
	b.goOn()
	ended.Wait()
	b.goOn()
	if grown := memory(t, n) - before; grown > 100 && !harness.UnderRace {
		t.Errorf("the node took %.0f MB more", grown)
	}
	settles(t, n, connectionsOpen, 20)
}

// A viewer that does not read costs its own queue, and gets a gap or the end.
func TestStreamsThatAreNeverReadHarmNobody(t *testing.T) {
	n := harness.Start(t, harness.Flags("--stream-lag-bytes=64KiB", "--stream-lag-time=2s"))
	b := newBystanders(t, n)
	a := newAttackers(t, n)
	const deaf = 300
	for range deaf {
		conn, err := a.connect("")
		if err != nil {
			t.Fatal(err)
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(4 << 10)
		}
		fmt.Fprintf(conn, "GET /comments/%s/stream HTTP/1.1\r\nHost: x\r\n\r\n", bystandersRoom)
	}
	client := n.Anyone()
	eventually(t, func() error {
		open, err := client.Metric(t.Context(), streamsOpen)
		if err == nil && open < deaf {
			err = fmt.Errorf("%v streams are open", open)
		}
		return err
	})
	before := memory(t, n)
	long := strings.Repeat("弹", 490)
	for range 400 { // 1.5 KB each: 180 MB for all of them
		want := post(t, b.author, bystandersRoom, long)
		for i, s := range b.streams {
			if got, err := s.NextComment(); err != nil || got != want {
				t.Fatalf("viewer %d got %+v, %v", i, got, err)
			}
		}
	}
	if grown := memory(t, n) - before; grown > 80 && !harness.UnderRace {
		t.Errorf("the node took %.0f MB more", grown)
	}
	b.posted = nil
	b.goOn()
	a.close()
	settles(t, n, streamsOpen, float64(len(b.streams)))
}

// Whoever opens and closes in a hurry leaves nothing behind.
func TestConnectionsThatBreakOffLeaveNothingBehind(t *testing.T) {
	n := harness.Start(t)
	b := newBystanders(t, n)
	b.goOn()
	a := newAttackers(t, n)
	for i := range 1000 {
		conn, err := a.connect([]string{
			"", "GET", "GET /comments/room/stream HTTP/1.1\r\nHost: x\r\n\r\n", "POST /comments/room HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
		}[i%4])
		if err != nil {
			t.Fatal(err)
		}
		if tcp, ok := conn.(*net.TCPConn); ok && i%3 == 0 {
			_ = tcp.SetLinger(0) // a reset
		}
		if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
	}
	settles(t, n, connectionsOpen, 20)
	settles(t, n, streamsOpen, float64(len(b.streams)))
	settles(t, n, goroutines, 200)
	b.goOn()
}
