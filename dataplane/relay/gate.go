package relay

import (
	"net/netip"
	"time"
)

var _ Gate = (*Engine)(nil)

// OpenPort tells both back ends that a port is ours.
func (e *Engine) OpenPort(local netip.AddrPort, kind PortKind) error {
	return e.both(func(g Gate) error { return g.OpenPort(local, kind) })
}

// ClosePort takes OpenPort back.
func (e *Engine) ClosePort(local netip.AddrPort) error {
	return e.both(func(g Gate) error { return g.ClosePort(local) })
}

// Permit lets a peer send to a relay port.
func (e *Engine) Permit(local netip.AddrPort, peer netip.Addr, until time.Time) error {
	return e.both(func(g Gate) error { return g.Permit(local, peer, until) })
}

// Revoke takes Permit back.
func (e *Engine) Revoke(local netip.AddrPort, peer netip.Addr) error {
	return e.both(func(g Gate) error { return g.Revoke(local, peer) })
}

func (e *Engine) both(do func(Gate) error) error {
	if err := do(e.process); err != nil {
		return err
	}
	if e.kernel == nil {
		return nil
	}
	return do(e.kernel)
}
