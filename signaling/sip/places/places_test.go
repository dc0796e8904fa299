package places

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/locate"
	"turnpike.dev/turnpike/signaling/sip/neighbours"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

func TestMain(m *testing.M) {
	// gnet brings a pool of goroutines that lives as long as the process.
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"))
}

var (
	inside  = netip.MustParseAddr("10.0.0.1")
	outside = netip.MustParseAddr("198.51.100.1")
	six     = netip.MustParseAddr("2001:db8::1")
)

// ways is the sockets of a node with two sides: 10.0.0.0/8 is inside.
type ways struct{}

func (ways) PeerNames(*loop.Conn) []string { return nil }

func (ways) Local(h transport.Hop) (netip.AddrPort, error) {
	to := h.Remote.Addr()
	switch {
	case h.Local.IsValid():
		return netip.AddrPortFrom(h.Local, 5060), nil
	case to.Is6():
		return netip.AddrPortFrom(six, 5060), nil
	case netip.MustParsePrefix("192.0.2.0/28").Contains(to):
		return netip.AddrPort{}, errors.New("no route")
	case to.As4()[0] == 10:
		return netip.AddrPortFrom(inside, 5060), nil
	}
	return netip.AddrPortFrom(outside, 5060), nil
}

// rig is a finder over a real table of registrations, real zones and a real resolver whose
// names are in a file.
type rig struct {
	*Finder
	table *registrations.Table
	route *routing.Router
	conns map[uint64]*loop.Conn
}

func (r *rig) Conn(flow uint64) *loop.Conn { return r.conns[flow] }

const node = `system: {name: edge}
interfaces: {external: {name: s1}}
sip: {mode: on, udp: 5060}
zones:
  - {name: core, protocol: sip, monitor: off, peers: ["10.0.0.10:5060", "10.0.0.11:5070"]}
  - {name: secure, protocol: sip, monitor: off, peers: [198.51.100.20], sip: {tls_verify: on, tls_verify_name: core.example}}
  - {name: natted, protocol: sip, monitor: off, nat: on, peers: ["198.51.100.30:5060"], sip: {transport: tcp}}
  - {name: named, protocol: sip, monitor: off, peers: ["nobody.example:5060"]}
  - {name: broken, protocol: sip, monitor: off, peers: ["192.0.2.1:5060", "198.51.100.31:5060"]}
  - {name: internet, type: dns, protocol: sip}
  - {name: careful, type: dns, protocol: sip, sip: {transport: tls, tls_verify: on}}
`

const hosts = "198.51.100.40 far.example\n2001:db8::40 far.example\n10.0.0.50 proxy.example\n"

func newRig(t *testing.T) *rig {
	t.Helper()
	c, err := config.Parse("node.yaml", []byte(node))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{table: registrations.New(registrations.Config{}), conns: map[uint64]*loop.Conn{}}
	if r.route, err = routing.New(c, routing.Surroundings{}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte(hosts), 0o600); err != nil {
		t.Fatal(err)
	}
	// A name server that is not there answers quickly: nobody listens on that port.
	nobody := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}
	r.Finder = New(t.Context(), Config{
		Bindings: r.table, Connections: r, Ways: ways{},
		Neighbours: neighbours.New(c, neighbours.Deps{Ways: ways{}}),
		Locator:    locate.New(locate.Config{Servers: nobody, Hosts: file}),
		Internal:   func(a netip.Addr) bool { return a == inside },
		Own:        func(a netip.Addr) bool { return a == inside || a == outside },
		NAT:        func(subzone string) bool { return subzone != "datacentre" },
	})
	return r
}

func (r *rig) target(t *testing.T, zone, name string) *dialplan.Target {
	t.Helper()
	a, err := alias.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	z := r.route.Snapshot().Zones.ByName(zone)
	target := &dialplan.Target{Kind: dialplan.ToZone, Alias: a, Zone: z}
	switch z.Type {
	case zones.DNS:
		target.Kind = dialplan.ToDNS
	case zones.Default:
		target.Kind, target.Address = dialplan.ToAddress, a.AddrPort(0)
	default:
		target.Order = zones.Choose(z, nil, a.Name)
	}
	return target
}

// here runs what is posted on the goroutine of the test.
type here chan func()

