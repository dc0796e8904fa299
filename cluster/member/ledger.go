package member

import (
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/pool"
)

// maxShown bounds how many waiting requests the picture has.
const maxShown = 256

// Ledger is how what the cluster shares out stands, at one moment.
type Ledger struct {
	// Aside: nobody leads the agreement, and the peers of this side count for themselves.
	Aside bool
	// AsideSince is since when, by Config.Boot.
	AsideSince time.Duration
	// Begun: this node has had its first lease; before that nothing is admitted of what is shared.
	Begun     bool
	Resources map[ledger.Resource]Holding
	// Waiting is who waits for what, as far as this node hears of it.
	Waiting []ledger.Waiting
	// Recalls is how often this process was asked to come down to a ceiling because others waited.
	Recalls uint64
	// Own is what this node brings of the licences: nothing where it has only some to try out and a peer has bought some.
	Own pool.Amounts
	// Lost are peers that are away and brought licences.
	Lost []pool.Lost
}

// Holding is how a resource is shared out.
type Holding struct {
	Total   uint32
	Policy  ledger.Policy
	Granted uint64 // to all peers
	Held    uint64 // of that: what peers have that are not there
	Ceiling uint32 // of this node
	Of      map[cluster.ID]uint32
}

// Ledger returns how it stands; false: nothing is shared, this node belongs to no cluster.
func (m *Member) Ledger() (Ledger, bool) {
	l := m.shown.Load()
	if l == nil {
		return Ledger{}, false
	}
	return *l, true
}

// showLedger makes the picture of the ledger anew, some times within a second.
func (m *Member) showLedger() {
	s := m.sharing
	if now := m.cfg.Boot(); now < s.shownAt {
		return
	} else {
		s.shownAt = now + 500*time.Millisecond
	}
	table := s.wires.Core.Table()
	out := &Ledger{Resources: map[ledger.Resource]Holding{}, Own: s.pool.Own(), Lost: s.pool.Lost()}
	if _, out.Aside = s.wires.Core.Aside(); !out.Aside {
		s.aside = 0
	} else if s.aside == 0 {
		s.aside = m.cfg.Boot()
	}
	out.AsideSince, out.Begun, out.Recalls = s.aside, s.wires.Begun(), s.wires.Core.Recalls()
	if out.Waiting = s.wires.Core.Waiting(m.cfg.Boot()); len(out.Waiting) > maxShown {
		out.Waiting = out.Waiting[:maxShown]
	}
	if own := s.wires.Core.Provisional(); own != nil {
		table = own
	}
	here := m.present()
	for r, t := range table.Totals {
		h := Holding{Total: t.Amount, Policy: t.Policy, Granted: table.Granted(r), Ceiling: s.wires.Core.Ceiling(r), Of: map[cluster.ID]uint32{}}
		for id, of := range table.Grants {
			if n := of[r].Amount; n > 0 {
				h.Of[id] = n
				if !slices.Contains(here, id) {
					h.Held += uint64(n)
				}
			}
		}
		out.Resources[r] = h
	}
	m.shown.Store(out)
}
