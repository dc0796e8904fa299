package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
)

// StarOptions says what star to make.
type StarOptions struct {
	Name string // as in Options
	// Hosts are how far each is from the middle: a frame takes what its sender and its receiver
	// are away. Two hosts at 20 ms are 80 ms apart, there and back.
	Hosts []time.Duration
}

// Star is hosts around a switch of this process, each a given time away from it. The kernels
// that nodes run on have no netem everywhere, and a cluster has to be tried as far apart as
// its peers may be (CL-09).
type Star struct {
	Name   string
	Hosts  []*Host // each with link c0
	Switch *Switch

	hub *Host
}

// starNetwork is where the hosts are: 198.18.9.1, .2, ...; fd00:0:0:a::1, ...
const starNetwork = 9

// NewStar makes a star. Close it. The error wraps ErrUnsupported as that of New does.
func NewStar(o StarOptions) (*Star, error) {
	if os.Geteuid() != 0 {
		return nil, ErrUnsupported
	}
	if o.Name == "" {
		o.Name = "star-" + randomHex()
	}
	if !validName.MatchString(o.Name) || len(o.Hosts) == 0 || len(o.Hosts) > maxAddrs {
		return nil, fmt.Errorf("star %q with %d hosts: give it a name as labs have, and 1 to %d hosts", o.Name, len(o.Hosts), maxAddrs)
	}
	s := &Star{Name: o.Name}
	if err := s.build(o); err != nil {
		return nil, errors.Join(fmt.Errorf("make star %s: %w", o.Name, err), s.Close())
	}
	return s, nil
}

// Addr is the IPv4 address of a host.
func (s *Star) Addr(i int) netip.Addr { return addrs(starNetwork, i+1, 1).V4[0] }

// Addr6 is its IPv6 address.
func (s *Star) Addr6(i int) netip.Addr { return addrs(starNetwork, i+1, 1).V6[0] }

// Close ends the switch and removes the namespaces.
func (s *Star) Close() error {
	var errs []error
	if s.Switch != nil {
		errs = append(errs, s.Switch.Close())
	}
	for _, h := range append(s.Hosts, s.hub) {
		if h != nil {
			errs = append(errs, h.close())
		}
	}
	return errors.Join(errs...)
}

func (s *Star) build(o StarOptions) (err error) {
	if s.hub, err = s.host("hub"); err != nil {
		return err
	}
	for i := range o.Hosts {
		h, err := s.host(fmt.Sprintf("%d", i+1))
		if err != nil {
			return err
		}
		s.Hosts = append(s.Hosts, h)
		if err := s.link(i, h); err != nil {
			return err
		}
	}
	s.Switch, err = newSwitch(s.hub, o.Hosts)
	return err
}

func (s *Star) host(name string) (*Host, error) {
	name = s.Name + "-" + name
	if err := remove(name); err != nil {
		return nil, err
	}
	return newHost(name)
}

// portName is the switch's end of a host's link.
func portName(i int) string { return fmt.Sprintf("p%d", i+1) }

func (s *Star) link(i int, h *Host) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = "c0", 1500
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = portName(i), netlink.NsFd(s.hub.ns)
	if err := h.nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("add the link of %s: %w", h.Name, err)
	}
	err := errors.Join(
		h.Do(func() error { return wireLike("c0") }),
		s.hub.Do(func() error { return wireLike(portName(i)) }))
	if err != nil {
		return err
	}
	if err := h.addLink("c0", addrs(starNetwork, i+1, 1).all()); err != nil {
		return err
	}
	if err := s.hub.addLink(portName(i), nil); err != nil {
		return err
	}
	return errors.Join(h.await("c0"), s.hub.await(portName(i)))
}
