// Package prometheus holds the alert rules, and the tests that each of them comes when
// it should and only then. That every metric in them exists, and every command they
// name, is shown by the tests of cmd/turnpike.
package prometheus

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const rulesFile = "turnpike.rules.yml"

type rule struct {
	Alert, Record string
	Expr          string
	Labels        map[string]string
	Annotations   map[string]string
}

func load(t *testing.T) (alerts []rule) {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert != "" {
				alerts = append(alerts, r)
			}
		}
	}
	return alerts
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
		t.Fatalf("promtool %s: %v (Debian package prometheus)\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRulesAreSound(t *testing.T) {
	promtool(t, "check", "rules", rulesFile)
	for _, r := range load(t) {
		switch r.Labels["severity"] {
		case "critical", "warning", "info":
		default:
			t.Errorf("%s has the severity %q", r.Alert, r.Labels["severity"])
		}
		for _, a := range []string{"summary", "description", "runbook"} {
			if r.Annotations[a] == "" {
				t.Errorf("%s has no %s", r.Alert, a)
			}
		}
		if !strings.Contains(r.Annotations["summary"], "$labels.instance") {
			t.Errorf("%s does not say which node", r.Alert)
		}
	}
}

// sick is what makes an alert come: series of a node in promtool's notation, one value
// a minute, and the alert's labels besides instance.
var sick = map[string]struct {
	series map[string]string
	labels map[string]string
	after  string
}{
	"TurnpikeDown":                       {one(`up{job="turnpike"}`, "0x10"), of("job", "turnpike"), "5m"},
	"TurnpikeNotReady":                   {one("turnpike_ready", "0x10"), nil, "5m"},
	"TurnpikeDegraded":                   {one("turnpike_degraded_reasons", "1x20"), nil, "10m"},
	"TurnpikeAlarm":                      {one(`turnpike_alarms{severity="error",state="raised"}`, "1x20"), nil, "5m"},
	"TurnpikeRestarting":                 {one("turnpike_start_time_seconds", "100 200 300 400 500x20"), nil, "10m"},
	"TurnpikeDrainingForLong":            {one("turnpike_draining", "1x400"), nil, "5h"},
	"TurnpikeCapturing":                  {one("turnpike_capture_running", "1x90"), nil, "80m"},
	"TurnpikeFileDescriptors":            {map[string]string{`process_open_fds{job="turnpike"}`: "900x20", `process_max_fds{job="turnpike"}`: "1000x20"}, of("job", "turnpike"), "10m"},
	"TurnpikeRelaysNearlyAllUsed":        {map[string]string{"turnpike_turn_relays": "5800x20", "turnpike_turn_relays_limit": "6000x20"}, nil, "10m"},
	"TurnpikeAnswersHeldBack":            {map[string]string{"turnpike_turn_answers_limited_total": "0+6000x20", "turnpike_turn_guesses_limited_total": "0x20"}, nil, "15m"},
	"TurnpikeJournalErrors":              {one("turnpike_turn_journal_errors_total", "0+1x20"), nil, "10m"},
	"TurnpikeGrantsJournalErrors":        {one("turnpike_grants_journal_errors_total", "0+1x20"), nil, "10m"},
	"TurnpikeUnpairedChannels":           {one("turnpike_turn_unpaired_channels_total", "0+1x20"), nil, "10m"},
	"TurnpikeCallsNearlyAllUsed":         {map[string]string{`turnpike_sip_calls{state="connected"}`: "950x20", "turnpike_sip_calls_limit": "1000x20"}, nil, "10m"},
	"TurnpikeRegistrationsNearlyAllUsed": {map[string]string{"turnpike_sip_registrations": "4900x20", "turnpike_sip_registrations_limit": "5000x20"}, nil, "10m"},
	"TurnpikeCallsFail":                  {map[string]string{`turnpike_sip_calls_ended_total{kind="failed"}`: "0+30x30", "turnpike_sip_call_attempts_total": "0+60x30"}, nil, "25m"},
	"TurnpikeCallsLoseTheirMedia":        {one(`turnpike_sip_calls_ended_total{kind="media_timeout"}`, "0+1x20"), nil, "15m"},
	"TurnpikeCallRecordsLost":            {one("turnpike_sip_call_records_lost_total", "0+1x20"), nil, "10m"},
	"TurnpikeBandwidthNearlyAllUsed":     {used("pipe near", 230000, 200000, 250000), of("object", "pipe near"), "30m"},
	"TurnpikeBandwidthAllUsed":           {used("pipe full", 250000, 200000, 250000), of("object", "pipe full"), "10m"},
	"TurnpikeCallsRefusedForBandwidth":   {one(`turnpike_sip_calls_ended_total{kind="no_bandwidth"}`, "0+1x30"), of("kind", "no_bandwidth"), "20m"},
	"TurnpikeBandwidthOverGrant":         {used("pipe over", 100000, 130000, 250000), of("object", "pipe over"), "10m"},
	"TurnpikeLicencesNearlyAllUsed": {map[string]string{
		`turnpike_resource_used{resource="rms"}`: "95x40", `turnpike_resource_limit{resource="rms"}`: "100x40", "turnpike_licence_evaluation": "0x40",
	}, of("resource", "rms"), "30m"},
	"TurnpikeResourceRefused":                {one(`turnpike_resource_refused_total{resource="room",reason="used_up"}`, "0+1x20"), of("resource", "room", "reason", "used_up"), "10m"},
	"TurnpikeOptionKeyEnds":                  {one("turnpike_option_key_end_time_seconds", "86400x90"), nil, "80m"},
	"TurnpikeOptionKeyDoesNotCount":          {one(`turnpike_option_keys{state="ended"}`, "1x90"), nil, "80m"},
	"TurnpikeClusterNoPrimary":               {map[string]string{"turnpike_cluster_primary_known": "0x20", "turnpike_cluster_member": "1x20"}, nil, "5m"},
	"TurnpikeClusterDatabase":                {map[string]string{"turnpike_cluster_database_active": "0x20", "turnpike_cluster_member": "1x20"}, nil, "5m"},
	"TurnpikeClusterCountsApart":             {one("turnpike_cluster_counts_apart", "1x20"), nil, "5m"},
	"TurnpikeClusterShareMissing":            {one("turnpike_cluster_share_missing", "1x20"), nil, "5m"},
	"TurnpikeClusterSharesTooMany":           {one("turnpike_cluster_shares_too_many", "2x60"), nil, "40m"},
	"TurnpikeClusterWaitsInVain":             {one("turnpike_shared_waits_in_vain_total", "0+1x30"), nil, "20m"},
	"TurnpikeClusterWaitsLong":               {map[string]string{"turnpike_shared_wait_seconds_total": "0+54x30", "turnpike_shared_waits_total": "0+60x30"}, nil, "25m"},
	"TurnpikeClusterRefusesBandwidth":        {one(`turnpike_bandwidth_refused_total{reason="no_answer"}`, "0+1x30"), of("reason", "no_answer"), "20m"},
	"TurnpikeClientsComeBack":                {one("turnpike_turn_came_back_total", "0+2x30"), nil, "20m"},
	"TurnpikeClusterPeerLost":                {one(`turnpike_cluster_peer_up{peer="lost"}`, "0x20"), of("peer", "lost"), "5m"},
	"TurnpikeClusterPeerNotJoined":           {ofPeer("stranger", map[string]string{"up": "1x20", "joined": "0x20"}), of("peer", "stranger"), "10m"},
	"TurnpikeClusterOutOfStep":               {ofPeer("old", map[string]string{"up": "1x20", "joined": "1x20", "in_step": "0x20"}), of("peer", "old"), "10m"},
	"TurnpikeClusterRegistrationsIncomplete": {ofPeer("part", map[string]string{"up": "1x20", "joined": "1x20", "database_active": "0x20"}), of("peer", "part"), "5m"},
	"TurnpikeClusterFarApart":                {ofPeer("far", map[string]string{"round_trip_seconds": "0.12x20"}), of("peer", "far"), "15m"},
	"TurnpikeClusterRefuses":                 {one(`turnpike_cluster_connections_refused_total{reason="key"}`, "0+2x20"), of("reason", "key"), "15m"},
	"TurnpikeMediaInProcess":                 {one(`turnpike_relay_flows{path="userspace",cause="interface"}`, "4x20"), of("cause", "interface"), "10m"},
	"TurnpikeLeasesStale":                    {one("turnpike_relay_lease_age_seconds", "12x20"), nil, "5m"},
	"TurnpikeStrays":                         {one("turnpike_relay_strays_total", "0+1x20"), nil, "10m"},
	"TurnpikeRTPLoss":                        {map[string]string{`turnpike_relay_rtp_expected_packets_total{direction="up"}`: "0+6000x30", `turnpike_relay_rtp_received_packets_total{direction="up"}`: "0+5700x30"}, nil, "25m"},
	"TurnpikeDrops":                          {one(`turnpike_relay_exits_total{path="xdp",reason="no_device",verdict="drop"}`, "0+600x20"), of("reason", "no_device"), "15m"},
	"TurnpikeStrangers":                      {one(`turnpike_relay_exits_total{path="xdp",reason="stranger",verdict="drop"}`, "0+900000x20"), nil, "15m"},
	"TurnpikeMapNearlyFull":                  {map[string]string{`turnpike_bpf_map_entries{map="flows"}`: "950x20", `turnpike_bpf_map_capacity{map="flows"}`: "1000x20"}, of("map", "flows"), "10m"},
	"TurnpikeMachineLosses":                  {one(`turnpike_machine_losses_total{reason="ring_full",interface="s0"}`, "0+600x20"), of("reason", "ring_full", "interface", "s0"), "15m"},
	"TurnpikeQueueImbalance": {map[string]string{
		`turnpike_queue_packets_total{interface="s0",over="queues",queue="0"}`: "0+6000000x40", `turnpike_queue_packets_total{interface="s0",over="queues",queue="1"}`: "0+60000x40",
		`turnpike_queue_packets_total{interface="s0",over="queues",queue="2"}`: "0+60000x40", `turnpike_queue_packets_total{interface="s0",over="queues",queue="3"}`: "0+60000x40",
	}, of("interface", "s0"), "35m"},
	"TurnpikeEventLogLosesRecords": {one(`turnpike_eventlog_dropped_records_total{why="error"}`, "0+1x20"), of("why", "error"), "10m"},
}

