package revisions

import (
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
)

const (
	beatInterval = 500 * time.Millisecond
	// pushAgain is how long a peer may take to have what it was sent.
	pushAgain = 2 * time.Second
	// checkInterval is how often the whole configuration is compared with its digest (CL-03).
	checkInterval = time.Minute
	// writeAgain is how long a disk that failed is left alone.
	writeAgain = 5 * time.Second
)

// Config is what a core is made of.
type Config struct {
	Self        cluster.ID
	Incarnation cluster.Incarnation
	// Software is this node's version: documents go only to peers with the same one (CL-10).
	Software string
	// Stored is what is on the disk; zero: nothing.
	Stored Stored
	// Initial is the configuration of a node that has nothing else: it is the first revision if
	// the node becomes the primary of a new cluster.
	Initial Propose
}

// Core is a node's part in the configuration's way. It is not safe for concurrent use.
type Core struct {
	cfg      Config
	settings Settings
	has      Stored
	reign    Reign    // the latest known
	mine     Tag      // the newest of this node's own writing that anybody has
	writing  *write   // what is being written; nil: nothing
	waiting  *waiting // what comes after it
	damaged  bool     // what is in force is not what it should be
	forced   bool     // the next of the primary's is taken, whatever there is
	failed   error    // why it could not be written last
	now      time.Duration
	rest     time.Duration // nothing is begun to be written before

	peers     map[cluster.ID]*peer
	order     []cluster.ID
	beats     uint64
	nextBeat  time.Duration
	nextCheck time.Duration
	out       []Action
}

type write struct {
	Stored
	lost bool
}

type waiting struct {
	from cluster.ID
	Push
}

// peer is what is known of another node.
type peer struct {
	id        cluster.ID
	reachable bool
	heard     bool
	beat      Beat
	pushed    Tag
	pushedAt  time.Duration
}

// New returns the core of a node.
func New(cfg Config) *Core {
	c := &Core{cfg: cfg, has: cfg.Stored, reign: cfg.Stored.Tag.Reign, peers: map[cluster.ID]*peer{}}
	if c.has.Tag.Author == cfg.Self {
		c.mine = c.has.Tag
	}
	return c
}

// Step takes an event and returns what has to be done.
func (c *Core) Step(now time.Duration, e Event) []Action {
	c.out, c.now = nil, now
	switch e := e.(type) {
	case Settings:
		if e.Primary != c.settings.Primary {
			c.forced = false // it was the primary of that time that was meant
		}
		c.settings = e
	case Members:
		c.members(e.Peers)
	case Reachable:
		if p := c.peers[e.Peer]; p != nil {
			p.reachable, p.pushedAt = e.Is, 0
		}
	case Propose:
		c.propose(e)
	case Wrote:
		c.wrote(e.Tag)
	case WriteFailed:
		if c.writing != nil && c.writing.Tag == e.Tag {
			c.writing, c.waiting, c.failed, c.rest = nil, nil, e.Err, now+writeAgain
		}
	case Checked:
		c.checked(e.Digest)
	case Force:
		c.force()
	case Received:
		c.receive(e)
	case Tick:
		c.tick(now)
	}
	c.rule()
	c.push(now)
	return c.out
}

func (c *Core) do(a Action) { c.out = append(c.out, a) }

func (c *Core) members(ids []cluster.ID) {
	c.order = slices.DeleteFunc(slices.Sorted(slices.Values(ids)), func(id cluster.ID) bool { return id == c.cfg.Self })
	for id := range c.peers {
		if !slices.Contains(c.order, id) {
			delete(c.peers, id)
		}
	}
	for _, id := range c.order {
		if c.peers[id] == nil {
			c.peers[id] = &peer{id: id}
			c.nextBeat = 0 // who has not heard this node takes nothing from it
		}
	}
}

// Acting says whether this node is the author of the configuration now.
func (c *Core) Acting() bool {
	return c.settings.Primary == c.cfg.Self && c.has.Tag.Author == c.cfg.Self &&
		c.has.Tag.Reign == c.reign && c.mine.Compare(c.has.Tag) <= 0
}

// Follows returns from whom this node takes documents: from itself while it is acting.
func (c *Core) Follows() cluster.ID {
	switch {
	case c.settings.Primary != c.cfg.Self:
		return c.settings.Primary
	case c.Acting():
		return c.cfg.Self
	case c.reign.Author != c.cfg.Self:
		return c.reign.Author // deposed: what others decided while this node was away counts
	}
	return c.keeper()
}

