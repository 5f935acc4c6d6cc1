package netns

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
)

// Host is one of a network's hosts. Its methods may be called from any
// goroutine.
type Host struct {
	network   *Network
	name      string
	namespace string
	addr      string
	port      string // its cable's end at the bridge
}

// Name is the one that New was given.
func (h *Host) Name() string { return h.name }

// Namespace is the host's name for `ip netns`.
func (h *Host) Namespace() string { return h.namespace }

// Addr is its IP address.
func (h *Host) Addr() string { return h.addr }

// Command rewrites a command so that it runs on the host. The process is still
// the program's own: its id, and what SysProcAttr says of it.
func (h *Host) Command(cmd *exec.Cmd) { Command(h.namespace, cmd) }

// Dial is that of net.Dialer, from the host. The address is an IP address:
// there is nobody to ask for names.
func (h *Host) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return Dial(ctx, h.namespace, network, addr)
}

// HTTPClient answers a new client whose requests come from the host.
func (h *Host) HTTPClient() *http.Client {
	transport := &http.Transport{DialContext: h.Dial, ForceAttemptHTTP2: true}
	h.network.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Command is like Host.Command, for who knows the namespace only.
func Command(namespace string, cmd *exec.Cmd) {
	ip, err := program("ip")
	if err != nil && cmd.Err == nil {
		cmd.Err = err // what New has found is gone
	}
	cmd.Args = append([]string{ip, "netns", "exec", namespace, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = ip
}

// Dial is like Host.Dial, for who knows the namespace only.
func Dial(ctx context.Context, namespace, network, addr string) (net.Conn, error) {
	// net looks names up in other goroutines, which are not inside.
	if _, err := netip.ParseAddrPort(addr); err != nil {
		return nil, err
	}
	var conn net.Conn
	err := inside(namespace, func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, addr)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("from %s: %w", namespace, err)
	}
	return conn, nil
}

// Listen is that of net.Listen, on the host: addr is its own, or loopback's.
func (h *Host) Listen(network, addr string) (net.Listener, error) {
	var listener net.Listener
	err := inside(h.namespace, func() (err error) {
		listener, err = new(net.ListenConfig).Listen(context.Background(), network, addr)
		return err
	})
	return listener, err
}

// ListenPacket is like Listen, for UDP.
func (h *Host) ListenPacket(network, addr string) (net.PacketConn, error) {
	var conn net.PacketConn
	err := inside(h.namespace, func() (err error) {
		conn, err = new(net.ListenConfig).ListenPacket(context.Background(), network, addr)
		return err
	})
	return conn, err
}
