package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"turnpike.dev/turnpike/control/occupancy"
	"turnpike.dev/turnpike/control/sharing"
)

// Where a share is: of this node, or of all peers together.
const (
	whereHere    = "here"
	whereCluster = "cluster"
)

func describeSharing() []metric {
	waited := func(s Snapshot) sharing.Waited { return s.Sharing.Waited }
	return []metric{
		shareOfResource("shared_amount", "What there is of a licence or of capacity: what this node brings, and what the cluster has; the same where nothing is shared.",
			func(p sharing.Part) float64 { return p.Total }),
		shareOfResource("shared_granted", "What may be used without asking peers: by this node, and by all of them together.",
			func(p sharing.Part) float64 { return p.Granted }),
		shareOfResource("shared_used", "Use of what peers share, by this node and by all of them together.",
			func(p sharing.Part) float64 { return p.Used }),
		shareOfObject("bandwidth_shared_granted_bytes_per_second", "Bandwidth that this node, or all peers together, may give to calls without asking, of the first 256 subzones and pipes whose total is limited.",
			func(p sharing.Part) float64 { return perKbps * p.Granted }),
		shareOfObject("bandwidth_shared_used_bytes_per_second", "Bandwidth that calls of this node, or of all peers together, were granted of a subzone or pipe.",
			func(p sharing.Part) float64 { return perKbps * p.Used }),
		gauge("shared_requests_waiting", "Calls and registrations of this node that wait for what other peers may have idle.", func(s Snapshot) float64 {
			n := 0
			for _, r := range s.Resources {
				n += r.Share.Waiting
			}
			for _, o := range s.Bandwidth {
				if o.Share != nil {
					n += o.Share.Waiting
				}
			}
			return float64(n)
		}),
		counter("shared_waits_total", "Calls and registrations that waited for what other peers had idle.", func(s Snapshot) uint64 { return waited(s).Requests }),
		counter("shared_waits_in_vain_total", "Of these, those for which no peer had more in time.", func(s Snapshot) uint64 { return waited(s).InVain }),
		family(prometheus.CounterValue, "shared_wait_seconds_total", "How long calls and registrations waited for peers, all together.",
			func(s Snapshot, e emit) { e(waited(s).Seconds) }),
		counter("shared_recalls_total", "How often peers asked this node for what it had idle, because others waited.", func(s Snapshot) uint64 { return s.Recalls }),
		gauge("cluster_counts_apart", "1 while nobody leads the agreement and this side of the cluster counts what is shared for itself.",
			func(s Snapshot) float64 { return truth(s.Sharing.State == sharing.StateApart) }),
		gauge("cluster_share_missing", "1 while this node waits for its first share of what peers share, and admits nothing of it.",
			func(s Snapshot) float64 { return truth(s.Sharing.State == sharing.StateWaits) }),
		gauge("cluster_shares_too_many", "How many things that peers share have more granted than there is: nothing of them grows until enough has ended.", func(s Snapshot) float64 {
			n := 0
			for _, r := range s.Resources {
				n += over(r.Share)
			}
			for _, o := range s.Bandwidth {
				if o.Share != nil {
					n += over(*o.Share)
				}
			}
			return float64(n)
		}),
	}
}

func over(s sharing.Share) int {
	if s.State == sharing.StateOver {
		return 1
	}
	return 0
}

// shareOfResource shows a figure of what peers share of licences and capacity.
func shareOfResource(name, help string, value func(sharing.Part) float64) metric {
	return family(prometheus.GaugeValue, name, help, func(s Snapshot, e emit) {
		for _, r := range s.Resources {
			e(value(r.Share.Here), r.Name, whereHere)
			e(value(r.Share.Cluster), r.Name, whereCluster)
		}
	}, "resource", "where")
}

// shareOfObject shows a figure of each object whose total is limited.
func shareOfObject(name, help string, value func(sharing.Part) float64) metric {
	return family(prometheus.GaugeValue, name, help, func(s Snapshot, e emit) {
		limitedOf(s.Bandwidth, func(o occupancy.Object) {
			if o.Share != nil {
				e(value(o.Here), o.String(), whereHere)
				e(value(o.Cluster), o.String(), whereCluster)
			}
		})
	}, "object", "where")
}
