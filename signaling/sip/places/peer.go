package places

import (
	"fmt"

	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/signaling/sip/peers"
)

// peer gives the peer of the cluster that holds a registration, and then the others that have
// flows of the same endpoints (RG-01, RG-03). A peer that is lost is left out (RG-04).
func (f *Finder) peer(t *dialplan.Target) ([]draft, error) {
	out := append(f.at(t, t.Binding.Peer), f.elsewhere(t)...)
	if len(out) == 0 {
		return nil, fmt.Errorf("reach %s on peer %d: %w", t.Alias, t.Binding.Peer, ErrNowhere)
	}
	return out, nil
}

// elsewhere gives the peers that have further flows of a target's endpoints.
func (f *Finder) elsewhere(t *dialplan.Target) (out []draft) {
	for index := uint8(1); index <= dialplan.MaxPeers; index++ {
		if t.Peers.Has(index) {
			out = append(out, f.at(t, index)...)
		}
	}
	return out
}

// at gives one peer. It is asked for the name as the dial plan made it; a name without a domain
// gets the peer's address, as in calls to zones.
func (f *Finder) at(t *dialplan.Target, index uint8) []draft {
	if f.Peers == nil {
		return nil
	}
	hop, ok := f.Peers.Hop(index)
	if !ok {
		return nil
	}
	uri, err := f.uriAt(t, hop)
	if err != nil {
		return nil
	}
	endpoints := t.Endpoints()
	return []draft{{Place: Place{
		URI: uri, Hop: hop, Zone: t.Zone, Peer: index, Endpoints: endpoints[:min(len(endpoints), peers.MaxEndpoints)],
	}}}
}
