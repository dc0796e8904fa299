package metrics

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"turnpike.dev/turnpike/control/calls"
)

// SIP is what the stack counts. Its maps have few keys, whatever is on the wire.
type SIP struct {
	Requests     map[string]uint64 // received, by method; others than known ones are "other"
	Answers      map[string]uint64 // sent, by class: 2xx
	Messages     map[string]uint64 // received, by transport
	Connections  int
	Transactions map[string]int    // of the moment: client, server
	Dialogs      int               // of calls, two of each that is answered
	Refused      map[string]uint64 // messages and connections, by reason
	Timeouts     uint64            // transactions
	Repeated     uint64            // requests that came again
	Resent       uint64
	// What waited for what other peers of the cluster had.
	CallsWaited, RegistrationsWaited Waited
}

// Waited is what became of requests that waited for what other peers of the cluster had.
type Waited struct {
	Ended map[string]uint64 // by outcome
	Time  calls.Histogram   // that they waited
}

func describeSIP() []metric {
	return []metric{
		family(prometheus.CounterValue, "sip_requests_total", "SIP requests received, by method.",
			func(s Snapshot, e emit) { each(s.SIP.Requests, e) }, "method"),
		family(prometheus.CounterValue, "sip_answers_total", "SIP responses sent, by class.",
			func(s Snapshot, e emit) { each(s.SIP.Answers, e) }, "class"),
		family(prometheus.CounterValue, "sip_messages_total", "SIP messages received, by transport.",
			func(s Snapshot, e emit) { each(s.SIP.Messages, e) }, "transport"),
		gauge("sip_connections", "TCP and TLS connections of SIP.", func(s Snapshot) float64 { return float64(s.SIP.Connections) }),
		family(prometheus.GaugeValue, "sip_transactions", "Transactions under way, as client and as server.",
			func(s Snapshot, e emit) { each(s.SIP.Transactions, e) }, "kind"),
		gauge("sip_dialogs", "Dialogs of answered calls; each call has two.", func(s Snapshot) float64 { return float64(s.SIP.Dialogs) }),
		family(prometheus.CounterValue, "sip_refused_total",
			"What SIP did not take: connections (connections), datagrams and requests of sources that send too much (rate), messages that are none (malformed), tools that look for open systems (scanner), requests there was no room for (overload), slow senders and readers (slow), failed TLS handshakes (handshake), for want of file descriptors (descriptors).",
			func(s Snapshot, e emit) { each(s.SIP.Refused, e) }, "reason"),
		counter("sip_timeouts_total", "Transactions that got no final response.", func(s Snapshot) uint64 { return s.SIP.Timeouts }),
		counter("sip_repeated_requests_total", "Requests that came again: their first answer was lost or late.", func(s Snapshot) uint64 { return s.SIP.Repeated }),
		counter("sip_resent_messages_total", "Messages that this node sent again for want of an answer.", func(s Snapshot) uint64 { return s.SIP.Resent }),
	}
}

func describeCalls() []metric {
	return []metric{
		gauge("sip_registrations", "Registrations of this node, without proxied ones.", func(s Snapshot) float64 { return float64(s.Registrations.Local) }),
		gauge("sip_registrations_proxied", "Registrations that are proxied to a zone.", func(s Snapshot) float64 { return float64(s.Registrations.Proxied) }),
		gauge("sip_registrations_limit", "Registrations that the platform allows.", func(s Snapshot) float64 { return float64(s.RegistrationLimit) }),
		counter("sip_registrations_refused_total", "Registrations refused because there were as many as allowed.",
			func(s Snapshot) uint64 { return s.Registrations.Refused }),
		family(prometheus.GaugeValue, "sip_calls", "Calls by state.", func(s Snapshot, e emit) {
			for _, state := range []calls.State{calls.Trying, calls.Ringing, calls.Connected} {
				e(float64(s.Calls.Running[state]), string(state))
			}
		}, "state"),
		gauge("sip_calls_limit", "Calls that the platform allows.", func(s Snapshot) float64 { return float64(s.CallLimit) }),
		counter("sip_call_attempts_total", "Calls that were asked for.", func(s Snapshot) uint64 { return s.Calls.Attempts }),
		family(prometheus.CounterValue, "sip_calls_ended_total",
			"Calls that ended, by how: media_timeout and session_expired are calls that an end vanished from.",
			func(s Snapshot, e emit) {
				for _, k := range slices.Sorted(maps.Keys(s.Calls.Ended)) {
					e(float64(s.Calls.Ended[k]), string(k))
				}
			}, "kind"),
		histogram("sip_call_setup_seconds", "Time from a call's request to its answer, how long it rang included.",
			func(s Snapshot) calls.Histogram { return s.Calls.Setup }),
		family(prometheus.CounterValue, "sip_waits_total",
			"Requests of calls and registrations that waited for licences or bandwidth of other peers of the cluster, by what became of them: they got all (given) or a part (less), were refused or given up.",
			func(s Snapshot, e emit) {
				each(s.SIP.CallsWaited.Ended, func(v float64, labels ...string) { e(v, append([]string{"call"}, labels...)...) })
				each(s.SIP.RegistrationsWaited.Ended, func(v float64, labels ...string) { e(v, append([]string{"registration"}, labels...)...) })
			}, "kind", "outcome"),
		histogram("sip_call_wait_seconds", "Time that requests of calls waited for what other peers of the cluster had, of those that waited.",
			func(s Snapshot) calls.Histogram { return s.SIP.CallsWaited.Time }),
		histogram("sip_registration_wait_seconds", "Time that registrations waited for what other peers of the cluster had, of those that waited.",
			func(s Snapshot) calls.Histogram { return s.SIP.RegistrationsWaited.Time }),
		gauge("sip_ladder_bytes", "Memory of the messages that are kept for `turnpike call trace`.", func(s Snapshot) float64 { return float64(s.Calls.Ladders) }),
		counter("sip_call_records_lost_total", "Call records that could not be written: the disk is full or too slow.",
			func(s Snapshot) uint64 { return s.Calls.RecordsLost }),
	}
}

// histogram is a family that is one.
func histogram(name, help string, of func(Snapshot) calls.Histogram) metric {
	m := family(prometheus.GaugeValue, name, help, nil)
	m.family.Kind = "histogram"
	m.collect = func(s Snapshot) prometheus.Metric {
		h := of(s)
		return prometheus.MustNewConstHistogram(m.desc, h.Count, h.Sum, h.Buckets)
	}
	return m
}
