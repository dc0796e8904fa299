package main

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/mesh"
	"turnpike.dev/turnpike/cluster/settings"
	"turnpike.dev/turnpike/cluster/wire"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/preflight"
	"turnpike.dev/turnpike/licensing"
)

// PreflightPeers asks the other peers of a list, or of the configured one, what is missing between them and
// this node (CL-19). A standalone node opens its ports for that time.
func (n *node) PreflightPeers(ctx context.Context, list []string) ([]preflight.Finding, error) {
	c := n.store.Current().Node
	own, err := localNames(c)
	if err != nil {
		return nil, err
	}
	planned := *c // what the node would be with that list
	if len(list) > 0 {
		planned.Cluster.Peers = list
	}
	ask := n.prober(&planned, own)
	var peers []string
	for i, address := range planned.Cluster.Peers {
		if i != own.index(&planned) {
			peers = append(peers, address)
		}
	}
	found := make([]preflight.Peer, len(peers))
	var work sync.WaitGroup
	for i, address := range peers {
		work.Go(func() { found[i] = ask(ctx, address) })
	}
	work.Wait()
	self := preflight.Self{Name: c.System.Name, Cluster: n.Clustering().ClusterID, Settings: n.settings(&planned), Keys: featureKeys(n.licences.Installed())}
	return slices.Concat([]preflight.Finding{}, preflight.Peers(self, found)), nil
}

// settings are this node's own, as its peers compare them.
func (n *node) settings(c *config.Node) settings.Settings {
	running := n.running()
	return settings.Settings{
		Name: c.Cluster.Name, Primary: c.Cluster.Primary, IP: string(c.Cluster.IP), TLS: string(c.ClusterTLS), Peers: c.Cluster.Peers,
		Role: string(running.System.Role), Platform: string(running.System.Platform), Software: version(), Protocol: wire.Protocol,
	}
}

// prober returns what asks a peer: the running mesh, or one for the purpose.
func (n *node) prober(c *config.Node, own names) func(context.Context, string) preflight.Peer {
	if n.peering != nil {
		return func(ctx context.Context, address string) preflight.Peer {
			p, err := n.peering.mesh.Probe(ctx, address)
			return probed(c, own.local(c), address, p, err)
		}
	}
	var one sync.Mutex // the ports are opened for one question at a time
	return func(ctx context.Context, address string) preflight.Peer {
		one.Lock()
		defer one.Unlock()
		m, err := n.visitor(c, own)
		if err != nil {
			return preflight.Peer{Address: address, Unreached: map[uint16]string{uint16(c.Cluster.RecoveryPort): err.Error()}}
		}
		p, err := m.Probe(ctx, address)
		return probed(c, own.local(c), address, p, err)
	}
}

// visitor is a mesh of a node that is in no cluster: it only asks.
func (n *node) visitor(c *config.Node, own names) (*mesh.Mesh, error) {
	hello := wire.Hello{ID: cluster.ID(n.id), Incarnation: 1, Name: c.System.Name, Settings: n.settings(c)}
	m, err := mesh.New(mesh.Config{
		Self: cluster.ID(n.id), Local: own.local(c), Port: uint16(c.Cluster.Port), RecoveryPort: uint16(c.Cluster.RecoveryPort),
		SourcePorts: [2]uint16{c.Cluster.SourcePorts.Start, c.Cluster.SourcePorts.End}, UDPPort: rasPort(c),
		Certificate: n.certificates.Server, Verify: n.trusts,
		Files: noFiles{}, Resolve: own.resolve,
		Hello: func() wire.Hello { return hello }, Handler: deaf{}, Log: n.log,
	})
	if err == nil {
		m.List(c.Cluster.Peers, own.index(c), nil)
	}
	return m, err
}

// rasPort is the UDP port between peers (CL-08), which those have that speak H.323. Until a gatekeeper has it, each end opens it
// while it is asked about; once one has, nothing is said of it here.
func rasPort(c *config.Node) uint16 {
	if !c.H323.Mode {
		return 0
	}
	return uint16(c.H323.RASPort)
}

// probed is what was found of a peer.
func probed(c *config.Node, from netip.Addr, address string, p mesh.Probe, err error) preflight.Peer {
	out := preflight.Peer{Address: address, Unreached: p.There, Blocked: p.Here, UnreachedUDP: p.ThereUDP, BlockedUDP: p.HereUDP, From: from.String(), Seen: p.NAT}
	if err != nil {
		if len(out.Unreached) == 0 {
			out.Unreached = map[uint16]string{uint16(c.Cluster.RecoveryPort): err.Error()}
		}
		return out
	}
	out.Told, out.Name, out.Cluster, out.Settings, out.Facts = true, p.Hello.Name, p.Hello.Cluster, p.Hello.Settings, p.Facts
	return out
}

// probe is what this node tells who asks before joining: what it has, and what it lacks itself.
func (n *node) probe() wire.Probe {
	p := wire.Probe{Facts: map[string]string{preflight.FactKeys: featureKeys(n.licences.Installed())}}
	if n.cluster != nil {
		p.Tag = n.cluster.Status().Tag // kept, not computed for whoever asks
		p.Digest = p.Tag.Digest
	}
	missing, err := n.Preflight()
	if err != nil {
		return p
	}
	for _, f := range missing {
		p.Facts[f.Check] = f.What
	}
	return p
}

// featureKeys lists the features that are not counted: those each peer needs a key for.
func featureKeys(i licensing.Installed) string {
	on := make([]string, len(i.Features))
	for at, f := range i.Features {
		on[at] = string(f)
	}
	return strings.Join(on, " ")
}

// noFiles keeps no pins: who only asks trusts nobody afterwards.
type noFiles struct{}

func (noFiles) ReadFile(string) ([]byte, error)  { return nil, fs.ErrNotExist }
func (noFiles) ReplaceFile(string, []byte) error { return nil }

// deaf hears nothing: who only asks has no connections.
type deaf struct{}

func (deaf) Connected(mesh.Peer)        {}
func (deaf) Received(mesh.Peer, any)    {}
func (deaf) Closed(mesh.Peer, error)    {}
func (deaf) Failed(string, error)       {}
func (deaf) Certificate(string, string) {}

func (deaf) Request(context.Context, mesh.Peer, string, []byte) ([]byte, error) {
	return nil, fmt.Errorf("this node is in no cluster")
}

func (deaf) Raft(_ mesh.Peer, c net.Conn) { _ = c.Close() }
