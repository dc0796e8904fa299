package doctor

import (
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/sharing"
)

// ailment is one thing that is wrong with a machine and what is said of it.
type ailment struct {
	name     string
	spoil    func(*Snapshot)
	id       ID
	severity Severity
	what     string // part of it
	command  string // part of it
	fixable  bool
}

func chainOf(hook, kind, policy string, rules ...string) func(*Snapshot) {
	return func(s *Snapshot) {
		c := Chain{Family: "inet", Table: "filter", Name: "input", Hook: hook, Kind: kind, Policy: policy}
		for _, r := range rules {
			c.Rules = append(c.Rules, Rule{Handle: "9", Text: r})
		}
		s.Firewall.Chains = append(s.Firewall.Chains, c)
	}
}

var machineAilments = []ailment{
	{"old kernel", func(s *Snapshot) { s.Kernel.Release = "5.15.0-91-generic" }, "kernel-version", Problem, "older than 6.1", "newer kernel", false},
	{"kernel without BTF", func(s *Snapshot) { s.Kernel.BTF = false }, "kernel-version", Note, "no BTF", "", false},
	{"no JIT", func(s *Snapshot) { s.Sysctls[sysctlJIT] = "0" }, "bpf-jit", Problem, "interpreted", "sysctl -w 'net/core/bpf_jit_enable=1'", true},
	{"statistics on", func(s *Snapshot) { s.Sysctls[sysctlBPFStats] = "1" }, "bpf-stats", Note, "are on", "bpf_stats_enabled=0", true},
	{"no bpffs", func(s *Snapshot) { s.Kernel.BPFFS = false }, "bpffs", Warning, "not mounted", "mount -t bpf bpf /sys/fs/bpf", true},
	{"no CAP_BPF", func(s *Snapshot) { s.Process.Capabilities &^= 1 << unix.CAP_BPF }, "capabilities", Problem, "lacks CAP_BPF", "AmbientCapabilities=CAP_BPF", false},
	// CA-01
	{"few files", func(s *Snapshot) { s.Process.Files = 8192 }, "files", Warning, "6000 relays + 6000 clients over TCP or TLS", "LimitNOFILE=", false},
	{"files for TURN only", func(s *Snapshot) { s.Process.Files = 20000 }, "files", Note, "a full CE1200 needs 44032", "LimitNOFILE=44032", false},
	{"clock free, nothing depends on it", func(s *Snapshot) { s.Clock.Synchronised = false }, "clock-sync", Note, "nobody synchronises", "", false},
	{"clock free, secrets in use", func(s *Snapshot) { s.Clock.Synchronised = false; s.Node.TURN.Secrets = []config.Secret{"x"} }, "clock-sync", Warning, "credentials", "set-ntp", false},
	{"slow clock", func(s *Snapshot) { s.Clock.Source = "hpet" }, "clock-source", Warning, "hpet", "", false},
	{"powersave", func(s *Snapshot) { s.Kernel.Governor = "powersave" }, "cpu-governor", Note, "powersave", "performance", false},
}

