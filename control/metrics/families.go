package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"turnpike.dev/turnpike/control/machine"
)

// describe lists the families. The page docs/metrics.md is made from it.
func describe() []metric {
	families := []metric{
		family(prometheus.GaugeValue, "build_info", "Version of the program; always 1.",
			func(s Snapshot, e emit) { e(1, s.Version, s.Go) }, "version", "go"),
		gauge("start_time_seconds", "When the node started, in seconds since 1970.",
			func(s Snapshot) float64 { return float64(s.Started.UnixMilli()) / 1000 }),
		gauge("ready", "1 when the node is ready, also when degraded.", func(s Snapshot) float64 { return truth(s.Ready) }),
		gauge("draining", "1 when the node takes no new calls, registrations and relays.", func(s Snapshot) float64 { return truth(s.Draining) }),
		gauge("degraded_reasons", "How many things do not work as configured; `turnpike status` names them.",
			func(s Snapshot) float64 { return float64(s.Degraded) }),
	}
	families = append(families, family(prometheus.GaugeValue, "alarms", "Alarms that stand, by severity and whether somebody has acknowledged them.",
		func(s Snapshot, e emit) {
			for _, a := range s.Alarms {
				e(float64(a.Count), a.Severity, a.State)
			}
		}, "severity", "state"))
	families = append(families, describeTURN()...)
	families = append(families, describeSIP()...)
	families = append(families, describeCalls()...)
	families = append(families, describeBandwidth()...)
	families = append(families, describeLicences()...)
	families = append(families, describeSharing()...)
	families = append(families, describePeers()...)
	families = append(families, describeCluster()...)
	families = append(families, describeMedia()...)
	families = append(families, describeDataplane()...)
	families = append(families, describeKernel()...)
	families = append(families, describeMachine()...)
	return append(families, describeLog()...)
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
		family(prometheus.CounterValue, "turn_answers_total", "Answers by STUN error code; 0 is success, 300 sends to another peer of the cluster, 486 is a user's quota and 508 want of room.", func(s Snapshot, e emit) {
			for code, n := range s.TURN.Answers {
				e(float64(n), strconv.Itoa(code))
			}
		}, "code"),
		counter("turn_came_back_total", "Requests refused with 508 whose client had been sent to another peer within 10 s.",
			func(s Snapshot) uint64 { return s.TURN.CameBack }),
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
		counter("turn_journal_errors_total", "Changes that could not be written to the journal: a restart would not know them.",
			func(s Snapshot) uint64 { return s.TURN.JournalErrors }),
	}
}

func describeDataplane() []metric {
	return []metric{
		family(prometheus.GaugeValue, "relay_flows", "Flows by who relays them and, where that is not XDP, the kind of reason.",
			func(s Snapshot, e emit) {
				for _, f := range s.Flows {
					e(float64(f.Count), f.Path, f.Cause)
				}
			}, "path", "cause"),
		counter("relay_strays_total", "Kernel entries found without an owner; must stay 0.", func(s Snapshot) uint64 { return s.Strays }),
		gauge("relay_lease_age_seconds", "Time since the kernel's leases were renewed; at 30 it stops relaying. -1: not renewed yet.", leaseAge),
		carried("relay_packets_total", "Packets relayed since the node's start; up is from a client to its peer.",
			func(c Carried) uint64 { return c.Packets }),
		carried("relay_bytes_total", "UDP payload relayed since the node's start, without ChannelData headers.",
			func(c Carried) uint64 { return c.Bytes }),
		carried("relay_policed_packets_total", "Packets dropped because a flow sent more than it was granted.",
			func(c Carried) uint64 { return c.Policed }),
		rtpPackets("relay_rtp_expected_packets_total", "RTP packets that senders numbered, as far as they were seen here.",
			func(r RTP) uint64 { return r.Expected }),
		rtpPackets("relay_rtp_received_packets_total", "RTP packets of those that came; what is missing was lost on the way here.",
			func(r RTP) uint64 { return r.Received }),
		family(prometheus.CounterValue, "relay_exits_total", "Packets by the reason they left the relay; docs/reasons.md explains each.",
			func(s Snapshot, e emit) {
				for _, x := range s.Exits {
					e(float64(x.Packets), x.Path, x.Reason, x.Verdict)
				}
			}, "path", "reason", "verdict"),
	}
}

