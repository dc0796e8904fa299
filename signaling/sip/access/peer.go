package access

import (
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/sip/peers"
)

// peer is a caller whom a peer of the cluster passes on: it is what the peer says, and what the
// peer says of identities is believed, because it has asked already (RG-01, RFC 3325 section 5).
// Who says nothing of its caller has checked nothing.
func (g *Guard) peer(t Request, d *zones.Directory) (Caller, bool) {
	if g.Peers == nil {
		return Caller{}, false
	}
	index := g.Peers.From(t.Source())
	if index == 0 {
		return Caller{}, false
	}
	note, _ := peers.Read(t.Request())
	return Caller{Zone: d.Local(), Authenticated: note.Authenticated, Trusted: true, Peer: index, Note: note}, true
}
