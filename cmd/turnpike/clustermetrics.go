package main

import "turnpike.dev/turnpike/control/metrics"

// addPeers adds what went over the connections with the peers of the cluster, and who was refused there.
func (n *node) addPeers(s *metrics.Snapshot) {
	if n.peering == nil {
		return
	}
	for _, t := range n.peering.mesh.Stats() {
		s.Peers = append(s.Peers, metrics.PeerTraffic{
			Peer: t.Address, Stream: t.Class, Connections: t.Connections, Sent: t.Sent, Received: t.Received, Dropped: t.Dropped,
		})
	}
	s.PeersRefused = n.peering.mesh.Refused()
}