var networkAilments = []ailment{
	{"routes IPv4", func(s *Snapshot) { s.Sysctls["net/ipv4/conf/eth0/forwarding"] = "1" }, "forwarding", Warning, "routed", "sysctl -w 'net/ipv4/conf/eth0/forwarding=0'", false},
	{"routes IPv6", func(s *Snapshot) { s.Sysctls["net/ipv6/conf/eth1/forwarding"] = "1" }, "forwarding", Warning, "come by eth1", "net/ipv6/conf/eth1", false},
	{"strict for all", func(s *Snapshot) { s.Sysctls["net/ipv4/conf/all/rp_filter"] = "1" }, "rp-filter", Warning, "strict", "net/ipv4/conf/eth0/rp_filter=2", true},
	{"strict for one", func(s *Snapshot) { s.Sysctls["net/ipv4/conf/eth1/rp_filter"] = "1" }, "rp-filter", Warning, "strict", "net/ipv4/conf/eth1/rp_filter=2", true},
	{"usual port range", func(s *Snapshot) { s.Sysctls[sysctlPorts] = "32768\t60999" }, "port-range", Warning, "36000-59999 (media of calls)", "ip_local_reserved_ports=36000-59999", true},
	{"wide port range, some reserved", func(s *Snapshot) {
		s.Sysctls[sysctlPorts], s.Sysctls[sysctlReserved] = "1024\t65535", "3478-3483,36000-59999,61000"
	}, "port-range", Warning, "24000-29999 (TURN relays)", "ip_local_reserved_ports=1719-1720,3478-3483,4371-4372,5060-5061,15000-19999,24000-29999,36000-59999,61000", true},
	{"small buffers, no right to more", func(s *Snapshot) { s.Process.Capabilities &^= 1 << unix.CAP_NET_ADMIN }, "socket-buffers", Warning, "net.core.rmem_max is 208 KiB", "net/core/rmem_max=33554432", true},
	{"few neighbours", func(s *Snapshot) { s.Sysctls[sysctlNeigh4] = "1024" }, "neighbours", Note, "gc_thresh3 is 1024", "net/ipv4/neigh/default/gc_thresh3=16384", true},
	{"backlog overflowed", func(s *Snapshot) { s.Softnet[0].Dropped = 12 }, "backlog", Note, "12 of 1000", "netdev_max_backlog=4000", false},
	{"policy drop", chainOf("input", "filter", "drop"), "firewall-bypassed", Note, "policy drop", "", false},
	{"drops a network", chainOf("input", "filter", "accept", "ip saddr 203.0.113.0/24 drop"), "firewall-bypassed", Note, "ip saddr 203.0.113.0/24 drop", "turn.deny", false},
	{"limits UDP", chainOf("input", "filter", "accept", "udp dport 20000-40000 limit rate over 1000/second drop"), "firewall-bypassed", Note, "limit rate", "turn.rate_kbps", false},
	{"masquerades", chainOf("postrouting", "nat", "accept", `oifname "eth1" masquerade`), "firewall-bypassed", Warning, "masquerade", "static_nat", false},
	{"nft is not there", func(s *Snapshot) { s.Firewall.Unread = 3 }, "firewall-bypassed", Note, "3 rules", "nftables", false},
	{"tracked", chainOf("input", "filter", "accept", "ct state established,related accept"), "conntrack", Warning, "tracked", "udp dport { 24000-29999, 3478 } notrack", false},
	{"helper", chainOf("prerouting", "filter", "accept", `udp dport 5060 ct helper set "sip-std"`), "protocol-helper", Warning, "sip-std", "", false},
}

