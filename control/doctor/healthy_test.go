package doctor

import (
	"net/netip"
	"slices"
	"time"

	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/sharing"
	"turnpike.dev/turnpike/dataplane/xdp"
)

// healthy is a machine with nothing against it: two network cards with four queues, a node
// that runs, and a relay that was tried.
func healthy() *Snapshot {
	n := config.Default()
	n.System.Name, n.System.Platform = "tp1", config.PlatformCE1200
	n.TURN.Mode = true
	n.Interfaces.Internal = &config.Internal{Name: "eth0"}
	n.Interfaces.External = &config.External{Name: "eth1"}
	return &Snapshot{
		At: time.Unix(1e9, 0), Node: n,
		Running: &Running{
			Status:    api.Status{Path: "xdp"},
			Dataplane: api.Dataplane{Interfaces: []api.Interface{{Name: "eth0", Mode: "native"}, {Name: "eth1", Mode: "native"}}},
		},
		Kernel:  Kernel{Release: "6.12.4-amd64", BTF: true, BPFFS: true, CPUs: 4, Governor: "performance"},
		Clock:   Clock{Synchronised: true, Source: "tsc"},
		Process: Process{PID: 7, OfNode: true, Files: 65536, Capabilities: 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_BPF | 1<<unix.CAP_PERFMON},
		Sysctls: map[string]string{
			sysctlJIT: "1", sysctlBPFStats: "0", sysctlRmem: "212992", sysctlWmem: "212992", sysctlBacklog: "1000",
			sysctlPorts: "30000\t35999", sysctlReserved: "",
			"net/ipv4/conf/all/rp_filter": "0", "net/ipv4/conf/eth0/rp_filter": "0", "net/ipv4/conf/eth1/rp_filter": "2",
		},
		Interfaces: []Interface{card("eth0", "internal", "10.0.0.1/24"), card("eth1", "external", "192.0.2.1/24")},
		Softnet:    []SoftnetCPU{{Processed: 1000}},
		Told:       &Told{Server: netip.MustParseAddrPort("192.0.2.1:3478"), Relay: netip.MustParseAddrPort("192.0.2.1:24000"), Sent: 20, Received: 20},
	}
}

func card(name, side, addr string) Interface {
	return Interface{
		Name: name, Side: side, Index: 2, Up: true, Kind: "device", Driver: "ice", MTU: 1500, RxQueues: 4, NUMANode: 0,
		Addresses: []netip.Prefix{netip.MustParsePrefix(addr)},
		Offloads:  map[string]Offload{featureLRO: {}, featureGRO: {On: true}, featureGROHW: {}, featureVLAN: {On: true}, featureSums: {On: true}},
		XDP:       xdp.Capability{Native: true, Sends: true}, XDPKnown: true,
		Program:  &Program{ID: 5, Name: "turnpike", Ours: true},
		Channels: ethtool.Channels{MaxCombined: 8, CombinedCount: 4},
		Ring:     ethtool.Ring{RxMaxPending: 4096, RxPending: 2048},
		Spread:   []int{16, 16, 16, 16}, HashesPorts: map[string]bool{"udp4": true, "udp6": true},
		QueuePkts: []uint64{90000, 110000, 100000, 95000},
		IRQs: []IRQ{
			{Number: 40, Name: name + "-TxRx-0", CPUs: []int{0}},
			{Number: 41, Name: name + "-TxRx-1", CPUs: []int{1}},
			{Number: 42, Name: name + "-TxRx-2", CPUs: []int{2}},
			{Number: 43, Name: name + "-TxRx-3", CPUs: []int{3}},
		},
	}
}

// virtual makes the external interface one end of a veth.
func virtual(s *Snapshot) *Interface {
	i := &s.Interfaces[1]
	i.Kind, i.Driver, i.IRQs, i.Spread, i.HashesPorts = "veth", "veth", nil, nil, nil
	i.Ring, i.Offloads = ethtool.Ring{}, map[string]Offload{}
	i.Far = &FarEnd{Name: "p0", Namespace: "peer", MTU: 1500}
	return i
}

// clustered makes the node a peer of a whole cluster of two.
func clustered(s *Snapshot) *clustering.Status {
	s.Running.Cluster = clustering.Status{Mode: clustering.Clustered, Own: 1, Primary: 1, Acting: 1, Database: clustering.DatabaseActive, Peers: []clustering.Peer{
		{Index: 1, Address: "tp1.example.test", State: clustering.ThisSystem, Digest: "d", Joined: true, Certificate: clustering.CertificateValid},
		{Index: 2, Address: "tp2.example.test", State: "Active as tp2", Digest: "d", Joined: true, RTT: 79, Certificate: clustering.CertificateValid},
	}}
	return &s.Running.Cluster
}

// sharesOf makes the node one of two peers that share licences, counted so.
func sharesOf(s *Snapshot, state string) *api.Licences {
	clustered(s)
	some := sharing.Share{Policy: sharing.PolicyAvailable, State: state, Cluster: sharing.Part{Total: 30, Granted: 20, Used: 10}}
	s.Running.Licences = api.Licences{Sharing: sharing.Status{State: state, NotReached: []string{"tp2"}}, Use: []api.LicenceUse{{Name: "rms", Share: some}}}
	return &s.Running.Licences
}

// beforeStart takes what only a running node tells away.
func beforeStart(s *Snapshot) {
	s.Running, s.Told = nil, nil
	s.Process.OfNode = false
	for i := range s.Interfaces {
		s.Interfaces[i].Program = nil
	}
}

func of(r Report, id ID, severity Severity) []Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool { return f.ID != id || f.Severity != severity })
}
