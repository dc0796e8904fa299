package b2bua

import (
	"net/netip"
	"testing"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/dialog"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// Where requests within a dialog go (RFC 3261 section 8.1.2, RFC 3263 section 4, RFC 3581).
func TestNextHop(t *testing.T) {
	udp := transport.Hop{Remote: netip.MustParseAddrPort("203.0.113.5:40000")}
	tcp := transport.Hop{Transport: loop.TCP, Remote: netip.MustParseAddrPort("203.0.113.5:40000"), Conn: new(loop.Conn)}
	for _, tc := range []struct {
		name   string
		began  transport.Hop
		near   bool
		target string
		route  string
		want   string
		conn   bool
	}{
		{"a contact", udp, true, "sip:a@203.0.113.5:5070", "", "udp 203.0.113.5:5070", false},
		{"without a port", udp, true, "sip:a@203.0.113.5", "", "udp 203.0.113.5:5060", false},
		{"over TLS", udp, true, "sip:a@203.0.113.5;transport=tls", "", "tls 203.0.113.5:5061", false},
		{"sips", udp, true, "sips:a@203.0.113.5:5099", "", "tls 203.0.113.5:5099", false},
		{"behind a NAT", udp, true, "sip:a@10.0.0.5:5060", "", "udp 203.0.113.5:40000", false},
		{"behind a proxy that went", udp, false, "sip:a@198.51.100.7:5060", "", "udp 198.51.100.7:5060", false},
		{"a route", udp, true, "sip:a@10.0.0.5:5060", "<sip:198.51.100.8:5080;lr>", "udp 198.51.100.8:5080", false},
		{"the connection", tcp, true, "sip:a@203.0.113.5:5060", "", "tcp 203.0.113.5:5060", true},
		{"another transport", tcp, true, "sip:a@203.0.113.5:5060;transport=udp", "", "udp 203.0.113.5:5060", false},
		{"another host", tcp, false, "sip:a@198.51.100.7;transport=tcp", "", "tcp 198.51.100.7:5060", false},
		{"a name that is not known yet", udp, true, "sip:a@host.test", "", "udp 203.0.113.5:40000", false},
		{"IPv6", udp, false, "sip:a@[2001:db8::7]", "", "udp [2001:db8::7]:5060", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			target, err := message.ParseURI(tc.target)
			if err != nil {
				t.Fatal(err)
			}
			l := &leg{name: legA, near: tc.near, hop: tc.began, end: &end{local: netip.MustParseAddr("192.0.2.1")}, d: dialog.Dialog{Target: target}}
			if tc.route != "" {
				a, err := message.ParseAddress(tc.route)
				if err != nil {
					t.Fatal(err)
				}
				l.d.Routes = []message.Address{a}
			}
			got := l.next()
			if s := got.Transport.String() + " " + got.Remote.String(); s != tc.want || (got.Conn != nil) != tc.conn {
				t.Errorf("goes to %s, over the connection: %t", s, got.Conn != nil)
			}
			if got.Local.IsValid() && got.Local.Is4() != got.Remote.Addr().Is4() {
				t.Errorf("comes from %s", got.Local)
			}
		})
	}
	flow := udp
	flow.Only = true
	l := &leg{hop: flow, d: dialog.Dialog{Target: message.URI{Host: "198.51.100.1"}}}
	if l.next() != flow {
		t.Error("a flow was left")
	}
}

