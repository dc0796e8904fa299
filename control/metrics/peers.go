package metrics

import "github.com/prometheus/client_golang/prometheus"

// PeerTraffic is what went over the connections with a peer of the cluster, in one kind of stream.
type PeerTraffic struct {
	Peer           string // its entry in the list
	Stream         string // rows, bulk, requests, raft or recovery
	Connections    int    // now, in both directions
	Sent, Received uint64 // bytes
	Dropped        uint64 // messages that a queue had no room for, or that waited when the connection ended
}

func describePeers() []metric {
	return []metric{
		traffic(prometheus.GaugeValue, "cluster_peer_connections", "Connections with a peer of the cluster, in both directions.",
			func(t PeerTraffic) float64 { return float64(t.Connections) }),
		traffic(prometheus.CounterValue, "cluster_peer_sent_bytes_total", "Bytes sent to a peer of the cluster, with what TLS adds.",
			func(t PeerTraffic) float64 { return float64(t.Sent) }),
		traffic(prometheus.CounterValue, "cluster_peer_received_bytes_total", "Bytes received from a peer of the cluster, with what TLS adds.",
			func(t PeerTraffic) float64 { return float64(t.Received) }),
		traffic(prometheus.CounterValue, "cluster_peer_dropped_messages_total", "Messages for a peer that were thrown away, because its queue was full or its connection ended. They are said again.",
			func(t PeerTraffic) float64 { return float64(t.Dropped) }),
		family(prometheus.CounterValue, "cluster_connections_refused_total", "Connections that were refused on the cluster's ports.",
			func(s Snapshot, e emit) { each(s.PeersRefused, e) }, "reason"),
	}
}

func traffic(kind prometheus.ValueType, name, help string, value func(PeerTraffic) float64) metric {
	return family(kind, name, help, func(s Snapshot, e emit) {
		for _, t := range s.Peers {
			e(value(t), t.Peer, t.Stream)
		}
	}, "peer", "stream")
}