func (h here) Post(f func()) bool { h <- f; return true }

// find returns the places of a target, and whether somebody had to be asked.
func (r *rig) find(target *dialplan.Target) (list []Place, asked bool, err error) {
	on := make(here, 1)
	told := false
	r.Find(on, target, func(l []Place, e error) { list, err, told = l, e, true })
	if !told {
		(<-on)()
		return list, true, err
	}
	return list, false, err
}

// texts writes places as a test reads them.
func texts(list []Place) (out []string) {
	for _, p := range list {
		s := fmt.Sprintf("%s to %s %s from %s", p.URI, p.Hop.Transport, p.Hop.Remote, p.Side)
		if p.Hop.Name != "" {
			s += " as " + p.Hop.Name
		}
		for _, r := range p.Routes {
			s += " via " + r.URI.String()
		}
		if p.Nearby {
			s += " nearby"
		}
		if p.Hop.Only {
			s += " only"
		}
		if p.NAT.IsValid() {
			s += " nat " + p.NAT.String()
		}
		out = append(out, s)
	}
	return out
}

func TestZones(t *testing.T) {
	r := newRig(t)
	tests := []struct {
		name, zone, alias string
		want              []string
		asked             bool
		err               error
	}{
		{"a domain stays what it is", "secure", "bob@example.com", []string{"sip:bob@example.com to tls 198.51.100.20:5061 from 198.51.100.1 as core.example"}, false, nil},
		{"a number gets the peer's address", "natted", "1234", []string{"sip:1234@198.51.100.30:5060 to tcp 198.51.100.30:5060 from 198.51.100.1 nat 198.51.100.30"}, false, nil},
		{"so does a name at an address of ours", "secure", "bob@198.51.100.1", []string{"sip:bob@198.51.100.20:5061 to tls 198.51.100.20:5061 from 198.51.100.1 as core.example"}, false, nil},
		{"another's address stays", "secure", "bob@203.0.113.9", []string{"sip:bob@203.0.113.9 to tls 198.51.100.20:5061 from 198.51.100.1 as core.example"}, false, nil},
		{"a peer without a known address", "named", "bob@example.com", nil, false, ErrNowhere},
		{"no route to the first peer", "broken", "bob@example.com", []string{"sip:bob@example.com to udp 198.51.100.31:5060 from 198.51.100.1"}, false, nil},
		{"an address that was called", "DefaultZone", "203.0.113.9", []string{"sip:203.0.113.9 to udp 203.0.113.9:5060 from 198.51.100.1"}, false, nil},
		{"an address and port", "DefaultZone", "[2001:db8::9]:5070", []string{"sip:[2001:db8::9]:5070 to udp [2001:db8::9]:5070 from 2001:db8::1"}, false, nil},
		{"a domain by DNS", "internet", "bob@far.example:5080", []string{
			"sip:bob@far.example:5080 to udp [2001:db8::40]:5080 from 2001:db8::1", "sip:bob@far.example:5080 to udp 198.51.100.40:5080 from 198.51.100.1",
		}, true, nil},
		{"a domain by DNS, only over TLS", "careful", "bob@far.example:5081", []string{
			"sip:bob@far.example:5081 to tls [2001:db8::40]:5081 from 2001:db8::1 as far.example", "sip:bob@far.example:5081 to tls 198.51.100.40:5081 from 198.51.100.1 as far.example",
		}, true, nil},
		{"nobody to ask", "internet", "bob@lost.example", nil, true, locate.ErrUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			list, asked, err := r.find(r.target(t, test.zone, test.alias))
			if diff := cmp.Diff(test.want, texts(list)); diff != "" || !errors.Is(err, test.err) || asked != test.asked {
				t.Errorf("asked %t, error %v\n%s", asked, err, diff)
			}
			for _, p := range list {
				if p.Zone.Name != test.zone {
					t.Errorf("zone %s", p.Zone.Name)
				}
			}
		})
	}
}

