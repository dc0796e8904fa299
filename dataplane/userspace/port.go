package userspace

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// port is everything that is known of one local UDP address: its socket, what the
// gate lets in, and the flows that arrive there. It exists while one of them does.
//
// The flow table is split by port because a port has one reader, the loop of its
// socket, so the read lock is never contended in a look-up and installing flows on
// other ports does not disturb it; and because a relay has but a few flows, which
// makes the look-up a comparison or two.
type port struct {
	local netip.AddrPort
	refs  int // under Relay.mu: flows in and out, gate, socket
	sock  atomic.Pointer[socket]

	mu    sync.RWMutex
	kind  relay.PortKind // 0: the gate does not know the port
	flows map[sender]*flow
	peers permissions
}

// found is a datagram's flow as it stands.
type found struct {
	flow   *flow
	action *action
	data   []byte // what the flow relays of the datagram
}

// match finds the flow that takes a datagram. The reason is ReasonForwarded, or why
// there is none.
func (p *port) match(from *sockaddr, b []byte, now int64) (found, bpf.Reason) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	channel := uint16(0)
	switch {
	case p.kind == 0:
		return found{}, bpf.ReasonNotOurs
	case p.kind == relay.PortListener && isChannel(b):
		var why bpf.Reason
		channel, b, why = parseChannel(b)
		if why != bpf.ReasonForwarded {
			return found{}, why
		}
	}
	k := from.sender(channel)
	if f := p.flows[k]; f != nil {
		a := f.action.Load()
		if a.split && isRTCP(b) {
			return found{}, bpf.ReasonControl
		}
		return found{f, a, b}, bpf.ReasonForwarded
	}
	return found{}, p.withoutFlow(k.addr, now)
}

// withoutFlow says why a datagram that no flow takes leaves the relay.
func (p *port) withoutFlow(peer [16]byte, now int64) bpf.Reason {
	switch {
	case p.kind == relay.PortListener:
		return bpf.ReasonControl
	case p.kind == relay.PortRelay && !p.peers.permit(peer, now):
		return bpf.ReasonStranger
	}
	return bpf.ReasonNoFlow
}

// idle says that the gate has left nothing at the port.
func (p *port) idle() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.kind == 0
}

// port returns the port of a local address with one more reference.
func (r *Relay) port(local netip.AddrPort) *port {
	p := r.ports[local]
	if p == nil {
		p = &port{local: local}
		r.ports[local] = p
	}
	p.refs++
	return p
}

// release gives back a reference.
func (r *Relay) release(p *port) {
	if p.refs--; p.refs == 0 {
		delete(r.ports, p.local)
	}
}
