package bench

import (
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	attemptTimeout = 5 * time.Second
	timeoutChecks  = 100 * time.Millisecond
	stopGrace      = 2 * time.Second       // for the answers under way when the run is stopped
	lateAfter      = 10 * time.Millisecond // a post sent so much after it was due had no free connection
	tooManyRefused = 50                    // refusals without any success: the run makes no sense
)

// poster posts comments over keep-alive connections from one thread with its own
// epoll. The ledger and the figures may be read by others while run isn't in
// progress; only sent and done at any time.
type poster struct {
	dial     *dialer
	clk      clock
	poll     *poller
	text     *composer
	tag      string
	deadline time.Duration
	heads    [][]byte // request up to the value of Idempotency-Key, for each user

	conns   []postConn
	asleep  int     // connections that are closed or pausing, and go on at their wakeAt
	free    []int32 // idle connections, the last used on top
	buf     []byte
	now     int64
	plan    *schedule
	open    int  // posts taken and not decided
	starved bool // posts are due, and no connection is free
	ledger  ledger
	stats   postStats

	stopping atomic.Bool
	stopAt   int64
	done     atomic.Int64 // posts answered
}

type posterConfig struct {
	dial     *dialer
	clk      clock
	tag      string
	video    string
	tokens   []string
	workers  int
	size     int
	seed     uint64
	deadline time.Duration
}

func newPoster(c posterConfig) (*poster, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	p := &poster{
		dial: c.dial, clk: c.clk, poll: poll, tag: c.tag, deadline: c.deadline,
		text: newComposer(c.tag, c.size, c.seed), conns: make([]postConn, c.workers), buf: make([]byte, 64<<10),
	}
	for i := range p.conns {
		p.conns[i] = postConn{fd: -1, seq: -1}
	}
	p.asleep = len(p.conns)
	for _, token := range c.tokens {
		p.heads = append(p.heads, fmt.Appendf(nil,
			"POST /comments/%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nIdempotency-Key: ",
			c.video, c.dial.host, token))
	}
	p.reset(0, math.MaxInt64)
	return p, nil
}

// stop makes a run in progress, and those to come, end soon. Any goroutine may
// call it.
func (p *poster) stop() {
	p.stopping.Store(true)
	p.poll.wake()
}

// run posts what the plan says and returns when the fate of all is known, or
// with an error if the server refuses whatever it is given.
func (p *poster) run(plan *schedule) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Without this the kernel adds up to 50 µs to each wait.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	p.plan, p.stopAt = plan, 0
	p.now = p.clk.now()
	checked := p.now
	for !p.finished() {
		events, err := p.poll.wait(p.timeout())
		if err != nil {
			return err
		}
		p.now = p.clk.now()
		for i := range events {
			p.event(&events[i])
		}
		if p.now-checked > int64(timeoutChecks) {
			checked = p.now
			p.checkTimeouts()
		}
		p.send()
		p.wakeConns()
		if err := p.hopeless(); err != nil {
			return err
		}
	}
	return nil
}

// connect opens all connections and returns when they are made, or after the
// time given.
func (p *poster) connect(atMost time.Duration) error {
	p.now = p.clk.now()
	end := p.now + int64(atMost)
	for len(p.free) < len(p.conns) && p.now < end {
		p.wakeConns()
		events, err := p.poll.wait(10 * time.Millisecond)
		if err != nil {
			return err
		}
		p.now = p.clk.now()
		for i := range events {
			p.event(&events[i])
		}
	}
	if len(p.free) == 0 {
		return fmt.Errorf("connect to post: none of %d connections within %s", len(p.conns), atMost)
	}
	return nil
}

func (p *poster) close() {
	for i := range p.conns {
		if p.conns[i].fd >= 0 {
			_ = unix.Close(p.conns[i].fd)
		}
	}
	p.poll.close()
}

func (p *poster) finished() bool {
	if p.stopping.Load() {
		if p.stopAt == 0 {
			p.stopAt = p.now + int64(stopGrace)
		}
		return p.open == 0 || p.now >= p.stopAt
	}
	return p.plan.due() == math.MaxInt64 && p.open == 0
}

func (p *poster) hopeless() error {
	if p.done.Load() > 0 || p.ledger.count(0, math.MaxInt64, refused) < tooManyRefused {
		return nil
	}
	return fmt.Errorf("the server refuses all posts: %s", p.stats.example)
}

// timeout is how long there is nothing to do but to wait for the server.
func (p *poster) timeout() time.Duration {
	at := p.now + int64(timeoutChecks)
	if len(p.free) > 0 && !p.stopping.Load() {
		at = min(at, p.plan.due())
	}
	for i := 0; i < len(p.conns) && p.asleep > 0; i++ {
		if c := &p.conns[i]; c.sleeps() {
			at = min(at, c.wakeAt)
		}
	}
	return time.Duration(max(0, at-p.clk.now()))
}
