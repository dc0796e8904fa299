package metrics

import "github.com/prometheus/client_golang/prometheus"

// Cluster is a node's part in a cluster.
type Cluster struct {
	Clustered bool
	// Acting: the node authors the configuration. Primary: it knows who does.
	Acting, Primary bool
	Database        bool // what is agreed works
	Generation      uint64
	Revision        uint64
	Peers           []ClusterPeer
}

// ClusterPeer is another peer of the list; there are five at most.
type ClusterPeer struct {
	Peer                string // its entry in the list
	Up, Joined, InStep  bool
	Trusted             bool // its certificate is valid
	RTTSeconds          float64
	Database, InService bool
}

func describeCluster() []metric {
	return []metric{
		gauge("cluster_member", "1 while the node runs as a peer of a cluster, of one at least.", func(s Snapshot) float64 { return truth(s.Cluster.Clustered) }),
		gauge("cluster_acting_primary", "1 while this node authors the configuration. More than one peer of a cluster, or none, for long is a fault.",
			func(s Snapshot) float64 { return truth(s.Cluster.Acting) }),
		gauge("cluster_primary_known", "1 while the node knows a peer that authors the configuration.", func(s Snapshot) float64 { return truth(s.Cluster.Primary) }),
		gauge("cluster_database_active", "1 while what peers agree on (members, shares) works.", func(s Snapshot) float64 { return truth(s.Cluster.Database) }),
		gauge("cluster_configuration_generation", "Changes of the primary that the configuration in force has seen.", func(s Snapshot) float64 { return float64(s.Cluster.Generation) }),
		gauge("cluster_configuration_revision", "Revision of the configuration in force, in its generation.", func(s Snapshot) float64 { return float64(s.Cluster.Revision) }),
		ofPeer("cluster_peer_up", "1 while heartbeats go both ways with a peer.", func(p ClusterPeer) float64 { return truth(p.Up) }),
		ofPeer("cluster_peer_joined", "1 while a peer belongs to the same cluster.", func(p ClusterPeer) float64 { return truth(p.Joined) }),
		ofPeer("cluster_peer_in_step", "1 while a peer has the same configuration in force as this node.", func(p ClusterPeer) float64 { return truth(p.InStep) }),
		ofPeer("cluster_peer_certificate_valid", "1 while the certificate of a peer would be accepted in the mode enforce.", func(p ClusterPeer) float64 { return truth(p.Trusted) }),
		ofPeer("cluster_peer_database_active", "1 while this node's copy of the registrations of a peer is complete.", func(p ClusterPeer) float64 { return truth(p.Database) }),
		ofPeer("cluster_peer_in_service", "0 while a peer is in maintenance mode.", func(p ClusterPeer) float64 { return truth(p.InService) }),
		ofPeer("cluster_peer_round_trip_seconds", "Time to a peer and back.", func(p ClusterPeer) float64 { return p.RTTSeconds }),
	}
}

func ofPeer(name, help string, value func(ClusterPeer) float64) metric {
	return family(prometheus.GaugeValue, name, help, func(s Snapshot, e emit) {
		for _, p := range s.Cluster.Peers {
			e(value(p), p.Peer)
		}
	}, "peer")
}
