package lab

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Segment is a switch that joins the nodes of several labs: what the peers of a cluster are on.
// The node of the n-th lab, from 1, has an interface k0 there:
//
//	198.19.0.n, fd00:0:0:3::n
type Segment struct {
	Switch *Host
}

const maxJoined = 6

// Join makes a segment for the nodes of labs. Close it before them. Its namespace is called
// NAME-switch.
func Join(name string, labs ...*Lab) (*Segment, error) {
	if !validName.MatchString(name) || len(labs) == 0 || len(labs) > maxJoined {
		return nil, fmt.Errorf("join %d labs as %q: want 1 to %d labs, and a name as labs have", len(labs), name, maxJoined)
	}
	host, err := newHost(name + "-switch")
	if err != nil {
		return nil, err
	}
	s := &Segment{Switch: host}
	if err := s.build(labs); err != nil {
		return nil, errors.Join(fmt.Errorf("join labs as %s: %w", name, err), s.Close())
	}
	return s, nil
}

// Close removes the switch, and with it the nodes' interfaces.
func (s *Segment) Close() error { return s.Switch.close() }

// At is the address of a lab's node, from 1.
func (s *Segment) At(n int) netip.Addr { return joined(n)[0].Addr() }

func joined(n int) []netip.Prefix {
	return []netip.Prefix{
		netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 19, 0, byte(n)}), 24),
		netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 7: 3, 15: byte(n)}), 64),
	}
}

func (s *Segment) build(labs []*Lab) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "sw"
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := s.Switch.nl.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add the switch: %w", err)
	}
	if err := s.Switch.addLink("sw", nil); err != nil {
		return err
	}
	for i, l := range labs {
		if err := s.plug(bridge, fmt.Sprintf("k%d", i+1), l.Node, joined(i+1)); err != nil {
			return err
		}
	}
	return nil
}

// plug connects a node with the switch, as connect does with a far host.
func (s *Segment) plug(bridge *netlink.Bridge, port string, node *Host, prefixes []netip.Prefix) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.MasterIndex = port, 1500, bridge.Index
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = "k0", netlink.NsFd(node.ns)
	if err := s.Switch.nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("add link %s – k0: %w", port, err)
	}
	if err := errors.Join(s.Switch.Do(func() error { return wireLike(port) }), node.Do(func() error { return wireLike("k0") })); err != nil {
		return fmt.Errorf("set the features of %s: %w", port, err)
	}
	if err := s.Switch.addLink(port, nil); err != nil {
		return err
	}
	if err := node.addLink("k0", prefixes); err != nil {
		return err
	}
	return errors.Join(s.Switch.await(port), node.await("k0"))
}
