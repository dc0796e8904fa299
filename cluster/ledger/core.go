package ledger

import (
	"maps"
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
)

// Config is what a core is made of.
type Config struct {
	Self        cluster.ID
	Incarnation cluster.Incarnation
	// Cluster is the id that the node carries: messages of others are not listened to.
	Cluster string
	// Recovered is what calls use that a process before left running. Until the leader knows of it, nothing of
	// what that process had is freed.
	Recovered map[Resource]uint32
}

// Core is a node's part in the ledger: as a holder of ceilings, and as the leader when it is. It
// is not safe for concurrent use.
type Core struct {
	cfg     Config
	table   *Table
	members []cluster.ID
	totals  map[Resource]Total // nil: nobody has said yet
	hold    map[Resource]*holding
	asking  map[Resource]*holding // those of hold whose request is not answered
	number  uint64                // of the last request
	probed  map[Resource]bool     // Lower was asked for to learn what is in use already
	left    bool                  // what is idle is given back until something is wanted again
	recalls uint64
	now     time.Duration // of the step

	// Of recalls that this node hears: of the leader of which term, and the newest number.
	recallTerm, recall uint64
	spent              map[Resource]Spent // to be said
	rounds             uint64             // of this node's own recalls: never twice in a term, whatever it leads

	seq       uint64
	sent      [remembered]time.Duration
	nextBeat  time.Duration
	lastBeat  time.Duration
	soon      bool          // there is something new to say
	nextSweep time.Duration // of what has no total any more
	term      uint64        // the latest whose leader was heard
	echo      uint64        // the newest beat that it confirmed
	led       time.Duration // when that beat was sent
	begun     bool

	lead   *leading // nil: this node does not lead
	wanted map[cluster.ID]map[Resource]heard
	// Where nobody leads.
	here      []cluster.ID
	calls     map[cluster.ID]History // the last that each peer said it counts in
	aside     *aside                 // nil: this node counts by what is agreed
	histories uint64
	// freeing are the peers whose freeing was proposed in the term freeingIn and is not agreed
	// yet: they are not confirmed, also when this node was not sure to lead in between.
	freeing   map[cluster.ID]bool
	freeingIn uint64
	out       []Action
}

// New returns the core of a node. Its table is what was agreed up to now; Applied goes on from there.
func New(cfg Config, table *Table) *Core {
	return &Core{
		cfg: cfg, table: table, hold: map[Resource]*holding{}, asking: map[Resource]*holding{}, probed: map[Resource]bool{}, spent: map[Resource]Spent{},
		freeing: map[cluster.ID]bool{}, calls: map[cluster.ID]History{}, wanted: map[cluster.ID]map[Resource]heard{},
	}
}

func names[V any](m map[Resource]V) []Resource { return slices.Sorted(maps.Keys(m)) }

// Step takes an event and returns what has to be done.
func (c *Core) Step(now time.Duration, e Event) []Action {
	c.out, c.now = nil, now
	if !c.begun {
		c.begin(now)
	}
	if l := c.lead; l != nil && now > l.until {
		c.lead = nil // nobody has confirmed it for too long
	}
	c.take(now, e)
	for _, l := range c.ruling() {
		l.urge()
	}
	if now >= c.nextBeat || c.soon && now >= c.lastBeat+beatSoon {
		c.beat(now)
	}
	return c.out
}

func (c *Core) take(now time.Duration, e Event) {
	switch e := e.(type) {
	case Applied:
		c.applied(now, e.Entry)
	case Leads:
		c.leads(now, e)
	case Members:
		c.members = slices.Sorted(slices.Values(e.Peers))
		maps.DeleteFunc(c.wanted, func(id cluster.ID, _ map[Resource]heard) bool { return !slices.Contains(c.members, id) })
	case Here:
		c.hereAre(e.Peers)
	case Totals:
		c.limited(e.Of)
	case Anew:
		c.anew(e)
	case Short:
		c.short(e)
	case Lowered:
		c.lowered(e)
	case Forget:
		c.forget(now, e.Peer)
	case Leave:
		c.leave()
	case Received:
		c.receive(now, e)
	case Tick:
		c.tick(now)
	}
}

// begin says what a process before has left, and what this node has in the table that it does not know of.
func (c *Core) begin(now time.Duration) {
	c.begun, c.led, c.lastBeat = true, now, now-beatSoon
	for _, r := range names(c.cfg.Recovered) {
		if n := c.cfg.Recovered[r]; n > 0 {
			h := &holding{ceiling: n, leased: true, moved: true}
			c.hold[r] = h
			c.do(Leased{r, true})
			c.ask(r, h, n, true)
		}
	}
	c.missing()
}

func (c *Core) tick(now time.Duration) {
	c.part(now)
	for _, l := range c.ruling() {
		l.rule(now)
	}
	if now >= c.nextSweep {
		c.nextSweep = now + sweepEvery
		c.sweep()
		c.forgetWants(now)
	}
}

func (c *Core) applied(now time.Duration, e Entry) {
	c.table.Apply(e)
	c.learn(e)
	if e.Free {
		delete(c.freeing, e.Peer)
	}
	if c.lead != nil {
		c.lead.applied(now, e)
	}
}

func (c *Core) do(a Action) { c.out = append(c.out, a) }

func (c *Core) receive(now time.Duration, e Received) {
	if !slices.Contains(c.members, e.From) {
		return
	}
	switch m := e.Message.(type) {
	case Beat:
		if m.Cluster != c.cfg.Cluster {
			return
		}
		m.Wants = m.Wants[:min(len(m.Wants), MaxWants)]
		c.calls[e.From] = m.Under
		c.note(now, e.From, m)
		for _, l := range c.ruling() {
			l.answer(now, e.From, m)
		}
	case Lead:
		if m.Cluster != c.cfg.Cluster {
			return
		}
		if m.Under == (History{}) {
			c.follow(m)
		} else {
			c.followAside(m)
		}
	case Recall:
		if m.Cluster == c.cfg.Cluster && m.Under == c.under() && (c.aside != nil || m.Term >= c.term) {
			c.give(m.Term, m.Number, m.Of)
		}
	}
}

// anew begins to count in another history, with what is in use. Numbers of requests go on: the table may have
// what this process asked for in the history before.
func (c *Core) anew(e Anew) {
	c.cfg.Cluster, c.table = e.Cluster, e.Table
	c.term, c.echo, c.lead, c.aside = 0, c.seq, nil, nil
	c.freeing, c.freeingIn = map[cluster.ID]bool{}, 0
	clear(c.calls)
	c.unasked()
	clear(c.wanted)
	for _, r := range names(c.hold) {
		c.release(r, c.hold[r])
	}
	c.missing()
}

// Table returns what is agreed, as far as this node knows. It must not be changed.
func (c *Core) Table() *Table { return c.table }

// Leading says whether this node is the leader.
func (c *Core) Leading(now time.Duration) bool { return c.lead != nil && now <= c.lead.until }

// Recalls returns how often this node has come down to a ceiling because others waited.
func (c *Core) Recalls() uint64 { return c.recalls }
