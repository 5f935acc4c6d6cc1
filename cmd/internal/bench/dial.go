package bench

import (
	"errors"
	"fmt"
	"net"
	"net/url"

	"golang.org/x/sys/unix"
)

// perSource is how many connections leave from one loopback address. The
// kernel's range of local ports is about 28,000 for each address, and ports of
// earlier runs stay taken for a minute.
const perSource = 4096

// dialer opens non-blocking connections to one server. It belongs to one
// thread: the address has room in it for the system call.
type dialer struct {
	addr   unix.Sockaddr
	family int
	host   string // for the Host header
	spread bool   // source addresses all over 127.0.0.0/8
}

func newDialer(base string) (*dialer, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("parse %q: %w", base, err)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	tcp, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("resolve %q: %w", u.Host, err)
	}
	d := &dialer{host: u.Host}
	if ip4 := tcp.IP.To4(); ip4 != nil {
		d.family = unix.AF_INET
		d.addr = &unix.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(ip4)}
		d.spread = ip4.IsLoopback()
		return d, nil
	}
	d.family = unix.AF_INET6
	d.addr = &unix.SockaddrInet6{Port: tcp.Port, Addr: [16]byte(tcp.IP.To16())}
	return d, nil
}

// clone is a dialer for another thread.
func (d *dialer) clone() *dialer {
	c := *d
	switch a := d.addr.(type) {
	case *unix.SockaddrInet4:
		c.addr = &unix.SockaddrInet4{Port: a.Port, Addr: a.Addr}
	case *unix.SockaddrInet6:
		c.addr = &unix.SockaddrInet6{Port: a.Port, Addr: a.Addr}
	}
	return &c
}

// source is the local address of connection i.
func source(i int) [4]byte {
	n := i / perSource
	return [4]byte{127, 1, byte(n / 200), byte(1 + n%200)}
}

// dial begins a connection; it is ready, or has failed, when the socket becomes
// writable. i chooses the source address; rcvbuf of 0 leaves the kernel's.
func (d *dialer) dial(i, rcvbuf int) (int, error) {
	fd, err := unix.Socket(d.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if err := d.prepare(fd, i, rcvbuf); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	if err := unix.Connect(fd, d.addr); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

func (d *dialer) prepare(fd, i, rcvbuf int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("TCP_NODELAY: %w", err)
	}
	if rcvbuf > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, rcvbuf); err != nil {
			return fmt.Errorf("SO_RCVBUF: %w", err)
		}
	}
	if !d.spread {
		return nil
	}
	// The port is chosen at connect, when the other end is known: one local
	// port can then serve several servers.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return fmt.Errorf("IP_BIND_ADDRESS_NO_PORT: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: source(i)}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// dialError is what became of a connection that dial began.
func dialError(fd int) error {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return fmt.Errorf("SO_ERROR: %w", err)
	}
	if code != 0 {
		return fmt.Errorf("connect: %w", unix.Errno(code))
	}
	return nil
}
