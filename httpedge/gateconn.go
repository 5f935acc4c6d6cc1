package httpedge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"
)

// errTooMany ends a connection whose PROXY header names an address that has
// too many of them.
var errTooMany = errors.New("the address has too many connections")

// proxyHeaderBytes is the size of the buffer that a PROXY header is read
// through. Of what comes after it no more is read at once.
const proxyHeaderBytes = 512

// Read implements net.Conn. It reads a PROXY header first, where one must
// come, within the same deadline as the request's first byte.
func (c *gateConn) Read(b []byte) (int, error) {
	if c.expectsHeader {
		if err := c.readProxyHeader(); err != nil {
			c.gate.metrics.refused["proxy"].Inc()
			c.gate.config.log.Debug("a proxy's connection", "from", c.Conn.RemoteAddr().String(), "error", err)
			return 0, err
		}
	}
	if len(c.rest) > 0 {
		n := copy(b, c.rest)
		if c.rest = c.rest[n:]; len(c.rest) == 0 {
			c.rest = nil
		}
		return n, nil
	}
	return c.Conn.Read(b)
}

// readProxyHeader learns from a PROXY header whom the connection is for. One
// that is for the proxy itself (LOCAL, UNKNOWN) has the proxy's own address.
// One without a header, or with one that is none, is closed: to guess would
// let clients choose their address.
func (c *gateConn) readProxyHeader() error {
	r := bufio.NewReaderSize(c.Conn, proxyHeaderBytes)
	header, err := proxyproto.Read(r)
	if err != nil {
		return fmt.Errorf("reading a PROXY header: %w", err)
	}
	c.expectsHeader = false
	if c.rest, err = r.Peek(r.Buffered()); err != nil {
		return fmt.Errorf("after a PROXY header: %w", err)
	}
	source, ok := header.SourceAddr.(*net.TCPAddr)
	if !ok || header.Command.IsLocal() {
		return nil
	}
	c.source = source
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	if address := addrOf(source); !c.gate.config.proxies.list(address) && !c.gate.count(c, address) {
		return errTooMany
	}
	return nil
}

// RemoteAddr implements net.Conn: where the client is, as a listed proxy says
// by its PROXY header.
func (c *gateConn) RemoteAddr() net.Addr {
	if c.source != nil {
		return c.source
	}
	return c.Conn.RemoteAddr()
}

// SyscallConn implements syscall.Conn: streams leave Go's poller.
func (c *gateConn) SyscallConn() (syscall.RawConn, error) {
	conn, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("a %T has no file descriptor", c.Conn)
	}
	return conn.SyscallConn()
}

const (
	// refusedLinger and lingerBytes bound what is read of a client that was
	// refused while it was still sending. Were its connection closed with
	// bytes unread, the kernel would take back the answer, too.
	refusedLinger = 500 * time.Millisecond
	lingerBytes   = 256 << 10
)

// Close implements net.Conn.
func (c *gateConn) Close() error {
	if c.lingers {
		c.lingers = false
		c.linger()
	}
	c.gate.mu.Lock()
	c.gate.countOut(c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

func (c *gateConn) linger() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.SetReadDeadline(time.Now().Add(refusedLinger)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
}

// lingerAfterAnswer has a connection's end wait until its client has seen the
// answer.
func lingerAfterAnswer(conn net.Conn) {
	if c, ok := conn.(*gateConn); ok {
		c.lingers = true
	}
}
