package servers

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// link is a client's connection through a proxy. The proxy's mutex guards sent,
// over and server, and that ended is closed once.
type link struct {
	proxy  *Proxy
	client *net.TCPConn
	server *net.TCPConn // nil until it is dialed
	sent   int64        // bytes from the client that count towards a reset
	over   bool         // they are at their limit: the client gets nothing more
	ended  chan struct{}
}

// connected gives the link its server, unless it was cut in the meantime.
func (l *link) connected(server *net.TCPConn) bool {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	if l.isCut() {
		reset(server)
		return false
	}
	l.server = server
	return true
}

// run copies in both directions until both have ended.
func (l *link) run() {
	var up sync.WaitGroup
	up.Go(func() { l.copy(l.server, l.client, l.upstream) })
	l.copy(l.client, l.server, l.downstream)
	up.Wait()
	_ = l.client.Close() // both ends were passed on
	if l.isCut() {
		// To close a connection with bytes unread would be a reset.
		_, _ = io.Copy(io.Discard, l.server)
	}
	_ = l.server.Close()
}

// errReset ends a link that has reached its limit.
var errReset = errors.New("reset")

// copy copies one direction; pass says how much of a chunk may go, and when.
func (l *link) copy(to, from *net.TCPConn, pass func(chunk int) (int, error)) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		allowed, stop := pass(n)
		if _, failed := to.Write(buffer[:allowed]); failed != nil && err == nil {
			err = failed
		}
		switch {
		case errors.Is(stop, errReset):
			l.resetClient()
			return
		case stop != nil:
			return
		case errors.Is(err, io.EOF):
			_ = to.CloseWrite() // the other direction finds out if it's broken
			return
		case err != nil:
			l.proxy.mu.Lock()
			defer l.proxy.mu.Unlock()
			l.cut()
			return
		}
	}
}

// upstream counts what the client sends.
func (l *link) upstream(chunk int) (int, error) {
	p := l.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := l.passHole(); err != nil {
		return 0, err
	}
	if p.limit > 0 && l.sent+int64(chunk) >= p.limit {
		// The server may answer to the last bytes before the client has its reset.
		l.over = true
		// An open link may have sent more before the limit was set.
		return int(max(0, p.limit-l.sent)), errReset
	}
	l.sent += int64(chunk)
	return chunk, nil
}

// downstream is late with what the server sends.
func (l *link) downstream(chunk int) (int, error) {
	p := l.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if delay := p.delay; delay > 0 {
		p.mu.Unlock()
		select {
		case <-l.ended:
		case <-time.After(delay):
		}
		p.mu.Lock()
	}
	err := l.passHole()
	if err == nil && l.over {
		return 0, nil // the client's reset ends the link
	}
	return chunk, err
}

// passHole waits until there is no black hole. The caller holds the mutex.
func (l *link) passHole() error {
	for l.proxy.blackhole && !l.isCut() {
		l.proxy.changed.Wait()
	}
	if l.isCut() {
		return net.ErrClosed
	}
	return nil
}

// resetClient ends the server's side in the orderly way: a reset would throw
// away what it has not read yet.
func (l *link) resetClient() {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	if l.isCut() {
		return
	}
	close(l.ended)
	reset(l.client)
	_ = l.server.CloseWrite()                                     // it may be gone
	_ = l.server.SetReadDeadline(time.Now().Add(5 * time.Second)) // or not care for the end
}

// cut resets both sides. The caller holds the mutex.
func (l *link) cut() {
	if l.isCut() {
		return
	}
	close(l.ended)
	reset(l.client)
	if l.server != nil {
		reset(l.server)
	}
	l.proxy.changed.Broadcast()
}

func (l *link) isCut() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// reset closes a connection so that its other end sees a reset.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0) // it may be gone
	_ = conn.Close()
}
