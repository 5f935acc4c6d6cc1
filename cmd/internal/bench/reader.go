package bench

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

const (
	readBuffer   = 256 << 10
	stampEvery   = 8   // reads that share one look at the clock
	maxArrivals  = 256 // arrival times of a frame before they are folded
	housekeeping = 100 * time.Millisecond
	retireAfter  = time.Second // a frame without arrivals for so long is folded
)

// reader is one thread that holds a share of the viewers: it joins them, reads
// them and checks them. All but counts and the command queue belong to that
// thread; others reach it with call.
type reader struct {
	dial    *dialer
	clk     clock
	poll    *poller
	request func(v *viewer) []byte
	base    int // number of the first viewer, for source addresses and reports

	viewers []viewer
	table   *table
	rec     *recorder
	rng     *rand.Rand
	buf     []byte
	now     int64
	active  []*frame

	queue     []int32 // viewers that wait for their turn to join
	underway  int     // joins begun and not finished
	limit     int     // of joins under way at once
	delayed   int     // viewers that connect at their retryAt
	churn     churn
	reconnect bool // viewers that are cut come back by themselves
	past      []history

	joins *hdr.Histogram // time from connect to the first event
	await await

	counts counts
	local  tally
	fault  string // the first thing that went wrong with a viewer
	swept  int64  // time of the last housekeeping

	mu       sync.Mutex
	commands []func()
	stopped  bool // nobody runs commands any more
	stopping bool
	done     chan struct{}
	err      error
}

type readerConfig struct {
	dial    *dialer
	clk     clock
	tag     string
	request func(v *viewer) []byte
	base    int
	viewers int
	seed    uint64
	limit   int
}

func newReader(c readerConfig) (*reader, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	r := &reader{
		dial: c.dial, clk: c.clk, poll: poll, request: c.request, base: c.base,
		viewers: make([]viewer, c.viewers), table: newTable(c.tag), rec: newRecorder(),
		rng: rand.New(rand.NewPCG(c.seed, uint64(c.base))), //nolint:gosec // who leaves, not a secret
		buf: make([]byte, readBuffer), joins: newHistogram(3), reconnect: true,
		limit: c.limit, done: make(chan struct{}),
	}
	for i := range r.viewers {
		r.viewers[i] = viewer{fd: -1, retry: -1}
	}
	return r, nil
}

// call runs fn on the reader's thread and waits for it. After the reader has
// stopped it runs fn here.
func (r *reader) call(fn func()) {
	ran := make(chan struct{})
	r.mu.Lock()
	if r.stopped {
		r.mu.Unlock()
		fn()
		return
	}
	r.commands = append(r.commands, func() { fn(); close(ran) })
	r.mu.Unlock()
	r.poll.wake()
	<-ran
}

// loop is the reader's thread. It ends with stop.
func (r *reader) loop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(r.done)
	for {
		r.now = r.clk.now()
		events, err := r.poll.wait(r.timeout())
		if err != nil {
			r.err = err
		}
		r.now = r.clk.now()
		for i := range events {
			if i%stampEvery == stampEvery-1 {
				r.now = r.clk.now()
			}
			r.event(&events[i])
		}
		more := r.runCommands()
		r.turn()
		if !more || r.err != nil {
			break
		}
	}
	r.mu.Lock()
	r.stopped = true
	late := r.commands
	r.commands = nil
	r.mu.Unlock()
	for _, fn := range late {
		fn()
	}
}

// stop ends the thread, closes all connections and folds what is left to fold.
// The viewers' histories can be had afterwards.
func (r *reader) stop() {
	r.call(func() { r.stopping = true })
	<-r.done
	for i := range r.viewers {
		r.past = append(r.past, r.history(i, r.viewers[i].state == watching))
		r.hangUp(&r.viewers[i])
	}
	r.sweep(true)
	r.poll.close()
}

func (r *reader) event(ev *unix.EpollEvent) {
	if ev.Fd == wakeSlot {
		r.poll.woken()
		return
	}
	v := &r.viewers[ev.Fd]
	if v.gen != ev.Pad || !v.connected() {
		return
	}
	if v.state == connecting {
		r.connected(v)
		return
	}
	if ev.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		r.read(v, ev.Events&^(unix.EPOLLIN|unix.EPOLLOUT) != 0)
	}
}

// read takes what has arrived at a viewer. A read that doesn't fill the buffer
// has emptied the socket, unless the other end hung up: then the end follows.
func (r *reader) read(v *viewer, hangup bool) {
	for !v.silent {
		n, errno := rawRead(int(v.fd), r.buf)
		switch {
		case n > 0:
			if !v.stalled {
				r.local.bytes += int64(n)
			}
			r.take(v, r.buf[:n])
			if !v.connected() || n < len(r.buf) && !hangup {
				return
			}
		case errno == unix.EAGAIN:
			return
		case errno == unix.EINTR:
		default:
			r.cut(v)
			return
		}
	}
}

// take hands bytes to the viewer's decoder and accounts for what they hold.
func (r *reader) take(v *viewer, data []byte) {
	if v.state == asking {
		var ok bool
		if data, ok = r.head(v, data); !ok || len(data) == 0 {
			return
		}
	}
	frames, err := r.table.consume(&v.stream, data)
	for _, f := range frames {
		r.deliver(v, f)
	}
	switch {
	case err != nil:
		r.giveUp(v, err)
	case v.stream.ended:
		r.cut(v)
	case v.state == opening && (len(frames) > 0 || !v.stream.framed()):
		r.join(v)
	}
}

// turn is what is done between two batches of events.
func (r *reader) turn() {
	r.pump()
	r.churnTurn()
	if r.now-r.swept >= int64(housekeeping) {
		r.swept = r.now
		r.sweep(false)
		r.timers()
	}
	r.counts.bytes.Store(r.local.bytes)
	r.counts.frames.Store(r.local.frames)
	r.counts.others.Store(r.local.others)
	r.counts.deliveries.Store(r.local.deliveries)
	r.counts.gaps.Store(r.local.gaps)
	r.counts.stalled.Store(r.local.stalled)
}

func (r *reader) timeout() time.Duration {
	d := housekeeping
	if r.churn.every > 0 {
		d = min(d, time.Duration(max(0, r.churn.next-r.now)))
	}
	return d
}

func (r *reader) runCommands() bool {
	r.mu.Lock()
	todo := r.commands
	r.commands = nil
	r.mu.Unlock()
	for _, fn := range todo {
		fn()
	}
	return !r.stopping
}
