package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"turnpike.dev/turnpike/control/occupancy"
)

// maxObjects bounds the objects of bandwidth that are shown, in the order of
// configuration: subzones and pipes whose total is limited. What has no limit cannot run
// short, and `turnpike bandwidth show` has all.
const maxObjects = 256

// perKbps is how many bytes per second a kbps is: metrics have base units.
const perKbps = 1000 / 8

func describeBandwidth() []metric {
	return []metric{
		limited("bandwidth_granted_bytes_per_second", "Media bandwidth that calls were granted of a subzone or pipe, of the first 256 whose total is limited.",
			func(o occupancy.Object) float64 { return perKbps * float64(o.GrantedKbps) }),
		limited("bandwidth_measured_bytes_per_second", "What the calls of a subzone or pipe send now as far as their media passes the node, counted as what they were granted is.",
			func(o occupancy.Object) float64 { return perKbps * float64(o.MeasuredKbps) }),
		limited("bandwidth_limit_bytes_per_second", "Limit of all calls of a subzone or pipe together.",
			func(o occupancy.Object) float64 { return perKbps * float64(*o.TotalKbps) }),
		limited("bandwidth_calls", "Calls that cross a subzone or pipe.",
			func(o occupancy.Object) float64 { return float64(o.Calls) }),
		gauge("bandwidth_objects_full", "How many subzones and pipes have nothing left: the next call there is refused.", func(s Snapshot) float64 {
			full := 0
			for _, o := range s.Bandwidth {
				if o.Full() {
					full++
				}
			}
			return float64(full)
		}),
		family(prometheus.CounterValue, "bandwidth_refused_total", "Calls refused for want of bandwidth of any subzone or pipe, by reason: docs/cluster.md says what each of them means.",
			func(s Snapshot, e emit) {
				shared := slices.ContainsFunc(s.Bandwidth, func(o occupancy.Object) bool { return o.Share != nil && o.Shared() })
				refusals(shared, s.BandwidthRefusals, func(n float64, reason string) { e(n, reason) })
			}, "reason"),
		counter("grants_journal_errors_total", "Changes of what calls have that could not be written to the journal: a restart would not know them.",
			func(s Snapshot) uint64 { return s.GrantsUnjournaled }),
	}
}

// limited shows a value of each object whose total is limited.
func limited(name, help string, value func(occupancy.Object) float64) metric {
	return family(prometheus.GaugeValue, name, help, func(s Snapshot, e emit) {
		limitedOf(s.Bandwidth, func(o occupancy.Object) { e(value(o), o.String()) })
	}, "object")
}

// limitedOf takes the first objects whose total is limited, in the order of configuration.
func limitedOf(all []occupancy.Object, take func(occupancy.Object)) {
	shown := 0
	for _, o := range all {
		if o.TotalKbps == nil || shown == maxObjects {
			continue
		}
		shown++
		take(o)
	}
}
