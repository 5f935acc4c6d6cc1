package bench

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// hangUp closes the viewer's connection, in whatever state it is.
func (r *reader) hangUp(v *viewer) {
	if v.fd >= 0 {
		_ = unix.Close(int(v.fd))
		v.fd = -1
	}
	switch v.state {
	case connecting, asking, opening:
		r.underway--
	case watching:
		r.counts.watching.Add(-1)
	case waiting:
		r.delayed--
	case away, queued, broken:
	}
	v.stream.raw = nil
	v.state = away
}

// cut is what happens when the server ends a connection: the viewer comes back
// after the reconnection time, as an EventSource does.
func (r *reader) cut(v *viewer) {
	if v.state != watching && v.state != opening {
		r.miss(v, errors.New("the server closed the connection without an answer"))
		return
	}
	r.hangUp(v)
	if v.stalled {
		r.counts.stalledCut.Add(1)
		return
	}
	r.counts.cuts.Add(1)
	if !r.reconnect {
		return
	}
	after := time.Duration(v.retry) * time.Millisecond
	if v.retry < 0 {
		after = defaultRetry * time.Millisecond
	}
	r.connectAfter(v, after)
}

// miss is a failed attempt to join: there will be another, up to a limit.
func (r *reader) miss(v *viewer, err error) {
	r.hangUp(v)
	v.tries++
	if v.tries >= maxTries || v.joined == 0 && v.tries >= maxFirst {
		r.giveUp(v, err)
		return
	}
	r.note(v, err)
	r.connectAfter(v, min(firstBackoff<<(v.tries-1), maxBackoff))
}

// giveUp ends a viewer for good: it can't join, or its stream makes no sense.
func (r *reader) giveUp(v *viewer, err error) {
	joined := v.state == opening || v.state == watching
	r.hangUp(v)
	r.note(v, err)
	v.state = broken
	if joined {
		r.counts.garbled.Add(1)
	} else {
		r.counts.failed.Add(1)
	}
}

func (r *reader) note(v *viewer, err error) {
	if r.fault == "" {
		r.fault = fmt.Sprintf("viewer %d: %v", r.number(v), err)
	}
}

func (r *reader) connectAfter(v *viewer, d time.Duration) {
	v.state = waiting
	v.retryAt = r.now + int64(d)
	v.resumes = v.last != 0
	r.delayed++
}
