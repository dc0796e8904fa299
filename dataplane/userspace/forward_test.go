package userspace

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

var families = []struct {
	name         string
	client, peer netip.Addr
}{
	{"IPv4", loopback4, loopback4},
	{"IPv6", loopback6, loopback6},
	{"IPv4 to IPv6", loopback4, loopback6},
	{"IPv6 to IPv4", loopback6, loopback4},
}

// ME-01, ME-03: both directions, every pair of address families.
func TestRelaysBothWays(t *testing.T) {
	for _, tt := range families {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, tt.client, tt.peer)
			s.install(s.up())
			s.install(s.down())
			s.client.send(s.listen.Local(), message("hello"))
			s.turn()
			s.peer.receive(s.out.Local(), "hello")
			s.peer.send(s.out.Local(), "good day")
			s.turn()
			s.client.receive(s.listen.Local(), message("good day"))
			s.left(bpf.ReasonForwarded, 2)
			s.wasHeard()
		})
	}
}

// RFC 8656 sections 12 to 15: the hop limit goes down by one, DSCP and ECN stay.
func TestHeaderFields(t *testing.T) {
	const expedited = 46<<2 | 1 // expedited forwarding, and ECN 01
	for _, tt := range families {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, tt.client, tt.peer)
			s.install(s.up())
			s.client.sendWith(s.listen.Local(), message("x"), relay.Meta{TrafficClass: expedited, HopLimit: 17})
			s.turn()
			want := relay.Meta{TrafficClass: expedited, HopLimit: 16}
			if got := s.peer.next().Meta; got != want {
				t.Errorf("peer got %+v, want %+v", got, want)
			}
			s.client.sendWith(s.listen.Local(), message("x"), relay.Meta{HopLimit: 1})
			s.turn()
			s.left(bpf.ReasonHopLimit, 1)
			s.client.sendWith(s.listen.Local(), "stun", relay.Meta{TrafficClass: expedited, HopLimit: 9})
			s.turn()
			if got, want := s.heard[0].Meta, (relay.Meta{TrafficClass: expedited, HopLimit: 9}); got != want {
				t.Errorf("handler got %+v, want %+v", got, want)
			}
		})
	}
}

// The header is taken off, put on, swapped, or neither.
func TestChannelHeaders(t *testing.T) {
	const other = 0x7fff
	tests := []struct {
		name    string
		in, out uint16
		send    string
		want    string
	}{
		{"strip", channel, 0, "\x40\x01\x00\x02hi", "hi"},
		{"strip with padding", channel, 0, "\x40\x01\x00\x02hi\x00\x00", "hi"},
		{"strip nothing but a header", channel, 0, "\x40\x01\x00\x00", ""},
		{"swap", channel, other, "\x40\x01\x00\x02hi", "\x7f\xff\x00\x02hi"},
		{"swap drops the padding", channel, other, "\x40\x01\x00\x02hi\x00", "\x7f\xff\x00\x02hi"},
		{"add", 0, other, "hi", "\x7f\xff\x00\x02hi"},
		{"add to an empty datagram", 0, other, "", "\x7f\xff\x00\x00"},
		{"plain", 0, 0, "hi", "hi"},
		{"plain that looks like ChannelData", 0, 0, "\x40\x01\x00\x02hi", "\x40\x01\x00\x02hi"},
		{"large", 0, other, strings.Repeat("x", 60000), "\x7f\xff\xea\x60" + strings.Repeat("x", 60000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, loopback4, loopback4)
			f, at, from := s.up(), s.listen, s.client
			if tt.in == 0 {
				f, at, from = s.down(), s.out, s.peer
			}
			f.Key.Channel, f.Out.Channel = tt.in, tt.out
			f.Out.Src, f.Out.Dst = s.out.Local(), s.peer.addr
			id := s.install(f)
			from.send(at.Local(), tt.send)
			s.turn()
			s.peer.receive(s.out.Local(), tt.want)
			bytes := len(tt.want)
			if tt.out != 0 {
				bytes -= channelHeader
			}
			want := relay.Counters{Packets: 1, Bytes: uint64(bytes), LastSeen: s.now}
			if d := cmp.Diff(want, s.relay.Counters(id), cmpopts.EquateApproxTime(0)); d != "" {
				t.Errorf("counters, want(-) got(+):\n%s", d)
			}
		})
	}
}

