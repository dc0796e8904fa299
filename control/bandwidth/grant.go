package bandwidth

// Use says what is left.
type Use interface {
	// Left returns the kbps that calls may still take on an object, and whether the
	// object is limited at all.
	Left(id ID) (kbps int, limited bool)
}

// Downspeed says for which limits a call that asks for too much gets less instead of
// being refused (facts A1.5).
type Downspeed struct{ PerCall, Total bool }

// Refusal is why a call has no bandwidth.
type Refusal uint8

// Refusals.
const (
	Granted     Refusal = iota
	OverPerCall         // it asks for more than one call may have: Exceeds Call Capacity
	OverTotal           // it asks for more than is left: Gatekeeper Resources Unavailable
)

// String returns the refusal in the words of facts A1.5.
func (r Refusal) String() string {
	return [...]string{"granted", "Exceeds Call Capacity", "Gatekeeper Resources Unavailable"}[r]
}

// Grant says how many of the kbps that a call asks for it may have. Less than it asked
// for only where downspeeding allows it, and never 0. at is the object whose limit
// decided; it says nothing where the call has what it asked for.
func (p *Plan) Grant(asked int, d Downspeed, u Use) (kbps int, why Refusal, at ID) {
	kbps = min(max(asked, 1), MaxKbps)
	if p.PerCall.Limited && kbps > p.PerCall.Kbps {
		if !d.PerCall || p.PerCall.Kbps == 0 {
			return 0, OverPerCall, p.PerCallAt
		}
		kbps, at = p.PerCall.Kbps, p.PerCallAt
	}
	for _, c := range p.Charges {
		left, limited := u.Left(c.ID)
		if !limited || left/c.Times >= kbps {
			continue
		}
		if !d.Total || left/c.Times <= 0 {
			return 0, OverTotal, c.ID
		}
		kbps, at = left/c.Times, c.ID
	}
	return kbps, Granted, at
}
