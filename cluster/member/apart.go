package member

import (
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/troubles"
)

// namedHeld is how many resources an alarm names that a lost peer keeps.
const namedHeld = 3

// apart is what alarms and the log say of those who count for themselves. It belongs to the member's goroutine.
type apart struct {
	aside bool
	since time.Time                // of aside
	lost  map[cluster.ID]time.Time // who is not there although it was
	of    *Ledger                  // that held was read from
	held  map[cluster.ID]troubles.Held
	lent  bool
}

// counting is how this node counts what is shared out, for the alarms. Begin and end of counting apart are told to the
// log once (AL-02).
func (m *Member) counting() troubles.Sharing {
	a := &m.apart
	l, on := m.Ledger()
	if on && m.shown.Load() != a.of {
		a.of = m.shown.Load()
		a.read(l)
	}
	if aside := on && l.Aside; aside != a.aside {
		m.turn(aside)
	}
	s := troubles.Sharing{Lent: on && a.lent, Strict: on && m.sharing.own.strict(), Aside: a.aside, Since: a.since}
	if leader := m.state.Agreed.Leader; leader == m.cfg.Self {
		s.Leader = m.cfg.Name
	} else if leader != "" {
		s.Leader = m.nameOf(leader)
	}
	return s
}

// strict says that something is shared by the policy strict.
func (o Offer) strict() bool {
	if o.Policy == ledger.Strict && len(o.Brings) > 0 {
		return true
	}
	for _, t := range o.Totals {
		if t.Policy == ledger.Strict {
			return true
		}
	}
	return false
}

// turn tells the log that this node counts apart from others from now on, or with them again.
func (m *Member) turn(aside bool) {
	a := &m.apart
	if aside {
		a.aside, a.since = true, m.cfg.Now()
		m.cfg.Log.Warn("Cluster Counts Apart", "Detail", "nobody leads the agreement: this side counts licences and bandwidth of policy available for itself")
		return
	}
	m.cfg.Log.Event("Cluster Counts Together", "Detail", "what is used is told, and nothing grows until all is known", "Duration", m.cfg.Now().Sub(a.since).Round(time.Second))
	a.aside, a.since = false, time.Time{}
}

// read notes what those who are not there have of policy strict.
func (a *apart) read(l Ledger) {
	a.held, a.lent = map[cluster.ID]troubles.Held{}, false
	for _, h := range l.Resources {
		if a.lent = h.Policy != ledger.Strict; a.lent {
			break
		}
	}
	for id := range a.lost {
		var keeps []string
		for r, h := range l.Resources {
			if h.Policy == ledger.Strict && h.Of[id] > 0 {
				keeps = append(keeps, string(r))
			}
		}
		slices.Sort(keeps)
		a.held[id] = troubles.Held{Resources: keeps[:min(len(keeps), namedHeld)], All: len(keeps)}
	}
}

// gone says since when a peer is not there that was.
func (m *Member) gone(id cluster.ID, lost bool) time.Time {
	a := &m.apart
	if !lost {
		delete(a.lost, id)
		return time.Time{}
	}
	if a.lost == nil {
		a.lost = map[cluster.ID]time.Time{}
	}
	if _, known := a.lost[id]; !known {
		a.lost[id] = m.cfg.Now()
	}
	return a.lost[id]
}