// What is wrong with ChannelData is counted, and left to the handler.
func TestBadChannelData(t *testing.T) {
	tests := []struct {
		name string
		send string
		why  bpf.Reason
	}{
		{"half a header", "\x40\x01\x00", bpf.ReasonChannelLength},
		{"too short", "\x40\x01\x00\x03hi", bpf.ReasonChannelLength},
		{"too much padding", "\x40\x01\x00\x02hi\x00\x00\x00\x00", bpf.ReasonChannelPadding},
		{"padding that is not zero", "\x40\x01\x00\x02hi\x00\x01", bpf.ReasonChannelPadding},
		{"another channel", "\x40\x02\x00\x02hi", bpf.ReasonControl},
		{"a STUN message", "\x00\x01\x00\x00", bpf.ReasonControl},
		{"nothing", "", bpf.ReasonControl},
		{"neither STUN nor ChannelData", "\x80\x01\x00\x00", bpf.ReasonControl},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, loopback4, loopback4)
			s.install(s.up())
			s.client.send(s.listen.Local(), tt.send)
			s.turn()
			s.left(tt.why, 1)
			s.wasHeard(tt.send)
		})
	}
}

// A flow takes what comes from one address and port only.
func TestFlowTakesItsSenderOnly(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	s.install(s.down())
	newEnd(t, loopback4).send(s.out.Local(), "bleed")
	s.turn()
	s.left(bpf.ReasonStranger, 1)
	s.client.nothing()
	s.wasHeard()
}

func TestSendingFails(t *testing.T) {
	t.Run("the socket to send from is not open", func(t *testing.T) {
		s := newSite(t, loopback4, loopback4)
		s.install(s.up())
		if err := s.out.Close(); err != nil {
			t.Fatal(err)
		}
		s.client.send(s.listen.Local(), message("x"))
		s.turn()
		s.left(bpf.ReasonNoDevice, 1)
	})
	t.Run("the system refuses", func(t *testing.T) {
		s := newSite(t, loopback4, loopback4)
		f := s.up()
		f.Out.Dst = netip.MustParseAddrPort("255.255.255.255:9")
		s.install(f)
		s.client.send(s.listen.Local(), message("x"))
		s.turn()
		s.left(bpf.ReasonSendFailed, 1)
	})
}

// One refused datagram does not take the others of its batch along.
func TestSendingGoesOnBehindAFailure(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	s.install(s.up())
	bad := s.up()
	bad.Key.Channel, bad.Out.Dst = channel+1, netip.MustParseAddrPort("255.255.255.255:9")
	s.install(bad)
	s.client.send(s.listen.Local(), message("one"))
	s.client.send(s.listen.Local(), "\x40\x02\x00\x01x")
	s.client.send(s.listen.Local(), message("two"))
	s.turn()
	s.peer.receive(s.out.Local(), "one")
	s.peer.receive(s.out.Local(), "two")
	s.left(bpf.ReasonForwarded, 2)
	s.left(bpf.ReasonSendFailed, 1)
}

// Datagrams of one flow keep their order, also around one for the handler.
func TestOrder(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	s.install(s.up())
	s.client.send(s.listen.Local(), message("one"))
	s.client.send(s.listen.Local(), "stun")
	s.client.send(s.listen.Local(), message("two"))
	s.turn()
	s.peer.receive(s.out.Local(), "one")
	s.peer.receive(s.out.Local(), "two")
	s.wasHeard("stun")
}

// message is ChannelData as the client sends it.
func message(data string) string {
	b := binary.BigEndian.AppendUint16(nil, channel)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return string(b) + data
}