// keeper is a peer that has what this node wrote and does not have any more.
func (c *Core) keeper() cluster.ID {
	for _, id := range c.order {
		if p := c.peers[id]; p.heard && p.reachable && p.beat.Has == c.mine {
			return id
		}
	}
	return ""
}

// rule begins a reign where it is this node's to begin.
func (c *Core) rule() {
	if c.settings.Primary != c.cfg.Self || c.Acting() || c.writing != nil || c.now < c.rest {
		return
	}
	if c.reign.Author == c.cfg.Self && c.reign != c.has.Tag.Reign || c.forgot() {
		if c.forgot() && c.kept() {
			return // a peer gives it back
		}
	} else if c.settings.Decision <= c.has.Decision && !c.invited() {
		return
	}
	d := c.has.Document
	if d.Tag == (Tag{}) {
		d = Document{Tag{Digest: c.cfg.Initial.Digest}, c.cfg.Initial.Bytes}
	}
	revision := max(d.Tag.Revision, c.mine.Revision) + 1
	d.Tag = Tag{Reign{c.reign.Generation + 1, c.cfg.Self}, revision, d.Tag.Digest}
	c.write(Stored{d, c.settings.Decision}, false)
}

// forgot says that this node's disk has lost what it wrote, and that nobody reigned since.
func (c *Core) forgot() bool {
	return c.reign.Author == c.cfg.Self && c.mine.Compare(c.has.Tag) > 0
}

// kept says that a peer has it, whether it is there now or not.
func (c *Core) kept() bool {
	for _, p := range c.peers {
		if p.heard && p.beat.Has == c.mine {
			return true
		}
	}
	return false
}

// invited says that the author of the latest reign has made room: it names this node itself now, or is
// no peer any more.
func (c *Core) invited() bool {
	if c.reign.Author == c.cfg.Self {
		return false
	}
	p := c.peers[c.reign.Author]
	return p == nil || p.heard && p.beat.Names == c.cfg.Self && p.beat.Reign.Compare(c.reign) >= 0
}

func (c *Core) propose(p Propose) {
	switch {
	case c.settings.Primary != c.cfg.Self:
		c.do(Refused{ErrNotPrimary})
	case !c.Acting() && c.writing == nil:
		c.do(Refused{ErrDeposed})
	case c.writing != nil:
		c.do(Refused{ErrBusy})
	default:
		t := c.has.Tag
		t.Revision, t.Digest = t.Revision+1, p.Digest
		c.write(Stored{Document{t, p.Bytes}, c.has.Decision}, false)
	}
}

func (c *Core) write(s Stored, lost bool) {
	c.writing = &write{s, lost}
	c.do(Write{s})
}

// wrote puts in force what is durable now.
func (c *Core) wrote(t Tag) {
	w := c.writing
	if w == nil || w.Tag != t {
		return
	}
	before := c.has.Tag
	c.writing, c.has, c.damaged, c.failed = nil, w.Stored, false, nil
	c.know(t.Reign)
	if t.Author == c.cfg.Self && t.Compare(c.mine) > 0 {
		c.mine = t
	}
	c.nextBeat = 0 // tell everybody
	c.do(Apply{w.Document, before, w.lost})
	if next := c.waiting; next != nil {
		c.waiting = nil
		c.receive(Received{next.from, next.Push}) // it may be old by now
	}
}

func (c *Core) know(r Reign) {
	if r.Compare(c.reign) > 0 {
		c.reign = r
	}
}

// checked compares what is in force with what should be.
func (c *Core) checked(digest string) {
	if c.writing != nil || digest == c.has.Tag.Digest || c.has.Tag == (Tag{}) {
		return
	}
	c.damaged, c.nextBeat = true, 0
	if c.Acting() {
		c.write(c.has, false) // nobody else decides what it should be
	}
}

func (c *Core) force() {
	switch {
	case c.settings.Primary == c.cfg.Self:
		c.do(Refused{ErrIsPrimary})
	case c.settings.Primary == "":
		c.do(Refused{ErrNobody})
	default:
		c.forced, c.nextBeat = true, 0
	}
}

func (c *Core) tick(now time.Duration) {
	if now >= c.nextCheck {
		if c.nextCheck != 0 && c.writing == nil {
			c.do(Check{})
		}
		c.nextCheck = now + checkInterval
	}
	if now < c.nextBeat {
		return
	}
	c.nextBeat = now + beatInterval
	c.beats++
	for _, id := range c.order {
		c.do(Send{id, Beat{
			N: c.beats, Incarnation: c.cfg.Incarnation, Software: c.cfg.Software, Has: c.has.Tag,
			Wants: c.damaged || c.forced, Names: c.settings.Primary, Follows: c.Follows(), Reign: c.reign,
		}})
	}
}
