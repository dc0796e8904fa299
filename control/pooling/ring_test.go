package pooling

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/cluster/pool"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/licensing"
)

// site is what the nodes of a ring have: a pipe that all calls pass.
const site = `system: {name: tp1}
pipes: [{name: Lisbon, total: {mode: limited, kbps: 100000}}, {name: Porto, total: {mode: limited, kbps: 4000}}]
subzones: [{name: Lisbon}, {name: Porto}]
links:
  - {name: LD, node1: Lisbon, node2: DefaultSubZone, pipe1: Lisbon}
  - {name: PD, node1: Porto, node2: DefaultSubZone, pipe1: Porto}
  - {name: LT, node1: Lisbon, node2: TraversalSubZone}
  - {name: TZ, node1: TraversalSubZone, node2: DefaultZone}
`

// ring is a cluster in one process: real resources, pooling and cores of the ledger, joined by lines of a delay, with an
// agreement that takes as long as raft's. The first node leads it. It is of one goroutine, in the bubble of a test.
type ring struct {
	t      testing.TB
	delay  time.Duration // one way
	began  time.Time
	nodes  []*peer
	mu     sync.Mutex // guards events: timers add some
	events []due
	serial int
	news   chan struct{}
}

// due is something that happens at a time.
type due struct {
	at     time.Duration
	serial int
	do     func()
}

// peer is one node of a ring. It is the Member of its Pooling.
type peer struct {
	ring      *ring
	id        cluster.ID
	wires     member.Wiring
	table     *ledger.Table
	resources *resources.Resources
	pool      *Pooling
	offer     member.Offer
	wanted    bool
	deaf      bool // its core hears nothing
	put       []rows.Key
	short     map[string]int // what the keeper was told
}

var _ Member = (*peer)(nil)

func newRing(t testing.TB, size int, delay time.Duration, keys licensing.Installed) *ring {
	return newRingOf(t, size, delay, keys, site)
}

func newRingOf(t testing.TB, size int, delay time.Duration, keys licensing.Installed, text string) *ring {
	r := &ring{t: t, delay: delay, began: time.Now(), news: make(chan struct{}, 1)}
	for i := range size {
		r.nodes = append(r.nodes, &peer{ring: r, id: cluster.ID(rune('a' + i)), short: map[string]int{}})
	}
	n := parsed(t, text)
	n.Cluster.Peers = make([]string, size)
	for _, p := range r.nodes {
		p.start(n, keys)
	}
	for _, p := range r.nodes {
		p.begin()
	}
	r.after(0, r.tick)
	r.after(every/2, r.tell)
	return r
}

func parsed(t testing.TB, text string) *config.Node {
	t.Helper()
	n, err := config.Parse("node.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (r *ring) now() time.Duration { return time.Since(r.began) }

// after has something done later, in the order of time.
func (r *ring) after(d time.Duration, do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serial++
	e := due{r.now() + d, r.serial, do}
	at, _ := slices.BinarySearchFunc(r.events, e, func(a, b due) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.serial, b.serial)) })
	r.events = slices.Insert(r.events, at, e)
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// run lets so much time pass.
func (r *ring) run(d time.Duration) {
	for until := r.now() + d; ; {
		r.mu.Lock()
		next := until + 1
		if len(r.events) > 0 {
			next = r.events[0].at
		}
		if now := r.now(); next > now && now < until {
			r.mu.Unlock()
			select { // a timer may come before, and add what is due then
			case <-time.After(min(next, until) - now):
			case <-r.news:
			}
			continue
		} else if next > now {
			r.mu.Unlock()
			return
		}
		e := r.events[0]
		r.events = r.events[1:]
		r.mu.Unlock()
		e.do()
	}
}

// tick is what members do some times within a second.
func (r *ring) tick() {
	r.nodes[0].step(ledger.Leads{Term: 1, At: r.now()})
	for _, p := range r.nodes {
		p.wants()
		p.step(ledger.Here{Peers: r.ids()})
		p.step(ledger.Tick{})
	}
	r.after(100*time.Millisecond, r.tick)
}

// tell is what Run does.
func (r *ring) tell() {
	for _, p := range r.nodes {
		p.pool.tell()
		p.pool.look()
	}
	r.after(every, r.tell)
}

func (r *ring) ids() []cluster.ID {
	var out []cluster.ID
	for _, p := range r.nodes {
		out = append(out, p.id)
	}
	return out
}

func (r *ring) node(id cluster.ID) *peer { return r.nodes[id[0]-'a'] }

// propose is agreed after a round trip, and known to the others when they hear of it.
func (r *ring) propose(e ledger.Entry) {
	r.after(2*r.delay, func() {
		for i, p := range r.nodes {
			d := r.delay
			if i == 0 {
				d = 0
			}
			r.after(d, func() { p.step(ledger.Applied{Entry: e}) })
		}
	})
}

