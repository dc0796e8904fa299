package turn

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/stun/v3"
)

// Every request is made by a client that has an IPv4 allocation with channel
// 0x4001 bound to peerAddr, unless it says otherwise.
func TestRequestsAreAnsweredWith(t *testing.T) {
	type call struct {
		method stun.Method
		attrs  []attr
	}
	other := withPort(peerAddr, 6000)
	permission, bind, refresh := stun.MethodCreatePermission, stun.MethodChannelBind, stun.MethodRefresh
	for _, tt := range []struct {
		name string
		want int
		call call
	}{
		{"permission", 0, call{permission, []attr{peer(peerAddr)}}},
		{"permission for several", 0, call{permission, []attr{peer(peerAddr), peer(other)}}},
		{"permission for nobody", 400, call{permission, nil}},
		{"permission, address cut off", 400, call{permission, []attr{raw(stun.AttrXORPeerAddress, 0, 1, 2)}}},
		{"permission, unknown family", 400, call{permission, []attr{raw(stun.AttrXORPeerAddress, 0, 3, 0, 0, 1, 2, 3, 4)}}},
		{"permission, IPv4 as IPv6", 400, call{permission, []attr{raw(stun.AttrXORPeerAddress, 0, 2, 0, 0, 1, 2, 3, 4)}}},
		{"permission, other family", 443, call{permission, []attr{peer(peer6Addr)}}},
		{"permission, refused peer", 403, call{permission, []attr{peer(loopbackPeer)}}},

		{"bind again", 0, call{bind, []attr{channelNumber(0x4001), peer(peerAddr)}}},
		{"bind another", 0, call{bind, []attr{channelNumber(0x4002), peer(other)}}},
		{"bind an RFC 5766 number", 0, call{bind, []attr{channelNumber(0x7FFF), peer(other)}}},
		{"bind without peer", 400, call{bind, []attr{channelNumber(0x4002)}}},
		{"bind without number", 400, call{bind, []attr{peer(other)}}},
		{"bind a low number", 400, call{bind, []attr{channelNumber(0x3FFF), peer(other)}}},
		{"bind a high number", 400, call{bind, []attr{channelNumber(0x8000), peer(other)}}},
		{"bind, number cut off", 400, call{bind, []attr{raw(stun.AttrChannelNumber, 0x40, 2), peer(other)}}},
		{"bind port 0", 400, call{bind, []attr{channelNumber(0x4002), peer(withPort(peerAddr, 0))}}},
		{"bind a number of another peer", 400, call{bind, []attr{channelNumber(0x4001), peer(other)}}},
		{"bind a peer of another number", 400, call{bind, []attr{channelNumber(0x4002), peer(peerAddr)}}},
		{"bind, other family", 443, call{bind, []attr{channelNumber(0x4002), peer(peer6Addr)}}},
		{"bind, refused peer", 403, call{bind, []attr{channelNumber(0x4002), peer(loopbackPeer)}}},

		{"refresh", 0, call{refresh, nil}},
		{"refresh of this family", 0, call{refresh, []attr{wantFamily(wireIPv4)}}},
		{"refresh of the other family", 443, call{refresh, []attr{wantFamily(wireIPv6)}}},
		{"refresh of no family", 443, call{refresh, []attr{wantFamily(9)}}},
		{"refresh, lifetime cut off", 400, call{refresh, []attr{raw(stun.AttrLifetime, 1)}}},

		{"second allocate", 437, call{stun.MethodAllocate, []attr{udpTransport()}}},
		{"unknown attribute", 420, call{refresh, []attr{raw(0x7777, 1)}}},
		{"unknown optional attribute", 0, call{refresh, []attr{raw(0x8777, 1)}}},
		{"unknown method", 400, call{stun.MethodConnect, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			c := w.client()
			c.allocate()
			c.bind(0x4001, peerAddr)
			if got := codeOf(c.do(tt.call.method, tt.call.attrs...)); got != tt.want {
				t.Errorf("answered with %d, want %d", got, tt.want)
			}
		})
	}
}

