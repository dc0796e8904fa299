package turn

import (
	"time"

	"github.com/pion/stun/v3"
)

// wanted is what an Allocate request asks for.
type wanted struct {
	families [families]bool
	dual     bool // ADDITIONAL-ADDRESS-FAMILY: one family is better than none
	even     bool
	reserve  bool // EVEN-PORT with the R bit: keep the next port
	token    *reservationToken
	listener uint16 // the request port, which has a limit of its own
	lifetime time.Duration
}

// allocate follows RFC 8656 section 7.2; a is what the client has already.
func (s *Server) allocate(r *request, a *allocation) stun.ErrorCode {
	if a != nil {
		if a.transaction != r.msg.TransactionID || a.account.name != r.account.name {
			return stun.CodeAllocMismatch
		}
		s.describe(r, a)
		return success
	}
	if s.again(r) {
		return stun.CodeTryAlternate
	}
	want, code := s.parseAllocate(&r.msg)
	if code != success {
		return code
	}
	want.listener = r.from.server.Port()
	if code := s.admit(r); code != success {
		return s.elsewhere(r, want, code)
	}
	a = &allocation{
		tuple: r.from, conn: r.back.conn, account: r.account,
		transaction: r.msg.TransactionID, granted: want.lifetime, created: r.now,
	}
	if code := s.openRelays(a, want, r.now); code != success {
		return s.elsewhere(r, want, code)
	}
	s.keep(a, r.now)
	s.describe(r, a)
	s.event("TURN allocation created", a.fields()...)
	return success
}

// parseAllocate reads the request's attributes in the order of RFC 8656 section
// 7.2, which decides what is answered when several are wrong.
func (s *Server) parseAllocate(m *stun.Message) (wanted, stun.ErrorCode) {
	transport, present, bad := uint32Attribute(m, stun.AttrRequestedTransport)
	if !present || bad {
		return wanted{}, stun.CodeBadRequest
	}
	if transport>>24 != protoUDP {
		return wanted{}, stun.CodeUnsupportedTransProto
	}
	w := wanted{}
	for _, step := range []func(*wanted, *stun.Message) stun.ErrorCode{
		s.parsePorts, s.parseFamilies, s.parseAllocateLifetime,
	} {
		if code := step(&w, m); code != success {
			return wanted{}, code
		}
	}
	return w, success
}

// parsePorts reads EVEN-PORT and RESERVATION-TOKEN, which exclude each other.
func (s *Server) parsePorts(w *wanted, m *stun.Message) stun.ErrorCode {
	even, errEven := m.Get(stun.AttrEvenPort)
	token, errToken := m.Get(stun.AttrReservationToken)
	switch {
	case errEven == nil && errToken == nil,
		errEven == nil && len(even) != 1,
		errToken == nil && len(token) != len(reservationToken{}):
		return stun.CodeBadRequest
	case errEven == nil:
		w.even, w.reserve = true, even[0]&0x80 != 0
	case errToken == nil:
		t := reservationToken(token)
		w.token = &t
	}
	return success
}

func (s *Server) parseFamilies(w *wanted, m *stun.Message) stun.ErrorCode {
	requested, hasRequested, badRequested := familyAttribute(m, stun.AttrRequestedAddressFamily)
	additional, hasAdditional, badAdditional := familyAttribute(m, attrAdditionalAddressFamily)
	switch {
	case badRequested, badAdditional,
		hasRequested && hasAdditional,
		hasRequested && w.token != nil,
		hasAdditional && (w.token != nil || w.reserve || additional != ipv6):
		return stun.CodeBadRequest
	case hasAdditional:
		w.dual = true
		w.families = [families]bool{ipv4: true, ipv6: true}
		return success
	case !hasRequested:
		requested = ipv4
	}
	// The family of a token's port is that of the reservation.
	if w.token == nil && (requested == families || !s.relayAddrs[requested].Local.IsValid()) {
		return stun.CodeAddrFamilyNotSupported
	}
	if w.token == nil {
		w.families[requested] = true
	}
	return success
}

func (s *Server) parseAllocateLifetime(w *wanted, m *stun.Message) stun.ErrorCode {
	d, code := s.lifetime(m)
	w.lifetime = max(d, s.cfg.DefaultLifetime)
	return code
}

// lifetime returns the requested lifetime within the limits; 0 stays 0, which
// means something to Refresh only.
func (s *Server) lifetime(m *stun.Message) (time.Duration, stun.ErrorCode) {
	seconds, present, bad := uint32Attribute(m, stun.AttrLifetime)
	switch {
	case bad:
		return 0, stun.CodeBadRequest
	case !present:
		return s.cfg.DefaultLifetime, success
	case seconds == 0:
		return 0, success
	}
	d := min(time.Duration(seconds)*time.Second, s.cfg.MaxLifetime)
	return max(d, s.cfg.DefaultLifetime), success
}

// admit applies the limits that do not depend on what is asked for (CA-03, CA-04).
func (s *Server) admit(r *request) stun.ErrorCode {
	switch {
	case s.draining:
		return stun.CodeInsufficientCapacity
	case s.cfg.QuotaPerUser > 0 && s.held[r.account.person] >= s.cfg.QuotaPerUser:
		s.warn("TURN allocation quota reached", "User", r.account.name)
		return stun.CodeAllocQuotaReached
	}
	return success
}

// describe adds the attributes of a success (RFC 8656 section 7.2).
func (s *Server) describe(r *request, a *allocation) {
	for _, x := range a.relays {
		if x != nil {
			addXORAddress(&r.reply, stun.AttrXORRelayedAddress, s.public(x.local))
		}
	}
	addLifetime(&r.reply, a.granted)
	if a.token != (reservationToken{}) {
		r.reply.Add(stun.AttrReservationToken, a.token[:])
	}
	addXORAddress(&r.reply, stun.AttrXORMappedAddress, a.tuple.client)
	a.addrError.addTo(&r.reply)
}
