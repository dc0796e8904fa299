package main

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"turnpike.dev/turnpike/control/config"
)

// patienceForNames bounds how long DNS is waited for.
const patienceForNames = 3 * time.Second

// names finds peers by their entries in the list, and this node among them.
type names struct {
	addrs    []netip.Addr // of this machine
	nic      netip.Addr   // of the interface that a cluster uses (CL-19: of two the internal one)
	host     string
	v6       bool
	resolver *net.Resolver
}

func localNames(c *config.Node) (names, error) {
	_, own, err := systemInterfaces()
	if err != nil {
		return names{}, err
	}
	l := names{addrs: own, host: hostName(c), v6: c.Cluster.IP == config.IPv6, resolver: resolver(c.DNS.Servers)}
	name := c.Interfaces.Relay()
	if c.Interfaces.Internal != nil {
		name = c.Interfaces.Internal.Name
	}
	if i, err := net.InterfaceByName(name); err == nil {
		l.nic = l.firstOf(i)
	}
	return l, nil
}

// firstOf returns the first address of an interface that the cluster can use.
func (l names) firstOf(i *net.Interface) netip.Addr {
	all, _ := i.Addrs() // an interface without addresses has none for the cluster
	for _, a := range all {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && l.fits(p.Addr().Unmap()) && !p.Addr().IsLinkLocalUnicast() {
			return p.Addr().Unmap()
		}
	}
	return netip.Addr{}
}

func (l names) fits(a netip.Addr) bool { return a.Is6() == l.v6 }

// resolver asks the configured name servers, or the system's where there are none.
func resolver(servers []netip.Addr) *net.Resolver {
	if len(servers) == 0 {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		var errs []error
		for _, s := range servers {
			c, err := d.DialContext(ctx, network, netip.AddrPortFrom(s, 53).String())
			if err == nil {
				return c, nil
			}
			errs = append(errs, err)
		}
		return nil, errors.Join(errs...)
	}}
}

// resolve returns the addresses of a name, of the cluster's IP version.
func (l names) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	network := "ip4"
	if l.v6 {
		network = "ip6"
	}
	all, err := l.resolver.LookupNetIP(ctx, network, host)
	for i := range all {
		all[i] = all[i].Unmap()
	}
	return all, err
}

// index returns which entry of the list this node is, from 0, as far as that can be seen without DNS; -1: none.
func (l names) index(c *config.Node) int {
	return slices.IndexFunc(c.Cluster.Peers, func(entry string) bool {
		if a, err := netip.ParseAddr(entry); err == nil {
			return slices.Contains(l.addrs, a.Unmap())
		}
		for _, e := range c.Mapping.Entries {
			if bool(c.Mapping.Mode) && strings.EqualFold(e.Name, entry) {
				return slices.Contains(l.addrs, e.Address)
			}
		}
		return strings.EqualFold(entry, l.host)
	})
}

// ask is index with DNS; local is the address that peers find this node at.
func (l names) ask(ctx context.Context, c *config.Node) (index int, local netip.Addr) {
	ctx, cancel := context.WithTimeout(ctx, patienceForNames)
	defer cancel()
	for i, entry := range c.Cluster.Peers {
		if _, err := netip.ParseAddr(entry); err == nil {
			continue
		}
		all, _ := l.resolve(ctx, entry) // 20005 tells
		for _, a := range all {
			if slices.Contains(l.addrs, a) {
				return i, a
			}
		}
	}
	return -1, l.local(c)
}

// local is the address that peers find this node at: that of its entry, or of the interface that a cluster uses.
func (l names) local(c *config.Node) netip.Addr {
	for _, entry := range c.Cluster.Peers {
		if a, err := netip.ParseAddr(entry); err == nil && slices.Contains(l.addrs, a.Unmap()) {
			return a.Unmap()
		}
	}
	for _, e := range c.Mapping.Entries {
		if bool(c.Mapping.Mode) && slices.Contains(l.addrs, e.Address) {
			return e.Address
		}
	}
	if l.nic.IsValid() {
		return l.nic
	}
	if l.v6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// trusts says whether a chain leads to an authority that this node trusts, and is not revoked.
func (n *node) trusts(chain []*x509.Certificate) error { return n.certificates.Verify(chain, "") }
