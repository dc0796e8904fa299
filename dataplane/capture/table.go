package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"turnpike.dev/turnpike/bpf"
)

// table keeps the program's table of chosen packets as it should be.
type table struct {
	*objects
	keys map[key]owner
}

// set changes the table to the keys: those that stay are not touched.
func (t *table) set(keys map[key]owner) error {
	changed := false
	for k := range t.keys {
		if _, stays := keys[k]; !stays {
			if err := t.Chosen.Delete(k.kernel()); err != nil {
				return fmt.Errorf("take a relay out of the capture: %w", err)
			}
			delete(t.keys, k)
			changed = true
		}
	}
	for k, o := range keys {
		if before, there := t.keys[k]; there && before == o {
			continue
		}
		if err := t.Chosen.Put(k.kernel(), bpf.CaptureOwner{Relay: o.relay, Direction: uint32(o.direction)}); err != nil {
			return fmt.Errorf("take a relay into the capture: %w", err)
		}
		t.keys[k] = o
		changed = true
	}
	if !changed {
		return nil
	}
	return t.setScopes()
}

// setScopes writes by which keys packets to each local port are looked up.
func (t *table) setScopes() error {
	var scopes [1 << 16]uint8
	for k := range t.keys {
		scopes[k.local.Port()] |= uint8(k.scope)
	}
	if err := t.Scopes.Set(scopes[:]); err != nil {
		return fmt.Errorf("tell the capture its ports: %w", err)
	}
	return nil
}

// kernel is the key as the program has it.
func (k key) kernel() bpf.CaptureChoice {
	c := bpf.CaptureChoice{
		Local: k.local.Addr().As16(), LocalPort: network(k.local.Port()),
		Channel: network(k.channel), Scope: uint16(k.scope),
	}
	if k.remote.Addr() != (netip.Addr{}) {
		c.Remote, c.RemotePort = k.remote.Addr().As16(), network(k.remote.Port())
	}
	return c
}

// network returns a number that stands in memory as it does on the wire.
func network(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}
