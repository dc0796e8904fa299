package userspace

import (
	"fmt"
	"net/netip"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// OpenPort tells what may reach local without a flow. While a port is not open,
// nothing that arrives there is relayed, as in the kernel; its socket's handler gets
// everything.
func (r *Relay) OpenPort(local netip.AddrPort, kind relay.PortKind) error {
	local = relay.Canonical(local)
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.port(local)
	p.mu.Lock()
	known := p.kind != 0
	p.kind = kind
	p.mu.Unlock()
	if known {
		r.release(p)
	}
	s := p.sock.Load()
	if s == nil {
		return nil
	}
	s.tune(kind)
	if err := r.place(s, kind); err != nil {
		return fmt.Errorf("open port %s: %w", local, err)
	}
	return nil
}

// ClosePort forgets what may reach local, and its permissions.
func (r *Relay) ClosePort(local netip.AddrPort) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.ports[relay.Canonical(local)]
	if p == nil {
		return nil
	}
	p.mu.Lock()
	known := p.kind != 0
	p.kind, p.peers = 0, permissions{}
	p.mu.Unlock()
	if known {
		r.release(p)
	}
	return nil
}

// Permit lets peer, any port, send to the relay at local until the given time
// (RFC 8656 section 9).
func (r *Relay) Permit(local netip.AddrPort, peer netip.Addr, until time.Time) error {
	p := r.lookup(local)
	if p == nil || p.idle() {
		return fmt.Errorf("permit %s at %s: open the port first", peer, local)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.peers.set(peerKey(peer), r.epoch.ticks(until), r.clock())
	return nil
}

// Revoke ends a permission at once.
func (r *Relay) Revoke(local netip.AddrPort, peer netip.Addr) error {
	if p := r.lookup(local); p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.peers.revoke(peerKey(peer))
	}
	return nil
}

func (r *Relay) lookup(local netip.AddrPort) *port {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ports[relay.Canonical(local)]
}

func peerKey(peer netip.Addr) [16]byte {
	return senderOf(relay.Canonical(netip.AddrPortFrom(peer, 0)), 0).addr
}
