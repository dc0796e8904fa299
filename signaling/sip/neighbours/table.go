package neighbours

import (
	"cmp"
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
	Transport loop.Transport // of peers at Port
	Given     bool           // the configuration names the transport
	Port      uint16         // of peers that name none
	Verify    bool           // certificates are checked (RFC 5922)
	Name      string         // that a certificate has to show; empty: the peer's
	NAT       bool           // endpoints there may be behind NAT
}

// table is all zones that speak SIP. It never changes, except for what is known of peers.
type table struct {
	lines map[string]*line
	// byName are the zones with tls_verify by the names that their certificates show, ports
	// the traversal server zones by their port.
	byName map[string]*line
	ports  map[uint16]*line
}

// line is one zone.
type line struct {
	name     string
	kind     zones.Type
	settings Settings
	watched  bool // its peers are asked whether they live
	peers    []*peer
	account  account // of a traversal zone
	clients  *clients
}

// peer is one peer of a zone at its addresses.
type peer struct {
	key     key
	hops    []transport.Hop
	account account
	state   *atomic.Pointer[zones.PeerState] // shared with the same peer in later tables
}

// key is what makes a peer the same after a change of configuration.
type key struct {
	zone, host string
	port       uint16
	transport  loop.Transport
}

// String returns the peer as the log shows it.
func (k key) String() string { return zones.Peer{Host: k.host, Port: k.port}.String() }

// account is what a traversal client proves to the server.
type account struct{ user, password string }

// before is what a table takes over from the one that it replaces.
type before struct {
	peers   map[key]*peer
	clients map[string]*clients
}

func takeOver(old *table) before {
	b := before{peers: map[key]*peer{}, clients: map[string]*clients{}}
	if old == nil {
		return b
	}
	for _, l := range old.lines {
		for _, p := range l.peers {
			b.peers[p.key] = p
		}
		b.clients[l.name] = l.clients
	}
	return b
}

func newTable(c *config.Node, old *table, resolved map[string][]netip.Addr) *table {
	b := takeOver(old)
	t := &table{lines: make(map[string]*line, len(c.Zones)), byName: map[string]*line{}, ports: map[uint16]*line{}}
	for i := range c.Zones {
		z := &c.Zones[i]
		if !z.Protocol.SIP() {
			continue
		}
		l := newLine(z, b, resolved)
		t.lines[z.Name] = l
		if l.kind == zones.TraversalServer && z.Traversal.SIPPort != 0 {
			t.ports[uint16(z.Traversal.SIPPort)] = l
		}
		if l.settings.Verify {
			t.known(l)
		}
	}
	return t
}

// known notes the names that the certificates of a zone may show. Of two zones the first
// one has a name.
func (t *table) known(l *line) {
	names := []string{l.settings.Name}
	if l.settings.Name == "" {
		names = nil
		for _, p := range l.peers {
			names = append(names, p.key.host)
		}
	}
	for _, name := range names {
		if name = fold(name); t.byName[name] == nil {
			t.byName[name] = l
		}
	}
}

func fold(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

var kinds = map[config.ZoneType]zones.Type{
	config.ZoneNeighbour: zones.Neighbour, config.ZoneTraversalClient: zones.TraversalClient,
	config.ZoneTraversalServer: zones.TraversalServer, config.ZoneDNS: zones.DNS,
}

func newLine(z *config.Zone, b before, resolved map[string][]netip.Addr) *line {
	l := &line{name: z.Name, kind: kinds[z.Type], clients: b.clients[z.Name]}
	l.settings = Settings{
		Port: uint16(z.SIP.Port), Verify: bool(z.SIP.TLSVerify), Name: fold(z.SIP.VerifyName), NAT: bool(z.NAT),
		Given: z.SIP.Transport != "",
	}
	switch l.kind {
	case zones.TraversalClient:
		l.settings.Port = cmp.Or(uint16(z.Traversal.SIPPort), l.settings.Port)
		l.account = account{z.Traversal.Username, string(z.Traversal.Password)}
		l.watched = true // asking is what keeps the connection open
	case zones.TraversalServer:
		l.account.user = z.Traversal.Username
		if l.clients == nil {
			l.clients = &clients{}
		}
	default:
		l.watched = bool(z.Monitor)
	}
	l.settings.Transport = transportOf(z, l.settings.Port)
	for _, p := range z.Peers {
		l.peers = append(l.peers, l.newPeer(z, p, b, resolved))
	}
	return l
}

func (l *line) newPeer(z *config.Zone, p config.HostPort, b before, resolved map[string][]netip.Addr) *peer {
	port := cmp.Or(p.Port, l.settings.Port)
	k := key{zone: z.Name, host: fold(p.Host), port: port, transport: transportOf(z, port)}
	next := &peer{key: k, hops: hopsOf(k, l.settings, resolved)}
	if l.kind == zones.TraversalClient {
		next.account = l.account
	}
	if was := b.peers[k]; was != nil {
		next.state = was.state
		return next
	}
	next.state = &atomic.Pointer[zones.PeerState]{}
	next.state.Store(&zones.PeerState{Checking: true})
	return next
}

// transportOf is how SIP goes to a peer at a port. Where nobody says so, 5061 is TLS and
// any other port UDP; traversal zones are streams that a client keeps open.
func transportOf(z *config.Zone, port uint16) loop.Transport {
	traversal := z.Type == config.ZoneTraversalClient || z.Type == config.ZoneTraversalServer
	switch t := z.SIP.Transport; {
	case t == config.TransportTLS:
		return loop.TLS
	case t == config.TransportTCP:
		return loop.TCP
	case traversal, t == "" && port == 5061:
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
			h.Name = cmp.Or(s.Name, k.host)
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

// find returns the peer of a key, nil when it is not there any more.
func (t *table) find(k key) *peer {
	if l := t.lines[k.zone]; l != nil {
		for _, p := range l.peers {
			if p.key == k {
				return p
			}
		}
	}
	return nil
}
