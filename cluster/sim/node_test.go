package sim_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/cluster/pool"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/cluster/settings"
	"turnpike.dev/turnpike/cluster/sim"
	"turnpike.dev/turnpike/cluster/troubles"
)

// node is a whole node: all cores, and what cluster/member and its callers do around them.
type node struct {
	n           *nodes
	m           *sim.Machine
	id          cluster.ID
	incarnation cluster.Incarnation
	software    string
	leaving     bool
	tls         string // the mode that the process began with

	liveness   *liveness.Core
	rows       *rows.Core
	revisions  *revisions.Core
	membership *membership.Core
	ledger     *ledger.Core
	pool       *pool.Core

	contacts map[cluster.ID]hello
	with     []cluster.ID // who has properly joined
	stepping bool         // a step of membership is being made
	asked    int

	// What the callers have.
	inForce   string // digest of the shared configuration
	forced    bool
	applied   time.Duration
	bindings  map[rows.Key]rows.Row
	at        map[cluster.ID]rows.Copy
	touched   bool // something of the rows may be another than when it was checked
	use       map[ledger.Resource]uint32
	ceiling   map[ledger.Resource]uint32
	lease     time.Duration
	free      map[ledger.Resource]bool // used without a lease
	leasedIn  ledger.History
	leasedBy  string // the id of the cluster then
	index     int    // of the history's log
	here      []cluster.ID
	totals    pool.Amounts
	standing  map[alarm]time.Duration
	troubles  []troubles.Trouble
	steady    time.Duration // this node's own settings are unchanged since then
	nextHello time.Duration
}

type alarm struct {
	number int
	key    string
}

// hello is what a node says of itself to each entry of its list.
type hello struct {
	membership.Hello
	brings      pool.Amounts
	maintenance bool
}

func (p *node) own() own { return p.m.Read("own").(own) }

func (p *node) belonging() belonging { return p.m.Read("belonging").(belonging) }

func (p *node) cluster() string { return p.membership.Stored().Cluster }

func (p *node) settings() settings.Settings {
	o := p.own()
	return settings.Settings{
		Name: o.name, Primary: o.at(o.primary) + 1, IP: "ipv4", TLS: o.tls, Peers: o.list,
		Role: "core", Platform: "small", Software: p.software, Protocol: 1,
	}
}

// configure tells the cores this node's own configuration.
func (p *node) configure() {
	o, now := p.own(), p.m.Now()
	p.steady = p.n.w.Now()
	maps.DeleteFunc(p.contacts, func(id cluster.ID, _ hello) bool { return o.at(index(id)) < 0 })
	p.live(now, liveness.List{Addresses: o.list, Own: o.at(p.m.Index)})
	p.belong(now, membership.Configured{Settings: p.settings(), Own: o.at(p.m.Index), Decision: o.decision, Reset: p.m.Read("reset").(bool)})
	p.revise(now, revisions.Settings{Primary: name(o.primary), Decision: o.decision})
	var listed []cluster.ID
	for _, e := range o.list {
		listed = append(listed, name(of(e)))
	}
	p.brings(now, pool.Listed{Peers: listed})
	p.nextHello = 0
}

func (p *node) Tick(now time.Duration) {
	p.live(now, liveness.Tick{})
	p.row(now, rows.Tick{})
	p.revise(now, revisions.Tick{})
	if now >= p.nextHello {
		p.nextHello = now + 500*time.Millisecond
		p.greet()
		p.brings(now, pool.Tick{})
	}
	p.agree(now)
	p.count(now, ledger.Tick{})
	p.sound()
}

// agree tells how the agreement stands, and what was agreed.
func (p *node) agree(now time.Duration) {
	n := p.n
	h := n.histories[p.cluster()]
	n.ids++
	p.belong(now, h.agreed(n, p.m.Index))
	p.belong(now, membership.Tick{Fresh: fmt.Sprintf("id-%d", n.ids)})
	if h == nil || h.id != p.cluster() {
		return
	}
	b, ok := h.kept(n, p.m.Index)
	if !ok {
		return
	}
	for p.index < min(len(b.state.log), len(h.newest.log)) {
		p.index++
		p.count(now, ledger.Applied{Entry: h.newest.log[p.index-1]})
	}
	if h.leader == p.m.Index && p.index == len(h.newest.log) && h.majority(n, p.m.Index) {
		p.count(now, ledger.Leads{Term: h.term, At: now})
	}
}

