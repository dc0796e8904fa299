package main

import (
	"fmt"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/member"
	inuse "turnpike.dev/turnpike/control/usage"
)

// alarmPeerFull is that another peer has as many registrations as it can carry: endpoints that come to it are refused.
const alarmPeerFull = 30027

// fullPeers says of the peers that are there which have no place left for registrations, by their entry in the list.
func fullPeers(peers []member.Peer, of func(cluster.ID) (inuse.Usage, bool)) map[string]string {
	out := map[string]string{}
	for _, p := range peers {
		if u, told := of(p.ID); told && u.Registrations.Max > 0 && u.Registrations.Free() == 0 {
			out[p.Address] = fmt.Sprintf("%s has %d of %d registrations: endpoints that come to it are refused", p.Name, u.Registrations.Used, u.Registrations.Max)
		}
	}
	return out
}

// tellPeersFull raises and lowers the alarm about peers without a place for registrations (CA-04). One goroutine calls it.
func (n *node) tellPeersFull() {
	if n.cluster == nil || n.shared == nil {
		return
	}
	if n.fullPeers == nil { // those of an earlier process
		n.fullPeers = map[string]string{}
		for _, a := range n.board.List() {
			if a.Number == alarmPeerFull && a.Stands() {
				n.fullPeers[a.Key] = a.Detail
			}
		}
	}
	full := fullPeers(n.cluster.Peers(), n.shared.usage.Of)
	for peer, detail := range full {
		n.board.Raise(alarmPeerFull, peer, detail)
	}
	for peer := range n.fullPeers {
		if _, still := full[peer]; !still {
			n.board.Lower(alarmPeerFull, peer)
		}
	}
	n.fullPeers = full
}
