package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	firstPause = 20 * time.Millisecond
	maxPause   = time.Second
)

// set changes a connection's state.
func (p *poster) set(c *postConn, s connState) {
	if c.sleeps() {
		p.asleep--
	}
	c.state, c.since = s, p.now
	if c.sleeps() {
		p.asleep++
	}
}

// ready makes a connection idle, or sends the post it still has.
func (p *poster) ready(slot int32) {
	c := &p.conns[slot]
	if c.seq >= 0 {
		p.transmit(c)
		return
	}
	p.set(c, idle)
	p.free = append(p.free, slot)
}

// decide ends the post of a connection.
func (p *poster) decide(c *postConn, f fate, why string) {
	post := &p.ledger.posts[c.seq]
	post.fate = f
	if why != "" && p.stats.example == "" {
		p.stats.example = why
	}
	c.seq, c.fails = -1, 0
	p.open--
}

// again sends the post once more after a pause, with the same key.
func (p *poster) again(c *postConn, why string, retryAfter int) {
	pause := p.pause(c)
	if retryAfter >= 0 {
		pause = max(pause, time.Duration(retryAfter)*time.Second)
	}
	if p.retry(c, why, pause) {
		p.set(c, pausing)
		c.wakeAt = p.now + int64(pause)
	}
}

// retry counts another attempt, unless the deadline comes first.
func (p *poster) retry(c *postConn, why string, pause time.Duration) bool {
	p.stats.retries[why]++
	if p.now+int64(pause)-p.ledger.posts[c.seq].sent > int64(p.deadline) {
		p.decide(c, expired, "no success within the deadline, last: "+why)
		return false
	}
	return true
}

// broke ends a connection that failed; its post goes on with the next.
func (p *poster) broke(c *postConn, why string) {
	wasIdle := c.state == idle
	pause := p.pause(c)
	p.drop(c)
	if !wasIdle {
		c.wakeAt = p.now + int64(pause)
	}
	if c.seq >= 0 {
		p.retry(c, why, pause)
	}
}

func (p *poster) pause(c *postConn) time.Duration {
	c.fails++
	return min(firstPause<<min(c.fails-1, 10), maxPause)
}

// drop closes the socket. The connection is made again at wakeAt, which is now
// if nothing else was said.
func (p *poster) drop(c *postConn) {
	if c.fd >= 0 {
		_ = unix.Close(c.fd)
		c.fd = -1
	}
	if c.state == idle {
		for i, slot := range p.free {
			if &p.conns[slot] == c {
				p.free = append(p.free[:i], p.free[i+1:]...)
				break
			}
		}
	}
	if c.state != pausing {
		c.wakeAt = p.now
	}
	p.set(c, closed)
	c.gen++
}

// wakeConns goes on with the connections whose pause is over.
func (p *poster) wakeConns() {
	for i := 0; i < len(p.conns) && p.asleep > 0; i++ {
		c := &p.conns[i]
		if !c.sleeps() || c.wakeAt > p.now {
			continue
		}
		if c.state == pausing {
			p.transmit(c)
			continue
		}
		p.dialConn(int32(i))
	}
}

func (p *poster) dialConn(slot int32) {
	c := &p.conns[slot]
	fd, err := p.dial.dial(int(slot), 0)
	if err == nil {
		c.fd = fd
		p.set(c, dialing)
		c.gen++
		err = p.poll.add(fd, slot, c.gen)
	}
	if err != nil {
		p.broke(c, "network")
	}
}

// checkTimeouts ends attempts that take too long, and posts whose deadline is
// over while they wait for a connection.
func (p *poster) checkTimeouts() {
	for i := range p.conns {
		c := &p.conns[i]
		if (c.state == busy || c.state == dialing) && p.now-c.since > int64(min(attemptTimeout, p.deadline)) {
			p.broke(c, "timeout")
		}
	}
}
