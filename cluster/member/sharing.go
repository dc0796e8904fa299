package member

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/pool"
)

// Shares is this node's use of what the cluster shares out. Its methods are called from the member's goroutine: they
// must be quick.
type Shares interface {
	// Lend says that the ledger begins to count: with what is in use now, which is returned. Until it has given
	// its first shares the node may go by what it has itself.
	Lend() map[ledger.Resource]uint32
	// Leased says whether a ceiling may be used only while the lease runs, or always. It comes before the first Raise of
	// a resource, and when it changes.
	Leased(r ledger.Resource, leased bool)
	Raise(r ledger.Resource, to uint32)
	// Lower lowers a ceiling as far as nothing is in use, and returns what it is then.
	Lower(r ledger.Resource, to uint32) uint32
	// Lease says until when ceilings may be used, by CLOCK_BOOTTIME.
	Lease(until time.Duration)
	// Wants says how much more of each is wanted now than is left.
	Wants() map[ledger.Resource]uint32
	// Denied says that there was not so much when the peers were asked, after asked (by CLOCK_BOOTTIME): it is of no use to
	// ask again at once.
	Denied(r ledger.Resource, asked time.Duration)
}

// counted is how often the ledger hears who is there.
const counted = 100 * time.Millisecond

// maxBrings bounds what a peer's hello says that it brings.
const maxBrings = 16

// Names in a hello of the licences that its sender brings: bought, or to try out.
const (
	extraBrings = "brings"
	extraTrial  = "trial"
)

// Offer is what a node knows of how much there is.
type Offer struct {
	// Brings are the licences of this node: the cluster has the sum of all peers', also of one that has been lost for less
	// than 14 days (LI-01, LI-03).
	Brings map[ledger.Resource]uint32
	// Trial: nothing of them is bought. They count only while no peer brings what is (LI-02).
	Trial bool
	// Most is what that sum is cut to (CA-02); what is not named is not cut.
	Most map[ledger.Resource]uint32
	// Policy is that of licences.
	Policy ledger.Policy
	// Totals are of everything else that is shared, by the configuration.
	Totals map[ledger.Resource]ledger.Total
}

func (o Offer) clone() Offer {
	o.Brings, o.Most, o.Totals = maps.Clone(o.Brings), maps.Clone(o.Most), maps.Clone(o.Totals)
	return o
}

// pooled is an event: there is another Offer.
type pooled struct{ Offer }

// sharing is the member's ledger. It belongs to the member's goroutine.
type sharing struct {
	wires  Wiring // without a core: this node belongs to no cluster yet, and is alone with what it has
	pool   *pool.Core
	own    Offer
	known  bool   // own was told
	id     string // of the history
	index  uint64 // up to which its log is in the core's table
	next   time.Duration
	leaves bool
	aside  time.Duration // since when it counts aside; 0: it does not
	// shownAt is when the picture of it is made anew next.
	shownAt time.Duration
}

// Share gives the member what it is to share out. It comes before Run.
func (m *Member) Share(s Shares) {
	m.sharing = &sharing{
		wires: Wiring{
			Self: m.cfg.Self, Shares: s, Boot: m.cfg.Boot,
			Send:    func(to cluster.ID, message any) { m.mesh.Send(to, message) },
			Propose: func(e ledger.Entry) { _ = m.agreement.Propose(e) },
		},
		pool: pool.New(m.cfg.Self, m.cfg.Boot(), m.kept.Pool),
	}
}

// Pool tells how much there is to share out, whenever that changes.
func (m *Member) Pool(o Offer) { m.inbox.post(pooled{o.clone()}) }

// wanted is an event: Shares.Wants has something new.
type wanted struct{}

// Wanted has Shares.Wants asked at once: somebody waits.
func (m *Member) Wanted() { m.inbox.post(wanted{}) }

// Applied takes what is agreed.
func (m *Member) Applied(a agreement.Applied) { m.inbox.post(a) }

// lead tells that this node leads the agreement.
func (m *Member) lead(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-m.agreement.Leads():
			m.inbox.post(l)
		}
	}
}

// count lets the ledger know that time has passed, and what is wanted.
func (m *Member) count(now time.Duration) {
	s := m.sharing
	if s == nil {
		return
	}
	if id := m.clusterID(); id != s.id && id != "" {
		m.begin(id)
	}
	if s.wires.Core == nil {
		return
	}
	if !s.leaves {
		wants := s.wires.Shares.Wants()
		for _, r := range slices.Sorted(maps.Keys(wants)) {
			m.ledger(ledger.Short{Resource: r, N: wants[r]})
		}
	}
	if now >= s.next {
		s.next = now + counted
		m.pool(pool.Tick{})
		m.ledger(ledger.Here{Peers: m.present()})
		m.showLedger()
	}
	m.ledger(ledger.Tick{}) // what waits to be said goes at once
}

