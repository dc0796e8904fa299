package usage

import (
	"net/netip"
	"time"

	"turnpike.dev/turnpike/cluster"
)

// Visitor is a TURN client that this node has no relay for.
type Visitor struct {
	Side       Side // by which it came
	V6         bool // it speaks IPv6
	TCP, TLS   bool // neither: UDP
	IPv4, IPv6 bool // families of the relays that it needs; none: any
	Relays     uint32
}

// Alternate is where a visitor is sent (RFC 8489 section 10).
type Alternate struct {
	Addr, Other netip.AddrPort // of its family, and of the other one; Other may be invalid
	Domain      string         // name in the certificate there; empty: none is known
}

const (
	// sparedShare is the part of its relays that a peer must have left over before it is
	// sent anybody: its row is a little old, and its own clients come meanwhile.
	sparedShare = 64
	// sentTime is after which time those that were sent to a peer are in its row, if they came.
	sentTime = 2 * every
	// comeTime is how long they take to get there, and the word of it to come back: a row within it does not count them yet.
	comeTime = every / 2
)

// sent is how many relays a peer was sent clients for that its row cannot tell of yet.
type sent struct {
	relays uint32
	since  time.Time
}

// Alternate returns where a visitor finds a relay: the peer with most of them left, by what the
// peers' rows say and less what it was sent since. Peers that are lost have no rows, and rows of
// those in maintenance, and of versions that do not know of this, name no place. False: there is
// nobody.
//
// Who is full itself tells the others at once, so that they do not send back who was sent to them.
func (t *Table) Alternate(v Visitor) (Alternate, bool) {
	t.Soon()
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	var best cluster.ID
	var most uint32
	for id, u := range t.now {
		if _, ok := u.TURN.place(v); !ok || id == t.self {
			continue
		}
		free := t.left(id, u, v.TLS, now)
		if free >= v.Relays && free > 0 && (free > most || free == most && id < best) {
			best, most = id, free
		}
	}
	if best == "" {
		return Alternate{}, false
	}
	s := t.sent[best]
	if s.relays == 0 {
		s.since = now
	}
	s.relays += v.Relays
	t.sent[best] = s
	place, _ := t.now[best].TURN.place(v)
	return place, true
}

// settle forgets who was sent to a peer whose row is new: if they came, it says so. The lock is held.
func (t *Table) settle(id cluster.ID) {
	if time.Since(t.sent[id].since) >= comeTime {
		delete(t.sent, id)
	}
}

// left is how many relays a peer has to spare at the port that the visitor comes to.
func (t *Table) left(id cluster.ID, u Usage, tls bool, now time.Time) uint32 {
	free := u.TURN.Free
	if tls {
		free = u.TURN.FreeTLS
	}
	s := t.sent[id]
	if s.relays > 0 && now.Sub(s.since) > sentTime {
		delete(t.sent, id)
		s = sent{}
	}
	spare := (uint64(u.Relays.Used)+uint64(u.TURN.Free))/sparedShare + uint64(s.relays)
	return free - uint32(min(uint64(free), spare))
}

// place returns where the visitor is taken; false: nowhere.
func (t TURN) place(v Visitor) (to Alternate, ok bool) {
	port := t.Port
	switch {
	case v.TLS:
		port = t.TLS
	case v.TCP && !t.TCP:
		return Alternate{}, false
	}
	if port == 0 || v.Side >= sides || v.IPv4 && !t.IPv4 || v.IPv6 && !t.IPv6 {
		return Alternate{}, false
	}
	own, other := t.Addrs[v.Side][0], t.Addrs[v.Side][1]
	if v.V6 {
		own, other = other, own
	}
	if !own.IsValid() {
		return Alternate{}, false
	}
	to = Alternate{Addr: netip.AddrPortFrom(own, port), Domain: t.Domain}
	if other.IsValid() {
		to.Other = netip.AddrPortFrom(other, port)
	}
	return to, true
}