func (p *peer) start(n *config.Node, keys licensing.Installed) {
	var err error
	if p.resources, err = resources.New(n, keys, resources.Deps{Ledger: p}); err != nil {
		p.ring.t.Fatal(err)
	}
	p.pool = New(Deps{Self: p.id, Resources: p.resources, Member: p, Keeper: kept{p}, Board: &recordedBoard{}, Boot: p.ring.now})
	p.table = ledger.NewTable()
	p.wires = member.Wiring{
		Self: p.id, Shares: p.pool, Boot: p.ring.now, Send: p.send, Propose: p.ring.propose,
		Core: ledger.New(ledger.Config{Self: p.id, Incarnation: 1, Cluster: "c", Recovered: p.pool.Lend()}, p.table),
	}
	p.resources.Share(p.pool)
}

func (p *peer) begin() {
	p.step(ledger.Members{Peers: p.ring.ids()})
	p.total()
}

// Short implements admission.Ledger.
func (p *peer) Short(c *admission.Counter, n uint32) { p.pool.Short(c, n) }

// kept notes what the keeper of licences is told.
type kept struct{ p *peer }

func (k kept) Short(c *admission.Counter, _ uint32) { k.p.short[c.Name()]++ }

// Pool implements Member.
func (p *peer) Pool(o member.Offer) {
	p.offer = o
	p.total()
}

// total tells the core the sum of what all bring.
func (p *peer) total() {
	all := make(pool.Amounts, len(p.offer.Brings))
	for r, n := range p.offer.Brings {
		all[r] = n * uint32(len(p.ring.nodes))
	}
	p.step(ledger.Totals{Of: p.offer.Of(all)})
}

// Ledger implements Member.
func (p *peer) Ledger() (member.Ledger, bool) {
	out := member.Ledger{Begun: p.wires.Begun(), Resources: map[ledger.Resource]member.Holding{}, Waiting: p.wires.Core.Waiting(p.ring.now())}
	_, out.Aside = p.wires.Core.Aside()
	for r, t := range p.table.Totals {
		h := member.Holding{Total: t.Amount, Policy: t.Policy, Granted: p.table.Granted(r), Ceiling: p.wires.Core.Ceiling(r), Of: map[cluster.ID]uint32{}}
		for id, of := range p.table.Grants {
			if n := of[r].Amount; n > 0 {
				h.Of[id] = n
			}
		}
		out.Resources[r] = h
	}
	return out, true
}

// Put implements Member: the others hear of it.
func (p *peer) Put(k rows.Key, row rows.Row) {
	p.put = append(p.put, k)
	p.spread(rows.Changed{Key: k, Found: true, Owner: p.id, Row: row})
}

// Delete implements Member.
func (p *peer) Delete(k rows.Key) { p.spread(rows.Changed{Key: k}) }

func (p *peer) spread(c rows.Changed) {
	for _, o := range p.ring.nodes {
		if o != p {
			p.ring.after(p.ring.delay, func() { o.pool.Take([]rows.Changed{c}) })
		}
	}
}

// Wanted implements Member.
func (p *peer) Wanted() {
	if !p.wanted {
		p.wanted = true
		p.ring.after(0, p.wants)
	}
}

func (p *peer) wants() {
	p.wanted = false
	wants := p.pool.Wants()
	for _, r := range slices.Sorted(maps.Keys(wants)) {
		p.step(ledger.Short{Resource: r, N: wants[r]})
	}
	if len(wants) > 0 {
		p.ring.after(25*time.Millisecond, func() { p.step(ledger.Tick{}) }) // a beat that had to wait
	}
}

// step lets the core hear something.
func (p *peer) step(e ledger.Event) {
	if !p.deaf {
		p.wires.Hear(e)
	}
}

// send takes as long as the line.
func (p *peer) send(to cluster.ID, message any) {
	p.ring.after(p.ring.delay, func() { p.ring.node(to).step(ledger.Received{From: p.id, Message: message}) })
}

// sum adds up what all use and may use of something.
func (r *ring) sum(name string) (ceilings, used uint32) {
	for _, p := range r.nodes {
		part, _ := p.resources.Part(name)
		ceilings, used = ceilings+part.Ceiling, used+part.Used
	}
	return ceilings, used
}

// within fails where ceilings are more than the total.
func (r *ring) within(name string, total uint32) {
	r.t.Helper()
	if ceilings, used := r.sum(name); ceilings > total || used > ceilings {
		r.t.Fatalf("%s at %s: %d used, %d may be, of %d", name, r.now(), used, ceilings, total)
	}
}

// phone is a registered endpoint in a subzone.
func phone(subzone string) resources.Party {
	return resources.Party{Node: subzone, Party: licensing.Party{Registered: true, SIP: true}}
}

func call(from string, kbps uint32) resources.Want {
	return resources.Want{Ways: []resources.Way{{From: phone(from), To: phone("DefaultSubZone"), Asked: kbps}}, Streams: 2, Patient: true}
}

// stranger is a call that takes a licence.
func stranger(kbps uint32) resources.Want {
	w := call("Lisbon", kbps)
	w.Ways[0].Traversal = true
	w.Ways[0].To = resources.Party{Node: config.DefaultZoneName, Party: licensing.Party{SIP: true, Stranger: true}}
	return w
}
