package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
)

// Interfaces of a lab of peers.
const (
	PeerInside  = "in"  // of a node: between the nodes
	PeerOutside = "out" // of a node: towards the phones
	PhoneLink   = "p0"  // of phones
)

// Peers is a lab of several nodes with phones: each node has an interface towards the others and one towards
// the phones, and every phone reaches every node.
//
//	node N   in 198.18.100.N   out 198.18.0.N
//	phone N  p0 198.18.0.100+N and 198.18.0.150+N
type Peers struct {
	Name   string
	Nodes  []*Host
	Phones []*Host

	inside, outside *Host   // switches
	far             *Switch // the one inside, where the nodes are apart
}

// maxPeerNodes bounds a lab of peers: the largest cluster, and some to replace.
const maxPeerNodes = 8

// NewPeers makes a lab of peers. Close it. What a crashed run left under that name is removed. The error wraps
// ErrUnsupported where the process may not make namespaces.
func NewPeers(name string, number int) (*Peers, error) { return NewDistantPeers(name, number, 0) }

// NewDistantPeers is NewPeers with nodes that are a time away from the middle of the network between them: at
// 20 ms a frame and its answer take 80 ms (CL-09).
func NewDistantPeers(name string, number int, away time.Duration) (*Peers, error) {
	switch {
	case os.Geteuid() != 0:
		return nil, ErrUnsupported
	case number < 1 || number > maxPeerNodes:
		return nil, fmt.Errorf("lab %s: want 1 to %d nodes, not %d", name, maxPeerNodes, number)
	case name == "":
		name = "lab-" + randomHex()
	case !validName.MatchString(name):
		return nil, fmt.Errorf("lab name %q: use at most 32 lower case letters, digits and hyphens", name)
	}
	p := &Peers{Name: name}
	err := p.build(number, away)
	if err == nil && away > 0 {
		distances := make([]time.Duration, number)
		for i := range distances {
			distances[i] = away
		}
		p.far, err = newSwitch(p.inside, distances)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make lab %s: %w", name, err), p.Close())
	}
	return p, nil
}

// Inside is the address of a node, from 0, towards the others; Outside towards the phones.
func (p *Peers) Inside(node int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, 100, byte(node + 1)})
}

// Outside is the address of a node, from 0, towards the phones.
func (p *Peers) Outside(node int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, 0, byte(node + 1)})
}

// Phone is an address of a host of phones, from 0: it has two.
func (p *Peers) Phone(host, which int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, 0, byte(101 + host + 50*which)})
}

// Close removes the namespaces and with them every link.
func (p *Peers) Close() error {
	var errs []error
	if p.far != nil {
		errs = append(errs, p.far.Close())
	}
	for _, h := range append(append(append([]*Host{}, p.Nodes...), p.Phones...), p.inside, p.outside) {
		if h != nil {
			errs = append(errs, h.close())
		}
	}
	return errors.Join(errs...)
}

func (p *Peers) build(number int, away time.Duration) (err error) {
	if away > 0 {
		p.inside, err = p.host("inside") // the switch is this process
	} else {
		p.inside, err = p.bridge("inside")
	}
	if err != nil {
		return err
	}
	if p.outside, err = p.bridge("outside"); err != nil {
		return err
	}
	for i := range number {
		node, err := p.host(fmt.Sprintf("node%d", i+1))
		if err != nil {
			return err
		}
		p.Nodes = append(p.Nodes, node)
		phone, err := p.host(fmt.Sprintf("phone%d", i+1))
		if err != nil {
			return err
		}
		p.Phones = append(p.Phones, phone)
		if err := p.plug(node, PeerInside, []netip.Prefix{netip.PrefixFrom(p.Inside(i), 24)}, p.inside, portName(i)); err != nil {
			return err
		}
		if err := p.plug(node, PeerOutside, []netip.Prefix{netip.PrefixFrom(p.Outside(i), 24)}, p.outside, portName(i)); err != nil {
			return err
		}
		both := []netip.Prefix{netip.PrefixFrom(p.Phone(i, 0), 24), netip.PrefixFrom(p.Phone(i, 1), 24)}
		if err := p.plug(phone, PhoneLink, both, p.outside, fmt.Sprintf("t%d", i+1)); err != nil {
			return err
		}
	}
	return nil
}

// host makes a host of the lab; one that a crashed run left goes first.
func (p *Peers) host(role string) (*Host, error) {
	name := p.Name + "-" + role
	if err := remove(name); err != nil {
		return nil, fmt.Errorf("remove the old %s: %w", name, err)
	}
	return newHost(name)
}

// switchName is the bridge in a host that is a switch.
const switchName = "sw"

func (p *Peers) bridge(role string) (*Host, error) {
	h, err := p.host(role)
	if err != nil {
		return nil, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = switchName
	if err := h.nl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		return h, fmt.Errorf("add bridge in %s: %w", h.Name, err)
	}
	return h, h.addLink(switchName, nil)
}

// plug connects a host with a port of a switch.
func (p *Peers) plug(h *Host, name string, prefixes []netip.Prefix, sw *Host, port string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = port, netlink.NsFd(sw.ns)
	if err := h.nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("add link %s of %s: %w", name, h.Name, err)
	}
	// Both ends before either is up, as in connect.
	if err := errors.Join(h.Do(func() error { return wireLike(name) }), sw.Do(func() error { return wireLike(port) })); err != nil {
		return fmt.Errorf("set the features of %s and %s: %w", name, port, err)
	}
	if err := p.enslave(sw, port); err != nil {
		return err
	}
	if err := h.addLink(name, prefixes); err != nil {
		return err
	}
	if err := sw.addLink(port, nil); err != nil {
		return err
	}
	return errors.Join(h.await(name), sw.await(port))
}

func (p *Peers) enslave(sw *Host, port string) error {
	link, err := sw.nl.LinkByName(port)
	if err != nil {
		return err
	}
	bridge, err := sw.nl.LinkByName(switchName)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil // the nodes are apart: this process is the switch
	}
	if err != nil {
		return err
	}
	if err := sw.nl.LinkSetMaster(link, bridge); err != nil {
		return fmt.Errorf("put %s into the switch %s: %w", port, sw.Name, err)
	}
	return nil
}