func TestAllocateIsAnsweredWith(t *testing.T) {
	even := func(b byte) attr { return raw(stun.AttrEvenPort, b) }
	token := raw(stun.AttrReservationToken, 1, 2, 3, 4, 5, 6, 7, 8)
	for _, tt := range []struct {
		name  string
		want  int
		edit  func(*Config)
		attrs []attr
	}{
		{"plain", 0, nil, []attr{udpTransport()}},
		{"no transport", 400, nil, nil},
		{"transport cut off", 400, nil, []attr{raw(stun.AttrRequestedTransport, 17)}},
		{"TCP transport", 442, nil, []attr{raw(stun.AttrRequestedTransport, 6, 0, 0, 0)}},
		{"do not fragment", 0, nil, []attr{udpTransport(), raw(stun.AttrDontFragment)}},
		{"IPv4", 0, nil, []attr{udpTransport(), wantFamily(wireIPv4)}},
		{"IPv6", 0, nil, []attr{udpTransport(), wantFamily(wireIPv6)}},
		{"unknown family", 440, nil, []attr{udpTransport(), wantFamily(3)}},
		{"IPv6 without address", 440, only4, []attr{udpTransport(), wantFamily(wireIPv6)}},
		{"IPv4 by default without address", 440, only6, []attr{udpTransport()}},
		{"family cut off", 400, nil, []attr{udpTransport(), raw(stun.AttrRequestedAddressFamily, 1)}},
		{"both families", 0, nil, []attr{udpTransport(), bothFamilies()}},
		{"one of both families", 0, only4, []attr{udpTransport(), bothFamilies()}},
		{"additional IPv4", 400, nil, []attr{udpTransport(), raw(attrAdditionalAddressFamily, 1, 0, 0, 0)}},
		{"requested and additional", 400, nil, []attr{udpTransport(), wantFamily(wireIPv4), bothFamilies()}},
		{"even port", 0, nil, []attr{udpTransport(), even(0)}},
		{"even port and next", 0, nil, []attr{udpTransport(), even(0x80)}},
		{"even port and next, both families", 400, nil, []attr{udpTransport(), even(0x80), bothFamilies()}},
		{"even port with token", 400, nil, []attr{udpTransport(), even(0), token}},
		{"even port cut off", 400, nil, []attr{udpTransport(), raw(stun.AttrEvenPort)}},
		{"unknown token", 508, nil, []attr{udpTransport(), token}},
		{"token cut off", 400, nil, []attr{udpTransport(), raw(stun.AttrReservationToken, 1)}},
		{"token with family", 400, nil, []attr{udpTransport(), token, wantFamily(wireIPv4)}},
		{"token with both families", 400, nil, []attr{udpTransport(), token, bothFamilies()}},
		{"lifetime cut off", 400, nil, []attr{udpTransport(), raw(stun.AttrLifetime, 1)}},
		{"no odd port to keep", 508, func(c *Config) { c.PortMax = c.PortMin }, []attr{udpTransport(), even(0x80)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.edit)
			if got := codeOf(w.client().do(stun.MethodAllocate, tt.attrs...)); got != tt.want {
				t.Errorf("answered with %d, want %d", got, tt.want)
			}
			if tt.want != 0 && w.holds() != (holds{Sockets: 2, Ports: 2}) {
				t.Errorf("refused, but left open: %+v", w.holds())
			}
		})
	}
}

func TestWithoutAllocation(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	for method, attrs := range map[stun.Method][]attr{
		stun.MethodRefresh:          nil,
		stun.MethodCreatePermission: {peer(peerAddr)},
		stun.MethodChannelBind:      {channelNumber(0x4001), peer(peerAddr)},
	} {
		if got := codeOf(c.do(method, attrs...)); got != 437 {
			t.Errorf("%s answered with %d, want 437", method, got)
		}
	}
}

