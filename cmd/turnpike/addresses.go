package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/dataplane/turn"
)

// side is one of the node's interfaces with its usable addresses.
type side struct {
	name     string
	internal bool
	addrs    []netip.Addr
	mtu      int
	driver   string
}

// sides looks the configured interfaces up.
func sides(ctx context.Context, in config.Interfaces) ([]side, error) {
	var all []side
	for _, name := range in.Names() {
		addrs, mtu, err := addressesOf(ctx, name)
		if err != nil {
			return nil, err
		}
		if len(addrs) == 0 {
			return nil, fmt.Errorf("interface %s has no address: give it one (`ip addr add ADDRESS/BITS dev %s`) and start again", name, name)
		}
		all = append(all, side{
			name: name, addrs: addrs, mtu: mtu, driver: driverOf(name),
			internal: in.Internal != nil && in.Internal.Name == name,
		})
	}
	return all, nil
}

// driverOf names the driver of an interface; empty when it does not tell.
func driverOf(name string) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer func() { _ = unix.Close(fd) }()
	info, err := unix.IoctlGetEthtoolDrvinfo(fd, name)
	if err != nil {
		return ""
	}
	return unix.ByteSliceToString(info.Driver[:])
}

// settleTime bounds the wait for duplicate address detection (RFC 4862); a start
// at boot is often earlier.
const settleTime = 5 * time.Second

// addressesOf returns an interface's addresses that clients and peers can use.
func addressesOf(ctx context.Context, name string) ([]netip.Addr, int, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, 0, fmt.Errorf("interface %s: %w: see `ip -br link` for those there are", name, err)
	}
	list, err := settled(ctx, link)
	if err != nil {
		return nil, 0, fmt.Errorf("read the addresses of %s: %w", name, err)
	}
	loopback := link.Attrs().RawFlags&unix.IFF_LOOPBACK != 0
	var addrs []netip.Addr
	for _, a := range list {
		addr, ok := netip.AddrFromSlice(a.IP)
		addr = addr.Unmap()
		if !ok || a.Flags&(unix.IFA_F_TEMPORARY|unix.IFA_F_DEPRECATED|unix.IFA_F_DADFAILED) != 0 {
			continue
		}
		if addr.IsGlobalUnicast() || loopback && addr.IsLoopback() {
			addrs = append(addrs, addr)
		}
	}
	return addrs, link.Attrs().MTU, nil
}

// settled returns the addresses of a link when none is tentative any more.
func settled(ctx context.Context, link netlink.Link) ([]netlink.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		list, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		if err != nil || !slices.ContainsFunc(list, tentative) {
			return list, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return slices.DeleteFunc(list, tentative), nil
		}
	}
}

func tentative(a netlink.Addr) bool {
	return a.Flags&unix.IFA_F_TENTATIVE != 0 && a.Flags&(unix.IFA_F_OPTIMISTIC|unix.IFA_F_DADFAILED) == 0
}

// listenOn returns every address of every side with every port.
func listenOn(all []side, ports ...uint16) []netip.AddrPort {
	var listen []netip.AddrPort
	for _, s := range all {
		for _, a := range s.addrs {
			for _, p := range ports {
				listen = append(listen, netip.AddrPortFrom(a, p))
			}
		}
	}
	return listen
}

// relayAddrs returns the first address of each family on the interface that relays
// are on, with what clients are told where a NAT is in front (ME-04).
func relayAddrs(all []side, in config.Interfaces) ([]turn.RelayAddr, error) {
	var relays []turn.RelayAddr
	nat := in.StaticNAT()
	for _, s := range all {
		if s.name != in.Relay() {
			continue
		}
		for _, a := range s.addrs {
			if slices.ContainsFunc(relays, func(r turn.RelayAddr) bool { return r.Local.Is4() == a.Is4() }) {
				continue
			}
			r := turn.RelayAddr{Local: a, Public: a}
			if nat.IsValid() && nat.Is4() == a.Is4() {
				r.Public = nat
			}
			relays = append(relays, r)
		}
	}
	if nat.IsValid() && !slices.ContainsFunc(relays, func(r turn.RelayAddr) bool { return r.Public == nat }) {
		return nil, fmt.Errorf("interfaces.external.static_nat is %s, but %s has no address of that family", nat, in.Relay())
	}
	return relays, nil
}

// ownAddresses returns every address of the machine's namespace and its networks,
// which are no peers (ME-07).
func ownAddresses(in config.Interfaces) (own []netip.Addr, networks []netip.Prefix, err error) {
	list, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, nil, fmt.Errorf("read the node's addresses: %w", err)
	}
	for _, a := range list {
		addr, ok := netip.AddrFromSlice(a.IP)
		if !ok {
			continue
		}
		addr = addr.Unmap()
		own = append(own, addr)
		if bits, _ := a.Mask.Size(); addr.Is4() {
			networks = append(networks, netip.PrefixFrom(addr, bits).Masked())
		}
	}
	if nat := in.StaticNAT(); nat.IsValid() {
		own = append(own, nat)
	}
	return own, networks, nil
}
