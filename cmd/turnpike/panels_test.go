package main

import (
	"slices"
	"strings"
	"testing"

	"turnpike.dev/turnpike/control/metrics"
)

// notShown are the metrics that are on no panel and in no rule, by why that is so.
var notShown = map[string][]string{
	"it is looked up when something else is wrong": {
		"turn_connections_without_relay", "turn_stream_dropped_datagrams_total", "sip_connections", "sip_transactions", "sip_dialogs",
		"sip_repeated_requests_total", "sip_resent_messages_total", "sip_ladder_bytes", "cluster_peer_connections", "media_ports", "media_packets_by_hand_total",
		"media_sources_learned_total", "media_stranger_packets_total", "media_unflowed_streams_total", "media_refused_streams_total", "media_send_errors_total",
	},
	"another that is shown says nearly the same": {
		"sip_answers_total", "sip_messages_total", "sip_registrations_refused_total", "sip_waits_total", "bandwidth_objects_full", "cluster_peer_received_bytes_total", "media_calls",
		"media_unpoliced_buckets_total", "media_over_grant_packets_total", "media_over_grant_total", "cluster_peer_certificate_valid", "cluster_peer_in_service",
	},
	"it is compared between nodes, by `turnpike cluster status`": {"cluster_configuration_generation", "cluster_configuration_revision"},
}

// Every metric of a node is on a panel of the dashboard or in an alert rule, or it is said why not.
func TestEveryMetricIsShownSomewhere(t *testing.T) {
	var asked strings.Builder
	for _, q := range queries(t) {
		asked.WriteString(q.expr + "\n")
	}
	names := map[string]bool{}
	for _, m := range selector.FindAllStringSubmatch(asked.String(), -1) {
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			names[strings.TrimSuffix(m[1], suffix)] = true
		}
	}
	var excused []string
	for _, list := range notShown {
		excused = append(excused, list...)
	}
	var known []string
	for _, f := range metrics.Families() {
		name := strings.TrimPrefix(f.Name, "turnpike_")
		known = append(known, name)
		switch shown, listed := names[f.Name], slices.Contains(excused, name); {
		case !shown && !listed:
			t.Errorf("%s is on no panel and in no rule: show it, or say in this test why not", f.Name)
		case shown && listed:
			t.Errorf("%s is shown: take it off the list of those that are not", f.Name)
		}
	}
	for _, name := range excused {
		if !slices.Contains(known, name) {
			t.Errorf("no node has turnpike_%s any more", name)
		}
	}
}
