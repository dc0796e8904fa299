package metrics

// describeMedia is the media of calls. What its flows carried is in relay_packets_total
// and its fellows, with that of TURN.
func describeMedia() []metric {
	return []metric{
		gauge("media_calls", "Calls whose media the node relays.", func(s Snapshot) float64 { return float64(s.Media.Calls) }),
		gauge("media_ports", "Ports of the media of calls in use, two for each side of a stream.", func(s Snapshot) float64 { return float64(s.Media.Ports) }),
		counter("media_packets_by_hand_total", "Packets of calls that were relayed before they had a flow, and RTCP that has another port on the other side.",
			func(s Snapshot) uint64 { return s.Media.Relayed }),
		counter("media_stranger_packets_total", "Packets to the ports of calls that reached the process and were nobody's.",
			func(s Snapshot) uint64 { return s.Media.Strangers }),
		counter("media_sources_learned_total", "Sources of media that were learned and were not where signalling said.",
			func(s Snapshot) uint64 { return s.Media.Latched }),
		counter("media_unflowed_streams_total", "Streams that the flow table had no room for.", func(s Snapshot) uint64 { return s.Media.Unflowed }),
		counter("media_unpoliced_buckets_total", "Buckets of calls that there was no room for: their calls are not held to their grants.",
			func(s Snapshot) uint64 { return s.Media.Unpoliced }),
		counter("media_over_grant_packets_total", "Packets dropped because a call sent more than it was granted, read every two seconds.",
			func(s Snapshot) uint64 { return s.Media.Policed }),
		counter("media_over_grant_total", "Times that a call went on sending more than it was granted.", func(s Snapshot) uint64 { return s.Media.Over }),
		counter("media_refused_streams_total", "Streams refused for the address that signalling gave.", func(s Snapshot) uint64 { return s.Media.Refused }),
		counter("media_send_errors_total", "Packets of calls that could not be sent.", func(s Snapshot) uint64 { return s.Media.SendErrors }),
	}
}
