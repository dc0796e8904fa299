package member

import (
	"maps"
	"net/netip"
	"slices"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/settings"
)

// configured is an event: the node's own settings.
type configured struct {
	own     settings.Settings
	index   int
	mapping map[string]netip.Addr
}

// decided is an event: the operator's decision about the primary is durable.
type decided struct {
	primary  cluster.ID
	decision uint64
}

// Settings tells the node's own settings, which entry of the list it is itself (from 0; -1: none), and what
// names stand for before DNS is asked. It comes before Run and whenever the configuration changes.
func (m *Member) Settings(own settings.Settings, index int, mapping map[string]netip.Addr) {
	own.Peers = slices.Clone(own.Peers)
	m.inbox.post(configured{own, index, maps.Clone(mapping)})
}

// configure takes the node's own settings.
func (m *Member) configure(e configured) {
	m.own, m.index = e.own, e.index
	clear(m.twice)
	maps.DeleteFunc(m.faults, func(address string, _ error) bool { return !slices.Contains(e.own.Peers, address) })
	maps.DeleteFunc(m.kept.Entries, func(address string, _ cluster.ID) bool { return !slices.Contains(e.own.Peers, address) })
	maps.DeleteFunc(m.kept.Peers, func(_ cluster.ID, p knownPeer) bool { return !slices.Contains(e.own.Peers, p.Address) })
	for id, c := range m.contacts {
		if at := slices.Index(e.own.Peers, c.entry); at < 0 || at == e.index {
			delete(m.contacts, id)
		}
	}
	m.mesh.List(e.own.Peers, e.index, e.mapping)
	m.beat(liveness.List{Addresses: e.own.Peers, Own: e.index})
	m.settled()
	m.primary()
	m.listed()
}

// primaryID returns who the primary of this node's settings is; empty: it was never heard.
func (m *Member) primaryID() cluster.ID {
	at := m.own.Primary - 1
	switch {
	case at < 0 || at >= len(m.own.Peers):
		return ""
	case at == m.index:
		return m.cfg.Self
	}
	return m.kept.Entries[m.own.Peers[at]]
}

// primary notes an operator's decision about the primary: that it is another node than before. Another
// address of the same one is none (CL-22). The cores hear of it when it is durable.
func (m *Member) primary() {
	id := m.primaryID()
	if id == "" || id == m.kept.Primary {
		if m.decidedAt == m.kept.Decision { // nothing is being written
			m.revise(revisions.Settings{Primary: id, Decision: m.kept.Decision})
		}
		return
	}
	m.kept.Decision++
	m.kept.Primary = id
	m.keep(decided{id, m.kept.Decision})
}

func (m *Member) decide(e decided) {
	m.decidedAt = e.decision
	m.settled()
	if e.decision == m.kept.Decision {
		m.cfg.Log.Event("Cluster Primary Configured", "Detail", "decision "+text(e.decision), "Peer", m.nameOf(e.primary))
		m.primary()
	}
}
