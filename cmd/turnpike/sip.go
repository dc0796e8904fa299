package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/rtp"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/b2bua"
	"turnpike.dev/turnpike/signaling/sip/locate"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/neighbours"
	"turnpike.dev/turnpike/signaling/sip/peers"
	"turnpike.dev/turnpike/signaling/sip/places"
	"turnpike.dev/turnpike/signaling/sip/proxy"
	"turnpike.dev/turnpike/signaling/sip/registrar"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// phones is SIP on a node: the stack, and the parts that it hands requests to.
type phones struct {
	node  *node
	log   *eventlog.Log
	sides []side
	own   ownNames

	stack      *sip.Stack
	names      *locate.Resolver
	flows      *registrar.Flows
	neighbours *neighbours.Neighbours
	peers      *peers.Table // of the cluster; empty without one
	guard      *access.Guard
	places     *places.Finder
	registrar  *registrar.Registrar
	proxy      *proxy.Proxy
	media      *rtp.Media
	calls      *b2bua.B2BUA
	policy     *b2bua.NodePolicy
}

// newPhones makes them, from the sockets upwards. Nothing is read before run. timers are the RFC's where they are zero.
func newPhones(ctx context.Context, n *config.Node, all []side, node *node, sockets relay.Sockets, nonce []byte, timers transaction.Timers, log *eventlog.Log) (*phones, error) {
	p := &phones{node: node, log: log, sides: all, names: locate.New(locating(n, all)), flows: registrar.NewFlows(), peers: node.newPeers()}
	p.policy = p.newPolicy()
	var err error
	if p.own, err = namesOf(n); err != nil {
		return nil, err
	}
	if p.stack, err = p.newStack(n, timers); err != nil {
		return nil, err
	}
	p.surround(ctx, n, nonce)
	if err := p.carry(n, sockets); err != nil {
		return nil, err
	}
	p.stack.Use(sip.Parts{Calls: p.calls, Registrar: p.registrar, Proxy: p.proxy, Login: p.neighbours.Login, Tell: p.neighbours.Tell})
	return p, nil
}

// surround makes what knows who is there, who asks, and how each is reached.
func (p *phones) surround(ctx context.Context, n *config.Node, nonce []byte) {
	node, ways := p.node, p.stack.Transport()
	p.neighbours = neighbours.New(n, neighbours.Deps{
		Sender: p.stack.Layer(), Group: p.stack.Group(), Ways: ways, Names: p.names, Passwords: prover{p},
		Directory: func() *zones.Directory { return node.router.Snapshot().Zones },
		Load:      node.load, Resolved: node.resolve, Log: p.log.Module("signaling.neighbours"),
	})
	p.guard = access.New(n, access.Deps{
		Sources: p.neighbours, Bindings: node.bound, Flows: p.flows, Snapshot: node.router.Snapshot, Roots: node.certificates.Roots,
		Peers: p.peers, Log: p.log.Module("signaling.access"), Key: nonce, Own: func() []netip.Addr { return p.own.addrs },
	})
	node.router.Connect(dialplan.Network{Registrations: node.registered(), Health: p.neighbours})
	p.places = places.New(ctx, places.Config{
		Bindings: node.bound, Connections: p.flows, Neighbours: p.neighbours, Locator: p.names, Ways: ways, Peers: p.peers,
		Internal: func(a netip.Addr) bool { return p.side(a).internal },
		Own:      func(a netip.Addr) bool { return slices.Contains(p.own.addrs, a) },
		NAT:      func(subzone string) bool { return p.policy.NAT(nil, subzone) },
	})
	p.registrar = registrar.New(n, registrar.Deps{
		Table: node.bound, Flows: p.flows, Access: p.guard, Router: node.router, Places: p.places,
		Sender: p.stack.Layer(), Local: ways.Local, Log: p.log.Module("signaling.registrar"), Await: node.resources.Await,
	})
	p.proxy = proxy.New(proxy.Config{Layer: p.stack.Layer(), Local: ways.Local, Access: p.guard, Router: node.router, Places: p.places, Key: nonce})
}

