// Package licensing is what a node may do because it was bought: option keys, the pools
// that they add up to, and what a call or a registration costs.
//
// It exists so that the question "may this call" has one answer that does not depend on
// who asks: costs are pure functions of what a call is (LI-04), keys are checked by
// signature alone, and sums are taken over the peers of a cluster without asking which
// peer an endpoint is on (LI-01, LI-02). Who counts what is in use is elsewhere.
package licensing

import "slices"

// Feature is what a key gives: a number of licences, or something that is on or off.
type Feature string

// Features (facts A3). The first three are counted and pooled.
const (
	RichMediaSession Feature = "rms"
	RoomSystem       Feature = "room"
	DesktopSystem    Feature = "desktop"
	HSM              Feature = "hsm"
	AdvancedSecurity Feature = "advanced-security"
	Interop          Feature = "interop" // with systems of Microsoft
)

// Features lists all, the counted ones first.
func Features() []Feature {
	return []Feature{RichMediaSession, RoomSystem, DesktopSystem, HSM, AdvancedSecurity, Interop}
}

// Counted reports whether keys of the feature carry a number and add up over a cluster.
func (f Feature) Counted() bool {
	return f == RichMediaSession || f == RoomSystem || f == DesktopSystem
}

// Known reports whether there is such a feature.
func (f Feature) Known() bool { return slices.Contains(Features(), f) }
