package turn

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/stun/v3"
)

func TestAllocateSuccess(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	answer := c.must(stun.MethodAllocate, udpTransport(), bothFamilies())
	x := relayedOf(answer)
	if len(x) != 2 || x[0].Addr() != relayAddr || x[1].Addr() != relay6Addr {
		t.Errorf("relayed addresses %v", x)
	}
	for _, a := range x {
		if a.Port() < 24000 || a.Port() > 24099 {
			t.Errorf("%s is outside the relay range", a)
		}
	}
	v, _ := answer.Get(stun.AttrXORMappedAddress)
	if mapped, _ := xorAddress(v, answer.TransactionID); mapped != clientAddr {
		t.Errorf("mapped address %s, want %s", mapped, clientAddr)
	}
	if got := lifetimeOf(answer); got != 10*time.Minute {
		t.Errorf("lifetime %s, want 10m", got)
	}
}

func TestAddressErrorCode(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*Config)
		want string
	}{
		{"no IPv6", only4, "\x02\x00\x04\x28Address Family not Supported"},
		{"no IPv4", only6, "\x01\x00\x04\x28Address Family not Supported"},
		{"no room for a second", func(c *Config) { c.MaxRelays = 1 }, "\x02\x00\x05\x08Insufficient Capacity"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.edit)
			answer := w.client().must(stun.MethodAllocate, udpTransport(), bothFamilies())
			got, _ := answer.Get(attrAddressErrorCode)
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("ADDRESS-ERROR-CODE (-want +got):\n%s", diff)
			}
			if n := len(relayedOf(answer)); n != 1 {
				t.Errorf("%d relayed addresses, want 1", n)
			}
		})
	}
}

func TestLifetimeIsClamped(t *testing.T) {
	for asked, want := range map[uint32]time.Duration{
		0: 10 * time.Minute, 1: 10 * time.Minute, 600: 10 * time.Minute, 1200: 20 * time.Minute,
		3600: time.Hour, 3601: time.Hour, 1 << 31: time.Hour,
	} {
		w := newWorld(t, nil)
		c := w.client()
		if got := lifetimeOf(c.must(stun.MethodAllocate, udpTransport(), lifetime(asked))); got != want {
			t.Errorf("allocate with %d: lifetime %s, want %s", asked, got, want)
		}
		if asked == 0 {
			want = 0
		}
		if got := lifetimeOf(c.must(stun.MethodRefresh, lifetime(asked))); got != want {
			t.Errorf("refresh with %d: lifetime %s, want %s", asked, got, want)
		}
	}
}

// RFC 8656 section 7.2: UDP loses answers.
func TestRetransmittedAllocate(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	c.challenge()
	m := c.sign(message(stun.MethodAllocate, stun.ClassRequest, udpTransport(), raw(stun.AttrEvenPort, 0x80), lifetime(1800)))
	first, second := c.exchange(m), c.exchange(m)
	if codeOf(first) != 0 {
		t.Fatalf("answered with %d", codeOf(first))
	}
	if diff := cmp.Diff(first.Raw, second.Raw); diff != "" {
		t.Errorf("second answer differs (-first +second):\n%s", diff)
	}
	if n := w.server.Stats().Relays; n != 2 {
		t.Errorf("%d relays, want one and its reserved neighbour", n)
	}
}

func TestEvenPortAndReservation(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	answer := c.must(stun.MethodAllocate, udpTransport(), raw(stun.AttrEvenPort, 0x80))
	rtp := relayedOf(answer)[0]
	token, err := answer.Get(stun.AttrReservationToken)
	if err != nil || rtp.Port()%2 != 0 {
		t.Fatalf("port %d, token error %v", rtp.Port(), err)
	}
	token = append([]byte(nil), token...)
	use := []attr{udpTransport(), raw(stun.AttrReservationToken, token...)}

	thief := w.client()
	thief.addr, thief.user, thief.pass = withPort(clientAddr, 40002), "v", "q"
	if got := codeOf(thief.do(stun.MethodAllocate, use...)); got != 508 {
		t.Errorf("another user's token answered with %d, want 508", got)
	}
	second := w.client()
	second.addr = withPort(clientAddr, 40001)
	if got := relayedOf(second.must(stun.MethodAllocate, use...))[0]; got != nextPort(rtp) {
		t.Errorf("reserved %s, want %s", got, nextPort(rtp))
	}
	second.permit(peerAddr)
	w.send(peerAddr, nextPort(rtp), []byte("rtcp"), metaNone)
	if got := w.receive(second.addr); len(got) != 1 {
		t.Errorf("%d datagrams by the reserved relay, want 1", len(got))
	}
	third := w.client()
	third.addr = withPort(clientAddr, 40003)
	if got := codeOf(third.do(stun.MethodAllocate, use...)); got != 508 {
		t.Errorf("token used twice answered with %d, want 508", got)
	}
}

