package turn

import (
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// Alternates names another server for a client that gets no relay here, because the node is
// full or takes no new ones (RFC 8656 section 7.2, 300).
type Alternates interface {
	// Instead returns where the client is to try instead; false: nowhere. It is called with
	// the server locked and must not block.
	Instead(Visitor) (Alternate, bool)
}

// Visitor is a client that gets no relay here.
type Visitor struct {
	Server     netip.AddrPort // that it asked, of this node
	Transport  Transport      // which it keeps (RFC 8489 section 10)
	IPv4, IPv6 bool           // families of the relays that it needs; none: any is better than none
	Relays     int            // how many it needs
}

// Alternate is another server.
type Alternate struct {
	// Addr is of the family that the client speaks, Other of the other one; Other may be
	// invalid (RFC 8489 section 10).
	Addr, Other netip.AddrPort
	// Domain is a name in its certificate; empty: none is known. It is for clients over TLS.
	Domain string
}

const (
	// turnedTime is how long a client that was sent elsewhere is not sent there again.
	turnedTime = 10 * time.Second
	// maxTurned is how many of them are remembered; then the oldest is forgotten.
	maxTurned = 4096
	// maxDomain is the longest ALTERNATE-DOMAIN (RFC 8489 section 14.16).
	maxDomain = 255
)

// turned remembers who was sent elsewhere. A retransmitted request gets the answer again,
// since that may be lost; and one who asks anew comes back from there, or does not follow, and
// is refused, so that servers which each believe in the other do not send it round and round.
type turned struct {
	to    map[fiveTuple]turning
	order []fiveTuple // the oldest first
}

type turning struct {
	transaction [12]byte
	to          Alternate
	until       time.Time
}

func (t *turned) put(from fiveTuple, x turning, now time.Time) {
	if t.to == nil {
		t.to = make(map[fiveTuple]turning)
	}
	if _, ok := t.to[from]; !ok { // one that is turned away again keeps its place
		t.expire(now)
		t.order = append(t.order, from)
	}
	t.to[from] = x
}

// expire forgets who has been gone for long enough, and makes room for one more.
func (t *turned) expire(now time.Time) {
	n := 0
	for n < len(t.order) && (len(t.order)-n >= maxTurned || !now.Before(t.to[t.order[n]].until)) {
		delete(t.to, t.order[n])
		n++
	}
	t.order = t.order[n:]
}

// again answers a request that was answered with 300; false: it was not.
func (s *Server) again(r *request) bool {
	x, ok := s.turned.to[r.from]
	if ok && x.transaction == r.msg.TransactionID {
		r.instead = x.to
		return true
	}
	return false
}

// elsewhere is what a client hears that this node has no relay for: who has, or the reason. A
// reserved port is here or nowhere, and a quota is the user's.
func (s *Server) elsewhere(r *request, w wanted, reason stun.ErrorCode) stun.ErrorCode {
	if reason != stun.CodeInsufficientCapacity || w.token != nil || s.cfg.Alternates == nil {
		return reason
	}
	if x, ok := s.turned.to[r.from]; ok && r.now.Before(x.until) {
		s.stats.cameBack.Add(1)
		return reason
	}
	v := Visitor{
		Server: r.from.server, Transport: r.from.transport,
		IPv4: w.families[ipv4], IPv6: w.families[ipv6], Relays: w.relays(),
	}
	if w.dual {
		v.IPv4, v.IPv6, v.Relays = false, false, 1
	}
	to, ok := s.cfg.Alternates.Instead(v)
	if !ok || to.Addr.Addr().Is4() != r.from.client.Addr().Is4() {
		return reason
	}
	s.turned.put(r.from, turning{transaction: r.msg.TransactionID, to: to, until: r.now.Add(turnedTime)}, r.now)
	r.instead = to
	s.warn("TURN client sent to another peer", "Peer", to.Addr.String(), "Relays", s.relays)
	return stun.CodeTryAlternate
}

// relays is how many relayed addresses the request is for.
func (w wanted) relays() (n int) {
	for _, family := range w.families {
		if family {
			n++
		}
	}
	if w.reserve {
		n++
	}
	return n
}

// addAlternate adds where to try instead (RFC 8489 section 10): first the family that the
// client speaks. The domain is for TLS alone. It is sent whichever integrity the request has:
// who does not know the attribute passes it over.
func (r *request) addAlternate() {
	addAddress(&r.reply, stun.AttrAlternateServer, r.instead.Addr)
	if r.instead.Other.IsValid() {
		addAddress(&r.reply, stun.AttrAlternateServer, r.instead.Other)
	}
	if d := r.instead.Domain; r.from.transport == TLS && d != "" && len(d) <= maxDomain {
		r.reply.Add(stun.AttrAlternateDomain, []byte(d))
	}
}

// Room returns how many more relays the server can give to clients of any family, and the
// request port that has most of them: where clients of other servers are best sent to. A node
// may have less to give than its server.
func (s *Server) Room() (port uint16, relays int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.cfg.Listen {
		if port == 0 || s.perPort[l.Port()] < s.perPort[port] {
			port = l.Port()
		}
	}
	return port, s.roomAt(port)
}

// RoomAt is Room at one request port, such as that of clients over TLS (CA-03).
func (s *Server) RoomAt(port uint16) (relays int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roomAt(port)
}

func (s *Server) roomAt(port uint16) int {
	relays := s.cfg.MaxRelays - s.relays
	if s.cfg.MaxPerPort > 0 {
		relays = min(relays, s.cfg.MaxPerPort-s.perPort[port])
	}
	for _, p := range s.ports {
		if p != nil {
			relays = min(relays, len(p.free)+len(p.resting))
		}
	}
	return max(0, relays)
}