// begin counts in a history of the agreement: the first that this node belongs to, or another.
func (m *Member) begin(id string) {
	s := m.sharing
	table, index := m.agreement.Table()
	s.id, s.index = id, index
	if s.wires.Core != nil {
		m.ledger(ledger.Anew{Cluster: id, Table: table})
		return
	}
	s.wires.Core = ledger.New(ledger.Config{Self: m.cfg.Self, Incarnation: m.incarnation, Cluster: id, Recovered: s.wires.Shares.Lend()}, table)
	m.ledger(ledger.Members{Peers: append(slices.Clone(m.with), m.cfg.Self)})
	m.total()
}

// present are the members that are there, in the order of the list.
func (m *Member) present() []cluster.ID {
	var out []cluster.ID
	for i, entry := range m.own.Peers {
		if i == m.index {
			out = append(out, m.cfg.Self)
			continue
		}
		for _, id := range m.with {
			if c := m.contacts[id]; c != nil && c.entry == entry && alive(m.liveness.State(id)) {
				out = append(out, id)
			}
		}
	}
	return out
}

// agreed takes what was agreed in the history that counts.
func (m *Member) agreed(a agreement.Applied) {
	s := m.sharing
	if s == nil || s.wires.Core == nil || a.Cluster != s.id || a.Index <= s.index {
		return
	}
	s.index = a.Index
	if a.Table != nil {
		m.ledger(ledger.Anew{Cluster: s.id, Table: a.Table}) // a snapshot of the leader's
		return
	}
	m.ledger(ledger.Applied{Entry: *a.Entry})
}

func (m *Member) leads(l agreement.Leading) {
	if s := m.sharing; s != nil && s.wires.Core != nil && l.Cluster == s.id {
		m.ledger(l.Leads)
	}
}

// ledger lets the core of the ledger hear something.
func (m *Member) ledger(e ledger.Event) {
	if m.sharing != nil {
		m.sharing.wires.Hear(e)
	}
}

// leave hands back what is idle: this process is about to end.
func (m *Member) leave() {
	if m.sharing != nil {
		m.sharing.leaves = true
		m.ledger(ledger.Leave{})
	}
}

// pool runs the core of what everybody brings.
func (m *Member) pool(e pool.Event) {
	if m.sharing == nil {
		return
	}
	for _, a := range m.sharing.pool.Step(m.cfg.Boot(), e) {
		switch a := a.(type) {
		case pool.Totals:
			m.total()
		case pool.Keep:
			m.kept.Pool = a.Peers
			m.keep(nil)
		}
	}
}

// listed tells the pool who stands in the list: the licences of others leave it at once. While somebody of the list was not
// heard yet, nobody's do: that may be a known one under another address (CL-22).
func (m *Member) listed() {
	var ids []cluster.ID
	for i, entry := range m.own.Peers {
		if i == m.index {
			continue
		}
		id := m.kept.Entries[entry]
		if id == "" {
			return
		}
		ids = append(ids, id)
	}
	m.pool(pool.Listed{Peers: ids})
}

// total tells the ledger how much there is: licences as all bring them together, the rest as it is configured.
func (m *Member) total() {
	if !m.sharing.known {
		return // who leads with nothing takes everything away
	}
	m.ledger(ledger.Totals{Of: m.sharing.own.Of(m.sharing.pool.Totals())})
}

func (m *Member) pooled(e pooled) {
	if m.sharing == nil {
		return
	}
	m.sharing.own, m.sharing.known = e.Offer, true
	m.pool(pool.Brings{Peer: m.cfg.Self, Amounts: e.Brings, Trial: e.Trial})
	m.total()
	m.say()
}

// bring adds this node's licences to what a hello says.
func (m *Member) bring(extra map[string]string) {
	if m.sharing == nil || len(m.sharing.own.Brings) == 0 {
		return
	}
	data, err := json.Marshal(m.sharing.own.Brings)
	if err != nil {
		return
	}
	name := extraBrings
	if m.sharing.own.Trial {
		name = extraTrial
	}
	extra[name] = string(data)
}

// brought reads what a peer's hello says.
func brought(extra map[string]string) (out pool.Brings) {
	text := extra[extraBrings]
	if text == "" {
		text, out.Trial = extra[extraTrial], true
	}
	if json.Unmarshal([]byte(text), &out.Amounts) != nil || len(out.Amounts) > maxBrings {
		return pool.Brings{}
	}
	return out
}
