package bench

import (
	"errors"
	"fmt"
	"time"
)

const (
	joinTimeout  = 30 * time.Second
	openingGrace = time.Second // a stream that is silent for so long after its head has begun
	maxTries     = 20          // failed attempts in a row before a viewer is given up
	maxFirst     = 6           // the same for one that has never joined
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 3 * time.Second
	defaultRetry = 1000 // milliseconds, if the server named no reconnection time

	// stalledBuffer is SO_RCVBUF of stalled viewers: the shorter the kernel's
	// queue, the sooner the server notices.
	stalledBuffer = 16 << 10
)

// start queues all viewers to join; so many of them stop reading after that.
func (r *reader) start(stalled int) {
	for i := range r.viewers {
		v := &r.viewers[i]
		// Spread evenly: every k-th, if a k-th of them are to stall.
		n := len(r.viewers)
		v.stalled = (i+1)*stalled/n > i*stalled/n
		r.enqueue(v, i)
	}
}

func (r *reader) enqueue(v *viewer, slot int) {
	v.state = queued
	r.queue = append(r.queue, int32(slot))
}

// pump begins joins as long as there are not too many under way.
func (r *reader) pump() {
	for r.underway < r.limit && len(r.queue) > 0 {
		slot := r.queue[0]
		r.queue = r.queue[1:]
		if r.viewers[slot].state == queued { // it may have left meanwhile
			r.connect(slot)
		}
	}
}

func (r *reader) connect(slot int32) {
	v := &r.viewers[slot]
	rcvbuf := 0
	if v.stalled {
		rcvbuf = stalledBuffer
	}
	v.gen++
	v.dialled = r.clk.now()
	fd, err := r.dial.dial(r.base+int(slot), rcvbuf)
	if err == nil {
		v.fd = int32(fd)
		v.state = connecting
		r.underway++
		err = r.poll.add(fd, slot, v.gen)
	}
	if err != nil {
		r.miss(v, err)
	}
}

// connected sends the request once the socket is there.
func (r *reader) connected(v *viewer) {
	if err := dialError(int(v.fd)); err != nil {
		r.miss(v, err)
		return
	}
	req := r.request(v)
	if n, errno := rawWrite(int(v.fd), req); n != len(req) {
		r.miss(v, fmt.Errorf("send the request: %w", errno))
		return
	}
	v.state = asking
}

// head reads the response head, which may come in pieces, and returns the part
// of the body behind it.
func (r *reader) head(v *viewer, data []byte) ([]byte, bool) {
	if len(v.stream.raw) > 0 {
		data = append(v.stream.raw, data...)
	}
	h, n, err := parseHead(data)
	switch {
	case errors.Is(err, errShort):
		v.stream.raw = append([]byte(nil), data...)
		return nil, false
	case err != nil:
		r.giveUp(v, err)
		return nil, false
	case h.status != statusSocket && (h.status != 200 || !h.eventStream):
		// A status other than 200 stops an EventSource for good.
		r.giveUp(v, fmt.Errorf("the stream was answered with status %d: %.200q", h.status, data[n:]))
		return nil, false
	}
	v.stream.open(h)
	v.state = opening
	v.headAt = r.now
	return data[n:], true
}

// join marks the viewer as joined: whatever is posted from now on must arrive.
func (r *reader) join(v *viewer) {
	v.state = watching
	v.tries = 0
	r.underway--
	r.counts.watching.Add(1)
	r.counts.joins.Add(1)
	if v.resumes {
		r.counts.reconnects.Add(1)
	} else {
		// Not r.now: this thread may have waited for a processor since, and what
		// was sent meanwhile was not this viewer's yet.
		v.joined = r.clk.now()
		recordLatency(r.joins, r.now-v.dialled, 1)
	}
	v.resumes = false
	if v.stalled {
		v.silent = true
		_ = r.poll.remove(int(v.fd)) // the socket is open, and was added
	}
}

// timers ends joins that take too long, and begins those whose time has come.
func (r *reader) timers() {
	if r.delayed == 0 && r.underway == 0 {
		return
	}
	for i := range r.viewers {
		v := &r.viewers[i]
		switch v.state {
		case waiting:
			if r.now >= v.retryAt {
				r.delayed--
				r.enqueue(v, i)
			}
		case connecting, asking:
			if r.now-v.dialled > int64(joinTimeout) {
				r.miss(v, fmt.Errorf("no answer within %s", joinTimeout))
			}
		case opening:
			if r.now-v.headAt > int64(openingGrace) {
				r.join(v)
			}
		case away, queued, watching, broken:
		}
	}
}

// number is the viewer's number in the run.
func (r *reader) number(v *viewer) int {
	for i := range r.viewers {
		if v == &r.viewers[i] {
			return r.base + i
		}
	}
	return -1
}