// carry makes what carries calls, and their media on the relay.
func (p *phones) carry(n *config.Node, sockets relay.Sockets) (err error) {
	node := p.node
	p.media, err = rtp.New(rtp.Config{
		Table: node.totals, Gate: node.engine, Sockets: sockets, Policer: node.engine,
		First: n.Media.Ports.Start, Last: n.Media.Ports.End,
		Own: p.own.addrs, Relays: [2]uint16{n.TURN.MediaPorts.Start, n.TURN.MediaPorts.End},
		Timeout: time.Duration(n.SIP.MediaTimeout) * time.Second,
		Silent:  func(owner string) { p.calls.Silent(owner) },
		Over:    func(owner string, policedKbps uint32) { p.calls.Over(owner, policedKbps) },
	})
	if err != nil {
		return fmt.Errorf("prepare the media of calls: %w", err)
	}
	p.calls = b2bua.New(b2bua.Config{
		Group: p.stack.Group(), Layer: p.stack.Layer(), Local: p.stack.Transport().Local,
		Access: p.guard, Router: node.router, Places: p.places, Find: p.names.Find,
		Media: b2bua.RelayMedia{Media: p.media}, Book: node.calls, Policy: p.policy,
		Resources: node.resources,
	})
	return nil
}

// callPorts are the ports of the media of calls; none without SIP.
func callPorts(n *config.Node) [2]uint16 {
	if !n.SIP.Mode {
		return [2]uint16{}
	}
	return [2]uint16{n.Media.Ports.Start, n.Media.Ports.End}
}

// prover asks the guard, which is made after those who need it.
type prover struct{ *phones }

// Prove challenges who has not proved an account.
func (p prover) Prove(t *transaction.Server, account string) bool { return p.guard.Prove(t, account) }

// sourceRate is the messages a second of one address: a neighbour with some hundred calls a second needs it.
const sourceRate = 5000

// newStack binds the sockets.
func (p *phones) newStack(n *config.Node, timers transaction.Timers) (*sip.Stack, error) {
	node, log := p.node, p.log.Module("signaling.sip")
	failed := func(reason any, kv ...any) {
		log.Error("SIP Request Failed", append(kv, "Detail", fmt.Sprint(reason, "\n", string(debug.Stack())))...)
	}
	tcpZones, tlsZones := neighbours.Listen(n) // a traversal server zone has a port of its own
	s, err := sip.New(sip.Config{
		Transport: transport.Config{
			UDP:         sipOn(p.sides, n.SIP.UDP),
			TCP:         append(sipOn(p.sides, n.SIP.TCP), listenOn(p.sides, tcpZones...)...),
			TLS:         append(sipOn(p.sides, n.SIP.TLS), listenOn(p.sides, tlsZones...)...),
			Certificate: func() (*tls.Certificate, error) { return node.certificates.Server(), nil },
			Roots:       node.certificates.Roots,
			AskClients:  true,
			Pinned:      p.peers.Pinned,
			Product:     sip.Product,
			Limits:      loop.Limits{Rate: sourceRate},
			Closed:      p.closed,
			Panicked: func(src loop.Source, _ []byte, reason any) {
				failed(reason, "Src-ip", src.Remote.Addr(), "Src-port", src.Remote.Port())
			},
		},
		Timers:   timers,
		Own:      func(u message.URI) bool { return p.own.has(u, node.running()) },
		Panicked: func(reason any) { failed(reason) },
	})
	if err != nil {
		return nil, fmt.Errorf("start SIP: %w", err)
	}
	return s, nil
}

// run works until ctx ends.
func (p *phones) run(ctx context.Context, run *group) {
	for _, part := range []func(context.Context) error{p.stack.Run, p.neighbours.Run, p.registrar.Run, p.media.Run} {
		run.Go(func() error { return part(ctx) })
	}
	if m := p.node.cluster; m != nil {
		run.Go(func() error { return p.followPeers(ctx, m) })
	}
}

