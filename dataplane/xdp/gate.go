package xdp

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// gate is what the process told of ports and permissions, beside what the maps hold:
// the maps may hold more, left by an earlier process, until the sweep.
type gate struct {
	maps        *bpf.RelayMaps
	memory      *memory
	ports       map[uint16]map[netip.Addr]relay.PortKind
	locals      map[netip.Addr]int // how many ports
	permissions map[bpf.RelayPermissionKey]bool
}

func newGate(maps *bpf.RelayMaps, memory *memory) *gate {
	return &gate{
		maps: maps, memory: memory,
		ports:       map[uint16]map[netip.Addr]relay.PortKind{},
		locals:      map[netip.Addr]int{},
		permissions: map[bpf.RelayPermissionKey]bool{},
	}
}

// OpenPort tells the program that a local port is ours. The program keeps one kind for
// a port number, whatever the address.
func (b *Backend) OpenPort(local netip.AddrPort, kind relay.PortKind) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.gate.open(local, kind)
}

// ClosePort takes OpenPort back.
func (b *Backend) ClosePort(local netip.AddrPort) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.gate.close(local)
}

// Permit lets a peer send to a relay port until the given time.
func (b *Backend) Permit(local netip.AddrPort, peer netip.Addr, until time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.gate.permit(local, peer, until)
}

// Revoke takes Permit back.
func (b *Backend) Revoke(local netip.AddrPort, peer netip.Addr) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.gate.revoke(permissionKey(local, peer))
}

func (g *gate) open(local netip.AddrPort, kind relay.PortKind) error {
	if _, again := g.ports[local.Port()][local.Addr()]; !again {
		if err := g.addLocal(local.Addr()); err != nil {
			return err
		}
	}
	if g.ports[local.Port()] == nil {
		g.ports[local.Port()] = map[netip.Addr]relay.PortKind{}
	}
	g.ports[local.Port()][local.Addr()] = kind
	g.memory.ports[local.Port()] = uint8(kind)
	return nil
}

func (g *gate) addLocal(a netip.Addr) error {
	if g.locals[a] == 0 {
		if err := g.maps.Locals.Put(a.As16(), uint8(1)); err != nil {
			return fmt.Errorf("add local address %s: %w", a, err)
		}
	}
	g.locals[a]++
	return nil
}

func (g *gate) close(local netip.AddrPort) error {
	addrs := g.ports[local.Port()]
	if _, ok := addrs[local.Addr()]; !ok {
		return nil
	}
	delete(addrs, local.Addr())
	if len(addrs) == 0 {
		delete(g.ports, local.Port())
		g.memory.ports[local.Port()] = 0
	}
	for _, kind := range addrs { // the port's other addresses
		g.memory.ports[local.Port()] = uint8(kind)
	}
	g.locals[local.Addr()]--
	if g.locals[local.Addr()] > 0 {
		return nil
	}
	delete(g.locals, local.Addr())
	return ignoreMissing(g.maps.Locals.Delete(local.Addr().As16()))
}

func permissionKey(local netip.AddrPort, peer netip.Addr) bpf.RelayPermissionKey {
	return bpf.RelayPermissionKey{Local: local.Addr().As16(), Peer: peer.As16(), LocalPort: swap16(local.Port())}
}

func (g *gate) permit(local netip.AddrPort, peer netip.Addr, until time.Time) error {
	key := permissionKey(local, peer)
	if err := g.maps.Permissions.Put(&key, toMonotonic(until)); err != nil {
		if isFull(err) {
			return relay.ErrFull
		}
		return fmt.Errorf("add permission: %w", err)
	}
	g.permissions[key] = true
	return nil
}

func (g *gate) revoke(key bpf.RelayPermissionKey) error {
	delete(g.permissions, key)
	return ignoreMissing(g.maps.Permissions.Delete(&key))
}

// sweep removes ports, addresses and permissions that an earlier process left.
func (g *gate) sweep() (int, error) {
	strays := 0
	for port := range 1 << 16 {
		if g.memory.ports[port] != 0 && g.ports[uint16(port)] == nil {
			g.memory.ports[port] = 0
			strays++
		}
	}
	n, err := g.sweepPermissions()
	return strays + n, errors.Join(err, g.sweepLocals())
}

func (g *gate) sweepPermissions() (int, error) {
	var stale []bpf.RelayPermissionKey
	var key bpf.RelayPermissionKey
	var until uint64
	entries := g.maps.Permissions.Iterate()
	for entries.Next(&key, &until) {
		if !g.permissions[key] {
			stale = append(stale, key)
		}
	}
	errs := []error{entries.Err()}
	for _, key := range stale {
		errs = append(errs, ignoreMissing(g.maps.Permissions.Delete(&key)))
	}
	return len(stale), errors.Join(errs...)
}

func (g *gate) sweepLocals() error {
	var stale [][16]byte
	var addr [16]byte
	var one uint8
	entries := g.maps.Locals.Iterate()
	for entries.Next(&addr, &one) {
		if g.locals[netip.AddrFrom16(addr).Unmap()] == 0 {
			stale = append(stale, addr)
		}
	}
	errs := []error{entries.Err()}
	for _, addr := range stale {
		errs = append(errs, ignoreMissing(g.maps.Locals.Delete(addr)))
	}
	return errors.Join(errs...)
}

func ignoreMissing(err error) error {
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil
	}
	return err
}

// isFull reports whether a map refused an entry for want of space.
func isFull(err error) bool {
	return errors.Is(err, unix.E2BIG) || errors.Is(err, unix.ENOMEM)
}
