package main

import (
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/metrics"
)

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
	s.Cluster = clusterMetrics(n.Clustering())
}

// clusterMetrics is what an operator sees of the cluster, as numbers.
func clusterMetrics(st clustering.Status) metrics.Cluster {
	c := metrics.Cluster{
		Clustered: st.Mode == clustering.Clustered, Acting: st.Acting != 0 && st.Acting == st.Own, Primary: st.Acting != 0,
		Database: st.Database == clustering.DatabaseActive,
	}
	own := st.Self()
	if own != nil {
		c.Generation, c.Revision = own.Generation, own.Revision
	}
	for _, p := range st.Peers {
		if !p.Own() {
			c.Peers = append(c.Peers, metrics.ClusterPeer{
				Peer: p.Address, Up: p.Active(), Joined: p.Joined, InStep: own != nil && p.Digest != "" && p.Digest == own.Digest,
				Trusted: p.Certificate == clustering.CertificateValid, RTTSeconds: p.RTT / 1000,
				Database: p.Database == clustering.DatabaseActive, InService: !p.Maintenance,
			})
		}
	}
	return c
}
