package admission

import "math"

// Capacity is how a platform counts calls (CA-01): a call uses 1/limit of its kind, and
// the sum may not pass 1. In whole units: Total of them, so many for each call.
type Capacity struct {
	Total             uint32
	Video, MRA, Audio uint32
}

// CapacityOf returns the units of a platform whose limits are alternatives: so many video
// calls, or so many MRA video calls, or so many audio calls. Limits without a common
// measure that fits are rounded so that never more calls are admitted than they say.
func CapacityOf(video, mra, audio int) Capacity {
	limits := [...]uint64{limit(video), limit(mra), limit(audio)}
	total := uint64(1)
	for _, l := range limits {
		if total = lcm(total, l); total >= math.MaxUint32 {
			total = math.MaxUint32 - 1
			break
		}
	}
	cost := func(l uint64) uint32 { return uint32((total + l - 1) / l) }
	return Capacity{Total: uint32(total), Video: cost(limits[0]), MRA: cost(limits[1]), Audio: cost(limits[2])}
}

// limit keeps a limit within what a node could ever carry, so that the measure fits.
func limit(n int) uint64 { return uint64(min(max(n, 1), 1_000_000)) }

func lcm(a, b uint64) uint64 {
	g := a
	for r := b; r != 0; {
		g, r = r, g%r
	}
	return a / g * b
}