// RG-06: the peers of a zone are tried in the order that the dial plan chose.
func TestPeersInOrder(t *testing.T) {
	r := newRig(t)
	free := sessions{"10.0.0.10": 3, "10.0.0.11": 7}
	target := r.target(t, "core", "bob@example.com")
	target.Order = zones.Choose(target.Zone, free, "bob@example.com")
	list, _, err := r.find(target)
	want := []string{"sip:bob@example.com to udp 10.0.0.11:5070 from 10.0.0.1 nearby", "sip:bob@example.com to udp 10.0.0.10:5060 from 10.0.0.1 nearby"}
	if diff := cmp.Diff(want, texts(list)); diff != "" || err != nil {
		t.Errorf("error %v\n%s", err, diff)
	}
}

// sessions are the free ones of peers.
type sessions map[string]int

func (s sessions) Peer(z *zones.Zone, i int) zones.PeerState {
	return zones.PeerState{Known: true, Free: s[z.Peers[i].Host]}
}

// register adds a binding of bob and returns its target.
func (r *rig) register(t *testing.T, b registrations.Binding) *dialplan.Target {
	t.Helper()
	b.AOR, b.Protocol, b.Expires, b.Q = "bob@example.com", dialplan.SIP, time.Now().Add(time.Minute), 1000
	have, err := r.table.Update(b.AOR, func(time.Time, []*registrations.Binding) (registrations.Changes, error) {
		return registrations.Changes{Put: []registrations.Binding{b}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	target := r.target(t, "local", b.AOR)
	target.Kind = dialplan.ToBinding
	target.Binding = dialplan.Binding{ID: have[len(have)-1].ID, Protocol: dialplan.SIP, Contact: b.Contact}
	return target
}

func TestBindings(t *testing.T) {
	from := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	tests := []struct {
		name  string
		b     registrations.Binding
		want  []string
		asked bool
		err   error
	}{
		{
			"UDP, no NAT: where it listens",
			registrations.Binding{Contact: "sip:bob@10.0.0.7:5062", Transport: "udp", Source: from("10.0.0.7:40000"), Local: from("10.0.0.1:5060")},
			[]string{"sip:bob@10.0.0.7:5062 to udp 10.0.0.7:5062 from 10.0.0.1 nearby nat 10.0.0.7"},
			false, nil,
		},
		{
			"UDP behind NAT: where it came from",
			registrations.Binding{Contact: "sip:bob@192.168.1.7:5060", Transport: "udp", Source: from("203.0.113.7:40000"), Local: from("198.51.100.1:5060")},
			[]string{"sip:bob@192.168.1.7:5060 to udp 203.0.113.7:40000 from 198.51.100.1 nat 203.0.113.7"},
			false, nil,
		},
		{
			"media is not learnt there",
			registrations.Binding{Contact: "sip:bob@10.0.0.7", Transport: "udp", Source: from("10.0.0.7:5060"), Local: from("10.0.0.1:5060"), Subzone: "datacentre"},
			[]string{"sip:bob@10.0.0.7 to udp 10.0.0.7:5060 from 10.0.0.1 nearby"},
			false, nil,
		},
		{
			"UDP flow (RFC 5626): nothing but where it came from",
			registrations.Binding{Contact: "sip:bob@10.0.0.7:5062;ob", Transport: "udp", Source: from("10.0.0.7:40000"), Local: from("10.0.0.1:5060"), Outbound: true, Instance: "<urn:uuid:1>", RegID: 1},
			[]string{"sip:bob@10.0.0.7:5062;ob to udp 10.0.0.7:40000 from 10.0.0.1 nearby only nat 10.0.0.7"},
			false, nil,
		},
		{
			"TCP, its connection has gone: its contact",
			registrations.Binding{Contact: "sip:bob@10.0.0.7:5062;transport=tcp", Transport: "tcp", Source: from("10.0.0.7:40000"), Local: from("10.0.0.1:5060"), Flow: 9},
			[]string{"sip:bob@10.0.0.7:5062;transport=tcp to tcp 10.0.0.7:5062 from 10.0.0.1 nearby nat 10.0.0.7"},
			false, nil,
		},
		{
			"TCP behind NAT, its connection has gone",
			registrations.Binding{Contact: "sip:bob@192.168.1.7:5062;transport=tcp", Transport: "tcp", Source: from("203.0.113.7:40000"), Local: from("198.51.100.1:5060"), Flow: 9},
			nil, false, ErrNowhere,
		},
		{
			"a contact with a name",
			registrations.Binding{Contact: "sip:bob@far.example:5062;transport=tcp", Transport: "tcp", Source: from("198.51.100.40:40000"), Local: from("198.51.100.1:5060"), Flow: 9},
			[]string{"sip:bob@far.example:5062;transport=tcp to tcp [2001:db8::40]:5062 from 2001:db8::1 nat 198.51.100.40", "sip:bob@far.example:5062;transport=tcp to tcp 198.51.100.40:5062 from 198.51.100.1 nat 198.51.100.40"},
			true, nil,
		},
		{
			"through a proxy (RFC 3327)",
			registrations.Binding{Contact: "sip:bob@192.168.1.7", Transport: "udp", Path: []string{"<sip:10.0.0.9:5080;lr>"}, Source: from("10.0.0.9:5060"), Local: from("10.0.0.1:5060")},
			[]string{"sip:bob@192.168.1.7 to udp 10.0.0.9:5080 from 10.0.0.1 via sip:10.0.0.9:5080;lr nearby"},
			false, nil,
		},
		{
			"through a proxy that is another than who registered",
			registrations.Binding{Contact: "sip:bob@192.168.1.7", Transport: "tcp", Path: []string{"<sip:proxy.example:5080;transport=tcp;lr>"}, Source: from("10.0.0.9:40000"), Local: from("10.0.0.1:5060")},
			[]string{"sip:bob@192.168.1.7 to tcp 10.0.0.50:5080 from 10.0.0.1 via sip:proxy.example:5080;transport=tcp;lr nearby"},
			true, nil,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			list, asked, err := r.find(r.register(t, test.b))
			if diff := cmp.Diff(test.want, texts(list)); diff != "" || !errors.Is(err, test.err) || asked != test.asked {
				t.Errorf("asked %t, error %v\n%s", asked, err, diff)
			}
		})
	}
}

func TestABindingThatHasGone(t *testing.T) {
	r := newRig(t)
	target := r.target(t, "local", "bob@example.com")
	target.Kind, target.Binding.ID = dialplan.ToBinding, 99
	if _, _, err := r.find(target); !errors.Is(err, ErrNowhere) || !strings.Contains(err.Error(), "bob@example.com") {
		t.Errorf("got %v", err)
	}
}

// RG-03: an endpoint that has lost one flow is reached over the other, and the ones that
// work are tried one after the other.
func TestFlowsOfAnEndpoint(t *testing.T) {
	r := newRig(t)
	r.conns[1], r.conns[2] = connect(t), connect(t)
	flow := func(n uint64) registrations.Binding {
		return registrations.Binding{
			Contact: fmt.Sprintf("sip:bob@192.168.1.7;transport=tcp;flow=%d", n), Transport: "tcp", Flow: n, Outbound: true,
			Instance: "<urn:uuid:1>", RegID: uint32(n), Source: r.conns[n].Remote(), Local: r.conns[n].Local(),
		}
	}
	target := r.register(t, flow(1))
	r.register(t, flow(2))
	flows := func() (out []*loop.Conn) {
		list, _, _ := r.find(target)
		for _, p := range list {
			if !p.Hop.Only || p.Hop.Remote != p.Hop.Conn.Remote() {
				t.Errorf("not a flow: %v", p.Hop)
			}
			out = append(out, p.Hop.Conn)
		}
		return out
	}
	if got := flows(); len(got) != 2 || got[0] != r.conns[1] || got[1] != r.conns[2] {
		t.Errorf("both flows: %v", got)
	}
	second := r.conns[2]
	delete(r.conns, 1)
	if got := flows(); len(got) != 1 || got[0] != second {
		t.Errorf("the first one lost: %v", got)
	}
}

// connect opens a real connection to somebody who listens.
func connect(t *testing.T) *loop.Conn {
	t.Helper()
	l, err := loop.New(loop.Config{NewFramer: func() loop.Framer { return nothing{} }, Handler: nothing{}, Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-l.Listening()
	c, err := l.Dial(t.Context(), loop.Target{Remote: listener(t)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// nothing takes nothing in.
type nothing struct{}

func (nothing) Next([]byte) (loop.Frame, error) { return loop.Frame{}, nil }
func (nothing) Message(loop.Source, []byte)     {}
func (nothing) Closed(*loop.Conn)               {}

func listener(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}
