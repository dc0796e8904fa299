package turn

import (
	"crypto/rand"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// reservationToken names a port that is kept for a second Allocate (RFC 8656
// section 18.8).
type reservationToken [8]byte

// reservation is an open relayed address that waits for its Allocate. Reservations
// do not outlive the process: the token is then unknown and answered with 508.
type reservation struct {
	relayed *relayed
	token   reservationToken
	name    string
	expires time.Time
}

func nextPort(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr(), a.Port()+1)
}

// reserve keeps an open relayed address for the user and returns the token.
func (s *Server) reserve(x *relayed, name string, now time.Time) reservationToken {
	var t reservationToken
	_, _ = rand.Read(t[:]) // never fails (crypto/rand)
	r := &reservation{relayed: x, token: t, name: name, expires: now.Add(reservationLife)}
	s.reservations[t] = r
	s.reserved = append(s.reserved, r)
	s.rearm(r.expires)
	return t
}

// useReservation makes the reserved address the allocation's.
func (s *Server) useReservation(a *allocation, w wanted, now time.Time) stun.ErrorCode {
	r := s.reservations[*w.token]
	if r == nil || !now.Before(r.expires) || r.name != a.account.name {
		return stun.CodeInsufficientCapacity
	}
	delete(s.reservations, r.token)
	x := r.relayed
	x.owner, x.expires = a, now.Add(w.lifetime)
	a.relays[familyOf(x.local.Addr())] = x
	return success
}

// dropReservations ends those whose time is over. They all last equally long, so
// the oldest is always the first.
func (s *Server) dropReservations(now time.Time) {
	n := 0
	for ; n < len(s.reserved) && !now.Before(s.reserved[n].expires); n++ {
		r := s.reserved[n]
		if s.reservations[r.token] == r {
			delete(s.reservations, r.token)
			s.release(r.relayed)
		}
	}
	s.reserved = append(s.reserved[:0:0], s.reserved[n:]...)
}
