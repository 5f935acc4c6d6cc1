//go:build soak

package soak

import (
	"cmp"
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/test/harness"
)

const (
	attackViewers  = 200
	attackPosts    = 200 // a second
	attackHalfOpen = 10_000
	attackSlow     = 200
	attackDeaf     = 500
	attackFloods   = 10
)

// TestAttack holds half-open connections, slow requests, streams that nobody
// reads and floods of headers against a node, all at once. Who watches gets
// every comment, and not much later than before; the node's memory stays
// bounded.
func TestAttack(t *testing.T) {
	f := newFigures(t)
	n := harness.Start(t)
	const room = "room"
	viewers, leave := watch(t, n, []string{room}, attackViewers)
	defer leave()
	l := startLoad(n, []string{room}, attackPosts)
	time.Sleep(3 * time.Second) // connections are made, buffers grow
	memory := memoryOf(t, n.PID(), "VmRSS")
	quiet := time.Now()
	cpu, own := cpuOf(t, n.PID()), ownCPU()
	share := func(name string, since time.Time) {
		took := time.Since(since).Seconds()
		f.add("CPU of the node "+name, (cpuOf(t, n.PID())-cpu)/took, "of a processor")
		f.add("CPU of viewers, author and attackers "+name, (ownCPU()-own)/took, "of a processor")
		cpu, own = cpuOf(t, n.PID()), ownCPU()
	}
	time.Sleep(scaledTime(t, 30*time.Second))
	share("before", quiet)
	a := startAttack(t, n.Addr)
	attacked := time.Now()
	ramp := attacked.Add(5 * time.Second) // opening ten thousand is this process's work, too
	time.Sleep(time.Until(ramp))
	share("while ten thousand connections are opened", attacked)
	w := watchMemory(t, n.PID())
	time.Sleep(scaledTime(t, 60*time.Second))
	share("during the attack", ramp)
	ended := time.Now()
	f.add("connections open during the attack", metric(t, n.Anyone(), "barrage_http_connections_open"), "")
	f.add("goroutines", metric(t, n.Anyone(), "go_goroutines"), "")
	w.stop()
	a.stop()
	answered := l.stop(t)
	f.report("posts, due to answered", answers(answered))
	f.atMost("memory during the attack, more than before", w.highest()-memory, "MB", 600)

	want := answered[room]
	slices.SortFunc(want, func(a, b posted) int { return cmp.Compare(a.id, b.id) })
	var before, opening, during latencies
	for _, v := range viewers {
		for end := time.Now().Add(harness.Patience); !v.reached(len(want)) && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		if err := v.check(want); err != nil {
			t.Error(err)
			continue
		}
		for i, p := range want {
			late := v.came[i].at.Sub(p.due)
			switch {
			case p.due.Before(quiet) || p.due.After(ended):
			case p.due.Before(attacked):
				before.add(late)
			case p.due.Before(ramp):
				opening.add(late)
			default:
				during.add(late)
			}
		}
	}
	f.report("stream before, due to delivered", &before)
	f.report("stream while ten thousand connections are opened", &opening)
	f.report("stream during the attack", &during)
	f.atMost("p99 during the attack, to before", during.at(99)/before.at(99), "times", 1.5)
}

// attack is many clients that mean no good. Each begins anew when the node
// ends its connection.
type attack struct {
	cancel context.CancelFunc
	ended  sync.WaitGroup
}

func startAttack(t testing.TB, addr string) *attack {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	a := &attack{cancel: cancel}
	again := func(count int, do func(conn net.Conn)) {
		for range scaled(t, count) {
			a.ended.Go(func() {
				for ctx.Err() == nil {
					conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
					if err == nil {
						stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
						do(conn)
						stop()
						_ = conn.Close()
					}
					nap(ctx, time.Second)
				}
			})
		}
	}
	again(attackHalfOpen, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "GET /comments/room HTTP/1.1\r\nHost: x\r\nX-Half: ")
		_, _ = io.Copy(io.Discard, conn)
	})
	again(attackSlow, func(conn net.Conn) {
		_, err := io.WriteString(conn, "POST /comments/room HTTP/1.1\r\nHost: x\r\nContent-Length: 8000\r\n\r\n{")
		for err == nil && nap(ctx, time.Second) {
			_, err = io.WriteString(conn, " ")
		}
	})
	again(attackDeaf, func(conn net.Conn) {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(4 << 10)
		}
		_, _ = io.WriteString(conn, "GET /comments/room/stream HTTP/1.1\r\nHost: x\r\n\r\n")
		nap(ctx, time.Hour)
	})
	flood := strings.Repeat("X-Flood: "+strings.Repeat("a", 1000)+"\r\n", 1000)
	again(attackFloods, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "GET /comments/room HTTP/1.1\r\n"+flood)
		_, _ = io.Copy(io.Discard, conn)
	})
	return a
}

// stop ends the attack.
func (a *attack) stop() {
	a.cancel()
	a.ended.Wait()
}

// nap is false if it was ended.
func nap(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
