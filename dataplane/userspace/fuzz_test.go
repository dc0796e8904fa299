package userspace

import (
	"bytes"
	"net/netip"
	"testing"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// FuzzDatagram gives any datagram to a listener with a flow on one channel, and to a
// relay with a flow for everything. It either reaches the flow's sink, with a header
// that fits, or the handler untouched.
func FuzzDatagram(f *testing.F) {
	for _, seed := range []string{
		"", "\x40", "\x40\x01\x00", "\x40\x01\x00\x00", "\x40\x01\x00\x02hi", "\x40\x01\x00\x02hi\x00\x00",
		"\x40\x01\x00\x02hi\x01", "\x40\x01\xff\xffhi", "\x7f\xff\x00\x02hi", "\x00\x01\x00\x00\x21\x12\xa4\x42",
		message(string(rtpPacket(1, 2, 3, 20))), string(rtpPacket(1, 2, 3, 20)),
	} {
		f.Add([]byte(seed))
	}
	s := newSite(f, loopback4, loopback4)
	var sunk [][]byte
	sink := func(b []byte) { sunk = append(sunk, bytes.Clone(b)) }
	up, down := s.up(), s.down()
	up.Sink, up.Out.Channel = sink, channel+1
	down.Sink = sink
	s.install(up)
	s.install(down)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > slotSize-headroom {
			t.Skip("longer than a datagram")
		}
		sunk, s.heard = nil, nil
		s.inject(s.listen, s.client.addr, b)
		data, fits := channelData(b)
		check(t, "listener", fits, "\x40\x02", data, b, sunk, s.heard)

		sunk, s.heard = nil, nil
		s.inject(s.out, s.peer.addr, b)
		check(t, "relay", true, "\x40\x01", b, b, sunk, s.heard)
	})
}

// inject has the loop relay b as if it had received it.
func (s *site) inject(at relay.Socket, from netip.AddrPort, b []byte) {
	l := s.relay.loops[0]
	l.batch.from[0].set(from)
	l.batch.in[0].n = uint32(copy(l.batch.slot(0)[headroom:], b))
	l.batch.in[0].msg.Controllen = 0
	l.enter()
	defer l.leave()
	if why := l.datagram(at.(*socket), 0, 0); why.Verdict() == bpf.Drop {
		s.t.Errorf("dropped: %s", why)
	}
}

func check(t *testing.T, where string, relayed bool, number string, data, whole []byte, sunk [][]byte, heard []relay.Datagram) {
	t.Helper()
	if !relayed {
		if len(sunk) != 0 || len(heard) != 1 || !bytes.Equal(heard[0].Payload, whole) {
			t.Fatalf("%s: %x: relayed %x, handler got %v", where, whole, sunk, heard)
		}
		return
	}
	want := append([]byte(number), byte(len(data)>>8), byte(len(data)))
	want = append(want, data...)
	if len(sunk) != 1 || len(heard) != 0 || !bytes.Equal(sunk[0], want) {
		t.Fatalf("%s: %x: relayed %x, want %x", where, whole, sunk, want)
	}
}

// channelData reads a message on the flow's channel as RFC 8656 section 12.4 has it.
func channelData(b []byte) ([]byte, bool) {
	if len(b) < 4 || b[0] != channel>>8 || b[1] != channel&0xff {
		return nil, false
	}
	n, rest := int(b[2])<<8|int(b[3]), b[4:]
	if n > len(rest) || len(rest)-n > 3 || len(bytes.Trim(rest[n:], "\x00")) > 0 {
		return nil, false
	}
	return rest[:n], true
}
