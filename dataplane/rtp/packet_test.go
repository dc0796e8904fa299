package rtp

import (
	"net/netip"
	"testing"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// RFC 7983 section 7, RFC 5761 section 4.
func TestClassify(t *testing.T) {
	rtp := func(second byte) []byte {
		b := rtpOf(0xdecafbad, 513, 7)
		b[1] = second
		return b
	}
	for _, tt := range []struct {
		name string
		data []byte
		want packet
	}{
		{"nothing", nil, packet{kind: kindIgnored}},
		{"a STUN request", append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...), packet{kind: kindIgnored}},
		{"a STUN error", append([]byte{1, 17, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...), packet{kind: kindIgnored}},
		{"a keep-alive", []byte("\r\n\r\n"), packet{}},
		{"DTLS", []byte{22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, packet{}},
		{"BFCP over UDP", []byte{0x40, 11, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1}, packet{}},
		{"RTP", rtp(8), packet{kindRTP, 0xdecafbad, 7, 513}},
		{"RTP with a marker", rtp(0x80 | 96), packet{kindRTP, 0xdecafbad, 7, 513}},
		{"RTP's payload type 63", rtp(63), packet{kindRTP, 0xdecafbad, 7, 513}},
		{"RTCP's lowest", rtp(64 | 0x80), packet{kind: kindRTCP, ssrc: 7}},
		{"a receiver report", rtcpOf(7), packet{kind: kindRTCP, ssrc: 7}},
		{"RTP cut short", rtp(8)[:11], packet{}},
		{"RTCP cut short", rtcpOf(7)[:7], packet{}},
		{"version 1", append([]byte{0x40}, rtp(8)[1:]...), packet{}},
		{"version 3", append([]byte{0xc0}, rtp(8)[1:]...), packet{}},
	} {
		if got := classify(tt.data); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// Whatever comes, from whomever: nothing panics, nobody is learned by what is no media,
// and a stranger's packet changes nothing.
// ME-02
func FuzzReceived(f *testing.F) {
	f.Add([]byte{}, true)
	f.Add(rtpOf(7, 1, 2), false)
	f.Add(rtcpOf(7), true)
	f.Add([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, true)
	f.Add([]byte{0x40, 11, 0, 0}, false)
	m, err := New(Config{Table: null{}, Gate: null{}, Sockets: null{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte, natted bool) {
		c := m.Open("call:1", Side{Local: netip.MustParseAddr("198.18.0.1")}, Side{Local: netip.MustParseAddr("198.18.0.1")})
		defer c.Release()
		r := Remote{RTP: signalled, SSRCs: []uint32{7}, From: natAddr, Mux: true}
		if err := c.Set(0, LegA, r); err != nil {
			t.Fatal(err)
		}
		r.Mux, r.SSRCs = false, nil
		if err := c.Set(0, LegB, r); err != nil {
			t.Fatal(err)
		}
		s, from := c.streams[0], stranger
		if natted {
			from = natOne
		}
		for _, l := range []Leg{LegA, LegB} {
			for n := range lanes {
				s.received(l, n, relay.Datagram{Remote: from, Payload: data})
				p, src := classify(data), s.legs[l].latch[n].src
				believed := p.kind != kindIgnored && (natted || l == LegA && p.hasSSRC() && p.ssrc == 7)
				if believed != (src == from) {
					t.Errorf("leg %s: %+v from %s: source is %s", l, p, from, src)
				}
			}
		}
	})
}

// null is a data plane that does nothing, to see what this package itself does.
type null struct{}

func (null) Add(relay.Pair) (relay.ID, error)                   { return 1, nil }
func (null) Update(relay.ID, relay.Pair) error                  { return nil }
func (null) Renew(relay.ID, time.Time) error                    { return nil }
func (null) Remove(relay.ID) ([2]relay.FlowStats, error)        { return [2]relay.FlowStats{}, nil }
func (null) Stats(relay.ID) (relay.PairInfo, error)             { return relay.PairInfo{}, nil }
func (null) List() []relay.PairInfo                             { return nil }
func (null) Forward(relay.Key, []byte) bool                     { return false }
func (null) OpenPort(netip.AddrPort, relay.PortKind) error      { return nil }
func (null) ClosePort(netip.AddrPort) error                     { return nil }
func (null) Revoke(netip.AddrPort, netip.Addr) error            { return nil }
func (null) Permit(netip.AddrPort, netip.Addr, time.Time) error { return nil }
func (null) Open(a netip.AddrPort, _ func(relay.Socket, relay.Datagram)) (relay.Socket, error) {
	return nullSocket{a}, nil
}

type nullSocket struct{ local netip.AddrPort }

func (s nullSocket) Local() netip.AddrPort                       { return s.local }
func (nullSocket) Send([]byte, netip.AddrPort, relay.Meta) error { return nil }
func (nullSocket) Close() error                                  { return nil }
