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
	"turnpike.dev/turnpike/signaling/sip/places"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// phones is SIP on a node: the stack, and the parts that it hands requests to.
type phones struct {
	sides      []side
	stack      *sip.Stack
	names      *locate.Resolver
	neighbours *neighbours.Neighbours
	guard      *access.Guard
	media      *rtp.Media
	calls      *b2bua.B2BUA
}

// newPhones makes them, from the sockets upwards. Nothing is read before run.
func newPhones(ctx context.Context, n *config.Node, all []side, node *node, sockets relay.Sockets, nonce []byte, log *eventlog.Log) (*phones, error) {
	p := &phones{sides: all, names: locate.New(locating(n, all))}
	own, err := namesOf(n)
	if err != nil {
		return nil, err
	}
	if p.stack, err = newStack(n, p, own, node, log.Module("signaling.sip")); err != nil {
		return nil, err
	}

	// Who is there, and how each is reached.
	zonesNow := func() *zones.Directory { return node.router.Snapshot().Zones }
	p.neighbours = neighbours.New(n, neighbours.Deps{
		Sender: p.stack.Layer(), Group: p.stack.Group(), Ways: p.stack.Transport(),
		Names: p.names, Directory: zonesNow, Load: node.load, Resolved: node.resolve,
		Log: log.Module("signaling.neighbours"),
	})
	p.guard = access.New(n, access.Deps{
		Sources: p.neighbours, Bindings: node.bound, Flows: noFlows{}, Snapshot: node.router.Snapshot, Roots: node.certificates.Roots,
		Log: log.Module("signaling.access"), Key: nonce, Own: func() []netip.Addr { return own.addrs },
	})
	node.router.Connect(dialplan.Network{Registrations: node.bound, Health: p.neighbours})
	way := places.New(ctx, places.Config{
		Bindings: node.bound, Connections: noFlows{}, Neighbours: p.neighbours, Locator: p.names, Ways: p.stack.Transport(),
		Internal: func(a netip.Addr) bool { return p.side(a).internal },
		Own:      func(a netip.Addr) bool { return slices.Contains(own.addrs, a) },
		NAT:      func(subzone string) bool { return p.policy(node).NAT(nil, subzone) },
	})

	// Calls, and their media on the relay.
	p.media, err = rtp.New(rtp.Config{
		Table: node.engine, Gate: node.engine, Sockets: sockets,
		First: n.Media.Ports.Start, Last: n.Media.Ports.End,
		Timeout: time.Duration(n.SIP.MediaTimeout) * time.Second,
		Silent:  func(owner string) { p.calls.Silent(owner) },
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the media of calls: %w", err)
	}
	p.calls = b2bua.New(b2bua.Config{
		Group: p.stack.Group(), Layer: p.stack.Layer(), Local: p.stack.Transport().Local,
		Access: p.guard, Router: node.router, Places: way, Find: p.names.Find,
		Media: b2bua.RelayMedia{Media: p.media}, Book: node.calls, Policy: p.policy(node),
		Room: func(calls int) bool { return calls < node.running().MaxCalls() },
	})
	p.stack.Use(sip.Parts{
		Calls: p.calls,
		Tell:  p.neighbours.Tell,
	})
	return p, nil
}

// newStack binds the sockets.
func newStack(n *config.Node, p *phones, own ownNames, node *node, log *eventlog.Log) (*sip.Stack, error) {
	failed := func(reason any, kv ...any) {
		log.Error("SIP Request Failed", append(kv, "Detail", fmt.Sprint(reason, "\n", string(debug.Stack())))...)
	}
	s, err := sip.New(sip.Config{
		Transport: transport.Config{
			UDP: sipOn(p.sides, n.SIP.UDP), TCP: sipOn(p.sides, n.SIP.TCP), TLS: sipOn(p.sides, n.SIP.TLS),
			Certificate: func() (*tls.Certificate, error) { return node.certificates.Server(), nil },
			Roots:       node.certificates.Roots,
			AskClients:  true,
			Product:     sip.Product,
			Closed:      p.closed,
			Panicked: func(src loop.Source, _ []byte, reason any) {
				failed(reason, "Src-ip", src.Remote.Addr(), "Src-port", src.Remote.Port())
			},
		},
		Own:      func(u message.URI) bool { return own.has(u, node.running()) },
		Panicked: func(reason any) { failed(reason) },
	})
	if err != nil {
		return nil, fmt.Errorf("start SIP: %w", err)
	}
	return s, nil
}

// run works until ctx ends.
func (p *phones) run(ctx context.Context, run *group) {
	for _, part := range []func(context.Context) error{p.stack.Run, p.neighbours.Run, p.media.Run} {
		run.Go(func() error { return part(ctx) })
	}
}

// change puts a changed configuration in force.
func (p *phones) change(u store.Update) {
	p.neighbours.Change(u.New.Node)
	p.guard.Change(u.New.Node)
	p.names.Use(locating(u.New.Node, p.sides))
}

// closed tells whoever wants to know that a connection has gone.
func (p *phones) closed(c *loop.Conn) {
	p.neighbours.Closed(c)
	p.guard.Closed(c)
}

// policy is what the configuration says of calls at the moment it is asked.
func (p *phones) policy(node *node) b2bua.NodePolicy {
	return b2bua.NodePolicy{
		Node: node.running,
		StaticNAT: func(a netip.Addr) netip.Addr {
			in := node.running().Interfaces
			if nat := in.StaticNAT(); nat.IsValid() && nat.Is4() == a.Is4() && p.side(a).name == in.Relay() {
				return nat
			}
			return a
		},
		InterfaceOf: func(a netip.Addr) string { return p.side(a).name },
	}
}

// side returns the interface that an address of ours is on.
func (p *phones) side(a netip.Addr) side {
	i := slices.IndexFunc(p.sides, func(s side) bool { return slices.Contains(s.addrs, a) })
	if i < 0 {
		return side{}
	}
	return p.sides[i]
}

// noFlows stands for the registrar until there is one.
type noFlows struct{}

func (noFlows) Flow(*loop.Conn) uint64 { return 0 }
func (noFlows) Conn(uint64) *loop.Conn { return nil }

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
	current := n.calls.Running()
	n.mu.Lock()
	defer n.mu.Unlock()
	return neighbours.Load{Maximum: n.config.MaxCalls(), Current: current, Maintenance: n.maintenance}
}
