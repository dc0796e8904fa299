package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"turnpike.dev/turnpike/control/sharing"
)

// Resource is how much of a limit is used, which option keys or the platform set.
type Resource struct {
	Name        string // calls, rms, ...: a dozen
	Used, Limit float64
	Refusals    sharing.Refusals
	Share       sharing.Share
}

// Licences is what option keys give.
type Licences struct {
	Evaluation bool
	Keys       map[string]int // counts, ended or other
	Ends       time.Time      // the next key that counts; zero: none does
}

func describeLicences() []metric {
	return []metric{
		resource("resource_used", "Use of a limit: calls in units of which one with video takes most, rms in rich media sessions, of which audio takes half.",
			prometheus.GaugeValue, func(r Resource) float64 { return r.Used }),
		resource("resource_limit", "What option keys or the platform let be used at a time.",
			prometheus.GaugeValue, func(r Resource) float64 { return r.Limit }),
		family(prometheus.CounterValue, "resource_refused_total", "Calls, registrations and relays refused for want of a licence or of capacity, by reason: docs/cluster.md says what each of them means.",
			func(s Snapshot, e emit) {
				for _, r := range s.Resources {
					refusals(r.Share.Shared(), r.Refusals, func(n float64, reason string) { e(n, r.Name, reason) })
				}
			}, "resource", "reason"),
		gauge("licence_evaluation", "1 while no option key gives licences, so that the platform's limits count.",
			func(s Snapshot) float64 { return truth(s.Licences.Evaluation) }),
		family(prometheus.GaugeValue, "option_keys", "Installed option keys: those that count, that have ended, and that never counted here (other).",
			func(s Snapshot, e emit) { each(s.Licences.Keys, e) }, "state"),
		gauge("option_key_end_time_seconds", "When the next option key ends, in seconds since 1970; 0: none does.",
			func(s Snapshot) float64 {
				if s.Licences.Ends.IsZero() {
					return 0
				}
				return float64(s.Licences.Ends.Unix())
			}),
	}
}

func resource(name, help string, kind prometheus.ValueType, value func(Resource) float64) metric {
	return family(kind, name, help, func(s Snapshot, e emit) {
		for _, r := range s.Resources {
			e(value(r), r.Name)
		}
	}, "resource")
}

// refusals shows all reasons that something may be refused for: of what nobody shares it is one.
func refusals(shared bool, of sharing.Refusals, e func(n float64, reason string)) {
	for _, r := range sharing.Reasons() {
		if n := of[r.Name]; n > 0 || shared || r.Name == sharing.OwnLimit {
			e(float64(n), r.Name)
		}
	}
}
