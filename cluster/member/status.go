package member

import (
	"net/netip"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
)

// Status is everything that an operator sees of the cluster (CL-17), at one moment.
type Status struct {
	Self        cluster.ID
	Incarnation cluster.Incarnation
	Name        string // of the cluster
	Cluster     string // id of the cluster that this node has joined; empty: none
	// Primary is the configured one, from 1; PrimaryID is empty until it was heard.
	Primary   int
	PrimaryID cluster.ID
	// Acting: this node authors the configuration. Follows is from whom it takes it; itself while acting.
	Acting  bool
	Follows cluster.ID
	// TLS modes: what is configured and what this process runs with (20020).
	TLS, ActiveTLS string
	// Tag names the configuration in force here, Synchronised is when it was last known to be the primary's
	// and Next when it is compared in full again.
	Tag                revisions.Tag
	Synchronised, Next time.Time
	Maintenance        bool
	// Restart are the items of the cluster that take effect at the next start (20007, 20020).
	Restart []string
	// Agreement is raft's part: Database is "Active" or what is wrong.
	Database string
	Leader   cluster.ID
	Term     uint64
	Voters   []cluster.ID
	// Rows is how many rows this node has itself.
	Rows  int
	Peers []PeerStatus // in the order of the list, this node among them
}

// PeerStatus is a line of the table of peers.
type PeerStatus struct {
	Index   int    // from 1
	Address string // the entry
	ID      cluster.ID
	Own     bool
	Primary bool // of this node's settings
	Life    liveness.State
	// State and Certificate are in the words of facts A7.3; Certificate is empty until it was seen.
	State, Certificate string
	Name               string
	Incarnation        cluster.Incarnation
	Resolved           string
	RTT                time.Duration
	Why                string // it could not be reached
	Software           string
	Protocol           int
	Cluster            string // id of the cluster that it has joined
	// Joined: it belongs to the same cluster as this node (CL-02).
	Joined      bool
	Maintenance bool
	// Tag is of the configuration that it has.
	Tag revisions.Tag
	// Database is how this node's copy of its rows is: "Active", or what it waits for.
	Database string
	Rows     int
	// Synchronised is when its configuration was last the same as here, Next when it is compared again.
	Synchronised, Next time.Time
	SIPTLS             netip.AddrPort
	Key                [32]byte // SHA-256 of its public key
}

// Peer is a peer that is there and has joined: what calls between peers need of it.
type Peer struct {
	ID          cluster.ID
	Index       int // from 1
	Name        string
	Address     string // the entry
	SIPTLS      netip.AddrPort
	Key         [32]byte // SHA-256 of its public key
	Maintenance bool
	Incarnation cluster.Incarnation
}

// Status returns everything that an operator sees of the cluster.
func (m *Member) Status() Status { return *m.status.Load() }

// Changed is closed when the status changes next.
func (m *Member) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// Peers returns the other peers that are there and have joined, in the order of the list.
func (m *Member) Peers() []Peer {
	var out []Peer
	for _, p := range m.status.Load().Peers {
		if p.Own || !p.Joined || !alive(p.Life) {
			continue
		}
		out = append(out, Peer{p.ID, p.Index, p.Name, p.Address, p.SIPTLS, p.Key, p.Maintenance, p.Incarnation})
	}
	return out
}

// Peer returns a peer that is there and has joined.
func (m *Member) Peer(id cluster.ID) (Peer, bool) {
	for _, p := range m.Peers() {
		if p.ID == id {
			return p, true
		}
	}
	return Peer{}, false
}

// publish makes status and alarms anew where something has happened, and now and then.
func (m *Member) publish() {
	now := m.cfg.Boot()
	if !m.dirty && now-m.looked < look {
		return
	}
	m.dirty, m.looked = false, now
	m.compared()
	m.sound()
	m.status.Store(m.snapshot())
	m.know()
	m.mu.Lock()
	close(m.changed)
	m.changed = make(chan struct{})
	m.mu.Unlock()
}

func (m *Member) snapshot() *Status {
	s := &Status{
		Self: m.cfg.Self, Incarnation: m.incarnation, Name: m.own.Name,
		Primary: m.own.Primary, PrimaryID: m.primaryID(), Acting: m.revisions.Acting(), Follows: m.revisions.Follows(),
		TLS: m.own.TLS, ActiveTLS: m.cfg.ActiveTLS, Tag: m.revisions.Has(), Synchronised: m.synchronised,
		Maintenance: m.maintenance.Load(), Restart: m.local.Restart, Next: m.compareAt(), Rows: m.rows.Rows(), Database: active,
		Cluster: m.clusterID(), Leader: m.state.Agreed.Leader, Term: m.state.Term,
	}
	if s.Acting {
		s.Synchronised = m.cfg.Now()
	}
	if m.state.Why != "" {
		s.Database = m.state.Why
	}
	for _, v := range m.state.Agreed.Voters {
		s.Voters = append(s.Voters, v.ID)
	}
	for _, l := range m.liveness.Status() {
		s.Peers = append(s.Peers, m.line(l))
	}
	return s
}

// compareAt is when the configuration is compared in full again.
func (m *Member) compareAt() time.Time { return m.cfg.Now().Add(m.revisions.Next() - m.cfg.Boot()) }

// line is a peer's line of the table.
func (m *Member) line(l liveness.Status) PeerStatus {
	p := PeerStatus{
		Index: l.Index, Address: l.Address, ID: l.Peer, Own: l.Own, Primary: l.Index == m.own.Primary, Life: l.Life,
		State: l.State(), Certificate: l.Certificate(), Name: l.Name, Resolved: l.Resolved, RTT: l.RTT, Why: l.Why, Incarnation: l.Incarnation,
	}
	if l.Own {
		p.Name, p.Software, p.Protocol, p.Joined = m.cfg.Name, m.cfg.Software, m.cfg.Protocol, m.clusterID() != ""
		p.Cluster = m.clusterID()
		p.Tag, p.Maintenance, p.Database = m.revisions.Has(), m.maintenance.Load(), active
		return p
	}
	c := m.contacts[l.Peer]
	if c == nil {
		return p
	}
	p.Software, p.Protocol, p.Cluster, p.Joined = c.settings.Software, c.settings.Protocol, c.cluster, m.joined(c.id)
	p.Maintenance, p.Tag, p.Synchronised, p.Key, p.Next = c.maintenance, c.beat.Has, c.equal, c.key, m.compareAt()
	p.SIPTLS = netip.AddrPortFrom(c.addr, c.sipTLS)
	r, _ := m.rows.Copy(c.id)
	p.Rows, p.Database = r.Rows, databaseOf(r, p.Joined)
	return p
}

// active is a database that is as it should be, in the words of facts A7.
const active = "Active"

func databaseOf(r rows.Copy, joined bool) string {
	switch {
	case !joined:
		return "not joined"
	case r.Lost:
		return "unreachable"
	case !r.Current:
		return "synchronising"
	}
	return active
}
