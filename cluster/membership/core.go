package membership

import (
	"slices"
	"strings"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/settings"
)

const (
	// foundAfter is how long the first primary waits for entries of its list that may already be a cluster,
	// and hearAgain how long after a change of the list for what those say who were heard before: operators change
	// all lists at about the same time, and what was heard may have been said before.
	foundAfter = 6 * time.Second
	hearAgain  = 3 * time.Second
	// recoverAfter is how long there must have been no leader.
	recoverAfter = 10 * time.Second
	// stuckAfter is how long, where enough voters seem to be there: they elect one within seconds, if they can.
	stuckAfter = 20 * time.Second
	// settleAfter is how long there must have been one until an operator's decision needs nothing more.
	settleAfter = 6 * time.Second
	// patience is how long a voter may be away from the list while an entry is nobody known: it
	// may be that one, under another address (CL-22). Then it votes no more until it is heard, and is not removed.
	patience = time.Minute
	// askAgain and askLater are how long a node waits before it asks again: when nothing is wrong
	// with it, and when it was refused.
	askAgain = time.Second
	askLater = 5 * time.Second
	// changeTime is how long a change of the voters may take until another is tried.
	changeTime = 5 * time.Second
	// writeAgain is how long a disk that failed is left alone.
	writeAgain = 5 * time.Second
)

// Config is what a core is made of.
type Config struct {
	Self   cluster.ID
	Stored Stored
}

// Core is what a node knows of who belongs to its cluster. It is not safe for concurrent use.
type Core struct {
	cfg    Config
	stored Stored
	now    time.Duration
	fresh  string

	own     *Configured // nil: not known yet
	decided time.Duration
	// listen is until when nothing is founded after the list or the primary was changed, and wait is until when
	// entries are waited for at which nobody has answered.
	listen, wait time.Duration
	rules        Rules
	agreed       Agreed
	// leaderless and led are since when there is no leader, or one; 0: it is the other.
	leaderless, led time.Duration

	peers   map[cluster.ID]*peer
	entries map[string]cluster.ID // who answered there, entries in lower case
	away    map[cluster.ID]time.Duration

	writing *Write // what is being made durable; nil: nothing
	rest    time.Duration
	failed  error
	asking  cluster.ID
	nextAsk time.Duration
	refused string
	change  change
	members []cluster.ID
	out     []Action
}

// peer is what is known of another node.
type peer struct {
	Hello
	reachable bool
}

// change is what this node, as the leader, has asked of the agreement last.
type change struct {
	action Action
	until  time.Duration
	again  int // how often it was tried before
}

// New returns the core of a node.
func New(cfg Config) *Core {
	return &Core{
		cfg: cfg, stored: cfg.Stored, peers: map[cluster.ID]*peer{}, entries: map[string]cluster.ID{},
		away: map[cluster.ID]time.Duration{},
	}
}

// Stored is what the node carries.
func (c *Core) Stored() Stored { return c.stored }

// Step takes an event and returns what has to be done.
func (c *Core) Step(now time.Duration, e Event) []Action {
	c.out, c.now = nil, now
	switch e := e.(type) {
	case Configured:
		c.configure(e)
	case Rules:
		c.rules = e
	case Hello:
		c.hello(e)
	case Reachable:
		if p := c.peers[e.Peer]; p != nil {
			p.reachable = e.Is
		}
	case Asked:
		c.do(Reply{e.From, c.answer(e.From, e.Ask)})
	case Answered:
		c.answered(e)
	case Agreed:
		c.agree(e)
	case Wrote:
		c.wrote(e.Stored)
	case WriteFailed:
		c.writing, c.failed, c.rest = nil, e.Err, now+writeAgain
	case Tick:
		c.fresh = e.Fresh
	}
	c.rule()
	return c.out
}

func (c *Core) do(a Action) { c.out = append(c.out, a) }

func (c *Core) configure(e Configured) {
	if c.own == nil || e.Decision != c.own.Decision {
		c.decided = c.now
	}
	c.relist(e)
	c.own = &e
	for address := range c.entries {
		if !c.listed(address) {
			delete(c.entries, address)
		}
	}
}

