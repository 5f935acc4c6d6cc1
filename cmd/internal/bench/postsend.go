package bench

import (
	"fmt"
	"net/http"
	"strconv"

	"golang.org/x/sys/unix"
)

// send gives the posts that are due to free connections.
func (p *poster) send() {
	for len(p.free) > 0 && !p.stopping.Load() {
		due, ok := p.plan.take(p.now)
		if !ok {
			p.starved = false
			return
		}
		i := p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		c := &p.conns[i]
		c.seq = p.ledger.add(due)
		c.body = append(c.body[:0], `{"message":"`...)
		c.body = p.text.appendMessage(c.body, c.seq, due)
		c.body = append(c.body, `"}`...)
		p.open++
		now := p.clk.now()
		p.ledger.posts[c.seq].sent = now
		if now-due > int64(lateAfter) && p.stats.covers(due) {
			p.stats.late++
			if p.starved {
				p.stats.starved++
			}
		}
		p.transmit(c)
	}
	p.starved = p.plan.due() <= p.now
}

// transmit sends the connection's post, for the first time or again.
func (p *poster) transmit(c *postConn) {
	now := p.clk.now()
	p.ledger.posts[c.seq].last = now
	head := p.heads[c.seq%len(p.heads)]
	c.out = append(c.out[:0], head...)
	c.out = append(c.out, p.tag...)
	c.out = append(c.out, '-')
	c.out = strconv.AppendInt(c.out, int64(c.seq), 10)
	c.out = append(c.out, "\r\nContent-Length: "...)
	c.out = strconv.AppendInt(c.out, int64(len(c.body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, c.body...)
	c.in = c.in[:0]
	p.set(c, busy)
	if err := c.flush(); err != nil {
		p.broke(c, "network")
	}
}

func (p *poster) event(ev *unix.EpollEvent) {
	if ev.Fd == wakeSlot {
		p.poll.woken()
		return
	}
	c := &p.conns[ev.Fd]
	if c.gen != ev.Pad {
		return
	}
	switch c.state {
	case dialing:
		if err := dialError(c.fd); err != nil {
			p.broke(c, "network")
			return
		}
		c.fails = 0
		p.ready(ev.Fd)
	case busy:
		p.progress(ev.Fd)
	case idle, pausing:
		if ev.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			p.broke(c, "network") // the server closed it, or talks out of turn
		}
	case closed:
	}
}

// progress goes on with a request under way.
func (p *poster) progress(slot int32) {
	c := &p.conns[slot]
	if err := c.flush(); err != nil {
		p.broke(c, "network")
		return
	}
	a, err := c.receive(p.buf)
	if err != nil {
		p.broke(c, "network")
		return
	}
	if a != nil {
		p.answered(slot, a)
	}
}

func (p *poster) answered(slot int32, a *answer) {
	c := &p.conns[slot]
	post := &p.ledger.posts[c.seq]
	switch a.head.status {
	case http.StatusCreated, http.StatusOK:
		id, err := commentID(a.body)
		if err != nil {
			p.decide(c, refused, err.Error())
			break
		}
		now := p.clk.now()
		p.ledger.answer(c.seq, id, now)
		p.stats.record(post)
		p.done.Add(1)
		p.decide(c, answered, "")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		p.again(c, strconv.Itoa(a.head.status), a.head.retryAfter)
	default:
		p.decide(c, refused, fmt.Sprintf("status %d: %.300s", a.head.status, a.body))
	}
	if a.head.close {
		p.drop(c)
	} else if c.state == busy {
		p.ready(slot)
	}
}