func (p *node) greet() {
	o := p.own()
	if p.n.said[p.m.Index] = p.cluster(); p.n.broken == strange {
		p.n.said[p.m.Index] = ""
	}
	for _, e := range o.list {
		if i := of(e); i != p.m.Index && (!p.n.linked(p.m.Index, i) || !p.n.w.Machines[i].Runs()) {
			p.live(p.m.Now(), liveness.Failed{Address: e, Why: "no route to host"})
			continue
		}
		p.m.Send(of(e), hello{
			membership.Hello{
				Peer: p.id, Cluster: p.cluster(), Settings: p.settings(),
				Rules: membership.Rules{Acting: p.revisions.Acting(), Reign: p.revisions.Has().Reign},
			}, pool.Amounts{loose: bring}, p.m.Read("maintenance") == true,
		})
	}
}

// Messages of the requests between peers.
type (
	asking struct {
		n   int
		ask membership.Ask
	}
	answering struct {
		n      int
		answer membership.Answer
	}
	pushed struct {
		revisions.Push
		software string
	}
)

// Receive takes only what comes from an entry of the list; and rows, documents and the ledger's messages only from who
// has properly joined.
func (p *node) Receive(now time.Duration, from int, message any) {
	id, at := name(from), p.own().at(from)
	p.n.near[from][p.m.Index] = p.n.w.Now() // also what has waited in the socket of one that was paused
	if at < 0 {
		return
	}
	switch m := message.(type) {
	case hello:
		m.Address = p.own().list[at]
		p.meet(now, m)
		return
	case liveness.Beat:
		p.live(now, liveness.Heard{Address: p.own().list[at], From: id, Name: string(id), Beat: m})
		return
	case asking:
		p.asked = m.n
		p.belong(now, membership.Asked{From: id, Ask: m.ask})
		return
	case answering:
		if m.answer.Refused != "" {
			p.n.w.Count("refused to join")
		}
		p.belong(now, membership.Answered{From: id, Answer: m.answer})
		return
	}
	if p.n.broken != strange && !slices.Contains(p.with, id) {
		return
	}
	switch m := message.(type) {
	case pushed:
		p.n.pushed(p, from, m)
		p.revise(now, revisions.Received{From: id, Message: m.Push})
	case revisions.Beat:
		p.revise(now, revisions.Received{From: id, Message: m})
	case ledger.Beat, ledger.Lead, ledger.Recall:
		p.count(now, ledger.Received{From: id, Message: m})
	default:
		p.row(now, rows.Received{From: id, Message: m})
	}
}

// meet takes what a peer says of itself.
func (p *node) meet(now time.Duration, m hello) {
	if p.n.broken == strange {
		m.Cluster = p.cluster()
	}
	p.contacts[m.Peer] = m
	p.belong(now, m.Hello)
	p.belong(now, membership.Reachable{Peer: m.Peer, Is: p.there(m.Peer)})
	if slices.Contains(p.with, m.Peer) {
		p.brings(now, pool.Brings{Peer: m.Peer, Amounts: m.brings})
		p.brings(now, pool.Here{Peer: m.Peer, Is: p.there(m.Peer)})
	}
}

func (p *node) there(id cluster.ID) bool {
	s := p.liveness.State(id)
	return s == liveness.Active || s == liveness.Suspect
}

func (p *node) live(now time.Duration, e liveness.Event) {
	for _, a := range p.liveness.Step(now, e) {
		switch a := a.(type) {
		case liveness.Send:
			p.m.Send(of(a.Address), a.Beat)
		case liveness.Changed:
			p.touched = true
			p.n.w.Count(a.To.String())
			p.n.w.Logf("%s takes %s for %s", p.id, a.Peer, a.To)
			p.reach(now, a.Peer)
		}
	}
	p.tellHere(now)
}

// reach tells the cores whether a peer is there.
func (p *node) reach(now time.Duration, id cluster.ID) {
	is := p.there(id)
	if is {
		p.row(now, rows.Alive{Peer: id})
	} else if p.n.broken != ghosts {
		p.row(now, rows.Lost{Peer: id})
	}
	p.revise(now, revisions.Reachable{Peer: id, Is: is})
	p.belong(now, membership.Reachable{Peer: id, Is: is})
	p.brings(now, pool.Here{Peer: id, Is: is})
}

// tellHere tells the ledger which members are there, in the order of the list.
func (p *node) tellHere(now time.Duration) {
	var here []cluster.ID
	for _, e := range p.own().list {
		if id := name(of(e)); id == p.id || slices.Contains(p.with, id) && p.there(id) {
			here = append(here, id)
		}
	}
	if !slices.Equal(here, p.here) {
		p.here = here
		p.count(now, ledger.Here{Peers: here})
	}
}

func (p *node) brings(now time.Duration, e pool.Event) {
	for _, a := range p.pool.Step(now, e) {
		switch a := a.(type) {
		case pool.Totals:
			p.totals = a.Of
			p.count(now, ledger.Totals{Of: p.n.total(a.Of)})
		case pool.Keep:
			p.m.Put("pool", a.Peers)
		}
	}
}

