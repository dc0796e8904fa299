package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"turnpike.dev/turnpike/dataplane/turn"
)

// Snapshot is a node at the moment of a scrape.
type Snapshot struct {
	Version, Go     string
	Started         time.Time
	Ready, Draining bool
	Degraded        int // reasons

	TURN        turn.Stats
	RelayLimit  int
	Allocations map[string]int // by transport

	Flows      map[string]int // by path
	Strays     uint64
	Up, Down   Traffic
	Exits      []Exit
	Interfaces []Interface
	Maps       []Map
}

// Traffic is what all relays carried in one direction since the node's start, those
// that ended included.
type Traffic struct{ Packets, Bytes, Policed uint64 }

// Exit is how many packets left the relay for one reason.
type Exit struct {
	Path, Reason, Verdict string
	Packets               uint64
}

// Interface is who relays on one of the node's interfaces.
type Interface struct{ Name, Path, Mode string }

// Map is how full a kernel map is.
type Map struct {
	Name              string
	Entries, Capacity int
}

// describe lists the families. The page docs/metrics.md is made from it.
func describe() []metric {
	families := []metric{
		family(prometheus.GaugeValue, "build_info", "Version of the program; always 1.",
			func(s Snapshot, e emit) { e(1, s.Version, s.Go) }, "version", "go"),
		gauge("start_time_seconds", "When the node started, in seconds since 1970.",
			func(s Snapshot) float64 { return float64(s.Started.UnixMilli()) / 1000 }),
		gauge("ready", "1 when the node is ready, also when degraded.", func(s Snapshot) float64 { return truth(s.Ready) }),
		gauge("draining", "1 when the node takes no new relays.", func(s Snapshot) float64 { return truth(s.Draining) }),
		gauge("degraded_reasons", "How many things do not work as configured; `turnpike status` names them.",
			func(s Snapshot) float64 { return float64(s.Degraded) }),
	}
	families = append(families, describeTURN()...)
	return append(families, describeDataplane()...)
}

func describeTURN() []metric {
	return []metric{
		family(prometheus.GaugeValue, "turn_allocations", "Allocations by the client's transport.",
			func(s Snapshot, e emit) { each(s.Allocations, e) }, "transport"),
		gauge("turn_relays", "Relayed addresses in use.", func(s Snapshot) float64 { return float64(s.TURN.Relays) }),
		gauge("turn_relays_limit", "Relayed addresses that the platform allows.", func(s Snapshot) float64 { return float64(s.RelayLimit) }),
		gauge("turn_connections", "TCP and TLS connections of clients.", func(s Snapshot) float64 { return float64(s.TURN.Streams) }),
		gauge("turn_connections_without_relay", "Of these, connections that hold no relay.", func(s Snapshot) float64 { return float64(s.TURN.Guests) }),
		family(prometheus.CounterValue, "turn_connections_refused_total", "Connections not taken, or closed by the node: their source has too many without a relay (source_full) or opens too many (source_rate), room was needed (crowded_out), a failed TLS handshake (handshake), no relay asked for (idle), a message that began did not arrive (slow), neither STUN nor ChannelData (garbage).",
			func(s Snapshot, e emit) { each(s.TURN.ConnectionsRefused, e) }, "reason"),
		counter("turn_accept_errors_total", "TCP connections that the system could not hand over, mostly for want of file descriptors.",
			func(s Snapshot) uint64 { return s.TURN.AcceptErrors }),
		family(prometheus.CounterValue, "turn_requests_total", "Requests by method.",
			func(s Snapshot, e emit) { each(s.TURN.Requests, e) }, "method"),
		family(prometheus.CounterValue, "turn_answers_total", "Answers by STUN error code; 0 is success.", func(s Snapshot, e emit) {
			for code, n := range s.TURN.Answers {
				e(float64(n), strconv.Itoa(code))
			}
		}, "code"),
		counter("turn_answers_limited_total", "401, 438 and Binding answers withheld from a source that asks too often.",
			func(s Snapshot) uint64 { return s.TURN.AnswersLimited }),
		counter("turn_guesses_limited_total", "Requests ignored after too many wrong passwords.",
			func(s Snapshot) uint64 { return s.TURN.GuessesLimited }),
		counter("turn_garbage_datagrams_total", "Datagrams that are neither STUN nor ChannelData.",
			func(s Snapshot) uint64 { return s.TURN.Garbage }),
		counter("turn_bad_indications_total", "Indications that are malformed.", func(s Snapshot) uint64 { return s.TURN.BadIndications }),
		counter("turn_refused_sends_total", "Send indications without a permission.", func(s Snapshot) uint64 { return s.TURN.RefusedSends }),
		counter("turn_stranger_datagrams_total", "Datagrams to a relay without a permission that reached the process.",
			func(s Snapshot) uint64 { return s.TURN.Strangers }),
		counter("turn_unpaired_channels_total", "Channels that the flow table had no room for.", func(s Snapshot) uint64 { return s.TURN.Unpaired }),
		counter("turn_send_errors_total", "Messages that could not be sent.", func(s Snapshot) uint64 { return s.TURN.SendErrors }),
		counter("turn_stream_dropped_datagrams_total", "Datagrams to a TCP or TLS client that reads too slowly.",
			func(s Snapshot) uint64 { return s.TURN.StreamDropped }),
	}
}

func describeDataplane() []metric {
	return []metric{
		family(prometheus.GaugeValue, "relay_flows", "Flows by who relays them.",
			func(s Snapshot, e emit) { each(s.Flows, e) }, "path"),
		counter("relay_strays_total", "Kernel entries found without an owner; must stay 0.", func(s Snapshot) uint64 { return s.Strays }),
		traffic("relay_packets_total", "Packets relayed; up is from a client to its peer.", func(t Traffic) uint64 { return t.Packets }),
		traffic("relay_bytes_total", "UDP payload relayed, without ChannelData headers.", func(t Traffic) uint64 { return t.Bytes }),
		traffic("relay_policed_packets_total", "Packets dropped because a flow sent more than it was granted.", func(t Traffic) uint64 { return t.Policed }),
		family(prometheus.CounterValue, "relay_exits_total", "Packets by the reason they left the relay; docs/reasons.md explains each.",
			func(s Snapshot, e emit) {
				for _, x := range s.Exits {
					e(float64(x.Packets), x.Path, x.Reason, x.Verdict)
				}
			}, "path", "reason", "verdict"),
		family(prometheus.GaugeValue, "interface_path", "Who relays on an interface; always 1.",
			func(s Snapshot, e emit) {
				for _, i := range s.Interfaces {
					e(1, i.Name, i.Path, i.Mode)
				}
			}, "interface", "path", "mode"),
		family(prometheus.GaugeValue, "bpf_map_entries", "Entries of a kernel map.",
			func(s Snapshot, e emit) {
				for _, m := range s.Maps {
					e(float64(m.Entries), m.Name)
				}
			}, "map"),
		family(prometheus.GaugeValue, "bpf_map_capacity", "Entries that a kernel map can hold.",
			func(s Snapshot, e emit) {
				for _, m := range s.Maps {
					e(float64(m.Capacity), m.Name)
				}
			}, "map"),
	}
}

func traffic(name, help string, value func(Traffic) uint64) metric {
	return family(prometheus.CounterValue, name, help, func(s Snapshot, e emit) {
		e(float64(value(s.Up)), "up")
		e(float64(value(s.Down)), "down")
	}, "direction")
}

func each[N int | uint64](m map[string]N, e emit) {
	for label, n := range m {
		e(float64(n), label)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