var xdpAilments = []ailment{
	{"no such interface", func(s *Snapshot) { s.Interfaces[1].Missing = "Link not found" }, "interface", Problem, "not found", "ip -br link", false},
	{"down", func(s *Snapshot) { s.Interfaces[1].Up = false }, "interface", Problem, "down", "ip link set eth1 up", false},
	{"no address", func(s *Snapshot) { s.Interfaces[1].Addresses = nil }, "interface", Problem, "no address", "ip addr add", false},
	{"no native XDP", func(s *Snapshot) { beforeStart(s); s.Interfaces[0].XDP.Native = false }, "xdp-native", Warning, "has no native XDP", "network card", false},
	{"bond", func(s *Snapshot) { beforeStart(s); s.Interfaces[0].XDP.Refused = "no XDP on eth0: it is a bond" }, "xdp-native", Warning, "it is a bond", "another interface", false},
	// ME-03
	{"process relays", func(s *Snapshot) {
		s.Running.Dataplane.Interfaces[0] = api.Interface{Name: "eth0", Reason: "no native XDP on eth0: busy"}
	}, "xdp-native", Warning, "busy", "", false},
	{"generic", func(s *Snapshot) { s.Running.Dataplane.Interfaces[0].Mode = "generic" }, "xdp-native", Warning, "generic", "", false},
	{"takes no redirects", func(s *Snapshot) { s.Interfaces[0].XDP.Sends = false }, "xdp-redirect", Warning, "ice", "", false},
	{"veth takes no redirects", func(s *Snapshot) { virtual(s).XDP.Sends = false }, "xdp-redirect", Warning, "GRO", "ethtool -K p0 gro off && ethtool -K p0 gro on", false},
	{"narrow driver", func(s *Snapshot) { s.Interfaces[0].Driver = "gve" }, "xdp-headroom", Warning, "gve", "", false},
	{"no headroom seen", func(s *Snapshot) {
		s.Running.Reasons = []api.Reason{{Reason: "no_headroom", Path: "xdp", Packets: 8}}
	}, "xdp-headroom", Warning, "8 packets", "", false},
	{"jumbo", func(s *Snapshot) { beforeStart(s); s.Interfaces[0].MTU = 9000 }, "xdp-mtu", Warning, "9000", "ip link set eth0 mtu 1500", false},
	{"jumbo far end", func(s *Snapshot) { virtual(s).Far.MTU = 4000; s.Running = nil }, "xdp-mtu", Warning, "far end p0 is 4000", "", false},
	{"other program", func(s *Snapshot) { s.Interfaces[0].Program = &Program{ID: 9, Name: "xdp_pass"} }, "xdp-foreign", Warning, "xdp_pass (id 9)", "ip link set dev eth0 xdp off", false},
	{"dispatcher", func(s *Snapshot) { s.Interfaces[0].Program = &Program{ID: 9, Name: "xdp_dispatcher"} }, "xdp-foreign", Warning, "dispatcher of libxdp", "xdp-loader", false},
	{"LRO", func(s *Snapshot) { s.Interfaces[0].Offloads[featureLRO] = Offload{On: true} }, "offload-lro", Problem, "on", "ethtool -K eth0 rx-lro off", true},
	{"LRO fixed", func(s *Snapshot) { s.Interfaces[0].Offloads[featureLRO] = Offload{On: true, Fixed: true} }, "offload-lro", Problem, "does not let go", "another", false},
	{"GRO in hardware", func(s *Snapshot) { s.Interfaces[0].Offloads[featureGROHW] = Offload{On: true} }, "offload-gro", Warning, "hardware", "ethtool -K eth0 rx-gro-hw off", true},
	{"GRO in hardware, fixed", func(s *Snapshot) {
		beforeStart(s)
		s.Interfaces[0].Offloads[featureGROHW] = Offload{On: true, Fixed: true}
	}, "offload-gro", Warning, "cannot be switched off", "host", false},
	{"GRO with generic XDP", func(s *Snapshot) { s.Running.Dataplane.Interfaces[0].Mode = "generic" }, "offload-gro", Warning, "generic", "rx-gro off", true},
	// ME-04
	{"tags stripped", func(s *Snapshot) { s.Interfaces[0].VLANs = []string{"eth0.100"} }, "offload-vlan", Warning, "eth0.100", "ethtool -K eth0 rx-vlan-hw-parse off", true},
	{"tags stripped under a VLAN", func(s *Snapshot) {
		s.Interfaces[0].Name, s.Interfaces[0].Under, s.Interfaces[0].VLANs = "eth0.100", "eth0", []string{"eth0.100"}
	}, "offload-vlan", Warning, "eth0.100", "ethtool -K eth0 rx-vlan-hw-parse off", true},
	{"half checksums of ours", func(s *Snapshot) { virtual(s).Offloads[featureSums] = Offload{On: true} }, "offload-checksum", Warning, "node itself", "ethtool -K eth1 tx-checksum-ip-generic off", true},
	{"half checksums from afar", func(s *Snapshot) {
		virtual(s).Far.Offloads = map[string]Offload{featureSums: {On: true}}
	}, "offload-checksum", Warning, "far end p0", "in namespace peer: ethtool -K p0 tx off", false},
}

var deviceAilments = []ailment{
	{"queues unused", func(s *Snapshot) { s.Interfaces[0].Channels.CombinedCount = 1 }, "queues", Warning, "1 in use of 8", "ethtool -L eth0 combined 4", false},
	{"one queue", func(s *Snapshot) {
		i := virtual(s)
		i.Channels.MaxCombined, i.Channels.CombinedCount, i.RxQueues = 0, 0, 1
	}, "queues", Note, "receive queues: 1, CPUs: 4", "", false},
	{"interrupts on one CPU", func(s *Snapshot) {
		for q := range s.Interfaces[0].IRQs {
			s.Interfaces[0].IRQs[q].CPUs = []int{2}
		}
	}, "irq-spread", Warning, "4 queues have their interrupts on 1 CPUs", "echo 3 > /proc/irq/43/smp_affinity_list", false},
	{"far memory", func(s *Snapshot) { s.Interfaces[0].IRQs[1].Node = 1 }, "irq-spread", Note, "NUMA node 1", "", false},
	{"table uneven", func(s *Snapshot) { s.Interfaces[0].Spread = []int{64, 0, 0, 0} }, "rss-table", Warning, "64, 0, 0, 0", "ethtool -X eth0 equal 4", false},
	{"spread by addresses", func(s *Snapshot) { s.Interfaces[0].HashesPorts["udp4"] = false }, "rss-hash", Warning, "addresses only", "ethtool -N eth0 rx-flow-hash udp4 sdfn", false},
	{"one queue does it", func(s *Snapshot) { s.Interfaces[0].QueuePkts = []uint64{400000, 10, 10, 10} }, "rss-spread", Note, "400000, 10", "", false},
	{"ring overflowed", func(s *Snapshot) { s.Interfaces[0].RxMissed = 77 }, "ring", Warning, "dropped 77", "ethtool -G eth0 rx 4096", false},
	{"small ring", func(s *Snapshot) { s.Interfaces[0].Ring.RxPending = 512 }, "ring", Note, "512 of 4096", "rx 4096", false},
}