// CA-03, CA-04: at a limit a new request is refused and nobody else notices.
func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*Config)
		room int
		want int
	}{
		{"relays", func(c *Config) { c.MaxRelays = 3 }, 3, 508},
		{"places of the node", func(c *Config) { c.Capacity = &places{limit: 3} }, 3, 508},
		{"relays per request port", func(c *Config) { c.MaxPerPort = 2 }, 2, 508},
		{"ports", func(c *Config) { c.PortMax = c.PortMin + 3 }, 4, 508},
		{"quota", func(c *Config) { c.QuotaPerUser = 2 }, 2, 486},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.edit)
			var last *testClient
			for i := range tt.room {
				last = w.client()
				last.addr = withPort(clientAddr, uint16(50000+i))
				last.allocate()
			}
			c := w.client()
			if got := codeOf(c.do(stun.MethodAllocate, udpTransport())); got != tt.want {
				t.Errorf("one too many answered with %d, want %d", got, tt.want)
			}
			last.must(stun.MethodRefresh, lifetime(0))
			c.allocate()
		})
	}
}

// The six request ports of a node without multiplexing. CA-03
func TestLimitPerPortIsPerPort(t *testing.T) {
	second := withPort(serverAddr, 3479)
	w := newWorld(t, func(c *Config) { c.MaxPerPort = 1; c.Listen = append(c.Listen, second) })
	a, b := w.client(), w.client()
	b.server = second
	a.allocate()
	b.allocate()
}

func TestPermissionAndChannelLimits(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxPermissions, c.MaxChannels = 3, 2 })
	c := w.client()
	c.allocate()
	host := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("198.51.100.%d", 10+i)), 5000)
	}
	if got := codeOf(c.do(stun.MethodCreatePermission, peer(host(0)), peer(host(1)), peer(host(2)), peer(host(3)))); got != 508 {
		t.Errorf("four permissions answered with %d, want 508", got)
	}
	c.must(stun.MethodCreatePermission, peer(host(0)), peer(host(1)), peer(host(1)), peer(host(2)))
	if got := codeOf(c.do(stun.MethodCreatePermission, slices.Repeat([]attr{peer(host(0))}, 7)...)); got != 508 {
		t.Errorf("more peers than an allocation can have answered with %d, want 508", got)
	}
	if got := codeOf(c.do(stun.MethodChannelBind, channelNumber(0x4000), peer(host(3)))); got != 508 {
		t.Errorf("channel that needs a fourth permission answered with %d, want 508", got)
	}
	c.bind(0x4000, host(0))
	c.bind(0x4001, host(1))
	if got := codeOf(c.do(stun.MethodChannelBind, channelNumber(0x4002), peer(host(2)))); got != 508 {
		t.Errorf("third channel answered with %d, want 508", got)
	}
	c.permit(host(2))
}

func TestFullFlowTable(t *testing.T) {
	w := newWorld(t, nil)
	w.room = 1
	c := w.client()
	c.allocate()
	c.bind(0x4000, peerAddr)
	other := withPort(peerAddr, 6000)
	if got := codeOf(c.do(stun.MethodChannelBind, channelNumber(0x4001), peer(other))); got != 508 {
		t.Errorf("bind without room in the table answered with %d, want 508", got)
	}
	c.bind(0x4000, peerAddr)
	w.room = 2
	c.bind(0x4001, other)
}

// A port that another program has is put aside.
func TestTakenPorts(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.PortMax = c.PortMin + 3 })
	for port := uint16(24000); port < 24003; port++ {
		w.taken[netip.AddrPortFrom(relayAddr, port)] = true
	}
	if got := w.client().allocate()[0].Port(); got != 24003 {
		t.Errorf("port %d, want the only free one", got)
	}
	if h := w.holds(); h.Ports != 3 {
		t.Errorf("gate is open for %d ports, want 3", h.Ports)
	}
}

func TestFreedPortsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPorts(24000, 24003)
		first, _ := p.any(time.Now())
		p.put(first, time.Now())
		for range 3 {
			if port, ok := p.any(time.Now()); !ok || port == first {
				t.Errorf("port %d, %t: want one that did not just get free", port, ok)
			}
		}
		if port, ok := p.any(time.Now()); !ok || port != first {
			t.Errorf("port %d, %t: want the resting one, as there is no other", port, ok)
		}
		if port, ok := p.any(time.Now()); ok {
			t.Errorf("port %d out of nothing", port)
		}
		p.put(first, time.Now())
		time.Sleep(portRest)
		if port, ok := p.even(true, time.Now()); ok {
			t.Errorf("pair at %d out of one port", port)
		}
	})
}

func TestDrain(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	c.allocate()
	w.server.Drain(true)
	late := w.client()
	late.addr = withPort(clientAddr, 40001)
	if got := codeOf(late.do(stun.MethodAllocate, udpTransport())); got != 508 || !w.server.Draining() {
		t.Errorf("allocate while draining answered with %d, want 508", got)
	}
	c.must(stun.MethodRefresh)
	c.bind(0x4000, peerAddr)
	w.server.Drain(false)
	late.allocate()
}