// relist notes that who founds has to hear first what the peers of another list are, or of the same with itself as the primary.
func (c *Core) relist(e Configured) {
	if c.own == nil {
		c.wait = c.now + foundAfter // whoever is heard is heard now
		return
	}
	old := c.own.Settings
	if e.Own != c.own.Own || e.Settings.Primary != old.Primary || !slices.EqualFunc(e.Settings.Peers, old.Peers, strings.EqualFold) {
		c.wait, c.listen = c.now+foundAfter, c.now+hearAgain
	}
}

func (c *Core) hello(e Hello) {
	if e.Peer == c.cfg.Self {
		return
	}
	p := c.peers[e.Peer]
	if p == nil {
		if len(c.peers) >= 2*cluster.MaxPeers {
			c.forgetOne()
		}
		p = &peer{}
		c.peers[e.Peer] = p
	}
	p.Hello = e
	if c.own == nil || c.listed(e.Address) {
		c.entries[strings.ToLower(e.Address)] = e.Peer
	}
}

// forgetOne makes room: of a node that is in no entry any more.
func (c *Core) forgetOne() {
	for _, id := range c.known() {
		if !c.at(id) {
			delete(c.peers, id)
			return
		}
	}
}

// known are the peers that were heard, in an order.
func (c *Core) known() []cluster.ID {
	var out []cluster.ID
	for id := range c.peers {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

func (c *Core) agree(e Agreed) {
	c.agreed = e
	switch {
	case e.Leader == "":
		c.led = 0
		if c.leaderless == 0 {
			c.leaderless = max(c.now, 1)
		}
	default:
		c.leaderless = 0
		if c.led == 0 {
			c.led = max(c.now, 1)
		}
	}
}

func (c *Core) wrote(s Stored) {
	if c.writing == nil {
		return
	}
	if s.Cluster != c.stored.Cluster {
		// Nothing of what was agreed in the history before counts.
		c.agreed, c.leaderless, c.led, c.change = Agreed{Cluster: s.Cluster}, 0, 0, change{}
	}
	c.writing, c.stored, c.failed, c.refused, c.asking = nil, s, nil, "", ""
}

// rule does what follows from what is known.
func (c *Core) rule() {
	if c.own == nil {
		return
	}
	c.tell()
	if c.writing == nil && c.now >= c.rest && c.own.Own >= 0 {
		c.found()
		c.join()
		c.recover()
		c.settle()
	}
	c.lead()
}

// write makes a step, unless one is being made.
func (c *Core) write(w Write) {
	if c.writing != nil {
		return
	}
	w.Address = c.own.Settings.Peers[c.own.Own]
	c.writing = &w
	c.do(w)
}

// mint takes an id for a history that begins.
func (c *Core) mint() (id string, ok bool) {
	id, c.fresh = c.fresh, ""
	return id, id != ""
}

func (c *Core) listed(address string) bool {
	return c.own != nil && slices.ContainsFunc(c.own.Settings.Peers, func(p string) bool { return strings.EqualFold(p, address) })
}

// at says whether a peer answered at an entry of the list, last.
func (c *Core) at(id cluster.ID) bool {
	p := c.peers[id]
	return p != nil && c.entries[strings.ToLower(p.Address)] == id
}

// unknown says whether at some entry nobody has answered yet.
func (c *Core) unknown() bool {
	for i, address := range c.own.Settings.Peers {
		if i != c.own.Own && c.entries[strings.ToLower(address)] == "" {
			return true
		}
	}
	return false
}

// primary is who answers at the entry that the settings name as the primary.
func (c *Core) primary() cluster.ID {
	i := c.own.Settings.Primary - 1
	switch {
	case i < 0 || i >= len(c.own.Settings.Peers):
		return ""
	case i == c.own.Own:
		return c.cfg.Self
	}
	return c.entries[strings.ToLower(c.own.Settings.Peers[i])]
}

func (c *Core) speaks(s settings.Settings) bool { return settings.Speaks(c.own.Settings, s) }