func describeKernel() []metric {
	return []metric{
		family(prometheus.GaugeValue, "interface_path", "Who relays on an interface; always 1.",
			func(s Snapshot, e emit) {
				for _, i := range s.Interfaces {
					e(1, i.Name, i.Path, i.Mode)
				}
			}, "interface", "path", "mode"),
		gauge("capture_running", "1 while `turnpike dataplane capture` records packets, which costs them time.",
			func(s Snapshot) float64 { return truth(s.Capturing) }),
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
		family(prometheus.CounterValue, "queue_packets_total",
			"Packets of an interface since the node's start by receive queue or, where the driver does not count these, by CPU.",
			func(s Snapshot, e emit) {
				for _, q := range s.Queues {
					for i, n := range q.Packets[:min(len(q.Packets), maxQueues)] {
						e(float64(n), q.Interface, q.Over, strconv.Itoa(i))
					}
				}
			}, "interface", "over", "queue"),
	}
}

func describeMachine() []metric {
	return []metric{
		link("interface_packets_total", "Packets of an interface as its driver counts them.", func(p machine.Side) uint64 { return p.Packets }),
		link("interface_bytes_total", "Bytes of an interface as its driver counts them.", func(p machine.Side) uint64 { return p.Bytes }),
		family(prometheus.CounterValue, "machine_losses_total", "Packets that the machine lost outside the relay since it started, of all programs; `turnpike dataplane drops` says what to do.",
			func(s Snapshot, e emit) {
				for _, l := range s.Losses {
					e(float64(l.Packets), l.Reason, l.Interface)
				}
			}, "reason", "interface"),
	}
}

func describeLog() []metric {
	return []metric{
		family(prometheus.CounterValue, "eventlog_records_total", "Records of the event log by level.",
			func(s Snapshot, e emit) { each(s.Log.Written, e) }, "level"),
		family(prometheus.CounterValue, "eventlog_dropped_records_total",
			"Records that were not written: repeated (the same event too often, told as a count), queue (standard output is not read), syslog (a server was away for too long), error (disk).",
			func(s Snapshot, e emit) {
				e(float64(s.Log.Held), "repeated")
				e(float64(s.Lost), "queue")
				e(float64(s.Unsent), "syslog")
				e(float64(s.Log.Failed), "error")
			}, "why"),
	}
}

// maxQueues bounds the queues of an interface that are shown.
const maxQueues = 256

func leaseAge(s Snapshot) float64 {
	if s.LeasesRenewed.IsZero() {
		return -1
	}
	return time.Since(s.LeasesRenewed).Seconds()
}

func carried(name, help string, value func(Carried) uint64) metric {
	return family(prometheus.CounterValue, name, help, func(s Snapshot, e emit) {
		for _, c := range s.Carried {
			e(float64(value(c)), c.Path, c.Direction)
		}
	}, "path", "direction")
}

func rtpPackets(name, help string, value func(RTP) uint64) metric {
	return family(prometheus.CounterValue, name, help, func(s Snapshot, e emit) {
		for _, r := range s.RTP {
			e(float64(value(r)), r.Direction)
		}
	}, "direction")
}

func link(name, help string, value func(machine.Side) uint64) metric {
	return family(prometheus.CounterValue, name, help, func(s Snapshot, e emit) {
		for _, l := range s.Links {
			e(float64(value(l.Receive)), l.Name, "receive")
			e(float64(value(l.Transmit)), l.Name, "transmit")
		}
	}, "interface", "way")
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
