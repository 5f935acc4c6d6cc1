package httpedge

import (
	"bytes"
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"barrage/actors"
)

// socket is what a client says over a WebSocket. The poller's goroutine reads
// it; messages are handled one after the other on a goroutine that is there
// only while there are some, and answered through the connection's viewer. An
// idle socket has neither goroutine nor buffer.
type socket struct {
	edge    *Edge
	conn    *streamConn
	video   string
	author  *user // nil: nobody in particular
	address netip.Addr

	// Of the poller's goroutine.
	reader  socketReader
	held    []byte // read, and not handled yet
	stopped bool   // what is held may have whole frames: see stop
	ended   bool   // what the client says is of no interest any more
	slow    *time.Timer
	came    bool // a message as a whole, since slow was looked at

	mu      sync.Mutex
	queue   []queued
	working bool
	gone    bool // the viewer is
}

// queued is a message that waits, or the close frame behind all messages.
type queued struct {
	message []byte
	end     *socketError // nil: a message
}

const (
	// maxQueued is how many messages of a socket may wait. While so many do,
	// nothing is read: the client's own buffers fill, nobody else's.
	maxQueued = 8
	// framesPerTurn is how many frames of a socket are handled before others
	// have their turn.
	framesPerTurn = 64
	// slowMessage is how long a message may take from its first byte to its
	// last, as long as a body.
	slowMessage = defaultBodyTimeout
)

// onEvent takes what the client sends, as far as it may in one turn.
func (s *socket) onEvent(buffer []byte, readable, hungUp bool) {
	if s.ended || s.full() {
		s.stopped = true
		if hungUp {
			s.conn.viewer.HungUp()
		}
		return
	}
	if !readable && !hungUp && !s.stopped {
		return
	}
	data, before := s.held, s.stopped
	s.held, s.stopped = nil, false
	if !before {
		n, err := receive(s.conn.fd, buffer)
		switch {
		case n > 0 && len(data) == 0:
			data = buffer[:n]
		case n > 0:
			data = append(data, buffer[:n]...)
		case errors.Is(err, unix.EAGAIN):
		case errors.Is(err, unix.EINTR):
			before = true
		default:
			s.conn.viewer.HungUp()
			return
		}
		before = before || n == len(buffer) || n > 0 && hungUp
	}
	rest := s.take(data)
	if len(rest) > 0 {
		s.held = bytes.Clone(rest) // neither the poller's buffer nor a long tail
	}
	// In a full queue there is somebody who calls again.
	if !s.ended && (before || s.stopped) && !s.full() {
		s.conn.poller.again(s.conn)
	}
	s.watchSlowness()
}

// take handles the frames in what was read, and gives what is left over.
func (s *socket) take(data []byte) (rest []byte) {
	for frames := 0; ; frames++ {
		if frames == framesPerTurn || s.full() {
			s.stopped = true
			return data
		}
		m, n, complete, err := s.reader.next(data)
		if err == nil && n == 0 {
			return data
		}
		data = data[n:]
		// A control frame between fragments does not end their message.
		s.came = s.came || complete && !s.reader.open
		switch {
		case err != nil:
		case !complete:
			continue
		case m.opcode == actors.OpText:
			s.enqueue(queued{message: bytes.Clone(m.payload)})
			continue
		case m.opcode == actors.OpPing:
			s.conn.viewer.Pong(m.payload)
			continue
		case m.opcode == actors.OpPong:
			continue
		default:
			var code uint16
			if code, err = closeCode(m.payload); err == nil {
				s.enqueue(queued{end: &socketError{code: code}})
				s.end()
				return nil
			}
		}
		s.fail(err)
		return nil
	}
}

// fail closes the connection for what its client sent.
func (s *socket) fail(err error) {
	why := &socketError{actors.CloseProtocolError, ""}
	errors.As(err, &why)
	s.conn.viewer.CloseWith(why.code, why.reason)
	s.end()
}

// end forgets what the client said, and takes nothing more.
func (s *socket) end() {
	s.ended = true
	s.held, s.reader.fragments = nil, nil
	s.watchSlowness()
}

// watchSlowness closes a connection that keeps the start of a message for too
// long. What waits because the queue is full is not the client's doing.
func (s *socket) watchSlowness() {
	under := !s.ended && !s.stopped && (len(s.held) > 0 || s.reader.open)
	if s.slow != nil && (!under || s.came) { // what is under way now is another message
		s.slow.Stop()
		s.slow = nil
	}
	s.came = false
	if under && s.slow == nil {
		viewer, patience := s.conn.viewer, s.edge.config.slowMessage
		s.slow = time.AfterFunc(patience, func() {
			viewer.CloseWith(actors.ClosePolicy, "A message must be sent within "+patience.String()+".")
		})
	}
}

func (s *socket) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) >= maxQueued
}

// enqueue gives a message to the goroutine that handles them.
func (s *socket) enqueue(m queued) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, m)
	if !s.working {
		s.working = true
		go s.work()
	}
}

// work handles messages until there are none. What has come as a whole is
// handled even if the client has gone meanwhile, as a request is.
func (s *socket) work() {
	for {
		m, ok := s.next()
		switch {
		case !ok:
			return
		case m.end != nil:
			s.conn.viewer.CloseWith(m.end.code, m.end.reason)
		default:
			s.conn.viewer.Reply(s.handle(m.message))
		}
	}
}

// next takes the next message out of the queue.
func (s *socket) next() (m queued, ok bool) {
	s.mu.Lock()
	if len(s.queue) == 0 {
		s.queue, s.working = nil, false
		s.mu.Unlock()
		return m, false
	}
	m = s.queue[0]
	s.queue[0] = queued{}
	s.queue = s.queue[1:]
	wasFull := len(s.queue) == maxQueued-1
	s.mu.Unlock()
	if wasFull {
		s.conn.poller.again(s.conn)
	}
	return m, true
}

// leave notes that the viewer is gone.
func (s *socket) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
}

// wanted says whether somebody waits for answers.
func (s *socket) wanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.gone
}
