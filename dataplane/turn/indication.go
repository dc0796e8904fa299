package turn

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/dataplane/relay"
)

// maxData is what fits into a Data indication, whose length has 16 bits.
const maxData = 65535 - 64

// sendIndication follows RFC 8656 section 11.2; whatever is wrong is dropped in silence.
func (s *Server) sendIndication(r *request) {
	peer, valid := peerAddress(&r.msg)
	data, err := r.msg.Get(stun.AttrData)
	if !valid || err != nil || peer.Port() == 0 || len(unknownAttributes(&r.msg)) > 0 {
		s.stats.badIndications.Add(1)
		return
	}
	s.mu.Lock()
	sock, peer := s.sendTarget(r.from, peer, r.now)
	s.mu.Unlock()
	if sock == nil {
		s.stats.refusedSends.Add(1)
		return
	}
	m := r.meta
	m.DontFragment = r.msg.Contains(stun.AttrDontFragment)
	s.toPeer(sock, peer, data, m)
}

// sendTarget returns the relay's socket and the peer when the client may send to it.
func (s *Server) sendTarget(from fiveTuple, peer netip.AddrPort, now time.Time) (relay.Socket, netip.AddrPort) {
	a := s.allocations[from]
	peer = s.local(peer)
	if a == nil || !s.maySend(peer) {
		return nil, peer
	}
	x := a.relayTo(peer.Addr(), now)
	if x == nil || !x.permits(peer.Addr(), now) {
		return nil, peer
	}
	return x.sock, peer
}

// toPeer sends a client's data. DSCP and ECN go on, the hop limit is one less, and
// a packet that has used its hops up goes no further (RFC 8656 section 13).
func (s *Server) toPeer(sock relay.Socket, peer netip.AddrPort, data []byte, m relay.Meta) {
	if !hop(&m) {
		return
	}
	s.stats.sent(sock.Send(data, peer, m))
}

// hop takes one from a known hop limit; false: there is none left.
func hop(m *relay.Meta) bool {
	if m.HopLimit == 1 {
		return false
	}
	if m.HopLimit > 0 {
		m.HopLimit--
	}
	return true
}

// fromPeer relays a datagram that arrived at a relayed address and that no flow
// took (RFC 8656 sections 11.3 and 12.7).
func (s *Server) fromPeer(x *relayed, d relay.Datagram) {
	now := time.Now()
	peer := relay.Canonical(d.Remote)
	s.mu.Lock()
	a := x.owner
	if a == nil || !now.Before(x.expires) || !x.permits(peer.Addr(), now) {
		s.mu.Unlock()
		s.stats.strangers.Add(1)
		return
	}
	to, back, number := a.tuple, client{conn: a.conn}, uint16(0)
	if c := x.channelByPeer(peer); c != nil && c.live(now) {
		number = c.number
	}
	s.mu.Unlock()
	if !hop(&d.Meta) || len(d.Payload) > maxData {
		return
	}
	b := s.buffers.get()
	defer s.buffers.put(b)
	if number != 0 {
		b.bytes = appendChannelData(b.bytes[:0], number, d.Payload)
	} else {
		b.bytes = appendDataIndication(b.bytes[:0], s.public(peer), d.Payload)
	}
	s.toClient(to, back, b.bytes, d.Meta)
}

func appendChannelData(b []byte, number uint16, data []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, number)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// appendDataIndication appends a Data indication. It is written by hand as it is
// the one message that may come in numbers.
func appendDataIndication(b []byte, peer netip.AddrPort, data []byte) []byte {
	var transaction [12]byte
	binary.BigEndian.PutUint64(transaction[:8], rand.Uint64())
	binary.BigEndian.PutUint32(transaction[8:], rand.Uint32())

	b = binary.BigEndian.AppendUint16(b, stun.NewType(stun.MethodData, stun.ClassIndication).Value())
	b = append(b, 0, 0) // length, below
	b = binary.BigEndian.AppendUint32(b, magicCookie)
	b = append(b, transaction[:]...)

	b = binary.BigEndian.AppendUint16(b, uint16(stun.AttrXORPeerAddress))
	size := 8
	if peer.Addr().Is6() {
		size = 20
	}
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	b = appendXORAddress(b, peer, transaction)

	b = binary.BigEndian.AppendUint16(b, uint16(stun.AttrData))
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	b = append(b, data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-20))
	return b
}