var nodeAilments = []ailment{
	{"degraded", func(s *Snapshot) { s.Running.Status.Degraded = []string{"all 6000 relays are in use"} }, "degraded", Warning, "6000", "", false},
	{"drops at a socket", func(s *Snapshot) {
		s.UDP = []UDPSocket{{Local: netip.MustParseAddrPort("192.0.2.1:3478"), Drops: 5, Now: 2}}
	}, "socket-drops", Warning, "2 of them while doctor looked (5 at 192.0.2.1:3478)", "", false},
	{"drops long ago", func(s *Snapshot) {
		s.UDP = []UDPSocket{{Local: netip.MustParseAddrPort("192.0.2.1:3478"), Drops: 5}}
	}, "socket-drops", Note, "none while doctor looked", "", false},
	{"private address", func(s *Snapshot) {
		beforeStart(s)
		s.Interfaces[1].Addresses = []netip.Prefix{netip.MustParsePrefix("192.168.1.2/24")}
	}, "relay-address", Warning, "will be told 192.168.1.2", "static_nat", false},
	{"provider's NAT", func(s *Snapshot) {
		beforeStart(s)
		s.Interfaces[1].Addresses = []netip.Prefix{netip.MustParsePrefix("100.70.0.2/24")}
	}, "relay-address", Warning, "100.70.0.2", "static_nat", false},
	{"outside sees another", func(s *Snapshot) {
		s.Outside = &Outside{Server: "stun.example.org:3478", Mapped: netip.MustParseAddr("203.0.113.9")}
	}, "relay-address", Problem, "sees 203.0.113.9", "static_nat: 203.0.113.9", false},
	{"file changed after the start", func(s *Snapshot) { s.Node.Interfaces.External.StaticNAT = netip.MustParseAddr("203.0.113.9") }, "relay-address", Problem, "should be 203.0.113.9", "start the node again", false},
	{"no relay", func(s *Snapshot) { s.Told = &Told{Err: "allocate a relay: 486"} }, "relay-echo", Problem, "486", "", false},
	{"no echo", func(s *Snapshot) { s.Told.Received = 3 }, "relay-echo", Problem, "of 20 packets", "", false},
	{"no STUN answer", func(s *Snapshot) { s.Outside = &Outside{Server: "stun.example.org:3478", Err: "no answer"} }, "relay-echo", Warning, "no answer", "", false},
	// CL-09, CL-17
	{"peer lost", func(s *Snapshot) { clustered(s).Peers[1].State = clustering.Failed }, "cluster", Warning, "tp2.example.test is Failed", "cluster check", false},
	{"no primary", func(s *Snapshot) { clustered(s).Acting = 0 }, "cluster", Warning, "no peer acts as the primary", "cluster check", false},
	{"no majority", func(s *Snapshot) { clustered(s).Database = "no leader" }, "cluster", Warning, "does not work: no leader", "cluster status", false},
	{"counts apart", func(s *Snapshot) { sharesOf(s, sharing.StateApart) }, "shares", Warning, "this side counts for itself; not reached: tp2", "cluster check", false},
	{"no share yet", func(s *Snapshot) { sharesOf(s, sharing.StateWaits) }, "shares", Warning, "waits for its first share", "cluster status", false},
	{"over its total", func(s *Snapshot) { sharesOf(s, sharing.StateShared).Use[0].State = sharing.StateOver }, "shares", Note, "than there is of rms: nothing", "licence status", false},
	{"used up", func(s *Snapshot) { sharesOf(s, sharing.StateShared).Use[0].Cluster.Used = 30 }, "shares", Note, "uses all of rms", "licence status", false},
	{"strict of two", func(s *Snapshot) { sharesOf(s, sharing.StateShared).Use[0].Policy = sharing.PolicyStrict }, "shares", Note, "policy strict for rms in a cluster of two", "docs/cluster.md", false},
	{"far peer", func(s *Snapshot) { clustered(s).Peers[1].RTT = 130 }, "cluster", Warning, "130 ms away", "", false},
	{"self-made certificate", func(s *Snapshot) { clustered(s).Peers[1].Certificate = "Invalid (self-signed)" }, "cluster", Note, "Invalid (self-signed)", "Enforce TLS", false},
	{"not looked at", func(s *Snapshot) { s.Missed = []Missed{{"nftables", "operation not permitted"}} }, "not-looked-at", Note, "not permitted", "root", false},
}

