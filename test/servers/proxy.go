package servers

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy is a TCP proxy that can misbehave, between a client and a server. Its
// methods may be called from any goroutine, at any time.
type Proxy struct {
	t        testing.TB
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu        sync.Mutex
	changed   *sync.Cond // of blackhole, and of a link's end
	delay     time.Duration
	limit     int64 // bytes from a client after which its link is reset; 0: none
	refuse    bool
	blackhole bool
	links     map[*link]bool
	closed    bool
	accepted  int
}

// StartProxy starts a proxy that behaves. The target need not run yet.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", loopback(ReservedPort(t)))
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{t: t, target: target, listener: listener, links: map[*link]bool{}}
	p.changed = sync.NewCond(&p.mu)
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is the host:port for clients.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Accepted is how many connections clients have opened, refused ones too.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// SetDelay lets answers come late: it is added before each chunk from the
// server.
func (p *Proxy) SetDelay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// ResetAfter resets every connection after n bytes from the client, counted
// from now for open ones. The server gets exactly these n bytes, and then an
// end: it may have taken what the client believes lost. 0: no more resets.
func (p *Proxy) ResetAfter(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = n
	for l := range p.links {
		l.sent = 0
	}
}

// Refuse cuts open connections, and resets new ones at once, until it is
// switched off.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = on
	if on {
		p.cutAll()
	}
}

// Blackhole lets bytes hang in both directions until it is switched off, ends
// of connections too. Connections are still accepted.
func (p *Proxy) Blackhole(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blackhole = on
	p.changed.Broadcast()
}

func (p *Proxy) cutAll() {
	for l := range p.links {
		l.cut()
	}
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			p.t.Errorf("proxy: %v", err)
			return
		}
		p.running.Go(func() { p.serve(conn.(*net.TCPConn)) })
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	l := &link{proxy: p, client: client, ended: make(chan struct{})}
	if !p.add(l) {
		reset(client)
		return
	}
	defer p.remove(l)
	server, err := net.Dial("tcp", p.target)
	if err != nil || !l.connected(server.(*net.TCPConn)) {
		reset(client)
		return
	}
	l.run()
}

// add answers whether a connection is taken.
func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted++
	if p.refuse || p.closed {
		return false
	}
	p.links[l] = true
	return true
}

func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *Proxy) close() {
	_ = p.listener.Close() // it was only listening
	p.mu.Lock()
	p.closed = true
	p.cutAll()
	p.mu.Unlock()
	p.running.Wait()
}