// well is a node that works and has something to do; no alert may come of it.
var well = map[string]string{
	`turnpike_alarms{severity="warning",state="raised"}`: "1x90", `turnpike_alarms{severity="error",state="acknowledged"}`: "1x90",
	`up{job="turnpike"}`: "1x90", "turnpike_ready": "1x90", "turnpike_degraded_reasons": "0x90",
	"turnpike_start_time_seconds": "100x90", "turnpike_draining": "0x90", "turnpike_capture_running": "0x90",
	`process_open_fds{job="turnpike"}`: "6000x90", `process_max_fds{job="turnpike"}`: "20000x90",
	"turnpike_turn_relays": "5000x90", "turnpike_turn_relays_limit": "6000x90",
	"turnpike_turn_answers_limited_total": "0+60x90", "turnpike_turn_guesses_limited_total": "0x90",
	"turnpike_turn_journal_errors_total": "0x90", "turnpike_grants_journal_errors_total": "0x90", "turnpike_turn_unpaired_channels_total": "0x90",
	`turnpike_sip_calls{state="connected"}`: "800x90", `turnpike_sip_calls{state="ringing"}`: "20x90", "turnpike_sip_calls_limit": "1000x90",
	"turnpike_sip_registrations": "4000x90", "turnpike_sip_registrations_limit": "5000x90", "turnpike_sip_call_records_lost_total": "0x90",
	"turnpike_sip_call_attempts_total": "0+60x90", `turnpike_sip_calls_ended_total{kind="refused"}`: "0+30x90", `turnpike_sip_calls_ended_total{kind="failed"}`: "0+6x90",
	`turnpike_sip_calls_ended_total{kind="media_timeout"}`: "3x90", `turnpike_sip_calls_ended_total{kind="no_bandwidth"}`: "4x90",
	`turnpike_bandwidth_granted_bytes_per_second{object="pipe a"}`: "200000x90", `turnpike_bandwidth_measured_bytes_per_second{object="pipe a"}`: "210000x90", `turnpike_bandwidth_limit_bytes_per_second{object="pipe a"}`: "250000x90",
	`turnpike_bandwidth_granted_bytes_per_second{object="pipe closed"}`: "0x90", `turnpike_bandwidth_measured_bytes_per_second{object="pipe closed"}`: "0x90", `turnpike_bandwidth_limit_bytes_per_second{object="pipe closed"}`: "0x90",
	`turnpike_bandwidth_shared_used_bytes_per_second{object="pipe a",where="cluster"}`: "220000x90", `turnpike_bandwidth_shared_used_bytes_per_second{object="pipe a",where="here"}`: "200000x90",
	"turnpike_shared_wait_seconds_total": "0+12x90", "turnpike_shared_waits_total": "0+60x90", "turnpike_turn_came_back_total": "2x90",
	`turnpike_bandwidth_refused_total{reason="own_limit"}`: "0+9x90", `turnpike_bandwidth_refused_total{reason="used_up"}`: "3x90",
	"turnpike_cluster_counts_apart": "0x90", "turnpike_cluster_share_missing": "0x90", "turnpike_cluster_shares_too_many": "0x90", "turnpike_shared_waits_in_vain_total": "3x90",
	`turnpike_resource_used{resource="rms"}`: "500x90", `turnpike_resource_limit{resource="rms"}`: "500x90", `turnpike_resource_refused_total{resource="rms",reason="used_up"}`: "3x90",
	"turnpike_licence_evaluation": "1x90", "turnpike_option_key_end_time_seconds": "0x90", `turnpike_option_keys{state="counts"}`: "2x90",
	`turnpike_option_keys{state="ended"}`: "0x90", `turnpike_option_keys{state="other"}`: "0x90",
	"turnpike_cluster_member": "1x90", "turnpike_cluster_primary_known": "1x90", "turnpike_cluster_database_active": "1x90",
	`turnpike_cluster_peer_up{peer="b"}`: "1x90", `turnpike_cluster_peer_joined{peer="b"}`: "1x90", `turnpike_cluster_peer_in_step{peer="b"}`: "1x90",
	`turnpike_cluster_peer_database_active{peer="b"}`: "1x90", `turnpike_cluster_peer_round_trip_seconds{peer="b"}`: "0.079x90", `turnpike_cluster_connections_refused_total{reason="key"}`: "3x90",
	`turnpike_relay_flows{path="userspace",cause="client_stream"}`: "40x90", `turnpike_relay_flows{path="userspace",cause="configured"}`: "4x90",
	`turnpike_relay_flows{path="xdp",cause=""}`: "9000x90", "turnpike_relay_lease_age_seconds": "1x90", "turnpike_relay_strays_total": "0x90",
	`turnpike_relay_rtp_expected_packets_total{direction="up"}`: "0+6000x90", `turnpike_relay_rtp_received_packets_total{direction="up"}`: "0+5990x90",
	`turnpike_relay_exits_total{path="xdp",reason="stranger",verdict="drop"}`: "0+6000x90", `turnpike_relay_exits_total{path="xdp",reason="policed",verdict="drop"}`: "0+6000x90",
	`turnpike_relay_exits_total{path="xdp",reason="no_flow",verdict="pass"}`: "0+6000x90", `turnpike_relay_exits_total{path="xdp",reason="no_device",verdict="drop"}`: "0x90",
	`turnpike_bpf_map_entries{map="flows"}`: "9000x90", `turnpike_bpf_map_capacity{map="flows"}`: "65536x90",
	`turnpike_machine_losses_total{reason="budget_spent",interface=""}`: "0+600x90", `turnpike_machine_losses_total{reason="ring_full",interface="s0"}`: "7x90",
	`turnpike_queue_packets_total{interface="s0",over="queues",queue="0"}`: "0+900000x90", `turnpike_queue_packets_total{interface="s0",over="queues",queue="1"}`: "0+700000x90",
	`turnpike_eventlog_dropped_records_total{why="repeated"}`: "0+60x90", `turnpike_eventlog_dropped_records_total{why="error"}`: "0x90",
}