func TestHealthy(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Snapshot)
	}{
		{"running", func(*Snapshot) {}},
		{"before the start", beforeStart},
		{"a whole cluster", func(s *Snapshot) { clustered(s) }},
		{"licences shared", func(s *Snapshot) { sharesOf(s, sharing.StateShared) }},
		{"veth", func(s *Snapshot) { virtual(s) }},
		{"behind a static NAT", func(s *Snapshot) {
			beforeStart(s)
			s.Node.Interfaces.External.StaticNAT = netip.MustParseAddr("203.0.113.9")
			s.Interfaces[1].Addresses = []netip.Prefix{netip.MustParsePrefix("192.168.1.2/24")}
		}},
		{"outside agrees", func(s *Snapshot) { s.Outside = &Outside{Mapped: netip.MustParseAddr("192.0.2.1")} }},
		{"in the process, as configured", func(s *Snapshot) {
			s.Node.Dataplane.Mode = config.PathUserspace
			s.Process.Capabilities, s.Kernel.BPFFS = 1<<unix.CAP_NET_ADMIN, false
		}},
		{"rules that do not concern media", chainOf("input", "filter", "accept", "tcp dport 22 drop", `iifname "lo" drop`, "udp dport 53 drop", "udp dport 3478 accept", "jump others", "meta l4proto icmp drop")},
		{"tracked, media not", func(s *Snapshot) {
			chainOf("input", "filter", "accept", "ct state established accept")(s)
			chainOf("prerouting", "filter", "accept", "udp dport { 3478, 24000-29999 } notrack")(s)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := healthy()
			c.change(s)
			r := judge(s)
			for _, f := range r.Findings {
				if f.Severity != OK {
					t.Errorf("%+v", f)
				}
			}
			if r.Degraded {
				t.Error("degraded")
			}
		})
	}
}

// allAilments are those of every check.
func allAilments() []ailment {
	var all []ailment
	for _, part := range [][]ailment{machineAilments, networkAilments, xdpAilments, deviceAilments, nodeAilments} {
		all = append(all, part...)
	}
	return all
}

func TestAilments(t *testing.T) {
	for _, a := range allAilments() {
		t.Run(a.name, func(t *testing.T) {
			s := healthy()
			a.spoil(s)
			r := judge(s)
			found := of(r, a.id, a.severity)
			if len(found) == 0 {
				t.Fatalf("no %s %s in %+v", a.severity, a.id, r.Findings)
			}
			f := found[0]
			if !strings.Contains(f.What, a.what) || !strings.Contains(f.Command, a.command) || f.Fixable != a.fixable || f.Why == "" {
				t.Errorf("%+v", f)
			}
			if want := a.severity == Warning || a.severity == Problem; r.Degraded != want {
				t.Errorf("degraded is %t", r.Degraded)
			}
		})
	}
}

// TestCatalogue holds that every check has something that it finds, and that what --fix
// does is said where it does something.
func TestCatalogue(t *testing.T) {
	found, fixes := map[ID]bool{}, map[ID]bool{}
	for _, a := range allAilments() {
		found[a.id] = true
		fixes[a.id] = fixes[a.id] || a.fixable
	}
	seen := map[ID]bool{}
	for _, c := range Catalogue() {
		if !found[c.ID] {
			t.Errorf("%s: no test breaks it", c.ID)
		}
		if fixes[c.ID] != (c.Mends != "") {
			t.Errorf("%s: --fix is said to do %q", c.ID, c.Mends)
		}
		if seen[c.ID] || c.Title == "" || c.Why == "" {
			t.Errorf("%s: twice, or without words", c.ID)
		}
		seen[c.ID] = true
	}
}
