package main

import (
	"context"
	"net/netip"

	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/signaling/sip/peers"
)

// ownAsPeer is the address that peers of the cluster know this node by; invalid: it is in none. Calls to them come from
// there, because they look at it.
func (n *node) ownAsPeer() netip.Addr {
	if n.peering == nil {
		return netip.Addr{}
	}
	return n.peering.local
}

// newPeers is the table of them: with those that the node had when it ran last, for what they send before they are heard.
func (n *node) newPeers() *peers.Table {
	t := peers.New(n.ownAsPeer())
	if n.cluster != nil {
		t.Know(peersOf(n.cluster.Known()))
	}
	return t
}

// followPeers tells SIP which other nodes of the cluster live, and where they take calls (RG-01,
// RG-04), until ctx ends.
func (p *phones) followPeers(ctx context.Context, m *member.Member) error {
	p.peers.Lost(p.calls.PeerLost)
	for {
		changed := m.Changed()
		known := m.Known() // asked first and told last: who is met meanwhile is in both, not in neither
		p.peers.Set(peersOf(m.Peers()))
		p.peers.Know(peersOf(known))
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

func peersOf(list []member.Peer) []peers.Peer {
	out := make([]peers.Peer, 0, len(list))
	for _, p := range list {
		out = append(out, peers.Peer{Index: uint8(p.Index), Name: p.Name, Addr: p.SIPTLS, Key: p.Key, Maintenance: p.Maintenance, Life: uint64(p.Incarnation)})
	}
	return out
}
