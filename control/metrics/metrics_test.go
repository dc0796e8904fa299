package metrics

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/control/machine"
	"turnpike.dev/turnpike/control/sharing"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/rtp"
	"turnpike.dev/turnpike/dataplane/turn"
)

type snapshot Snapshot

func (s snapshot) Snapshot() Snapshot { return Snapshot(s) }

// full has a value in every family.
func full() snapshot {
	return snapshot{
		Version: "v1", Go: "go1", Started: time.Unix(1, 0), Ready: true, Degraded: 2,
		TURN: turn.Stats{
			Requests: map[string]uint64{"allocate": 5}, Answers: map[int]uint64{0: 4, 401: 1},
			Garbage: 9, Relays: 3, ConnectionsRefused: map[string]uint64{"source_full": 1},
		},
		RelayLimit: 6000, Allocations: map[string]int{"udp": 2, "tcp": 1},
		Flows: []Flows{{"xdp", "", 4}, {"userspace", "table_full", 2}},
		Carried: []Carried{
			{"xdp", "up", relay.Carried{Packets: 1, Bytes: 2, Policed: 3}},
			{"userspace", "down", relay.Carried{Packets: 4, Bytes: 5, Policed: 6}},
		},
		SIP: SIP{
			Requests: map[string]uint64{"INVITE": 21}, Answers: map[string]uint64{"2xx": 22}, Messages: map[string]uint64{"tls": 23},
			Transactions: map[string]int{"server": 24}, Refused: map[string]uint64{"rate": 25}, Dialogs: 26,
			CallsWaited:         Waited{Ended: map[string]uint64{"given": 49}, Time: calls.Histogram{Buckets: map[float64]uint64{0.1: 50}, Count: 51, Sum: 52}},
			RegistrationsWaited: Waited{Ended: map[string]uint64{"refused": 53}, Time: calls.Histogram{Buckets: map[float64]uint64{6: 54}, Count: 55, Sum: 56}},
		},
		Calls: calls.Stats{
			Running: map[calls.State]int{calls.Connected: 27}, Ended: map[calls.Kind]uint64{calls.Completed: 28},
			Setup: calls.Histogram{Buckets: map[float64]uint64{1: 29}, Count: 30, Sum: 31},
		},
		Media:     rtp.Counts{Calls: 32, Ports: 33, Relayed: 34, Strangers: 35, Unflowed: 36, Refused: 37, SendErrors: 38, Latched: 39, Unpoliced: 40, Policed: 41, Over: 42},
		Bandwidth: sharedObjects(),
		Resources: []Resource{{"rms", 2.5, 30, sharing.Refusals{"used_up": 4}, sharesOf(30)}},
		Sharing:   sharing.Status{State: sharing.StateApart, Waited: sharing.Waited{Requests: 12, InVain: 3, Seconds: 2.4}}, Recalls: 5,
		Licences: Licences{Evaluation: true, Keys: map[string]int{"counts": 3}, Ends: time.Unix(1000, 0)},
		Cluster: Cluster{Clustered: true, Acting: true, Primary: true, Database: true, Generation: 47, Revision: 48, Peers: []ClusterPeer{
			{Peer: "b.example.test", Up: true, Joined: true, InStep: true, Trusted: true, RTTSeconds: 0.08, Database: true, InService: true},
		}},
		Peers: []PeerTraffic{{"b.example.test", "rows", 2, 43, 44, 45}}, PeersRefused: map[string]uint64{"key": 46},
		Alarms:     []Alarms{{"warning", "raised", 2}},
		RTP:        []RTP{{"up", 101, 100}},
		Exits:      []Exit{{"xdp", "forwarded", "forward", 10}, {"userspace", "forwarded", "forward", 11}},
		Interfaces: []Interface{{"s0", "xdp", "native"}},
		Maps:       []Map{{"flows", 4, 65536}},
		Queues:     []Queues{{"s0", "queues", []uint64{9, 10}}},
		Links:      []machine.Link{{Name: "s0", Receive: machine.Side{Packets: 1, Bytes: 2, Dropped: 3}}},
		Losses:     []machine.Loss{{Reason: "socket_full", Packets: 12}, {Reason: "ring_full", Interface: "s0", Packets: 13}},
		Log:        eventlog.Stats{Written: map[string]uint64{"info": 3}, Held: 4, Failed: 5}, Lost: 6, Unsent: 7,
	}
}

func TestNames(t *testing.T) {
	registry := newRegistry(full())
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range families {
		seen[f.GetName()] = true
		if n := f.GetName(); !strings.HasPrefix(n, "turnpike_") && !strings.HasPrefix(n, "go_") && !strings.HasPrefix(n, "process_") {
			t.Errorf("%s has no prefix of ours", n)
		}
	}
	for _, f := range Families() {
		if !seen[f.Name] {
			t.Errorf("%s is never given out: add it to full", f.Name)
		}
	}
}

func TestLabelsAreBounded(t *testing.T) {
	bounds := Labels()
	for _, f := range Families() {
		series := 1
		for _, label := range f.Labels {
			values, ok := bounds[label]
			if !ok {
				t.Errorf("%s has label %s, of which nobody said how many values it has", f.Name, label)
			}
			series *= values
		}
		if series > 2048 {
			t.Errorf("%s may have %d series", f.Name, series)
		}
	}
}

func TestHandler(t *testing.T) {
	w := httptest.NewRecorder()
	Handler(full()).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`turnpike_relay_exits_total{path="xdp",reason="forwarded",verdict="forward"} 10`,
		`turnpike_relay_bytes_total{direction="down",path="userspace"} 5`,
		`turnpike_relay_flows{cause="table_full",path="userspace"} 2`,
		`turnpike_relay_rtp_expected_packets_total{direction="up"} 101`,
		`turnpike_relay_lease_age_seconds -1`,
		`turnpike_machine_losses_total{interface="s0",reason="ring_full"} 13`,
		`turnpike_interface_bytes_total{interface="s0",way="receive"} 2`,
		`turnpike_eventlog_dropped_records_total{why="queue"} 6`,
		`turnpike_eventlog_dropped_records_total{why="syslog"} 7`,
		`turnpike_turn_answers_total{code="401"} 1`,
		`turnpike_turn_allocations{transport="udp"} 2`,
		`turnpike_ready 1`,
		`turnpike_resource_used{resource="rms"} 2.5`,
		`turnpike_resource_refused_total{reason="used_up",resource="rms"} 4`,
		`turnpike_licence_evaluation 1`,
		`turnpike_option_keys{state="counts"} 3`,
		`turnpike_option_key_end_time_seconds 1000`,
		`turnpike_cluster_peer_sent_bytes_total{peer="b.example.test",stream="rows"} 43`,
		`turnpike_cluster_connections_refused_total{reason="key"} 46`,
		`turnpike_draining 0`,
		`turnpike_sip_requests_total{method="INVITE"} 21`,
		`turnpike_sip_calls{state="connected"} 27`,
		`turnpike_sip_calls_ended_total{kind="completed"} 28`,
		`turnpike_sip_call_setup_seconds_bucket{le="1"} 29`,
		`turnpike_sip_call_setup_seconds_count 30`,
		`process_open_fds`,
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("no %s", want)
		}
	}
}