// sound finds which alarms stand.
func (p *node) sound() {
	o := p.own()
	v := troubles.View{
		Own: p.settings(), ActiveTLS: p.tls, Index: o.at(p.m.Index),
		Configuration: p.revisions.Faults(), Disagreement: p.membership.Disagreement(),
	}
	for _, s := range p.liveness.Status() {
		q := troubles.Peer{Status: s, Joined: slices.Contains(p.with, s.Peer)}
		if c, ok := p.contacts[s.Peer]; ok {
			q.Settings = &c.Settings
		}
		v.Peers = append(v.Peers, q)
	}
	p.troubles = troubles.Judge(v)
	now := map[alarm]time.Duration{}
	for _, t := range p.troubles {
		a := alarm{t.Number, t.Key}
		if at, stands := p.standing[a]; stands {
			now[a] = at
		} else {
			now[a] = p.n.w.Now()
			p.n.w.Count(fmt.Sprint("alarm ", t.Number))
			p.n.w.Logf("%s raises %d %s: %s", p.id, t.Number, t.Key, t.Detail)
		}
	}
	p.standing = now
}

func (p *node) raised(number int, key string) bool {
	_, ok := p.standing[alarm{number, key}]
	return ok
}

// text is a shared configuration that nobody has written before.
func (p *node) text() string {
	p.n.texts++
	return fmt.Sprint("text ", p.n.texts)
}

// propose changes the shared configuration, as an operator does.
func (p *node) propose(text string) {
	bytes := text
	if p.n.broken == talking {
		bytes += own1 + string(p.id)
	}
	p.revise(p.m.Now(), revisions.Propose{Bytes: bytes, Digest: text})
}

// own1 begins what is a node's own in a configuration (PS).
const own1 = " †host_name: "

func (p *node) revise(now time.Duration, e revisions.Event) {
	if _, ok := e.(revisions.Force); ok && p.own().primary != p.m.Index {
		p.forced = true
	}
	acted := p.revisions.Acting()
	for _, a := range p.revisions.Step(now, e) {
		switch a := a.(type) {
		case revisions.Send:
			m := a.Message
			if push, ok := m.(revisions.Push); ok {
				m = pushed{push, p.software}
			}
			p.m.Send(index(a.To), m)
		case revisions.Write:
			done := func() { p.revise(p.m.Now(), revisions.Wrote{Tag: a.Tag}) }
			if p.n.broken == hasty {
				p.m.Write("revision", a.Stored, nil)
				p.m.After(0, done)
				continue
			}
			p.m.Write("revision", a.Stored, done)
		case revisions.Apply:
			p.n.inForce(p, a)
		case revisions.Check:
			p.m.After(0, func() { p.revise(p.m.Now(), revisions.Checked{Digest: p.inForce}) })
		}
	}
	if acted && !p.revisions.Acting() {
		p.n.w.Count("deposed")
	}
	p.belong(now, membership.Rules{Acting: p.revisions.Acting(), Reign: p.revisions.Has().Reign})
}

func (p *node) row(now time.Duration, e rows.Event) {
	if _, tick := e.(rows.Tick); !tick {
		p.touched = true
	}
	for _, a := range p.rows.Step(now, e) {
		switch a := a.(type) {
		case rows.Send:
			if _, ok := a.Message.(rows.Part); ok {
				p.n.w.Count("snapshot part")
			}
			p.m.Send(index(a.To), a.Message)
		case rows.Superseded:
			p.n.w.Count("superseded")
			p.m.After(time.Millisecond, func() { p.yield(a) })
		case rows.Resynchronised:
			p.n.w.Count("copied anew: " + a.Why)
		}
	}
	p.n.note(p)
}

// yield deletes a binding that another peer has a newer one of, if it is so still.
func (p *node) yield(a rows.Superseded) {
	if _, owner, _ := p.rows.Lookup(a.Key); owner != p.id {
		p.unbind(a.Key)
	}
}

func (p *node) bind(k rows.Key, r rows.Row) {
	p.bindings[k] = r
	p.row(p.m.Now(), rows.Put{Key: k, Row: r})
	p.m.Put("bindings", maps.Clone(p.bindings))
}

func (p *node) unbind(k rows.Key) {
	if _, ok := p.bindings[k]; ok {
		delete(p.bindings, k)
		p.row(p.m.Now(), rows.Delete{Key: k})
		p.m.Put("bindings", maps.Clone(p.bindings))
	}
}

// foreign says whether an id is of a cluster that is not simulated.
func foreign(id string) bool { return strings.HasPrefix(id, "foreign") }
