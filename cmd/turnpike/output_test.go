package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/machine"
	"turnpike.dev/turnpike/control/top"
	"turnpike.dev/turnpike/dataplane/relay"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file under testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// cannedNode answers always the same.
type cannedNode struct {
	status  api.Status
	relays  []api.Relay
	drained []bool
	killed  []uint64
	asked   []api.CaptureRequest
}

func (n *cannedNode) Status() api.Status       { return n.status }
func (n *cannedNode) Changed() <-chan struct{} { return nil }
func (n *cannedNode) Relays() []api.Relay      { return n.relays }
func (n *cannedNode) Drain(on bool)            { n.drained = append(n.drained, on) }

func (n *cannedNode) Relay(id uint64) (api.Relay, error) {
	for _, r := range n.relays {
		if r.ID == id {
			return r, nil
		}
	}
	return api.Relay{}, api.ErrNotFound
}

func (n *cannedNode) Kill(id uint64) error {
	_, err := n.Relay(id)
	if err == nil {
		n.killed = append(n.killed, id)
	}
	return err
}

func (n *cannedNode) Dataplane() api.Dataplane {
	return api.Dataplane{
		Path: "mixed", Interfaces: n.status.Interfaces,
		Program: &api.Program{ID: 7, Name: "turnpike", Tag: "0011223344556677"}, Pins: "/sys/fs/bpf/turnpike/tp1-0a0b0c0d",
		Maps:  []api.Map{{Name: "flows", Entries: 4, Capacity: 65536}},
		Flows: api.Flows{XDP: 4, Userspace: 2},
	}
}

func (n *cannedNode) Reasons() []api.Reason {
	return []api.Reason{
		{Reason: "forwarded", Verdict: "forward", Path: "xdp", Packets: 1000, Text: "A flow took the packet."},
		{Reason: "not_ip", Verdict: "pass", Path: "xdp", Packets: 2, Text: "Neither IPv4 nor IPv6."},
		{Reason: "stranger", Verdict: "drop", Path: "xdp", Packets: 30, Text: "No permission."},
		{Reason: "policed", Verdict: "drop", Path: "userspace", Text: "Too much."},
	}
}

func (n *cannedNode) Losses() []machine.Loss {
	return []machine.Loss{
		{Reason: "socket_full", Packets: 5, Text: "A buffer was full."},
		{Reason: "ring_full", Interface: "s0", Packets: 40, Text: "A ring was full."},
		{Reason: "budget_spent", Late: true, Text: "A CPU stopped early."},
	}
}

func (n *cannedNode) Traffic() api.Traffic {
	return api.Traffic{At: time.Now(), Reasons: n.Reasons(), Losses: n.Losses()}
}

func (n *cannedNode) Reload() (api.Reload, error) {
	return api.Reload{
		Applied:      []config.Change{{Path: "turn.deny", From: "[]", To: "[10.0.0.0/8]", Live: true}},
		NeedsRestart: []config.Change{{Path: "turn.tls.port", To: "5349"}},
	}, nil
}

func newCanned() *cannedNode {
	soon := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	flow := func(path relay.Path, why string, n uint64) relay.FlowStats {
		return relay.FlowStats{Path: path, Reason: why, Counters: relay.Counters{
			Packets: n, Bytes: 160 * n, RTP: []relay.RTP{{SSRC: 0xcafe, Expected: n + 1, Received: n, Lost: 1, JitterMs: 0.5, ClockHz: 8000}},
		}}
	}
	return &cannedNode{
		status: api.Status{
			Version: "v1.0.0", ID: "00ff", Name: "tp1", Role: "E", Platform: "CE1200", File: "/etc/turnpike/node.yaml", State: api.Ready,
			PID: 4711, Uptime: 3725, Path: "mixed", Draining: true, Metrics: "http://127.0.0.1:9464/metrics",
			Interfaces: []api.Interface{
				{Name: "s0", Side: "internal", Addresses: []string{"198.51.100.1"}, Path: "xdp", Mode: "native", Driver: "veth", MTU: 1500},
				{Name: "s1", Side: "external", Addresses: []string{"192.0.2.1", "2001:db8::1"}, Path: "userspace", MTU: 1500, Reason: "no native XDP on s1: operation not supported"},
			},
			TURN: api.TURN{
				Mode: "on", Realm: "example.org", Listen: []string{"udp 192.0.2.1:3478", "tcp 192.0.2.1:3478"},
				Relay: []api.RelayAddress{{Local: "192.0.2.1", Public: "203.0.113.9"}, {Local: "2001:db8::1", Public: "2001:db8::1"}},
			},
			Relays:   api.Usage{Used: 2, Limit: 6000},
			Degraded: []string{"s1: media goes through the process: no native XDP on s1: operation not supported"},
			Notes:    []string{"a note"},
		},
		relays: []api.Relay{
			{
				ID: 17, User: "alice", Transport: "udp", Client: "198.51.100.2:4000", Server: "192.0.2.1:3478",
				Relay: []string{"192.0.2.1:24000"}, Public: []string{"203.0.113.9:24000"}, Path: "mixed", Reason: "too many flows", Expires: soon,
				Permissions: []api.Permission{{Peer: "198.51.100.3", Expires: soon}},
				Channels: []api.Channel{{
					Number: 0x4000, Peer: "198.51.100.3:5004", Expires: soon,
					Up: flow("xdp", "", 100), Down: flow("userspace", "too many flows", 90),
				}},
			},
			{
				ID: 18, User: "eve\x1b[2J\n", Transport: "tls", Client: "198.51.100.4:4001", Server: "192.0.2.1:5349",
				Relay: []string{"192.0.2.1:24002"}, Public: []string{"203.0.113.9:24002"}, Expires: soon,
				Permissions: []api.Permission{}, Channels: []api.Channel{},
			},
		},
	}
}

