package resources

import (
	"slices"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/licensing"
)

var _ registrations.Capacity = (*RegistrationShare)(nil)

// Share is what somebody takes places from who knows nothing of calls: TURN's relays.
type Share struct {
	admission *admission.Admission
	counter   *admission.Counter
	whole     *admission.Counter // of the cluster
	resources *Resources
}

// Relays is what TURN takes relayed addresses from (CA-01).
func (r *Resources) Relays() *Share {
	return &Share{r.admission, r.limits.relays, r.limits.whole.relays, r}
}

// Take takes n places, or none.
func (s *Share) Take(n int) bool {
	short := s.admission.Take(s.amounts(n)...)
	if short != nil {
		s.resources.countShort(admission.Amount{Of: short, N: uint32(n)}, false)
	}
	return short == nil
}

// Keep takes n places also beyond the limit: what an earlier process left goes on.
func (s *Share) Keep(n int) bool {
	return s.admission.Keep(s.amounts(n)...) == nil
}

// Read returns how many places there are, and how many are taken.
func (s *Share) Read() (limit, used uint32) { return s.counter.Read() }

// Left returns how many places may be taken now, of the node's and of what it has of the cluster's.
func (s *Share) Left() uint32 {
	whole, usable := s.whole.Usable()
	if !usable {
		return 0
	}
	return min(s.counter.Left(), whole)
}

// Give gives n places back.
func (s *Share) Give(n int) { s.admission.Give(s.amounts(n)...) }

func (s *Share) amounts(n int) []admission.Amount {
	return []admission.Amount{{Of: s.counter, N: uint32(n)}, {Of: s.whole, N: uint32(n)}}
}

// RegistrationShare is what registrations take places from: one of the platform for each
// binding, and a licence for each of its aliases (CA-01, facts A3). One that another
// registrar holds takes no licence here.
type RegistrationShare struct {
	admission *admission.Admission
	limits    *limits
	resources *Resources
}

// Registrations is what control/registrations takes from.
func (r *Resources) Registrations() *RegistrationShare {
	return &RegistrationShare{r.admission, &r.limits, r}
}

func (s *RegistrationShare) amounts(d licensing.Device, aliases int, proxied bool) []admission.Amount {
	if proxied {
		return []admission.Amount{{Of: s.limits.proxied, N: 1}, {Of: s.limits.whole.proxied, N: 1}}
	}
	kind := s.limits.room
	if d == licensing.Desktop {
		kind = s.limits.desktop
	}
	return []admission.Amount{{Of: s.limits.registrations, N: 1}, {Of: s.limits.whole.registrations, N: 1}, {Of: kind, N: uint32(aliases)}}
}

// sum is what bindings take together.
func (s *RegistrationShare) sum(seats []registrations.Seat) []admission.Amount {
	var out []admission.Amount
	for _, seat := range seats {
		for _, a := range s.amounts(seat.Device, seat.Aliases, seat.Proxied) {
			if at := slices.IndexFunc(out, func(o admission.Amount) bool { return o.Of == a.Of }); at >= 0 {
				out[at].N += a.N
				continue
			}
			out = append(out, a)
		}
	}
	return out
}

// Take takes the places of new bindings, if the platform has them and there are licences. Peers may have more of
// what a whole cluster carries, as of licences. Who is patient and refused what other peers of the cluster may have more of gets a
// Shortage for Resources.Await; only a refusal that stands is counted.
func (s *RegistrationShare) Take(patient bool, seats ...registrations.Seat) error {
	amounts := s.sum(seats)
	var short *admission.Counter
	for range tries {
		turn := s.resources.awaiting.turn.Load() // before anything is looked at
		switch short = s.admission.Take(amounts...); short {
		case nil:
			return nil
		case s.limits.registrations, s.limits.proxied:
			s.resources.countShort(admission.Amount{Of: short}, true)
			return registrations.ErrFull
		}
		if !patient {
			break
		}
		if waits, room := s.resources.hopes(amounts, short, turn); waits != nil {
			return waits
		} else if !room {
			break
		}
	}
	s.resources.countShort(admission.Amount{Of: short, N: amountOf(amounts, short)}, true) // who is not patient has been
	if short == s.limits.whole.registrations || short == s.limits.whole.proxied {
		return registrations.ErrCluster
	}
	return registrations.ErrLicence
}

// Keep takes the places of a binding that is there, also beyond the limits.
func (s *RegistrationShare) Keep(d licensing.Device, aliases int, proxied bool) {
	s.admission.Keep(s.amounts(d, aliases, proxied)...)
}

// Room says whether the platform has a place left.
func (s *RegistrationShare) Room(proxied bool) bool {
	if proxied {
		return s.limits.proxied.Left() > 0
	}
	return s.limits.registrations.Left() > 0
}

// Give gives the places of a binding back.
func (s *RegistrationShare) Give(d licensing.Device, aliases int, proxied bool) {
	s.admission.Give(s.amounts(d, aliases, proxied)...)
}
