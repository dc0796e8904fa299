package member

import (
	"cmp"
	"encoding/hex"
	"maps"
	"net/netip"
	"slices"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
)

// knownPeer is a peer of the same cluster as it was met last: who passes calls on to a node that has just started
// is known by that until it has said its hello again.
type knownPeer struct {
	Index   int        `json:"index"` // in the list, from 1
	Address string     `json:"address"`
	Addr    netip.Addr `json:"addr"`
	Key     string     `json:"key_sha256"`
}

// Known returns the peers that this node was one cluster with in its life before, as they were then, and that Peers does
// not have yet in this one. After the time in which a silent peer is lost there are none. SIPTLS has no port:
// nothing is sent to them. It may be asked before Run.
func (m *Member) Known() []Peer { return *m.known.Load() }

// remember keeps the peers of this node's cluster as they are now, where that is something new.
func (m *Member) remember() {
	before := maps.Clone(m.kept.Peers)
	for id, c := range m.contacts {
		maps.DeleteFunc(m.kept.Peers, func(other cluster.ID, p knownPeer) bool { return other != id && p.Address == c.entry })
		switch {
		case m.joined(id):
			at := slices.Index(m.own.Peers, c.entry) + 1
			m.kept.Peers[id] = knownPeer{at, c.entry, c.addr, hex.EncodeToString(c.key[:])}
		case m.other(id):
			delete(m.kept.Peers, id)
		}
	}
	if !maps.Equal(before, m.kept.Peers) {
		m.keep(nil)
	}
}

// other says that a peer has been met, and is of another cluster, or of none.
func (m *Member) other(id cluster.ID) bool {
	c := m.contacts[id]
	return c != nil && c.cluster != m.clusterID()
}

// know tells who is known from the life before.
func (m *Member) know() {
	var out []Peer
	if m.cfg.Boot()-m.began < liveness.LostAfter {
		for id, p := range m.kept.Peers {
			key, err := hex.DecodeString(p.Key)
			if err != nil || len(key) != len(Peer{}.Key) || m.other(id) || m.joined(id) && alive(m.liveness.State(id)) {
				continue
			}
			out = append(out, Peer{ID: id, Index: p.Index, Address: p.Address, SIPTLS: netip.AddrPortFrom(p.Addr, 0), Key: [32]byte(key)})
		}
	}
	slices.SortFunc(out, func(a, b Peer) int { return cmp.Compare(a.Index, b.Index) })
	m.known.Store(&out)
}
