package zones

import (
	"fmt"
	"slices"
)

// PeerState is what is known of one peer of a zone at the moment.
type PeerState struct {
	Silent      bool // it was asked and did not answer
	Checking    bool // it was asked and nothing is known yet
	Maintenance bool // it takes no new calls
	Known       bool // it says how many sessions it has left
	Free        int  // media sessions: maximum − current
}

// Health says how the peers of zones are. The i of a peer is its place in
// Zone.Peers, or on a traversal server the slot of a client that may be connected.
type Health interface {
	Peer(z *Zone, i int) PeerState
}

// Order is peers of a zone in the order in which they should be tried.
type Order struct {
	n     uint8
	peers [MaxPeers]uint8
}

// Len returns how many peers there are.
func (o Order) Len() int { return int(o.n) }

// At returns the place of a peer in its zone.
func (o Order) At(i int) int { return int(o.peers[i]) }

// Peers returns the peers themselves.
func (o Order) Peers(z *Zone) []Peer {
	var out []Peer
	for i := range o.Len() {
		if at := o.At(i); at < len(z.Peers) {
			out = append(out, z.Peers[at])
		}
	}
	return out
}

// Choose orders the peers of a zone for one call (RG-06): those with the most free
// media sessions first, those that do not say after them; silent ones and ones in
// maintenance are left out. Peers with equally many are told apart by a hash of the
// called name and the peer's address, so that the order of the list does not matter,
// calls spread, and the same call finds the same peer. A zone that is not monitored
// is taken to live.
func Choose(z *Zone, h Health, name string) Order {
	var o Order
	var states [MaxPeers]PeerState
	for i := range z.Slots() {
		s := StateOf(z, h, i)
		if s.Silent || s.Maintenance {
			continue
		}
		states[i] = s
		o.peers[o.n] = uint8(i)
		o.n++
	}
	if o.n > 1 {
		slices.SortFunc(o.peers[:o.n], func(a, b uint8) int { return compare(z, name, &states, a, b) })
	}
	return o
}

// StateOf returns what is known of a peer. One of a zone that is not monitored is taken
// to live, and so is each when nobody knows.
func StateOf(z *Zone, h Health, i int) PeerState {
	if h == nil {
		return PeerState{}
	}
	s := h.Peer(z, i)
	if !z.Monitor && z.Type != TraversalServer {
		s.Silent, s.Checking = false, false
	}
	return s
}

func compare(z *Zone, name string, states *[MaxPeers]PeerState, a, b uint8) int {
	x, y := states[a], states[b]
	switch {
	case x.Known != y.Known:
		if x.Known {
			return -1
		}
		return 1
	case x.Known && x.Free != y.Free:
		return y.Free - x.Free
	}
	i, j := lot(z, name, a), lot(z, name, b)
	switch {
	case i < j:
		return -1
	case i > j:
		return 1
	}
	return int(a) - int(b)
}

// lot is what a peer draws for a name: FNV-1a of both.
func lot(z *Zone, name string, peer uint8) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	mix := func(c byte) { h = (h ^ uint64(c)) * prime }
	for i := range len(name) {
		mix(name[i])
	}
	mix(0)
	if int(peer) < len(z.Peers) {
		p := z.Peers[peer]
		for i := range len(p.Host) {
			mix(p.Host[i])
		}
		mix(byte(p.Port >> 8))
		mix(byte(p.Port))
	} else {
		mix(peer)
	}
	return h ^ h>>32 // FNV leaves the last byte's mark in the low bits only
}

// Status says how a zone is, in the words of facts A2.2.
func Status(z *Zone, h Health) string {
	if z.Slots() == 0 || !z.Monitor && z.Type != TraversalServer {
		return "On"
	}
	active, checking := 0, 0
	for i := range z.Slots() {
		switch s := StateOf(z, h, i); {
		case s.Checking:
			checking++
		case !s.Silent:
			active++
		}
	}
	switch {
	case active > 0:
		return fmt.Sprintf("Active (%d of %d)", active, z.Slots())
	case checking > 0:
		return "Checking"
	}
	return "Failed"
}
