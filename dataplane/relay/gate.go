package relay

import (
	"errors"
	"net/netip"
	"time"
)

var _ Gate = (*Engine)(nil)

// OpenPort tells both back ends that a port is ours.
func (e *Engine) OpenPort(local netip.AddrPort, kind PortKind) error {
	return e.both(
		func(g Gate) error { return g.OpenPort(local, kind) },
		func(g Gate) error { return g.ClosePort(local) })
}

// ClosePort takes OpenPort back.
func (e *Engine) ClosePort(local netip.AddrPort) error {
	return e.both(func(g Gate) error { return g.ClosePort(local) }, nil)
}

// Permit lets a peer send to a relay port.
func (e *Engine) Permit(local netip.AddrPort, peer netip.Addr, until time.Time) error {
	return e.both(
		func(g Gate) error { return g.Permit(local, peer, until) },
		func(g Gate) error { return g.Revoke(local, peer) })
}

// Revoke takes Permit back.
func (e *Engine) Revoke(local netip.AddrPort, peer netip.Addr) error {
	return e.both(func(g Gate) error { return g.Revoke(local, peer) }, nil)
}

// both tells the process and then the kernel. What the kernel refuses the process
// forgets again: what one lets in the other must not drop.
func (e *Engine) both(do, undo func(Gate) error) error {
	if err := do(e.process); err != nil {
		return err
	}
	if e.kernel == nil {
		return nil
	}
	err := do(e.kernel)
	if err != nil && undo != nil {
		err = errors.Join(err, undo(e.process))
	}
	return err
}