func one(series, values string) map[string]string { return map[string]string{series: values} }

// ofPeer is what a node tells of a peer of its cluster, by the end of the metric's name.
func ofPeer(peer string, values map[string]string) map[string]string {
	series := map[string]string{}
	for name, v := range values {
		series[fmt.Sprintf("turnpike_cluster_peer_%s{peer=%q}", name, peer)] = v
	}
	return series
}

// used is the bandwidth of an object, in bytes per second. What this node granted is all that peers did.
func used(object string, granted, measured, limit int) map[string]string {
	series := map[string]string{}
	series[fmt.Sprintf("turnpike_bandwidth_shared_used_bytes_per_second{object=%q,where=\"cluster\"}", object)] = fmt.Sprintf("%dx40", granted)
	for name, value := range map[string]int{"granted": granted, "measured": measured, "limit": limit} {
		series[fmt.Sprintf("turnpike_bandwidth_%s_bytes_per_second{object=%q}", name, object)] = fmt.Sprintf("%dx40", value)
	}
	return series
}

func of(pairs ...string) map[string]string {
	labels := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		labels[pairs[i]] = pairs[i+1]
	}
	return labels
}

// Each alert comes when its node is sick, and none when it is well.
func TestAlerts(t *testing.T) {
	alerts := load(t)
	var come, stay []any // what is expected of a node that is sick in every way, and of a well one
	all := map[string]string{}
	for _, r := range alerts {
		s, ok := sick[r.Alert]
		if !ok {
			t.Fatalf("%s: nobody said when it comes", r.Alert)
		}
		labels := of("instance", "tp1:9464", "severity", r.Labels["severity"])
		for k, v := range s.labels {
			labels[k] = v
		}
		maps.Copy(all, s.series)
		come = append(come, map[string]any{
			"eval_time": s.after, "alertname": r.Alert,
			"exp_alerts": []any{map[string]any{"exp_labels": labels, "exp_annotations": expand(r.Annotations, labels)}},
		})
		stay = append(stay, map[string]any{"eval_time": "80m", "alertname": r.Alert, "exp_alerts": []any{}})
	}
	if len(sick) != len(alerts) {
		t.Errorf("%d alerts, %d are tested", len(alerts), len(sick))
	}
	rules, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(map[string]any{"rule_files": []string{rules}, "evaluation_interval": "1m", "tests": []any{
		map[string]any{"interval": "1m", "input_series": input(all), "alert_rule_test": come},
		map[string]any{"interval": "1m", "input_series": input(well), "alert_rule_test": stay},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "test.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "test", "rules", file)
}

// input gives the series the label that a scrape adds.
func input(series map[string]string) (list []any) {
	for name, values := range series {
		if bare, labels, ok := strings.Cut(name, "{"); ok {
			name = fmt.Sprintf(`%s{instance="tp1:9464",%s`, bare, labels)
		} else {
			name += `{instance="tp1:9464"}`
		}
		list = append(list, map[string]any{"series": name, "values": values})
	}
	return list
}

// expand puts the labels into the texts, as the alert manager shows them.
func expand(texts, labels map[string]string) map[string]string {
	out := map[string]string{}
	for k, text := range texts {
		for l, v := range labels {
			text = strings.ReplaceAll(text, "{{ $labels."+l+" }}", v)
		}
		out[k] = text
	}
	return out
}
