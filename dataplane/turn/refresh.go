package turn

import (
	"time"

	"github.com/pion/stun/v3"
)

// refresh follows RFC 8656 section 8.2. Without REQUESTED-ADDRESS-FAMILY it is
// about every relayed address of the allocation.
func (s *Server) refresh(r *request, a *allocation) stun.ErrorCode {
	f, one, bad := familyAttribute(&r.msg, stun.AttrRequestedAddressFamily)
	if bad {
		return stun.CodeBadRequest
	}
	if one && (f == families || a.relays[f] == nil) {
		return stun.CodePeerAddrFamilyMismatch
	}
	d, code := s.lifetime(&r.msg)
	if code != success {
		return code
	}
	for i, x := range a.relays {
		if x != nil && (!one || family(i) == f) {
			s.prolong(a, family(i), d, r.now)
		}
	}
	s.settle(a, "refreshed with lifetime 0", r.now)
	addLifetime(&r.reply, d)
	return success
}

// prolong gives a relayed address that much time from now; none ends it.
func (s *Server) prolong(a *allocation, f family, d time.Duration, now time.Time) {
	x := a.relays[f]
	if d == 0 {
		s.endRelay(a, f)
		return
	}
	x.expires = now.Add(d)
	for i := range x.channels {
		s.syncPair(a, x, &x.channels[i], now)
	}
}