// change puts a changed configuration in force.
func (p *phones) change(u store.Update) {
	p.neighbours.Change(u.New.Node)
	p.node.bound.Revoke(p.guard.Change(u.New.Node)) // facts A8
	p.registrar.Change(u.New.Node)
	p.names.Use(locating(u.New.Node, p.sides))
}

// closed tells whoever wants to know that a connection has gone.
func (p *phones) closed(c *loop.Conn) {
	p.neighbours.Closed(c)
	p.guard.Closed(c)
	p.registrar.Closed(c)
	if _, peer := p.peers.Pinned(c.Remote()); peer && c.Dialled() {
		p.calls.Disconnected(c.Remote())
	}
}

// newPolicy is what the configuration says of calls at the moment it is asked.
func (p *phones) newPolicy() *b2bua.NodePolicy {
	nat := func(a netip.Addr) netip.Addr {
		in := p.node.running().Interfaces
		if nat := in.StaticNAT(); nat.IsValid() && nat.Is4() == a.Is4() && p.side(a).name == in.Relay() {
			return nat
		}
		return a
	}
	return b2bua.NewNodePolicy(p.node.running, nat, func(a netip.Addr) string { return p.side(a).name })
}

// side returns the interface that an address of ours is on.
func (p *phones) side(a netip.Addr) side {
	i := slices.IndexFunc(p.sides, func(s side) bool { return slices.Contains(s.addrs, a) })
	if i < 0 {
		return side{}
	}
	return p.sides[i]
}

// sipOn returns every address of every side with a port that is on.
func sipOn(all []side, port config.Port) []netip.AddrPort {
	if port == 0 {
		return nil
	}
	return listenOn(all, uint16(port))
}

// locating says whom names are asked of, and which families can be reached.
func locating(n *config.Node, all []side) locate.Config {
	c := locate.Config{Search: n.DNS.Search}
	for _, a := range n.DNS.Servers {
		c.Servers = append(c.Servers, netip.AddrPortFrom(a, 53))
	}
	for _, s := range all {
		for _, a := range s.addrs {
			c.IPv4, c.IPv6 = c.IPv4 || a.Is4(), c.IPv6 || a.Is6()
		}
	}
	return c
}

// ownNames are what a URI may name the node by, besides its domains.
type ownNames struct {
	addrs []netip.Addr
	ports []uint16
}

func namesOf(n *config.Node) (ownNames, error) {
	addrs, _, err := ownAddresses(n.Interfaces)
	own := ownNames{addrs: addrs}
	for _, p := range []config.Port{n.SIP.UDP, n.SIP.TCP, n.SIP.TLS} {
		if p != 0 {
			own.ports = append(own.ports, uint16(p))
		}
	}
	tcp, tls := neighbours.Listen(n)
	own.ports = append(append(own.ports, tcp...), tls...)
	return own, err
}

// has reports whether a URI's host and port are the node's.
func (o ownNames) has(u message.URI, n *config.Node) bool {
	if a, err := netip.ParseAddr(strings.Trim(u.Host, "[]")); err == nil {
		return slices.Contains(o.addrs, a.Unmap()) && (u.Port == 0 || slices.Contains(o.ports, u.Port))
	}
	host := strings.TrimSuffix(u.Host, ".")
	if strings.EqualFold(host, n.System.Name) || strings.EqualFold(host, hostName(n)) {
		return true
	}
	return slices.ContainsFunc(n.Domains, func(d string) bool { return strings.EqualFold(host, d) })
}

// load is what peers of zones are told of this node (RG-06, RG-08).
func (n *node) load() neighbours.Load {
	calls := n.resources.Capacity()
	n.mu.Lock()
	defer n.mu.Unlock()
	return neighbours.Load{Maximum: int(calls.Limit), Current: int(calls.Used), Maintenance: n.maintenance}
}
