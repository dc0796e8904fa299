package turn

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/dataplane/relay"
)

// Channel numbers. RFC 8656 ends them at 0x4FFF, but clients of RFC 5766 use the rest.
const (
	minChannel = 0x4000
	maxChannel = 0x7FFF
)

// channelBind follows RFC 8656 section 12.2.
func (s *Server) channelBind(r *request, a *allocation) stun.ErrorCode {
	number, peer, valid := parseChannelBind(&r.msg)
	if !valid {
		return stun.CodeBadRequest
	}
	peer, code := s.checkPeer(a, peer, r.now, s.maySend)
	if code != success {
		return code
	}
	x := a.relayTo(peer.Addr(), r.now)
	if s.channelConflict(a, x, number, peer, r.now) {
		return stun.CodeBadRequest
	}
	c := x.channelByNumber(number)
	fresh := c == nil
	if fresh && len(x.channels) >= s.cfg.MaxChannels ||
		!s.roomForPermissions(a, []netip.Addr{peer.Addr()}, r.now) {
		return stun.CodeInsufficientCapacity
	}
	if fresh {
		x.channels = append(x.channels, channel{number: number, peer: peer})
		c = &x.channels[len(x.channels)-1]
	}
	if err := s.bindChannel(a, x, c, r.now); err != nil {
		if fresh {
			x.channels = x.channels[:len(x.channels)-1]
		}
		s.settle(a, "", r.now)
		s.warn("TURN channel failed", append(a.fields(), "Detail", err.Error())...)
		return stun.CodeInsufficientCapacity
	}
	s.settle(a, "", r.now)
	return success
}

func parseChannelBind(m *stun.Message) (number uint16, peer netip.AddrPort, valid bool) {
	v, present, bad := uint32Attribute(m, stun.AttrChannelNumber)
	if !present || bad {
		return 0, netip.AddrPort{}, false
	}
	number = uint16(v >> 16)
	peer, valid = peerAddress(m)
	return number, peer, valid && number >= minChannel && number <= maxChannel && peer.Port() != 0
}

// channelConflict reports whether number or peer is bound to another, or was within
// the quiet time. A number is one of the client's, whichever relayed address it is for.
func (s *Server) channelConflict(a *allocation, x *relayed, number uint16, peer netip.AddrPort, now time.Time) bool {
	for _, other := range a.relays {
		if other == nil {
			continue
		}
		other.dropQuiet(now)
		if c := other.channelByNumber(number); c != nil && c.peer != peer {
			return true
		}
	}
	c := x.channelByPeer(peer)
	return c != nil && c.number != number
}

// dropQuiet forgets the channels whose quiet time is over.
func (x *relayed) dropQuiet(now time.Time) {
	kept := x.channels[:0]
	for _, c := range x.channels {
		if now.Before(c.expires.Add(channelQuiet)) {
			kept = append(kept, c)
		}
	}
	clear(x.channels[len(kept):])
	x.channels = kept
}

// bindChannel binds or refreshes, and has the pair installed when it returns nil.
func (s *Server) bindChannel(a *allocation, x *relayed, c *channel, now time.Time) error {
	before := c.expires
	c.expires = now.Add(channelLifetime)
	if err := s.permit(a, x, c.peer.Addr(), now); err != nil {
		c.expires = before
		return err
	}
	if !c.installed {
		c.expires = before
		return relay.ErrFull
	}
	return nil
}

// syncPair makes the table have what the deadlines of allocation, permission and
// channel grant, and nothing else.
func (s *Server) syncPair(a *allocation, x *relayed, c *channel, now time.Time) {
	end := earlier(x.expires, c.expires)
	p := x.permission(c.peer.Addr())
	if p == nil || !now.Before(earlier(end, p.expires)) {
		s.removePair(x, c)
		return
	}
	end = earlier(end, p.expires)
	if c.installed && end.Equal(c.notAfter) {
		return
	}
	if c.installed {
		err := s.table.Renew(c.pair, end)
		c.installed = !errors.Is(err, relay.ErrNotFound)
		if err == nil {
			c.notAfter = end
		}
	}
	if !c.installed {
		s.addPair(a, x, c, end)
	}
}

func (s *Server) addPair(a *allocation, x *relayed, c *channel, end time.Time) {
	id, err := s.table.Add(s.pair(a, x, c, end))
	if err != nil {
		// ChannelData and the peer's datagrams are still relayed from the sockets.
		s.stats.unpaired.Add(1)
		s.warn("TURN flow refused", append(a.fields(), "Peer", c.peer.String(), "Detail", err.Error())...)
		return
	}
	c.pair, c.installed, c.notAfter = id, true, end
}

func (s *Server) removePair(x *relayed, c *channel) {
	if !c.installed {
		return
	}
	_, err := s.table.Remove(c.pair)
	if !errors.Is(err, relay.ErrNotFound) {
		s.failed(err, "remove flow", x.local)
	}
	c.installed = false
}

// pair is the channel as the table relays it.
func (s *Server) pair(a *allocation, x *relayed, c *channel, end time.Time) relay.Pair {
	up := relay.Flow{
		Key:      relay.Key{Local: a.tuple.server, Remote: a.tuple.client, Channel: c.number},
		Out:      relay.Out{Src: x.local, Dst: c.peer},
		RateKbps: s.cfg.RateKbps,
	}
	down := relay.Flow{
		Key:      relay.Key{Local: x.local, Remote: c.peer},
		Out:      relay.Out{Src: a.tuple.server, Dst: a.tuple.client, Channel: c.number},
		RateKbps: s.cfg.RateKbps,
	}
	if a.conn != nil {
		up.Stream, down.Sink = true, a.conn.media
	}
	return relay.Pair{Owner: a.owner(), Flows: [2]relay.Flow{relay.Up: up, relay.Down: down}, NotAfter: end}
}

// channelData relays ChannelData that no flow took (RFC 8656 section 12.6): it
// came before its flow, or the table was full.
func (s *Server) channelData(from fiveTuple, packet []byte, m relay.Meta, now time.Time) {
	number := binary.BigEndian.Uint16(packet)
	size := int(binary.BigEndian.Uint16(packet[2:]))
	if size > len(packet)-4 {
		return
	}
	s.mu.Lock()
	sock, peer := s.channelTarget(from, number, now)
	s.mu.Unlock()
	if sock != nil {
		s.toPeer(sock, peer, packet[4:4+size], m)
	}
}

// channelTarget returns where a live channel leads.
func (s *Server) channelTarget(from fiveTuple, number uint16, now time.Time) (relay.Socket, netip.AddrPort) {
	a := s.allocations[from]
	if a == nil {
		return nil, netip.AddrPort{}
	}
	for _, x := range a.relays {
		if x == nil || !now.Before(x.expires) {
			continue
		}
		c := x.channelByNumber(number)
		if c != nil && c.live(now) && x.permits(c.peer.Addr(), now) && s.maySend(c.peer) {
			return x.sock, c.peer
		}
	}
	return nil, netip.AddrPort{}
}
