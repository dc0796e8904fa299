package turn

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

// encodings are the ways to write an IPv4 address as an IPv6 one.
func encodings(v4 netip.Addr) map[string]netip.Addr {
	b := v4.As4()
	at := func(format string, v ...any) netip.Addr { return netip.MustParseAddr(fmt.Sprintf(format, v...)) }
	hi, lo := int(b[0])<<8|int(b[1]), int(b[2])<<8|int(b[3])
	return map[string]netip.Addr{
		"mapped":        at("::ffff:%x:%x", hi, lo),
		"compatible":    at("::%x:%x", hi, lo),
		"NAT64":         at("64:ff9b::%x:%x", hi, lo),
		"local NAT64":   at("64:ff9b:1:2:3:4:%x:%x", hi, lo),
		"NAT64 /48":     at("64:ff9b:1:%x:%x:%x00::", hi, b[2], b[3]),
		"NAT64 /56":     at("64:ff9b:1:%x:%x:%x::", b[0], b[1], lo),
		"NAT64 /64":     at("64:ff9b:1:0:%x:%x:%x00:0", b[0], int(b[1])<<8|int(b[2]), b[3]),
		"6to4":          at("2002:%x:%x::1", hi, lo),
		"Teredo client": at("2001:0:808:808:0:0:%x:%x", hi^0xffff, lo^0xffff),
		"Teredo server": at("2001:0:%x:%x:0:0:1:1", hi, lo),
		"ISATAP":        at("2001:db8::5efe:%x:%x", hi, lo),
		"ISATAP global": at("2001:db8::200:5efe:%x:%x", hi, lo),
	}
}

// refusedPeers are addresses that may never be peers, in every encoding. ME-07
func refusedPeers() map[string]netip.Addr {
	list := map[string]netip.Addr{}
	for name, a := range map[string]string{
		"unspecified": "0.0.0.0", "this network": "0.1.2.3", "loopback": "127.0.0.1",
		"loopback end": "127.255.255.255", "link-local": "169.254.169.254",
		"multicast": "224.0.0.1", "multicast end": "239.255.255.255",
		"reserved": "240.0.0.1", "broadcast": "255.255.255.255",
		"subnet broadcast": "198.51.100.255", "denied": "10.1.2.3",
		"own without relays": "192.0.2.1", "own management": "203.0.113.200",
	} {
		v4 := netip.MustParseAddr(a)
		list[name] = v4
		for form, v6 := range encodings(v4) {
			list[name+", "+form] = v6
		}
	}
	for name, a := range map[string]string{
		"IPv6 unspecified": "::", "IPv6 loopback": "::1", "IPv6 link-local": "fe80::1",
		"IPv6 site-local": "fec0::1", "IPv6 multicast": "ff02::1", "IPv6 multicast global": "ff0e::1",
		"IPv6 reserved": "100::1", "IPv6 reserved high": "e000::1", "IPv6 reserved low": "1fff::1",
		"IPv6 own without relays": "2001:db8::1", "IPv6 denied": "fd00:dead::1",
		"IPv6 segment routing": "5f00::1", "NAT64 neighbour": "64:ff9b:2::1",
	} {
		list[name] = netip.MustParseAddr(a)
	}
	return list
}

func policyConfig(c *Config) {
	c.Deny = []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00:dead::/32"),
	}
	c.OwnAddrs = []netip.Addr{netip.MustParseAddr("203.0.113.200")}
	c.Subnets = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
}

// ME-07: at permission, at channel bind and at send.
func TestRefusedPeersInEveryEncoding(t *testing.T) {
	w := newWorld(t, policyConfig)
	c := w.client()
	c.allocate(bothFamilies())
	number := uint16(0x4000)
	for name, a := range refusedPeers() {
		p := netip.AddrPortFrom(a, 5000)
		if got := codeOf(c.do(stun.MethodCreatePermission, peer(p))); got != 403 {
			t.Errorf("%s (%s): permission answered with %d, want 403", name, a, got)
		}
		if got := codeOf(c.do(stun.MethodChannelBind, channelNumber(number), peer(p))); got != 403 {
			t.Errorf("%s (%s): bind answered with %d, want 403", name, a, got)
		}
		number++
		w.grantBehindItsBack(p)
		c.indicate(p, "x")
		w.run()
	}
	for at, got := range w.hosts {
		if at != clientAddr {
			t.Errorf("%d datagrams sent to %s", len(got), at)
		}
	}
}

