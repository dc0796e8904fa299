package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

func (c checker) cluster() {
	cl := c.n.Cluster
	if cl.Name != "" && !isDomain(cl.Name) { // CL-11
		c.wrong("cluster.name", fmt.Sprintf("cluster.name cannot be %q", cl.Name),
			"join labels of letters, digits and hyphens by dots; the last one starts with a letter")
	}
	if len(cl.Peers) > 0 && cl.Primary > len(cl.Peers) {
		c.wrong("cluster.primary", fmt.Sprintf("cluster.primary is %d of %d peers", cl.Primary, len(cl.Peers)), "name a place in the list of peers")
	}
	if most := c.n.Redundancy.Peers(); len(cl.Peers) > most { // CA-02
		c.wrong("cluster_redundancy", fmt.Sprintf("cluster_redundancy %s is for %d peers, and there are %d", c.n.Redundancy, most, len(cl.Peers)), "choose classic or 5+1")
	}
	for i := range cl.Peers {
		c.clusterPeer(i)
	}
	for _, m := range c.n.Mapping.Entries {
		if !isDomain(m.Name) {
			c.wrong(fmt.Sprintf("cluster_mapping.entries[%d].name", m.Index), fmt.Sprintf("a mapping cannot be for %q", m.Name), "write the peer's FQDN")
		}
	}
	c.clusterPorts()
}

func (c checker) clusterPeer(i int) {
	cl := c.n.Cluster
	p, at := cl.Peers[i], fmt.Sprintf("cluster.peers[%d]", i+1)
	addr, err := netip.ParseAddr(p)
	switch {
	case !isHost(p):
		c.wrong(at, fmt.Sprintf("cluster.peers cannot have %q", p), "write an address or an FQDN; leave no gaps")
	case slices.IndexFunc(cl.Peers, func(o string) bool { return strings.EqualFold(o, p) }) < i:
		c.wrong(at, "this peer is there twice", "keep one of them")
	case err == nil && c.n.ClusterTLS == TLSEnforce: // CL-05
		c.wrong(at, p+" is an address, and cluster_tls is enforce", "write the peer's FQDN, as its certificate has it")
	case err == nil && addr.Unmap().Is4() != (cl.IP != IPv6): // CL-01
		c.wrong(at, fmt.Sprintf("%s is no address of %s", p, cl.IP), "write one of it, or set cluster.ip")
	}
}

// clusterPorts keeps the ports between peers apart (CL-08).
func (c checker) clusterPorts() {
	cl := c.n.Cluster
	if cl.Port == 0 || cl.RecoveryPort == 0 {
		c.wrong("cluster.port", "cluster.port or cluster.recovery_port is off", "use 4372 and 4371: peers need both")
	}
	if cl.Port == cl.RecoveryPort {
		c.wrong("cluster.recovery_port", fmt.Sprintf("cluster.port and cluster.recovery_port are both %d", cl.Port), "use 4372 and 4371")
	}
	s := cl.SourcePorts
	if s.Start < 1024 || int(s.End) < int(s.Start)+minSourcePorts-1 {
		c.wrong("cluster.source_ports.start", fmt.Sprintf("cluster.source_ports %d to %d is too small a range", s.Start, s.End),
			fmt.Sprintf("want start from 1024 and %d ports or more", minSourcePorts))
	}
	for _, p := range []Port{cl.Port, cl.RecoveryPort} {
		if s.Start <= uint16(p) && uint16(p) <= s.End {
			c.wrong("cluster.source_ports.start", fmt.Sprintf("cluster.source_ports %d to %d has %d in it, where peers listen", s.Start, s.End, p), "keep them apart")
		}
	}
	if m := c.n.Media.Ports; len(cl.Peers) > 0 && c.n.SIP.Mode && s.Start <= m.End && m.Start <= s.End {
		c.wrong("cluster.source_ports.start", fmt.Sprintf("cluster.source_ports %d to %d and media.ports %d to %d overlap", s.Start, s.End, m.Start, m.End), "keep them apart")
	}
}

// ownPeer reports whether a host is a peer of this node's own cluster, by its entry or by what that is mapped to.
func (n *Node) ownPeer(host string) bool {
	return slices.ContainsFunc(n.Cluster.Peers, func(peer string) bool {
		if strings.EqualFold(peer, host) {
			return true
		}
		a := n.Mapped(peer)
		return a.IsValid() && a.String() == host
	})
}

// Mapped returns the address that a peer's name is mapped to (CL-07); none: DNS is asked.
func (n *Node) Mapped(name string) netip.Addr {
	if !n.Mapping.Mode {
		return netip.Addr{}
	}
	for _, m := range n.Mapping.Entries {
		if strings.EqualFold(m.Name, name) {
			return m.Address.Unmap()
		}
	}
	return netip.Addr{}
}
