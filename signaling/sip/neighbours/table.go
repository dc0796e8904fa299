package neighbours

import (
	"net/netip"
	"strings"
	"sync/atomic"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// Settings are how a zone speaks SIP.
type Settings struct {
	Transport loop.Transport // of a zone whose peers name no port of their own
	Given     bool           // the configuration names the transport
	Port      uint16
	Verify    bool   // certificates are checked (RFC 5922)
	Name      string // that a certificate has to show; empty: the peer's
	NAT       bool   // endpoints there may be behind NAT
}

// table is all zones that speak SIP. It never changes, except for what is known of peers.
type table struct {
	lines map[string]*line
}

// line is one zone.
type line struct {
	settings Settings
	peers    []*peer
}

// peer is one peer of a zone at its addresses.
type peer struct {
	key   key
	hops  []transport.Hop
	state *atomic.Pointer[zones.PeerState] // shared with the same peer in later tables
}

// key is what makes a peer the same after a change of configuration.
type key struct {
	zone, host string
	port       uint16
	transport  loop.Transport
}

func newTable(c *config.Node, old *table, resolved map[string][]netip.Addr) *table {
	known := map[key]*peer{}
	if old != nil {
		for _, l := range old.lines {
			for _, p := range l.peers {
				known[p.key] = p
			}
		}
	}
	t := &table{lines: make(map[string]*line, len(c.Zones))}
	for i := range c.Zones {
		if z := &c.Zones[i]; z.Protocol.SIP() {
			t.lines[z.Name] = newLine(z, known, resolved)
		}
	}
	return t
}

func newLine(z *config.Zone, known map[key]*peer, resolved map[string][]netip.Addr) *line {
	l := &line{settings: Settings{
		Port: uint16(z.SIP.Port), Verify: bool(z.SIP.TLSVerify), Name: z.SIP.VerifyName, NAT: bool(z.NAT),
		Given: z.SIP.Transport != "",
	}}
	l.settings.Transport = transportOf(z, l.settings.Port)
	for _, p := range z.Peers {
		port := p.Port
		if port == 0 {
			port = l.settings.Port
		}
		k := key{zone: z.Name, host: p.Host, port: port, transport: transportOf(z, port)}
		next := &peer{key: k, hops: hopsOf(k, l.settings, resolved)}
		if was := known[k]; was != nil {
			next.state = was.state
		} else {
			next.state = &atomic.Pointer[zones.PeerState]{}
			next.state.Store(&zones.PeerState{Checking: true})
		}
		l.peers = append(l.peers, next)
	}
	return l
}

// transportOf is how SIP goes to a peer at a port. Where nobody says so, 5061 is TLS and
// any other port UDP; traversal zones are streams that a client keeps open.
func transportOf(z *config.Zone, port uint16) loop.Transport {
	switch z.SIP.Transport {
	case config.TransportUDP:
		return loop.UDP
	case config.TransportTCP:
		return loop.TCP
	case config.TransportTLS:
		return loop.TLS
	}
	traversal := z.Type == config.ZoneTraversalClient || z.Type == config.ZoneTraversalServer
	if port == 5061 || traversal {
		return loop.TLS
	}
	return loop.UDP
}

func hopsOf(k key, s Settings, resolved map[string][]netip.Addr) []transport.Hop {
	addrs := resolved[k.host]
	if a, err := netip.ParseAddr(k.host); err == nil {
		addrs = []netip.Addr{a}
	}
	var out []transport.Hop
	for _, a := range addrs {
		h := transport.Hop{Transport: k.transport, Remote: netip.AddrPortFrom(a.Unmap(), k.port)}
		if s.Verify && k.transport == loop.TLS {
			h.Name = strings.ToLower(s.Name)
			if h.Name == "" {
				h.Name = strings.ToLower(k.host)
			}
		}
		out = append(out, h)
	}
	return out
}

// peer returns one peer, nil where there is none of that number.
func (t *table) peer(z *zones.Zone, i int) *peer {
	l := t.lines[z.Name]
	if l == nil || i >= len(l.peers) {
		return nil
	}
	return l.peers[i]
}
