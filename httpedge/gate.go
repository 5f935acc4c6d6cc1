package httpedge

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// gate bounds the connections that are no streams: those whose client has not
// sent a whole request yet, that are answered, or that are kept for the next
// request. When there are as many as there may be, the one that has kept the
// node waiting longest makes room for a new one. So clients that open many and
// send nothing take the places of each other, and who sends a request is
// served.
type gate struct {
	config  gateConfig
	metrics *gateMetrics
	freed   chan struct{} // has room for one: a connection has gone
	closed  chan struct{}

	mu        sync.Mutex
	open      int
	byAddress map[netip.Addr]int
	// waiting are the connections whose client has to send something, a ring
	// in the order in which they began to wait.
	waiting gateConn
}

type gateConfig struct {
	max           int        // connections; 0: no limit
	maxPerAddress int        // of those, from one address; 0: no limit
	maxSockets    int        // connections and streams; 0: no limit
	streams       func() int // that are open
	proxies       proxies
	proxyProtocol bool // proxies say by PROXY headers whom they speak for
	log           *slog.Logger
}

const (
	// gatePatience is how long a client has to send a request before its place
	// may be given to another: much longer than a request takes on its way, so
	// that no crowd of good clients takes its own places.
	gatePatience = 3 * time.Second
	// acceptRetry is how long no connection is taken after that has failed,
	// mostly for want of file descriptors.
	acceptRetry = 20 * time.Millisecond
	// leastConnections there may be, however many streams are open.
	leastConnections = 64
)

func newGate(config gateConfig, metrics *gateMetrics) *gate {
	g := &gate{
		config: config, metrics: metrics, byAddress: map[netip.Addr]int{},
		freed: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	g.waiting.next, g.waiting.prev = &g.waiting, &g.waiting
	return g
}

// gateConn is a connection that the gate has let in. What reads it and closes
// it is one goroutine of fasthttp's at a time.
type gateConn struct {
	net.Conn
	gate *gate
	// source is what a PROXY header names; nil: the other end of Conn.
	source net.Addr
	// expectsHeader: a PROXY header comes first. rest is what was read beyond
	// it.
	expectsHeader bool
	rest          []byte
	// lingers: an answer was sent to a client that may still be sending.
	lingers bool

	// Under the gate's mu.
	address    netip.Addr // that the connection counts for; zero: none
	gone       bool       // counted out
	next, prev *gateConn  // in waiting; nil: not there
	since      time.Time  // it waits
}

// gateListener lets connections in through a gate.
type gateListener struct {
	net.Listener
	gate *gate
	once sync.Once
}

func (g *gate) listen(l net.Listener) net.Listener { return &gateListener{Listener: l, gate: g} }

// Close implements net.Listener.
func (l *gateListener) Close() error {
	l.once.Do(func() { close(l.gate.closed) })
	return l.Listener.Close()
}

// Accept implements net.Listener. Only closing the listener ends it: that a
// connection can't be taken now, as files have run out, is no reason to stop.
func (l *gateListener) Accept() (net.Conn, error) {
	for {
		l.gate.makeRoom()
		conn, err := l.Listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil, err
		case err != nil:
			l.gate.metrics.refused["accept"].Inc()
			l.gate.config.log.Warn("taking a connection", "error", err)
			if !l.gate.giveUp(0) {
				l.gate.wait(acceptRetry)
			}
			continue
		}
		if c := l.gate.enter(conn); c != nil {
			return c, nil
		}
		_ = conn.Close()
	}
}

// limit is how many connections there may be now. mu need not be held.
func (g *gate) limit() int {
	limit := g.config.max
	if g.config.maxSockets > 0 {
		left := max(g.config.maxSockets-g.config.streams(), leastConnections)
		if limit == 0 || left < limit {
			limit = left
		}
	}
	return limit
}

// makeRoom waits until there is room for one connection more, and takes it
// from who has kept the node waiting too long. Meanwhile new connections wait
// in the kernel's queue.
func (g *gate) makeRoom() {
	for {
		limit := g.limit()
		g.mu.Lock()
		full := limit > 0 && g.open >= limit
		g.mu.Unlock()
		if !full {
			return
		}
		if g.giveUp(gatePatience) {
			continue
		}
		select {
		case <-g.closed:
			return
		default:
			g.wait(acceptRetry)
		}
	}
}

// wait waits until a connection goes, or for some time.
func (g *gate) wait(most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-g.freed:
	case <-timer.C:
	case <-g.closed:
	}
}

// giveUp closes the connection that has been waited for longest, if that is
// longer than patience.
func (g *gate) giveUp(patience time.Duration) bool {
	g.mu.Lock()
	c := g.waiting.next
	if c == &g.waiting || time.Since(c.since) < patience {
		g.mu.Unlock()
		return false
	}
	g.countOut(c)
	g.mu.Unlock()
	g.metrics.refused["waited"].Inc()
	_ = c.Conn.Close() // whoever reads it is told
	return true
}

// enter counts a new connection; nil: its address has too many.
func (g *gate) enter(conn net.Conn) *gateConn {
	c := &gateConn{Conn: conn, gate: g}
	address := addrOf(conn.RemoteAddr())
	if g.config.proxies.list(address) {
		// A proxy's connections are those of many clients.
		c.expectsHeader = g.config.proxyProtocol
		address = netip.Addr{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.count(c, address) {
		return nil
	}
	g.open++
	g.enqueue(c)
	return c
}

// count counts a connection for an address, unless that has too many. mu is
// held.
func (g *gate) count(c *gateConn, address netip.Addr) bool {
	if g.config.maxPerAddress == 0 || !address.IsValid() || c.gone {
		return true
	}
	address = network(address)
	if g.byAddress[address] >= g.config.maxPerAddress {
		g.metrics.refused["address"].Inc()
		return false
	}
	g.byAddress[address]++
	c.address = address
	return true
}

// countOut takes a connection out of all counts. mu is held.
func (g *gate) countOut(c *gateConn) {
	if c.gone {
		return
	}
	c.gone = true
	g.dequeue(c)
	g.open--
	countDown(g.byAddress, c.address)
	select {
	case g.freed <- struct{}{}:
	default:
	}
}

// enqueue puts a connection at the end of those that wait. mu is held.
func (g *gate) enqueue(c *gateConn) {
	if c.gone || c.next != nil {
		return
	}
	c.since = time.Now()
	c.prev, c.next = g.waiting.prev, &g.waiting
	c.prev.next, c.next.prev = c, c
}

// dequeue takes a connection out of those that wait. mu is held.
func (g *gate) dequeue(c *gateConn) {
	if c.next == nil {
		return
	}
	c.prev.next, c.next.prev = c.next, c.prev
	c.prev, c.next = nil, nil
}

// served is called when a whole request has come: it will be answered.
func (g *gate) served(conn net.Conn) {
	if c, ok := conn.(*gateConn); ok {
		g.mu.Lock()
		g.dequeue(c)
		g.mu.Unlock()
	}
}

// onState is told by fasthttp of a connection whose next request may come.
func (g *gate) onState(conn net.Conn, state fasthttp.ConnState) {
	if c, ok := conn.(*gateConn); ok && state == fasthttp.StateIdle {
		g.mu.Lock()
		g.enqueue(c)
		g.mu.Unlock()
	}
}

// connections is the number of those that are open.
func (g *gate) connections() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return float64(g.open)
}
