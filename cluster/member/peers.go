package member

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/cluster/pool"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/cluster/settings"
)

// contact is what a peer said of itself when it was last met, and what is known of it since.
type contact struct {
	id          cluster.ID
	entry       string // of the list
	addr        netip.Addr
	key         [32]byte
	incarnation cluster.Incarnation
	number      uint64 // of the hello, within the incarnation
	name        string
	cluster     string // id of the cluster that it has joined
	settings    settings.Settings
	sipTLS      uint16
	maintenance bool
	acting      bool
	reign       revisions.Reign
	brings      pool.Brings
	since
}

// since is what is known of a peer from later than its hello.
type since struct {
	beat   revisions.Beat // the last
	beatAt time.Time
	equal  time.Time     // when it last had the same configuration
	told   revisions.Tag // the last one that a record says it has
	sent   revisions.Tag // the last one that it was sent
	well   time.Duration // when the copy of its rows was current last
	making bool          // the copy of its rows is being made
	heard  time.Duration // when it last said anything
}

// before says that another contact with the same peer is later.
func (c *contact) before(o *contact) bool {
	return cmp.Or(cmp.Compare(c.incarnation, o.incarnation), cmp.Compare(c.number, o.number)) < 0
}

// Events of the connections.
type (
	contacted struct{ *contact }
	closed    struct{ id cluster.ID }
	failed    struct {
		address string
		why     error
	}
	received struct {
		from    cluster.ID
		message any
	}
)

// meet takes what a peer says of itself.
func (m *Member) meet(c *contact) {
	if !slices.Contains(m.own.Peers, c.entry) {
		return
	}
	if old := m.contacts[c.id]; old != nil {
		if c.before(old) {
			return // connections tell at the same time: this one was overtaken
		}
		c.since = old.since
	}
	for id, other := range m.contacts {
		if other.entry == c.entry && id != c.id {
			delete(m.contacts, id) // another machine has the address now
		}
	}
	m.contacts[c.id] = c
	delete(m.faults, c.entry)
	if m.kept.Entries[c.entry] != c.id {
		m.kept.Entries[c.entry] = c.id
		m.keep(nil)
		m.listed()
	}
	m.belong(membership.Hello{Peer: c.id, Address: c.entry, Cluster: c.cluster, Settings: c.settings, Rules: membership.Rules{Acting: c.acting, Reign: c.reign}})
	if m.joined(c.id) {
		m.pool(c.brought())
	}
	m.agreement.Met(c.id)
	m.remember()
	m.primary()
}

// brought is what a peer brings, as its hello said.
func (c *contact) brought() pool.Brings {
	b := c.brings
	b.Peer = c.id
	return b
}

// fail notes why an entry is not reached, or refused. Of strangers there may be any number: nothing is kept of them.
func (m *Member) fail(e failed) {
	if slices.Contains(m.own.Peers, e.address) {
		m.faults[e.address] = e.why
		m.beat(liveness.Failed{Address: e.address, Why: e.why.Error()})
	}
}

// part notes that the connection with a peer broke; the mesh logs it.
func (m *Member) part(e closed) { m.beat(liveness.Closed{From: e.id}) }

// beat runs the core of the lives.
func (m *Member) beat(e liveness.Event) {
	for _, a := range m.liveness.Step(m.cfg.Boot(), e) {
		switch a := a.(type) {
		case liveness.Send:
			m.mesh.SendEntry(a.Address, a.Beat)
		case liveness.Changed:
			m.lives(a)
		case liveness.Restarted:
			m.cfg.Log.Event("Cluster Peer Restarted", "Detail", "its process is another one now", "Peer", m.nameOf(a.Peer))
		case liveness.Duplicate:
			m.double(a)
		}
	}
}

// double tells once that two entries of the list are the same node.
func (m *Member) double(a liveness.Duplicate) {
	if !m.twice[a.Address] {
		m.twice[a.Address] = true
		m.cfg.Log.Warn("Cluster Peer Refused", "Detail", "entry "+a.Address+" of the list is the same node as "+a.Also)
	}
}

// lives tells that a peer is thought of differently (AL-02, RG-04).
func (m *Member) lives(a liveness.Changed) {
	m.dirty = true
	record := m.cfg.Log.Event
	if a.To != liveness.Active {
		record = m.cfg.Log.Warn
	}
	record("Cluster Peer State Changed", "Detail", "from "+a.From.String()+" to "+a.To.String()+": "+a.Why, "Peer", m.nameOf(a.Peer), "Address", a.Address)
	m.reach(a.Peer, a.To)
}

func (m *Member) reach(id cluster.ID, s liveness.State) {
	here := alive(s)
	if here {
		m.row(rows.Alive{Peer: id})
	} else {
		m.row(rows.Lost{Peer: id})
	}
	m.revise(revisions.Reachable{Peer: id, Is: here})
	m.belong(membership.Reachable{Peer: id, Is: here})
	m.pool(pool.Here{Peer: id, Is: here})
}

// nameOf returns how people call a peer.
func (m *Member) nameOf(id cluster.ID) string {
	switch c := m.contacts[id]; {
	case id == m.cfg.Self:
		return m.cfg.Name
	case c != nil && c.name != "":
		return c.name
	}
	return string(id)
}
