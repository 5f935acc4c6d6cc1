package httpedge

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/valyala/fasthttp"
)

// proxies are the networks whose word about their clients' addresses is taken.
type proxies []netip.Prefix

// ParseProxies reads networks like 10.0.0.0/8 and single addresses.
func ParseProxies(list []string) ([]netip.Prefix, error) {
	networks := make([]netip.Prefix, 0, len(list))
	for _, text := range list {
		network, err := netip.ParsePrefix(text)
		if addr, single := netip.ParseAddr(text); single == nil {
			network, err = netip.PrefixFrom(addr.Unmap().WithZone(""), addr.Unmap().BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is neither a network (write it like 10.0.0.0/8) nor an address", text)
		}
		networks = append(networks, network.Masked())
	}
	return networks, nil
}

// list says whether an address is that of a listed proxy.
func (p proxies) list(a netip.Addr) bool {
	for _, network := range p {
		if network.Contains(a) {
			return true
		}
	}
	return false
}

const (
	forwardedFor = "X-Forwarded-For"
	// maxProxies is through how many proxies a client's address is followed.
	maxProxies = 16
)

// addressOf is the client's address: that of the connection (with the PROXY
// protocol, the one that its header names), unless that is a listed proxy.
// Then it is the last one in X-Forwarded-For that is none. Each proxy appends
// the address that it was called from; so what stands before an address that
// is no proxy's was written by the client, and says nothing. An entry that is
// no address ends the search in the same way: the proxy that wrote it counts
// as the client.
func (e *Edge) addressOf(ctx *fasthttp.RequestCtx) netip.Addr {
	address := addrOf(ctx.RemoteAddr())
	if len(e.config.TrustedProxies) == 0 || !proxies(e.config.TrustedProxies).list(address) {
		return address
	}
	lines := ctx.Request.Header.PeekAll(forwardedFor)
	hops := 0
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := string(lines[i]), true; more; {
			entry := rest
			comma := strings.LastIndexByte(rest, ',')
			if more = comma >= 0; more {
				rest, entry = rest[:comma], rest[comma+1:]
			}
			before, ok := parseForwarded(strings.Trim(entry, " \t"))
			if !ok {
				return address
			}
			address = before
			if hops++; hops == maxProxies || !proxies(e.config.TrustedProxies).list(address) {
				return address
			}
		}
	}
	return address
}

// parseForwarded reads an entry of X-Forwarded-For: an address, with brackets
// and a port if the proxy writes them.
func parseForwarded(entry string) (netip.Addr, bool) {
	if at, err := netip.ParseAddrPort(entry); err == nil {
		return plain(at.Addr()), true
	}
	if inner, ok := strings.CutPrefix(entry, "["); ok {
		if entry, ok = strings.CutSuffix(inner, "]"); !ok {
			return netip.Addr{}, false
		}
	}
	address, err := netip.ParseAddr(entry)
	return plain(address), err == nil
}

// addrOf is the IP address of a connection's end; the zero Addr if it has none.
func addrOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return plain(tcp.AddrPort().Addr())
	}
	return netip.Addr{}
}

// plain has one form for each address: no IPv4 within IPv6, no zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// networkBits is how much of an IPv6 address counts: a subscriber has the rest
// of it to choose from.
const networkBits = 64

// network is what of an address is limited: an IPv4 address, or the /64 of an
// IPv6 address.
func network(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	prefix, err := a.Prefix(networkBits)
	if err != nil { // not with these bits
		return a
	}
	return prefix.Addr()
}
