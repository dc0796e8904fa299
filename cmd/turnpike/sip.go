package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip"
	"turnpike.dev/turnpike/signaling/sip/locate"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/neighbours"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// phones is SIP on a node: the stack, and the parts that it hands requests to.
type phones struct {
	sides      []side
	stack      *sip.Stack
	names      *locate.Resolver
	neighbours *neighbours.Neighbours
}

// newPhones makes them, from the sockets upwards. Nothing is read before run.
func newPhones(n *config.Node, all []side, node *node, log *eventlog.Log) (*phones, error) {
	p := &phones{sides: all, names: locate.New(locating(n, all))}
	own, err := namesOf(n)
	if err != nil {
		return nil, err
	}
	p.neighbours = neighbours.New(n, neighbours.Deps{
		Names:     p.names,
		Directory: func() *zones.Directory { return node.router.Snapshot().Zones },
		Load:      node.load,
		Log:       log.Module("signaling.neighbours"),
		Resolved:  node.resolve,
	})
	faults := log.Module("signaling.sip")
	p.stack, err = sip.New(sip.Config{
		Transport: transport.Config{
			UDP: sipOn(all, n.SIP.UDP), TCP: sipOn(all, n.SIP.TCP), TLS: sipOn(all, n.SIP.TLS),
			Certificate: func() (*tls.Certificate, error) { return node.certificates.Server(), nil },
			Roots:       node.certificates.Roots,
			AskClients:  true,
			Product:     sip.Product,
			Closed:      p.closed,
			Panicked: func(src loop.Source, _ []byte, reason any) {
				faults.Error("SIP Message Failed", "Src-ip", src.Remote.Addr(), "Src-port", src.Remote.Port(), "Detail", fmt.Sprint(reason, "\n", string(debug.Stack())))
			},
		},
		Own: func(u message.URI) bool { return own.has(u, node.running()) },
		Panicked: func(reason any) {
			faults.Error("SIP Request Failed", "Detail", fmt.Sprint(reason, "\n", string(debug.Stack())))
		},
	})
	if err != nil {
		return nil, fmt.Errorf("start SIP: %w", err)
	}
	p.stack.Use(sip.Parts{
		Tell: func(src loop.Source, m *message.Message) { p.neighbours.Tell(p.neighbours.Source(src), m) },
	})
	return p, nil
}

// run works until ctx ends.
func (p *phones) run(ctx context.Context, run *group) {
	run.Go(func() error { return p.stack.Run(ctx) })
	run.Go(func() error { return p.neighbours.Run(ctx) })
}

// change puts a changed configuration in force.
func (p *phones) change(u store.Update) {
	p.neighbours.Change(u.New.Node)
	p.names.Use(locating(u.New.Node, p.sides))
}

// closed tells whoever wants to know that a connection has gone.
func (p *phones) closed(c *loop.Conn) { p.neighbours.Closed(c) }

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
	n.mu.Lock()
	defer n.mu.Unlock()
	return neighbours.Load{Maximum: n.config.MaxCalls(), Maintenance: n.maintenance}
}
