package liveness

import (
	"time"

	"turnpike.dev/turnpike/cluster"
)

// Core is what a node knows of its peers' lives. It is not safe for concurrent use.
type Core struct {
	self        cluster.ID
	incarnation cluster.Incarnation
	entries     []*entry
	own         int
	peers       map[cluster.ID]*peer
	order       []cluster.ID // of peers, in the order in which they were met: maps have none

	seq      uint64
	sent     [remembered]time.Duration // when heartbeat seq was sent, at seq % remembered
	nextBeat time.Duration
	ran      time.Duration // when this core was last told of anything
	leaving  bool
}

// entry is a line of the list of peers.
type entry struct {
	address     string
	id          cluster.ID // empty until it was heard
	failed      string     // why the last attempt failed; empty: none did
	name        string
	resolved    string
	checked     bool // its certificate was looked at
	certificate string
	also        string // the entry that is the same node; empty: none is
}

// peer is a node that was heard.
type peer struct {
	id          cluster.ID
	state       State
	incarnation cluster.Incarnation
	seq         uint64 // newest heartbeat heard
	heard       time.Duration
	confirmed   time.Duration // when the newest heartbeat was sent that it confirmed
	proven      bool          // it has confirmed one
	closed      bool          // its connection broke, and it was not heard since
	left        bool
	excused     bool          // it was given time once since it was heard
	until       time.Duration // not lost before
	rtt         time.Duration
	unlisted    bool
}

// New returns the core of a node.
func New(self cluster.ID, incarnation cluster.Incarnation) *Core {
	return &Core{self: self, incarnation: incarnation, own: -1, peers: map[cluster.ID]*peer{}}
}

// Step takes an event and returns what has to be done.
func (c *Core) Step(now time.Duration, e Event) []Action {
	if now-c.ran > late {
		c.excuse(now)
	}
	c.ran = max(c.ran, now)
	var out []Action
	switch e := e.(type) {
	case List:
		c.list(e)
	case Heard:
		out = c.hear(now, e)
	case Failed:
		if n := c.entry(e.Address); n != nil {
			n.failed = bounded(e.Why)
		}
	case Closed:
		if p := c.peers[e.From]; p != nil {
			p.closed = true
		}
	case Certificate:
		if n := c.entry(e.Address); n != nil {
			n.checked, n.certificate = true, bounded(e.Fault)
		}
	case Leave:
		c.leaving = true
		return append(c.judge(now), c.beat(now)...)
	}
	out = append(out, c.judge(now)...)
	if now >= c.nextBeat && !c.leaving {
		out = append(out, c.beat(now)...)
	}
	return out
}

// excuse gives the peers time: it was this node that did not run, and what they sent
// meanwhile may still wait in its sockets. Only once, so that a node that is always late
// finds the dead as well.
func (c *Core) excuse(now time.Duration) {
	for _, p := range c.peers {
		if !p.excused {
			p.excused, p.until = true, now+SuspectAfter
		}
	}
}

func (c *Core) list(l List) {
	before := c.entries
	c.entries, c.own = nil, l.Own
	for i, a := range l.Addresses {
		if i == cluster.MaxPeers {
			break
		}
		n := &entry{address: a}
		for _, b := range before {
			if b.address == a {
				n = b
				n.also = "" // the list is another: it will be heard whether it is so still
			}
		}
		c.entries = append(c.entries, n)
	}
	for _, p := range c.peers {
		p.unlisted = c.entryOf(p.id) == nil
	}
}

func (c *Core) entry(address string) *entry {
	for i, n := range c.entries {
		if n.address == address && i != c.own {
			return n
		}
	}
	return nil
}

func (c *Core) entryOf(id cluster.ID) *entry {
	for _, n := range c.entries {
		if n.id == id {
			return n
		}
	}
	return nil
}

