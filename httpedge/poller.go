package httpedge

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"barrage/actors"
)

// poller watches the connections of all streams with one goroutine: a viewer
// hears when its client hangs up, and when it takes bytes again, and a socket
// what its client sends. Streams are
// outside of Go's own poller, so that an idle one has no goroutine and no
// buffer.
type poller struct {
	epoll int
	wake  int // an eventfd: written to at close

	mu      sync.Mutex
	streams []*streamConn // by file descriptor
	serial  int32
	ended   bool // run has returned

	buffer []byte // what is read goes here; only run's goroutine uses it
}

// streamConn is a stream's connection. It implements actors.Conn: its viewer
// alone writes to it and closes it.
type streamConn struct {
	poller *poller
	viewer actors.Viewer
	fd     int
	// serial tells apart the connections that have one file descriptor in
	// turn: an event that was meant for an earlier one is dropped.
	serial int32

	// socket takes what the client sends; nil: nothing is read.
	socket *socket
	// lingers is set under poller.mu: the viewer has closed the connection, and
	// the poller will (see linger).
	lingers bool
}

// eventsAtOnce is how many events are taken from the kernel in one call.
const eventsAtOnce = 256

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(epoll)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(wake)}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, wake, &event); err != nil {
		_ = unix.Close(epoll)
		_ = unix.Close(wake)
		return nil, fmt.Errorf("epoll_ctl: %w", err)
	}
	return &poller{epoll: epoll, wake: wake, buffer: make([]byte, readAtOnce)}, nil
}

// run delivers events until close.
func (p *poller) run() {
	defer p.end()
	events := make([]unix.EpollEvent, eventsAtOnce)
	for {
		n, err := unix.EpollWait(p.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return // only a programming error gets here
		}
		for _, event := range events[:max(n, 0)] {
			if int(event.Fd) == p.wake {
				return
			}
			s := p.stream(event)
			switch {
			case s == nil:
			case s.socket != nil:
				p.onSocket(s, event.Events)
			case event.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0:
				s.viewer.HungUp()
			case event.Events&unix.EPOLLOUT != 0:
				s.viewer.Writable()
			}
		}
	}
}

func (p *poller) close() { _, _ = unix.Write(p.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// stream gives the stream that an event is for, nil if it is gone.
func (p *poller) stream(event unix.EpollEvent) *streamConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if int(event.Fd) >= len(p.streams) {
		return nil
	}
	s := p.streams[event.Fd]
	if s == nil || s.serial != event.Pad {
		return nil
	}
	return s
}

// adopt takes a connection out of net's hands: what is left of conn is closed,
// the connection lives on under a file descriptor of its own.
func (p *poller) adopt(conn net.Conn, sendBuffer int, userTimeout time.Duration) (*streamConn, error) {
	// fasthttp wraps a hijacked connection.
	if wrapped, ok := conn.(interface{ UnsafeConn() net.Conn }); ok {
		conn = wrapped.UnsafeConn()
	}
	tcp, ok := conn.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("a %T has no file descriptor", conn)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("the connection's file descriptor: %w", err)
	}
	fd, dupErr := -1, error(nil)
	err = raw.Control(func(original uintptr) {
		fd, dupErr = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err = errors.Join(err, dupErr); err != nil {
		return nil, fmt.Errorf("duplicating the file descriptor: %w", err)
	}
	if err := setOptions(fd, sendBuffer, userTimeout); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	_ = conn.Close()
	return &streamConn{poller: p, fd: fd}, nil
}

// setOptions bounds what a client that does not read costs the kernel, and how
// long one that is not there any more stays.
func setOptions(fd, sendBuffer int, userTimeout time.Duration) error {
	if sendBuffer > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer); err != nil {
			return fmt.Errorf("SO_SNDBUF: %w", err)
		}
	}
	if userTimeout > 0 {
		ms := int(userTimeout.Milliseconds())
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, ms); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return fmt.Errorf("TCP_USER_TIMEOUT: %w", err)
		}
	}
	return nil
}

// watch begins to deliver a stream's events.
func (p *poller) watch(s *streamConn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.fd < 0 {
		return nil // closed already
	}
	p.serial++
	s.serial = p.serial
	for s.fd >= len(p.streams) {
		p.streams = append(p.streams, make([]*streamConn, max(1024, len(p.streams)))...)
	}
	p.streams[s.fd] = s
	// Edge-triggered: one event when the client hangs up, and one each time
	// that it takes bytes again after it took none.
	return p.control(unix.EPOLL_CTL_ADD, s)
}

// control tells the kernel what to watch a connection for. mu is held.
func (p *poller) control(operation int, s *streamConn) error {
	event := unix.EpollEvent{Events: unix.EPOLLRDHUP | unix.EPOLLOUT | unix.EPOLLET, Fd: int32(s.fd), Pad: s.serial}
	if s.socket != nil {
		event.Events |= unix.EPOLLIN
	}
	if err := unix.EpollCtl(p.epoll, operation, s.fd, &event); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// Write implements actors.Conn.
func (s *streamConn) Write(b []byte) (int, error) {
	written := 0
	for written < len(b) {
		n, err := send(s.fd, b[written:])
		switch {
		case err == nil:
			written += n
		case errors.Is(err, unix.EAGAIN):
			return written, nil
		case errors.Is(err, unix.EINTR):
		default:
			return written, fmt.Errorf("writing to a stream: %w", err)
		}
	}
	return written, nil
}

// Close implements actors.Conn.
func (s *streamConn) Close() {
	s.poller.mu.Lock()
	if s.socket != nil && s.poller.leave(s) {
		s.poller.mu.Unlock()
		return
	}
	s.poller.drop(s)
}

// drop closes a connection. mu is held, and is free afterwards.
func (p *poller) drop(s *streamConn) {
	if s.fd < len(p.streams) && p.streams[s.fd] == s {
		p.streams[s.fd] = nil
	}
	fd := s.fd
	s.fd = -1
	p.mu.Unlock()
	_ = unix.Close(fd)
}
