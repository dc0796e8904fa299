package main

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/turn"
)

func TestStateBelongsToOneProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first, err := openState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openState(dir); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Errorf("a second node: %v", err)
	}
	if err := removeState(dir); err == nil || !strings.Contains(err.Error(), "is alive") {
		t.Errorf("cleanup of a live node: %v", err)
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	again, err := openState(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.close() }()
	if again.id != first.id || string(again.nonce) != string(first.nonce) || len(again.nonce) != 32 {
		t.Error("id or nonce key did not outlive the process")
	}
}

func TestDamagedKeyIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, nonceFile), []byte("xx"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openState(dir); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
}

func TestCleanupLeavesWhatIsNotANodes(t *testing.T) {
	dir := t.TempDir()
	s, err := openState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"turn.journal", "turn.journal.new", "event.log", "event.log.1", "precious.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeState(dir); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 || left[0].Name() != "precious.txt" {
		t.Errorf("left: %v", left)
	}
	if err := os.Remove(filepath.Join(dir, "precious.txt")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // also when there is nothing any more
		if err := removeState(dir); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is left: %v", err)
	}
}

func TestCleanupOfTheKernelOnly(t *testing.T) {
	dir := t.TempDir()
	s, err := openState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := removeFromKernel(dir); err == nil || !strings.Contains(err.Error(), "is alive") {
		t.Errorf("with a live node: %v", err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if err := removeFromKernel(dir); err != nil {
		t.Fatal(err)
	}
	if again, err := openState(dir); err != nil || again.id != s.id {
		t.Errorf("the node is not the same: %v", err)
	} else if err := again.close(); err != nil {
		t.Fatal(err)
	}
}

// ME-04
func TestRelayAddresses(t *testing.T) {
	v4, v4b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	v6 := netip.MustParseAddr("2001:db8::1")
	in4 := netip.MustParseAddr("198.51.100.1")
	nat := netip.MustParseAddr("203.0.113.9")
	internal, external := side{name: "s0", internal: true, addrs: []netip.Addr{in4}}, side{name: "s1", addrs: []netip.Addr{v4, v4b, v6}}
	both := config.Interfaces{Internal: &config.Internal{Name: "s0"}, External: &config.External{Name: "s1"}}
	behindNAT := config.Interfaces{External: &config.External{Name: "s1", StaticNAT: nat}}
	tests := []struct {
		name  string
		sides []side
		in    config.Interfaces
		want  []turn.RelayAddr
		err   string
	}{
		{"two interfaces", []side{internal, external}, both, []turn.RelayAddr{{Local: v4, Public: v4}, {Local: v6, Public: v6}}, ""},
		{"only the internal one", []side{internal}, config.Interfaces{Internal: both.Internal}, []turn.RelayAddr{{Local: in4, Public: in4}}, ""},
		{"static NAT", []side{external}, behindNAT, []turn.RelayAddr{{Local: v4, Public: nat}, {Local: v6, Public: v6}}, ""},
		{"static NAT of another family", []side{{name: "s1", addrs: []netip.Addr{v6}}}, behindNAT, nil, "no address of that family"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := relayAddrs(test.sides, test.in)
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("got error %v", err)
			}
			if diff := cmp.Diff(test.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSides(t *testing.T) {
	all, err := sides(t.Context(), config.Interfaces{External: &config.External{Name: "lo"}})
	if err != nil {
		t.Fatal(err)
	}
	local := netip.MustParseAddr("127.0.0.1")
	if len(all) != 1 || all[0].internal || !slices.Contains(all[0].addrs, local) {
		t.Errorf("got %+v", all)
	}
	if l := listenOn(all[:1], 3478, 3479); !slices.Contains(l, netip.AddrPortFrom(local, 3479)) {
		t.Errorf("listens on %v", l)
	}
	own, _, err := ownAddresses(config.Interfaces{External: &config.External{StaticNAT: netip.MustParseAddr("203.0.113.9")}})
	if err != nil || !slices.Contains(own, local) || !slices.Contains(own, netip.MustParseAddr("203.0.113.9")) {
		t.Errorf("own addresses %v, %v", own, err)
	}
	if _, err := sides(t.Context(), config.Interfaces{Internal: &config.Internal{Name: "nope0"}}); err == nil || !strings.Contains(err.Error(), "ip -br link") {
		t.Errorf("an interface that is not there: %v", err)
	}
}

func TestEnoughFiles(t *testing.T) {
	if err := enoughFiles(0); err != nil {
		t.Error(err)
	}
	if err := enoughFiles(1 << 40); err == nil || !strings.Contains(err.Error(), "LimitNOFILE") {
		t.Errorf("got %v", err)
	}
}

func TestReservedPorts(t *testing.T) {
	r := config.PortRange{Start: 24000, End: 29999}
	for reserved, want := range map[string]bool{
		"": false, "24000-29999": true, "1-2,20000-40000": true, "24000-28000": false, "24000": false, "x": false,
	} {
		if got := covers(reserved, r); got != want {
			t.Errorf("%q: %t", reserved, got)
		}
	}
}

func TestPathOfChannels(t *testing.T) {
	channel := func(up, down relay.Path, why string) api.Channel {
		return api.Channel{Up: relay.FlowStats{Path: up}, Down: relay.FlowStats{Path: down, Reason: why}}
	}
	tests := []struct {
		name         string
		channels     []api.Channel
		path, reason string
	}{
		{"none", nil, "", ""},
		{"xdp", []api.Channel{channel("xdp", "xdp", "")}, "xdp", ""},
		{"one flow in the process", []api.Channel{channel("xdp", "userspace", "full")}, "mixed", "full"},
		{"two channels", []api.Channel{channel("xdp", "xdp", ""), channel("userspace", "userspace", "down")}, "mixed", "down"},
		{"one not installed", []api.Channel{{}, channel("xdp", "xdp", "")}, "xdp", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if path, reason := pathOfChannels(test.channels); path != test.path || reason != test.reason {
				t.Errorf("got %q, %q", path, reason)
			}
		})
	}
}

// heldPairs is a table that only lists and removes.
type heldPairs struct {
	relay.Table
	pairs map[relay.ID]relay.PairInfo
}

func (h *heldPairs) List() (list []relay.PairInfo) {
	for _, p := range h.pairs {
		list = append(list, p)
	}
	return list
}

func (h *heldPairs) Remove(id relay.ID) ([2]relay.FlowStats, error) {
	p, ok := h.pairs[id]
	if !ok {
		return [2]relay.FlowStats{}, relay.ErrNotFound
	}
	delete(h.pairs, id)
	return p.Stats, nil
}

func TestTotalsNeverFall(t *testing.T) {
	held := &heldPairs{pairs: map[relay.ID]relay.PairInfo{}}
	for id := range relay.ID(100) {
		var p relay.PairInfo
		p.ID = id
		p.Stats[relay.Up] = relay.FlowStats{Path: relay.PathXDP, Counters: relay.Counters{Packets: 2, Bytes: 3, Policed: 4}}
		p.Stats[relay.Down] = relay.FlowStats{Path: relay.PathUserspace, Counters: relay.Counters{Packets: 1}, Process: relay.Carried{Packets: 1}}
		held.pairs[id] = p
	}
	all := &totals{Table: held}
	var removing sync.WaitGroup
	removing.Go(func() {
		for id := range relay.ID(100) {
			if _, err := all.Remove(id); err != nil {
				t.Error(err)
			}
		}
	})
	for range 1000 {
		carried := all.sum().carried
		if up := carried[relay.Up].kernel; up.Packets != 200 || up.Bytes != 300 || up.Policed != 400 || carried[relay.Down].process.Packets != 100 {
			t.Fatalf("carried %+v", carried)
		}
	}
	removing.Wait()
	if s := all.sum(); s.flows[relay.PathXDP] != 0 {
		t.Errorf("flows left: %v", s.flows)
	}
}

const reloadFile = `system: {name: tp1, state: /nowhere}
interfaces: {external: {name: s1}}
turn: {mode: on, port: 3478, users: [{name: u, password: p}]}
`

func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "node.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(reloadFile)
	n := storedNode(t, file, t.TempDir())

	write(strings.NewReplacer("3478", "3479", "password: p", "password: q").Replace(reloadFile) + "log: {level: debug}\n")
	want := api.Reload{
		Applied: []config.Change{
			{Path: "turn.users[u].password", From: "***", To: "***", Live: true},
			{Path: "log.level", From: "info", To: "debug", Live: true},
		},
		NeedsRestart: []config.Change{{Path: "turn.port", From: "3478", To: "3479"}},
	}
	got, err := n.Reload()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// What needs a restart is told again until it has had one.
	want.Applied = []config.Change{}
	if got, _ = n.Reload(); !cmp.Equal(want, got) {
		t.Error(cmp.Diff(want, got))
	}
	write("turn: {prot: 1}\n")
	if _, err := n.Reload(); err == nil || n.config.TURN.Users[0].Password != "q" {
		t.Errorf("a bad file changed something: %v", err)
	}
}

func TestNotify(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	t.Setenv("NOTIFY_SOCKET", name)
	if err := notify("READY=1"); err == nil {
		t.Error("no error without a service manager")
	}
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := notify("READY=1"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	if n, _ := l.Read(buf); string(buf[:n]) != "READY=1" {
		t.Errorf("got %q", buf[:n])
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := notify("READY=1"); err != nil {
		t.Errorf("nobody asked: %v", err)
	}
}

func TestDegraded(t *testing.T) {
	on := config.Default()
	on.TURN.Mode, on.TURN.Users = true, []config.User{{Name: "u", Password: "p"}}
	userspace, nobody := *on, *on
	userspace.Dataplane.Mode = config.PathUserspace
	nobody.TURN.Users = nil
	xdp := []api.Interface{{Name: "s0", Path: "xdp"}}
	process := []api.Interface{{Name: "s0", Path: "xdp"}, {Name: "s1", Path: "userspace", Reason: "why"}}
	full := api.Status{Relays: api.Usage{Used: 6000, Limit: 6000}}
	tests := []struct {
		name string
		c    *config.Node
		ifs  []api.Interface
		st   api.Status
		want string
	}{
		{"all well", on, xdp, api.Status{}, ""},
		{"process relays", on, process, api.Status{}, "s1: media goes through the process: why"},
		{"process relays as told", &userspace, process, api.Status{}, ""},
		{"no users", &nobody, xdp, api.Status{}, "nobody may use TURN"},
		{"full", on, xdp, full, "all 6000 relays are in use"}, // CA-04
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := strings.Join(degraded(test.c, test.ifs, test.st), "\n")
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// CA-04: a limit is told once when it is reached and once when it is over.
func TestDegradedIsToldOnce(t *testing.T) {
	var out strings.Builder
	log, err := eventlog.New(eventlog.Config{Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{log: log}
	for _, now := range [][]string{{"full"}, {"full"}, {"full", "s1"}, {"s1"}, {}} {
		n.tellDegraded(now)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		fields, err := eventlog.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fields[3].Value+": "+fields[4].Value)
	}
	want := []string{"System Degraded: full", "System Degraded: s1", "System Restored: no longer: full", "System Restored: no longer: s1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestGroupEndsWithTheFirstError(t *testing.T) {
	g, ctx := newGroup(t.Context())
	wrong := errors.New("wrong")
	g.Go(func() error { <-ctx.Done(); return errors.New("later") })
	g.Go(func() error { return nil })
	g.Go(func() error { return wrong })
	if err := g.wait(); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
	g.end()
}

func TestParseUclient(t *testing.T) {
	got, err := parseUclient(`0: : start_mclient: msz=20, tot_send_msgs=0, tot_recv_msgs=0, tot_send_bytes ~ 0, tot_recv_bytes ~ 0
10: : start_mclient: tot_send_msgs=4000, tot_recv_msgs=3998
10: : Total lost packets 2 (0.050000%), total send dropped 0 (0.000000%)
`)
	want := clientReport{Client: "coturn turnutils_uclient", Relays: uclientRelays, Sent: 4000, Received: 3998, Lost: 2}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := parseUclient("0: : ERROR"); err == nil {
		t.Error("no error without totals")
	}
}
