package licensing

// Pool is how many licences there are. RMS are counted in halves, because an audio call
// takes half of one.
type Pool struct {
	HalfRMS int `json:"half_rms"`
	Room    int `json:"room"`
	Desktop int `json:"desktop"`
}

// Add puts what another peer has installed to the pool: whichever peer an endpoint is on,
// it may use all of it (LI-01, LI-02).
func (p Pool) Add(q Pool) Pool {
	return Pool{HalfRMS: p.HalfRMS + q.HalfRMS, Room: p.Room + q.Room, Desktop: p.Desktop + q.Desktop}
}

// Installed is what the keys of one node give.
type Installed struct {
	Pool     Pool
	Features []Feature // that are on, in the order of Features; not pooled, equal on all peers
	// Counted keys there are any of: without, the node has "no licence key" (LI-05).
	Keyed bool
}

// Sum returns what valid keys of a node give. Of more than MaxKeys the first count.
func Sum(keys []Key) Installed {
	var in Installed
	on := map[Feature]bool{}
	for _, k := range keys[:min(len(keys), MaxKeys)] {
		switch k.Feature {
		case RichMediaSession:
			in.Pool.HalfRMS += 2 * k.Count
		case RoomSystem:
			in.Pool.Room += k.Count
		case DesktopSystem:
			in.Pool.Desktop += k.Count
		default:
			on[k.Feature] = true
		}
		in.Keyed = in.Keyed || k.Feature.Counted()
	}
	for _, f := range Features() {
		if on[f] {
			in.Features = append(in.Features, f)
		}
	}
	return in
}