// facts A2.3: why media passes this node.
func TestTraversal(t *testing.T) {
	in, out, six := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8::1")
	far := netip.MustParseAddr("10.0.0.7")
	for _, tc := range []struct {
		name  string
		a, b  end
		media string
		want  bool
		why   string
	}{
		{"one side", end{local: in, source: far}, end{local: in}, "10.0.0.7", false, "one side"},
		{"no offer yet", end{local: in, source: far}, end{local: in}, "", false, "one side"},
		{"two interfaces", end{local: in, source: far}, end{local: out}, "10.0.0.7", true, "interfaces"},
		{"two families on one interface", end{local: out}, end{local: six}, "", true, "IPv4-IPv6"},
		{"IPv6 media", end{local: in, source: far}, end{local: in}, "2001:db8::5", true, "IPv4-IPv6"},
		{"media elsewhere", end{local: in, source: far}, end{local: in}, "192.168.1.5", true, "NAT"},
		{"on hold by the old way", end{local: in, source: far}, end{local: in}, "0.0.0.0", false, "one side"},
		{"the callee behind a NAT", end{local: in, source: far}, end{local: in, behind: true}, "10.0.0.7", true, "NAT"},
		{"static NAT", end{local: six, source: six}, end{local: six}, "2001:db8::1", true, "static NAT"},
		{"relay", end{local: in, source: far, mode: config.MediaRelay}, end{local: in, mode: config.MediaDirect}, "10.0.0.7", true, "policy"},
		{"direct, though behind a NAT", end{local: in, source: far, mode: config.MediaDirect}, end{local: in}, "192.168.1.5", false, "policy"},
		{"through a firewall", end{local: in, source: far, zone: &zones.Zone{Type: zones.TraversalServer}}, end{local: in, mode: config.MediaDirect}, "10.0.0.7", true, "firewall traversal"},
		{"out through a firewall", end{local: in, source: far}, end{local: in, zone: &zones.Zone{Type: zones.TraversalClient}}, "", true, "firewall traversal"},
		{"direct, between interfaces", end{local: in, source: far, mode: config.MediaDirect}, end{local: out}, "10.0.0.7", true, "interfaces"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			nat := func(a netip.Addr) netip.Addr {
				if a == six {
					return netip.MustParseAddr("2001:db8::99")
				}
				return a
			}
			p := NewNodePolicy(nil, nat, func(a netip.Addr) string { return map[netip.Addr]string{in: "in", out: "out", six: "out"}[a] })
			media, _ := netip.ParseAddr(tc.media)
			if relay, why := traversal(p, &tc.a, &tc.b, media); relay != tc.want || why != tc.why {
				t.Errorf("relay %t, because of %s", relay, why)
			}
		})
	}
}

func TestNodePolicy(t *testing.T) {
	n := config.Default()
	n.Zones = []config.Zone{{Name: "z", NAT: true, Media: config.MediaRelay, SIP: config.ZoneSIP{Trusted: true, Refer: config.ReferPass}}}
	n.Subzones = []config.Subzone{{Name: "s", NAT: false, Media: config.MediaDirect}}
	n.DefaultSubzone.NAT, n.DefaultSubzone.Media = true, config.MediaAuto
	n.DefaultZone.NAT, n.DefaultZone.Media = false, config.MediaRelay
	p := NewNodePolicy(func() *config.Node { return n }, nil, nil)
	listed, local, stranger := &zones.Zone{Name: "z", Type: zones.Neighbour}, &zones.Zone{Name: "local", Type: zones.Local}, &zones.Zone{Name: "DefaultZone", Type: zones.Default}
	for _, tc := range []struct {
		zone    *zones.Zone
		subzone string
		nat     bool
		media   config.MediaMode
		trusted bool
		refer   bool
	}{
		{listed, "", true, config.MediaRelay, true, true},
		{local, "s", false, config.MediaDirect, false, false},
		{nil, "s", false, config.MediaDirect, false, false},
		{local, "other", true, config.MediaAuto, false, false},
		{stranger, "", false, config.MediaRelay, false, false},
		{nil, "", false, config.MediaRelay, false, false},
	} {
		if p.NAT(tc.zone, tc.subzone) != tc.nat || p.Media(tc.zone, tc.subzone) != tc.media || p.Trusted(tc.zone) != tc.trusted || p.Refer(tc.zone) != tc.refer {
			t.Errorf("%v %q: NAT %t, media %s, trusted %t, REFER %t", tc.zone, tc.subzone, p.NAT(tc.zone, tc.subzone), p.Media(tc.zone, tc.subzone), p.Trusted(tc.zone), p.Refer(tc.zone))
		}
	}
	n = n.Clone()
	n.Zones[0].Infrastructure, n.Bandwidth.DefaultKbps, n.Bandwidth.OverGrant = true, 512, config.OverGrantDisconnect
	if !p.Infrastructure(listed) || p.Infrastructure(local) || p.DefaultKbps() != 512 || !p.EndsOverGrant() {
		t.Error("another configuration is in force, but is not asked")
	}
	if got := p.Session(); got.Time.Minutes() != 30 || got.Min.Seconds() != 500 {
		t.Errorf("session times %v", got)
	}
}