func TestAnotherUsersAllocation(t *testing.T) {
	w := newWorld(t, nil)
	w.client().allocate()
	c := w.client()
	c.user, c.pass = "v", "q"
	for method, want := range map[stun.Method]int{
		stun.MethodRefresh:          441,
		stun.MethodCreatePermission: 441,
		stun.MethodChannelBind:      441,
		stun.MethodAllocate:         437,
	} {
		if got := codeOf(c.do(method, udpTransport(), peer(peerAddr), channelNumber(0x4001))); got != want {
			t.Errorf("%s answered with %d, want %d", method, got, want)
		}
	}
}

func TestBindingTellsTheClientsAddress(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	answer := c.exchange(message(stun.MethodBinding, stun.ClassRequest))
	v, _ := answer.Get(stun.AttrXORMappedAddress)
	got, _ := xorAddress(v, answer.TransactionID)
	if got != clientAddr {
		t.Errorf("mapped address %s, want %s", got, clientAddr)
	}
	answer = c.exchange(message(stun.MethodBinding, stun.ClassRequest, raw(stun.AttrChangeRequest, 0, 0, 0, 6)))
	if codeOf(answer) != 420 {
		t.Fatalf("CHANGE-REQUEST answered with %d, want 420", codeOf(answer))
	}
	unknown, _ := answer.Get(stun.AttrUnknownAttributes)
	if diff := cmp.Diff([]byte{0, 3}, unknown); diff != "" {
		t.Errorf("UNKNOWN-ATTRIBUTES (-want +got):\n%s", diff)
	}
}

func TestFingerprint(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	m := message(stun.MethodBinding, stun.ClassRequest)
	_ = stun.Fingerprint.AddTo(m)
	answer := c.exchange(m)
	if answer == nil || stun.Fingerprint.Check(answer) != nil {
		t.Errorf("answer to a request with FINGERPRINT has none: %v", answer)
	}
	m = message(stun.MethodBinding, stun.ClassRequest, raw(stun.AttrFingerprint, 1, 2, 3, 4))
	if answer := c.exchange(m); answer != nil {
		t.Errorf("wrong FINGERPRINT answered with %v", answer)
	}
	if answer := c.exchange(message(stun.MethodBinding, stun.ClassRequest)); answer.Contains(stun.AttrFingerprint) {
		t.Error("FINGERPRINT nobody asked for")
	}
}

// What follows MESSAGE-INTEGRITY is not authenticated and must not count
// (RFC 8489 section 14.5).
func TestAttributesAfterIntegrityDoNotCount(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	c.allocate()
	m := c.sign(message(stun.MethodRefresh, stun.ClassRequest))
	m.Add(stun.AttrLifetime, []byte{0, 0, 0, 0})
	if code := codeOf(c.exchange(m)); code != 0 {
		t.Fatalf("answered with %d", code)
	}
	if n := len(w.server.Allocations()); n != 1 {
		t.Error("an attribute after MESSAGE-INTEGRITY ended the allocation")
	}
}

func TestGarbageGetsNoAnswer(t *testing.T) {
	w := newWorld(t, nil)
	request := message(stun.MethodBinding, stun.ClassRequest).Raw
	for name, packet := range map[string][]byte{
		"empty":              {},
		"one byte":           {0},
		"text":               []byte("GET / HTTP/1.1\r\n\r\n and so on"),
		"RTP":                {0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1},
		"cut off":            request[:19],
		"longer than itself": append(append([]byte(nil), request...), 0),
		"an answer":          message(stun.MethodBinding, stun.ClassSuccessResponse).Raw,
		"an indication":      message(stun.MethodBinding, stun.ClassIndication).Raw,
		"a long request":     message(stun.MethodBinding, stun.ClassRequest, raw(0x8888, make([]byte, maxRequest)...)).Raw,
		"short channel data": {0x40, 0, 0},
		"long channel data":  {0x40, 0, 0xff, 0xff, 1},
		"no such channel":    {0x40, 0, 0, 1, 1},
	} {
		w.send(clientAddr, serverAddr, packet, metaNone)
		if got := w.receive(clientAddr); len(got) != 0 {
			t.Errorf("%s: answered with %q", name, got[0].payload)
		}
	}
}
