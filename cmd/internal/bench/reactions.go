package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// reactors send reactions beside the comments, as many users do: each request
// brings some of one user's, over keep-alive connections. Their requests are due
// by a schedule of their own, like the comments.
type reactors struct {
	clk      clock
	addr     string
	requests [][]byte // of one request each, by user
	count    int      // reactions in a request
	workers  int
	plan     sharedSchedule

	// Of requests due within [from, to):
	from, to int64
	mu       sync.Mutex
	latency  *hdr.Histogram // from due to answered
	offered  int64
	accepted int64
	refused  int64
	example  string // of a refusal
	last     int64  // when the last was answered
}

// sharedSchedule hands out what is due to many.
type sharedSchedule struct {
	start int64
	every float64 // nanoseconds
	taken atomic.Int64
}

// take gives the number of the next one, and when it is due.
func (s *sharedSchedule) take() (n, due int64) {
	n = s.taken.Add(1) - 1
	return n, s.start + int64(float64(n)*s.every)
}

const (
	fewestReactors = 16
	mostReactors   = 512
	// reactionsTimeout bounds a request: the server answers sooner.
	reactionsTimeout = 15 * time.Second
	reactorPause     = 100 * time.Millisecond // after a failed connection
)

func newReactors(c *Config, clk clock, dial *dialer, tokens []string) *reactors {
	addr := dial.host
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(addr, "80")
	}
	r := &reactors{clk: clk, addr: addr, count: c.ReactionCount, latency: newHistogram(3)}
	perSecond := c.Reactions / float64(c.ReactionCount)
	r.plan.every = float64(time.Second) / perSecond
	// Enough for answers that take 50 ms.
	r.workers = int(min(max(perSecond/20, fewestReactors), mostReactors))
	body := fmt.Sprintf(`{"type":"like","count":%d}`, c.ReactionCount)
	for _, token := range tokens {
		r.requests = append(r.requests, fmt.Appendf(nil,
			"POST /comments/%s/reactions HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
			c.Video, dial.host, token, len(body), body))
	}
	return r
}

// run sends what is due from start until to, and measures what is due from from
// on. It returns when all is answered.
func (r *reactors) run(ctx context.Context, start, from, to int64) {
	r.plan.start, r.from, r.to = start, from, to
	var all sync.WaitGroup
	for range r.workers {
		all.Go(func() { r.work(ctx) })
	}
	all.Wait()
}

func (r *reactors) work(ctx context.Context) {
	var conn net.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	buf := make([]byte, 8<<10)
	for ctx.Err() == nil {
		n, due := r.plan.take()
		if due >= r.to || !r.await(ctx, due) {
			return
		}
		if conn == nil {
			dialled, err := net.DialTimeout("tcp", r.addr, reactionsTimeout)
			if err != nil {
				r.record(due, err)
				r.await(ctx, r.clk.now()+int64(reactorPause))
				continue
			}
			conn = dialled
		}
		err := exchange(conn, r.requests[n%int64(len(r.requests))], buf)
		r.record(due, err)
		if err != nil && !errors.Is(err, errStatus) {
			_ = conn.Close()
			conn = nil
		}
	}
}

// await waits until a time, and says whether ctx still goes on then.
func (r *reactors) await(ctx context.Context, at int64) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(at - r.clk.now())):
		return true
	}
}

// errStatus says that a request was answered, and not with what was wanted.
var errStatus = errors.New("unwanted status")

// exchange sends a request and reads its whole answer.
func exchange(conn net.Conn, request, buf []byte) error {
	if err := conn.SetDeadline(time.Now().Add(reactionsTimeout)); err != nil {
		return fmt.Errorf("send reactions: %w", err)
	}
	if _, err := conn.Write(request); err != nil {
		return fmt.Errorf("send reactions: %w", err)
	}
	for n := 0; ; {
		got, err := conn.Read(buf[n:])
		if err != nil {
			return fmt.Errorf("reactions: %w", err)
		}
		n += got
		switch a, err := parseAnswer(buf[:n]); {
		case err != nil:
			return err
		case a == nil && n == len(buf):
			return fmt.Errorf("%w: over %d bytes", errAnswer, len(buf))
		case a == nil:
		case a.head.status != http.StatusAccepted:
			return fmt.Errorf("%w: %d: %.300s", errStatus, a.head.status, a.body)
		default:
			return nil
		}
	}
}

func (r *reactors) record(due int64, err error) {
	now := r.clk.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if due < r.from {
		return
	}
	r.offered++
	if err != nil {
		r.refused++
		if r.example == "" {
			r.example = err.Error()
		}
		return
	}
	r.accepted++
	r.last = max(r.last, now)
	recordLatency(r.latency, now-due, 1)
}

// report says what was measured. The caller has waited for run.
func (r *reactors) report() *Reactions {
	return &Reactions{
		Requests: r.offered, Refused: r.refused, Count: r.count, RefusedWith: r.example, Latency: summarise(r.latency),
		PerSecond: ratio(float64(r.accepted*int64(r.count)), time.Duration(r.last-r.from).Seconds()),
	}
}
