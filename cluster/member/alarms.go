package member

import (
	"errors"
	"strconv"
	"time"

	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/mesh"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/cluster/troubles"
)

const (
	// slow is how long a copy of a peer's rows may take until it is told, hopeless how long until the database
	// counts as not synchronised.
	slow, hopeless = 5 * time.Second, time.Minute
	// opposite is how long a peer may be heard and not be reached, until its ports count as blocked.
	opposite = 3 * time.Second
	// still is how long the agreed log may not advance while a majority of the peers is there.
	still = 15 * time.Second
)

// Local is what the node says of itself that the cluster's alarms tell.
type Local struct {
	NoH323 bool // H.323 mode is off (20018)
	// Restart are the items of the cluster that take effect at the next start (20007).
	Restart []string
	// Refused is why a document of the primary's does not fit here; empty: it does.
	Refused string
	// Reset: the node's shared configuration is nothing that somebody would miss, or the operator has agreed
	// to lose it (CL-02).
	Reset bool
}

// Local tells what the node says of itself, whenever it changes.
func (m *Member) Local(l Local) { m.inbox.post(l) }

// sound raises what is wrong now and lowers what is right again (CL-16).
func (m *Member) sound() {
	now := troubles.Judge(m.view())
	raise, lower := troubles.Changes(m.raised, now)
	for _, t := range raise {
		m.cfg.Alarms.Raise(t.Number, t.Key, t.Detail)
	}
	for _, t := range lower {
		m.cfg.Alarms.Lower(t.Number, t.Key)
	}
	m.raised = now
}

// view is what this node knows of itself and its cluster now.
func (m *Member) view() troubles.View {
	v := troubles.View{
		Own: m.own, ActiveTLS: m.cfg.ActiveTLS, Index: m.index, NoH323: m.local.NoH323, Restart: m.local.Restart,
		Configuration: m.revisions.Faults(), Refused: m.local.Refused, Unkept: m.unkept(),
		Disagreement: m.membership.Disagreement(), Frozen: m.frozen(),
		Sharing: m.counting(),
	}
	for _, s := range m.liveness.Status() {
		v.Peers = append(v.Peers, m.seen(s))
	}
	return v
}

// frozen says why the agreed log does not advance although a majority of the peers is there.
func (m *Member) frozen() string {
	now, there := m.cfg.Boot(), 0
	for _, v := range m.state.Agreed.Voters {
		if v.ID == m.cfg.Self || alive(m.liveness.State(v.ID)) {
			there++
		}
	}
	voters := len(m.state.Agreed.Voters) // none: it does not run at all
	if m.state.Why == "" || m.state.Agreed.Cluster == "" || voters > 0 && 2*there <= voters {
		m.flowed = now
	}
	if now-m.flowed < still {
		return ""
	}
	return m.state.Why
}

func alive(s liveness.State) bool { return s == liveness.Active || s == liveness.Suspect }

// seen is an entry of the list and who answers there.
func (m *Member) seen(s liveness.Status) troubles.Peer {
	p := troubles.Peer{Status: s}
	if why := m.faults[s.Address]; errors.Is(why, mesh.ErrResolve) {
		p.Unresolved = why.Error()
	}
	p.Lost, p.Held = m.gone(s.Peer, s.Life == liveness.Lost), m.apart.held[s.Peer]
	c := m.contacts[s.Peer]
	if c == nil {
		return p
	}
	p.Settings, p.Joined = &c.settings, m.joined(c.id)
	p.Rows, p.Unsynchronised = m.rowsOf(c)
	p.Blocked = m.blocked(c)
	return p
}

// rowsOf says why a peer's rows cannot be had, and whether that has gone on for too long.
func (m *Member) rowsOf(c *contact) (late, never string) {
	now := m.cfg.Boot()
	r, found := m.rows.Copy(c.id)
	if !found || r.Lost || r.Current {
		c.well = now
		m.complete(c, r)
		return "", ""
	}
	c.making = true
	if d := now - c.well; d > hopeless {
		never = "the rows of " + c.name + " could not be brought up to date for " + d.Truncate(time.Minute).String()
	}
	if now-c.well > slow {
		late = "the rows of " + c.name + " are not complete yet"
	}
	return late, never
}

// complete tells that a copy is made (AL-02).
func (m *Member) complete(c *contact, r rows.Copy) {
	if c.making && r.Current && !r.Lost {
		c.making = false
		m.cfg.Log.Event("Cluster Database Synchronisation Complete", "Detail", "all rows of the peer are here", "Peer", c.name, "Count", r.Rows)
	}
}

// blocked says which ports of a peer cannot be reached although it is heard.
func (m *Member) blocked(c *contact) []string {
	why := m.faults[c.entry]
	if !errors.Is(why, mesh.ErrUnreachable) || m.cfg.Boot()-c.heard > opposite {
		return nil
	}
	return []string{"TCP " + strconv.Itoa(int(m.cfg.Port))}
}
