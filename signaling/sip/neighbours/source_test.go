package neighbours

import (
	"net/netip"
	"testing"

	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// shown is sockets on which every TLS connection has shown the same certificate.
type shown []string

func (shown) Local(transport.Hop) (netip.AddrPort, error) { return here, nil }
func (s shown) PeerNames(*loop.Conn) []string             { return s }

const mixed = `  - {name: plain, protocol: sip, peers: ["192.0.2.10:5060"]}
  - {name: twin, protocol: sip, peers: ["192.0.2.10:5070"]}
  - {name: strict, protocol: sip, peers: ["192.0.2.20"], sip: {tls_verify: on, tls_verify_name: Core.Example}}
  - {name: named, protocol: sip, peers: [edge.example], sip: {tls_verify: on}}
`

func sources(t *testing.T, names ...string) *Neighbours {
	t.Helper()
	c := parse(t, mixed)
	route, err := routing.New(c, routing.Surroundings{})
	if err != nil {
		t.Fatal(err)
	}
	return New(c, Deps{
		Ways: shown(names), Log: &records{}, Load: func() Load { return Load{Maximum: 10, Current: 4} },
		Directory: func() *zones.Directory { return route.Snapshot().Zones },
	})
}

func TestSource(t *testing.T) {
	tests := []struct {
		name      string
		transport loop.Transport
		from      string
		names     []string // of the certificate
		want      string
	}{
		{"an address of a zone", loop.UDP, "192.0.2.10:5060", nil, "plain"},
		{"the same address, the port of another", loop.UDP, "192.0.2.10:5070", nil, "twin"},
		{"another port, as TCP has it", loop.TCP, "192.0.2.10:40000", nil, "plain"},
		{"nobody's address", loop.UDP, "198.51.100.1:5060", nil, "DefaultZone"},
		{"an address proves nothing where certificates are checked", loop.UDP, "192.0.2.20:5061", nil, "DefaultZone"},
		{"nor over TLS without a certificate", loop.TLS, "192.0.2.20:40000", nil, "DefaultZone"},
		{"nor with another's", loop.TLS, "192.0.2.20:40000", []string{"evil.example"}, "DefaultZone"},
		{"the certificate fits", loop.TLS, "192.0.2.20:40000", []string{"other.example", "core.example"}, "strict"},
		{"wherever it comes from", loop.TLS, "198.51.100.1:40000", []string{"CORE.example"}, "strict"},
		{"the peer's own name", loop.TLS, "198.51.100.1:40000", []string{"edge.example"}, "named"},
		{"a name beneath it is another", loop.TLS, "198.51.100.1:40000", []string{"a.edge.example"}, "DefaultZone"},
		{"a wildcard is nobody (RFC 5922 section 7.2)", loop.TLS, "198.51.100.1:40000", []string{"*.example"}, "DefaultZone"},
		{"a certificate of nobody, an address without checks", loop.TLS, "192.0.2.10:40000", []string{"phone.example"}, "plain"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := sources(t, test.names...)
			got := n.Source(loop.Source{Transport: test.transport, Local: here, Remote: netip.MustParseAddrPort(test.from)})
			if got.Name != test.want {
				t.Errorf("got %s, want %s", got.Name, test.want)
			}
		})
	}
}

// RG-06: peers of zones are told how many sessions are left, nobody else is.
func TestTell(t *testing.T) {
	n := sources(t)
	for from, want := range map[string]string{"192.0.2.10:5060": "maximum=10;current=4", "198.51.100.1:5060": "", "192.0.2.20:5061": ""} {
		m := message.NewResponse(message.NewRequest(message.Options, message.URI{Scheme: "sip", Host: "192.0.2.1"}), 200, "")
		n.Tell(loop.Source{Transport: loop.UDP, Local: here, Remote: netip.MustParseAddrPort(from)}, m)
		if got := m.Get(Header); got != want {
			t.Errorf("%s is told %q, want %q", from, got, want)
		}
	}
}

// What is known of a peer and whose message it is is asked for each call.
func BenchmarkPeer(b *testing.B) {
	n := New(parse(b, mixed), Deps{Ways: shown(nil), Log: &records{}})
	z := &zones.Zone{Name: "plain", Type: zones.Neighbour, Peers: []zones.Peer{{Host: "192.0.2.10", Port: 5060}}}
	for b.Loop() {
		_ = n.Peer(z, 0)
	}
}