// serveCanned serves a canned node and returns its state directory.
func serveCanned(t *testing.T, n *cannedNode) string {
	t.Helper()
	return serveAPI(t, api.New(n, nil))
}

// serveAPI serves on a socket and returns its state directory.
func serveAPI(t *testing.T, s *api.Server) string {
	t.Helper()
	state := t.TempDir()
	l, err := api.Listen(state)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return state
}

// untilThen is the time left until the year 2100, which changes while tests run.
var untilThen = regexp.MustCompile(`\d{6}h\d+m\d+s`)

func TestOutput(t *testing.T) {
	n := newCanned()
	state := serveCanned(t, n)
	tests := []struct {
		name, args string
		code       int
	}{
		{"status", "status", 3},
		{"status_wait", "status --wait", 0},
		{"relay_list", "relay list", 0},
		{"relay_show", "relay show 17", 0},
		{"relay_kill", "relay kill 17 18", 0},
		{"dataplane_status", "dataplane status", 0},
		{"dataplane_drops", "dataplane drops", 0},
		{"dataplane_drops_all", "dataplane drops --all", 0},
		{"dataplane_capture", "dataplane capture --user alice -w /dev/null", 0},
		{"dataplane_capture_stop", "dataplane capture --stop", 0},
		{"drain", "drain", 0},
		{"drain_off", "drain --off", 0},
		{"reload", "reload", 0},
	}
	for _, test := range tests {
		for _, format := range []string{"table", "json"} {
			t.Run(test.name+"_"+format, func(t *testing.T) {
				var out bytes.Buffer
				args := append(strings.Fields(test.args), "--state", state, "-o", format)
				err := run(t.Context(), args, &out)
				if code := exitCode(err); code != test.code {
					t.Errorf("exit code %d, want %d: %v", code, test.code, err)
				}
				golden(t, test.name+"."+format, untilThen.ReplaceAllString(out.String(), "(left)"))
			})
		}
	}
	if diff := cmp.Diff([]bool{true, true, false, false}, n.drained); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]uint64{17, 18, 17, 18}, n.killed); diff != "" {
		t.Error(diff)
	}
}

func TestTop(t *testing.T) {
	var out bytes.Buffer
	args := strings.Fields("dataplane top --interval 100ms --count 2 --state " + serveCanned(t, newCanned()))
	if err := run(t.Context(), args, &out); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 3 {
		t.Errorf("%d lines, want a heading and two:\n%s", lines, out.String())
	}
}

func TestLineOf(t *testing.T) {
	got := lineOf(top.Rates{
		Paths: []top.PathRate{{Path: "xdp", Up: top.Rate{Packets: 60}, Down: top.Rate{Packets: 40}}, {Path: "userspace", Up: top.Rate{Packets: 10}}},
		Reasons: []top.ReasonRate{
			{Path: "machine", Reason: "ring_full", Verdict: "drop", PerSecond: 99},
			{Path: "xdp", Reason: "policed", Verdict: "drop", PerSecond: 4},
			{Path: "xdp", Reason: "stranger", Verdict: "drop", PerSecond: 1},
			{Path: "xdp", Reason: "no_flow", Verdict: "pass", PerSecond: 1},
		},
		Relays:     []top.RelayRate{{ID: 1, Up: top.Rate{Packets: 1}}, {ID: 2, Down: top.Rate{Packets: 5}}, {ID: 3}},
		Interfaces: []top.InterfaceRate{{Spread: []float64{3, 1}}, {}},
	})
	want := rates{Relays: 3, XDP: 100, Process: 10, Passed: 1, Dropped: 5, TopDrop: "policed", MaxRelay: 2, Imbalance: 1.5}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
