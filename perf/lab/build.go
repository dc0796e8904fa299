package lab

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// build makes the hosts and the links between them.
func (l *Lab) build(o Options) (err error) {
	if l.Node, err = newHost(o.Name + "-node"); err != nil {
		return err
	}
	if l.Client, err = newHost(o.Name + "-client"); err != nil {
		return err
	}
	l.ClientAddrs = addrs(0, clientHost, o.Clients)
	if o.Shape == SingleInterface {
		l.Peer = l.Client
		l.PeerAddrs = addrs(0, peerHostShared, o.Peers)
		return l.Plug("s0")
	}
	if l.Peer, err = newHost(o.Name + "-peer"); err != nil {
		return err
	}
	l.PeerAddrs = addrs(1, peerHost, o.Peers)
	return errors.Join(l.Plug("s0"), l.Plug("s1"))
}

// Plug connects an interface of the node with its far host: again, after Unplug. It
// has its addresses; its number and link address are new.
func (l *Lab) Plug(name string) error {
	switch {
	case name == "s1":
		return connect(l.opts, l.Node, "s1", addrs(1, nodeHost, 1), l.Peer, "p0", l.PeerAddrs.all())
	case l.opts.Shape == SingleInterface:
		both := append(l.ClientAddrs.all(), l.PeerAddrs.all()...)
		return connect(l.opts, l.Node, "s0", addrs(0, nodeHost, 1), l.Client, "c0", both)
	default:
		return connect(l.opts, l.Node, "s0", addrs(0, nodeHost, 1), l.Client, "c0", l.ClientAddrs.all())
	}
}

// Unplug takes an interface of the node away, with all that hangs on it; the far end
// goes as well.
func (l *Lab) Unplug(name string) error {
	link := l.Node.Link(name)
	if err := l.Node.nl.LinkDel(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: name, Index: link.Index}}); err != nil {
		return fmt.Errorf("remove %s from %s: %w", name, l.Node.Name, err)
	}
	return nil
}

// connect makes a link from the node to a far host, whose default route it becomes.
func connect(o Options, node *Host, near string, nodeAddrs Addrs, far *Host, farName string, farAddrs []netip.Prefix) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = near, o.MTU
	attrs.NumTxQueues, attrs.NumRxQueues = o.Queues, o.Queues
	veth := netlink.NewVeth(attrs)
	veth.PeerName = farName
	veth.PeerNamespace = netlink.NsFd(far.ns)
	if err := node.nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("add link %s – %s: %w", near, farName, err)
	}
	// Both ends before either is up: an end learns when it comes up whether the other
	// takes redirected frames, and a later change of GRO while down would be missed.
	err := errors.Join(
		node.Do(func() error { return wireLike(near) }),
		far.Do(func() error { return wireLike(farName) }))
	if err != nil {
		return fmt.Errorf("set the features of %s and %s: %w", near, farName, err)
	}
	if err := node.addLink(near, nodeAddrs.all()); err != nil {
		return err
	}
	if err := far.addLink(farName, farAddrs); err != nil {
		return err
	}
	if err := errors.Join(node.await(near), far.await(farName)); err != nil {
		return err
	}
	return far.defaultRoutes(farName, nodeAddrs)
}

// addLink gives a link its addresses and sets it up.
func (h *Host) addLink(name string, prefixes []netip.Prefix) error {
	link, err := h.nl.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s in %s: %w", name, h.Name, err)
	}
	for _, p := range prefixes {
		if err := h.nl.AddrAdd(link, address(p)); err != nil {
			return fmt.Errorf("add %s to %s in %s: %w", p, name, h.Name, err)
		}
	}
	if err := h.nl.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up in %s: %w", name, h.Name, err)
	}
	h.Links = slices.DeleteFunc(h.Links, func(old Link) bool { return old.Name == name })
	h.Links = append(h.Links, Link{Name: name, Index: link.Attrs().Index, MAC: link.Attrs().HardwareAddr, Prefixes: prefixes})
	slices.SortFunc(h.Links, func(a, b Link) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

// address is p without duplicate address detection, so that it can be used at once.
func address(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{
		IP:   p.Addr().AsSlice(),
		Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
	}}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

func (h *Host) defaultRoutes(name string, via Addrs) error {
	link := h.Link(name)
	for _, gw := range []netip.Addr{via.V4[0], via.V6[0]} {
		route := &netlink.Route{LinkIndex: link.Index, Gw: gw.AsSlice()}
		if err := h.nl.RouteAdd(route); err != nil {
			return fmt.Errorf("add default route by %s in %s: %w", gw, h.Name, err)
		}
	}
	return nil
}

// await returns when a link carries frames: the kernel raises the carrier in the
// background, and asking for it through ethtool completes that.
func (h *Host) await(name string) error {
	return h.Do(func() error {
		up, err := ethtoolGet(name, unix.ETHTOOL_GLINK)
		if err == nil && up == 0 {
			err = fmt.Errorf("link %s in %s has no carrier", name, h.Name)
		}
		return err
	})
}