// grantBehindItsBack gives the only allocation a permission as if it had been
// created before the peer was refused.
func (w *world) grantBehindItsBack(p netip.AddrPort) {
	s := w.server
	s.mu.Lock()
	defer s.unlock()
	for _, a := range s.allocations {
		local := s.local(p)
		x := a.relays[familyOf(local.Addr())]
		x.permissions = append(x.permissions[:0], permission{peer: local.Addr(), expires: x.expires})
	}
}

func TestAllowedPeers(t *testing.T) {
	w := newWorld(t, policyConfig)
	c := w.client()
	c.allocate(bothFamilies())
	for _, a := range []string{
		"198.51.100.99", "8.8.8.8", "192.168.1.1", "172.16.0.1", "198.18.0.1", "100.64.0.1", "223.255.255.255",
		"::ffff:8.8.8.8", "2001:db8:2::1", "2001:4860:4860::8888", "fd00::1", "fc00::1",
		"64:ff9b::808:808", "2002:808:808::1",
		"2001:0:808:808::f7f7:f7f7", "2001:db8::5efe:808:808",
	} {
		p := netip.AddrPortFrom(netip.MustParseAddr(a), 5000)
		c.permit(p)
	}
}

// ME-07: of our own addresses, ports of relays and of the media of calls only.
func TestOwnAddressOnlyInTheRelayRange(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MediaPorts = [2]uint16{36000, 36009} })
	c := w.client()
	c.allocate()
	self := netip.AddrPortFrom(relayAddr, 24050)
	c.permit(withPort(self, 22))
	number := uint16(0x4000)
	for port, want := range map[uint16]int{22: 403, 3478: 403, 23999: 403, 24000: 0, 24099: 0, 24100: 403, 35999: 403, 36000: 0, 36009: 0, 36010: 403} {
		number++
		answer := c.do(stun.MethodChannelBind, channelNumber(number), peer(withPort(self, port)))
		if got := codeOf(answer); got != want {
			t.Errorf("bind to own port %d answered with %d, want %d", port, got, want)
		}
	}
	c.indicate(withPort(self, 22), "ssh")
	w.run()
	if got := w.hosts[withPort(self, 22)]; len(got) != 0 {
		t.Error("sent to an own port outside the relay range")
	}
}

func TestLoopbackOnlyWhenAllowed(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.AllowLoopback = true
		c.OwnAddrs = []netip.Addr{loopbackPeer.Addr()}
	})
	c := w.client()
	c.allocate()
	c.bind(0x4000, loopbackPeer)
}

// All peers of a request get a permission, or none.
func TestPermissionsAreAllOrNothing(t *testing.T) {
	for name, bad := range map[string]attr{
		"refused":      peer(loopbackPeer),
		"other family": peer(peer6Addr),
		"malformed":    raw(stun.AttrXORPeerAddress, 1),
	} {
		w := newWorld(t, nil)
		c := w.client()
		c.allocate()
		if got := codeOf(c.do(stun.MethodCreatePermission, peer(peerAddr), bad)); got == 0 {
			t.Errorf("%s: accepted", name)
		}
		if h := w.holds(); h.Permits != 0 {
			t.Errorf("%s: %d permissions were created", name, h.Permits)
		}
	}
}

func TestSetDenyEndsPermissions(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	x := c.allocate()[0]
	c.bind(0x4000, peerAddr)
	w.server.SetDeny([]netip.Prefix{netip.PrefixFrom(peerAddr.Addr(), 32)})
	if h := w.holds(); h.Pairs != 0 || h.Permits != 0 {
		t.Errorf("of a denied peer the node holds %+v", h)
	}
	c.channelData(0x4000, "x")
	c.indicate(peerAddr, "x")
	w.send(peerAddr, x, []byte("x"), metaNone)
	if up, down := w.payloads(peerAddr), w.payloads(clientAddr); len(up)+len(down) != 0 {
		t.Errorf("relayed %q up and %q down", up, down)
	}
	if got := codeOf(c.do(stun.MethodChannelBind, channelNumber(0x4000), peer(peerAddr))); got != 403 {
		t.Errorf("bind answered with %d, want 403", got)
	}
}
