package httpedge

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// A connection on which the client speaks, too, is closed in two steps. If it
// were closed while bytes of the client are unread, the kernel would answer
// them with a reset, and that takes from the client what it has not read: the
// close frame. So first the node's side is shut; the poller reads what still
// comes, until the client closes its side or lingerTime is over. As the poller
// alone reads these connections and closes them, it never reads one that is
// closed.

const (
	// readAtOnce is the most that is read of a connection in one turn, in bytes.
	readAtOnce = 16 << 10
	// lingerTime is how long a client may take to close its side.
	lingerTime = 5 * time.Second
)

// onSocket handles an event of a connection that is read.
func (p *poller) onSocket(s *streamConn, events uint32) {
	p.mu.Lock()
	lingers := s.lingers
	p.mu.Unlock()
	if lingers {
		p.linger(s)
		return
	}
	if events&unix.EPOLLOUT != 0 {
		s.viewer.Writable()
	}
	s.socket.onEvent(p.buffer, events&unix.EPOLLIN != 0, events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0)
}

// again has the poller look at a connection that is read once more, after all
// others that have news.
func (p *poller) again(s *streamConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.fd >= 0 && !p.ended {
		// Edge-triggered events are told anew when they are asked for again.
		_ = p.control(unix.EPOLL_CTL_MOD, s)
	}
}

// leave shuts the node's side of a connection. It says false if the poller
// does not have it, so that it must be closed at once. mu is held.
func (p *poller) leave(s *streamConn) bool {
	if p.ended || s.serial == 0 {
		return false
	}
	s.lingers = true
	_ = unix.Shutdown(s.fd, unix.SHUT_WR)
	if p.control(unix.EPOLL_CTL_MOD, s) != nil {
		return false
	}
	time.AfterFunc(lingerTime, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if s.fd >= 0 && !p.ended {
			_ = unix.Shutdown(s.fd, unix.SHUT_RDWR)
		}
	})
	return true
}

// linger reads what a client still sends, and closes the connection when that
// has an end.
func (p *poller) linger(s *streamConn) {
	s.socket.end()
	n, err := receive(s.fd, p.buffer)
	switch {
	case n > 0, errors.Is(err, unix.EINTR):
		p.again(s)
	case errors.Is(err, unix.EAGAIN):
	default:
		p.mu.Lock()
		p.drop(s)
	}
}

// end closes what the poller has, and the connections that only it would close.
func (p *poller) end() {
	p.mu.Lock()
	p.ended = true
	streams := p.streams
	p.streams = nil
	_ = unix.Close(p.epoll)
	_ = unix.Close(p.wake)
	p.mu.Unlock()
	for _, s := range streams {
		if s != nil && s.lingers {
			p.mu.Lock()
			p.drop(s)
		}
	}
}