func (c *Core) hear(now time.Duration, h Heard) []Action {
	n := c.entry(h.Address)
	if n == nil {
		return nil // not in the list: it is not spoken to
	}
	if h.From == c.self {
		return n.double(h, "this system")
	}
	if other := c.entryOf(h.From); other != nil && other != n {
		return n.double(h, other.address)
	}
	n.also = ""
	if n.id != "" && n.id != h.From {
		if p := c.peers[n.id]; p != nil {
			p.unlisted = true // another machine has the address now
		}
	}
	n.id, n.name, n.resolved = h.From, bounded(h.Name), bounded(h.Resolved)
	p := c.peer(h.From)
	out := c.take(now, p, h.Beat)
	if p.proven && now-p.confirmed < SuspectAfter {
		n.failed = "" // one that is heard and does not hear is still not reached
	}
	return out
}

// double notes that an entry is a node that another one is already.
func (n *entry) double(h Heard, also string) []Action {
	n.also = also
	return []Action{Duplicate{h.From, h.Address, also}}
}

func (c *Core) peer(id cluster.ID) *peer {
	p := c.peers[id]
	if p == nil {
		p = &peer{id: id}
		c.peers[id] = p
		c.order = append(c.order, id)
	}
	p.unlisted = false
	return p
}

// take notes what a heartbeat says.
func (c *Core) take(now time.Duration, p *peer, b Beat) []Action {
	var out []Action
	switch {
	case b.Incarnation < p.incarnation:
		return nil // of a process that has ended
	case b.Incarnation > p.incarnation:
		if p.incarnation != 0 {
			out = append(out, Restarted{p.id, p.incarnation, b.Incarnation})
		}
		p.incarnation, p.seq = b.Incarnation, 0
	}
	if b.Seq <= p.seq {
		return out // twice, or overtaken
	}
	p.seq, p.heard, p.closed, p.left, p.excused = b.Seq, now, false, b.Leaving, false
	if b.EchoOf != c.incarnation || b.Echo == 0 || b.Echo > c.seq || b.Echo+remembered <= c.seq {
		return out
	}
	if at := c.sent[b.Echo%remembered]; !p.proven || at > p.confirmed {
		p.confirmed, p.proven = at, true
		if b.Held >= 0 && b.Held <= now-at {
			p.rtt = now - at - b.Held
		}
	}
	return out
}

// judge finds what is to be thought of each peer.
func (c *Core) judge(now time.Duration) []Action {
	var out []Action
	kept := c.order[:0]
	for _, id := range c.order {
		p := c.peers[id]
		to, why := p.judge(now)
		if to != p.state {
			out = append(out, Changed{p.id, c.addressOf(p.id), p.state, to, why})
			p.state = to
		}
		if p.unlisted && p.state != Active && p.state != Suspect {
			delete(c.peers, id)
			continue
		}
		kept = append(kept, id)
	}
	c.order = kept
	return out
}

func (p *peer) judge(now time.Duration) (State, string) {
	age := now - min(p.heard, p.confirmed)
	here := p.state == Active || p.state == Suspect
	switch {
	case p.left && p.state != Unknown:
		return Lost, "it has left"
	case !p.proven || p.left:
		return p.state, ""
	case here && age >= LostAfter && now >= p.until:
		return Lost, "no heartbeat went both ways for " + LostAfter.String()
	case here && (age >= SuspectAfter || p.closed):
		return Suspect, "silent, or its connection broke"
	case age < SuspectAfter && !p.closed:
		return Active, "heartbeats go both ways"
	}
	return p.state, ""
}

func (c *Core) addressOf(id cluster.ID) string {
	if n := c.entryOf(id); n != nil {
		return n.address
	}
	return ""
}

// beat sends a heartbeat to every entry but this node's own.
func (c *Core) beat(now time.Duration) []Action {
	c.seq++
	c.sent[c.seq%remembered] = now
	if c.nextBeat += Interval; c.nextBeat <= now {
		c.nextBeat = now + Interval
	}
	var out []Action
	for i, n := range c.entries {
		if i == c.own {
			continue
		}
		b := Beat{Incarnation: c.incarnation, Seq: c.seq, Leaving: c.leaving}
		if p := c.peers[n.id]; p != nil {
			b.Echo, b.EchoOf, b.Held = p.seq, p.incarnation, now-p.heard
		}
		out = append(out, Send{n.address, b})
	}
	return out
}

func bounded(s string) string { return s[:min(len(s), maxText)] }
