package rows

import (
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
)

const (
	headInterval = 500 * time.Millisecond
	// retry is how long a reader may not get on until it is sent the same again.
	retry = time.Second
	// checkInterval is how often a copy is compared with its owner's digest.
	checkInterval = 10 * time.Second
	// expireInterval is how often rows of the lost are looked through.
	expireInterval = time.Second
)

// Core is this node's rows and its copies of the others'. It is not safe for concurrent use.
type Core struct {
	cfg      Config
	own      table
	readers  map[cluster.ID]*reader
	copies   map[cluster.ID]*replica
	order    []cluster.ID // of the peers, sorted: maps have no order
	shown    map[Key]Changed
	heads    uint64
	nextHead time.Duration
	expireAt time.Duration
	out      []Action
}

// New returns the core of a node.
func New(cfg Config) *Core {
	if cfg.Log == 0 {
		cfg.Log = 8192
	}
	if cfg.Bytes == 0 {
		cfg.Bytes = 48 << 10
	}
	c := &Core{
		cfg: cfg, own: newTable(cfg.Log), readers: map[cluster.ID]*reader{},
		copies: map[cluster.ID]*replica{}, shown: map[Key]Changed{},
	}
	for _, k := range sorted(cfg.Rows) {
		c.own.put(k, cfg.Rows[k])
		c.refresh(k)
	}
	c.out = nil
	return c
}

func sorted[V any](m map[Key]V) []Key {
	keys := make([]Key, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Step takes an event and returns what has to be done.
func (c *Core) Step(now time.Duration, e Event) []Action {
	c.out = nil
	switch e := e.(type) {
	case Put:
		c.put(e)
	case Delete:
		if c.own.remove(e.Key) {
			c.refresh(e.Key)
		}
	case Members:
		c.members(now, e.Peers)
	case Alive:
		if r := c.copies[e.Peer]; r != nil {
			c.alive(r)
		}
	case Lost:
		if r := c.copies[e.Peer]; r != nil && !r.lost {
			r.lost, r.since = true, now
			c.refreshAll(r)
		}
	case Remake:
		if r := c.copies[e.Peer]; r != nil && r.next == nil && r.incarnation != 0 {
			c.anew(r, r.incarnation, "an operator asked for it")
		}
	case Received:
		c.receive(now, e)
	case Tick:
		c.tick(now)
	}
	return c.out
}

func (c *Core) do(a Action) { c.out = append(c.out, a) }

func (c *Core) put(p Put) {
	switch _, had := c.own.rows[p.Key]; {
	case !fits(p.Key, p.Row):
		c.do(Refused{Key: p.Key, Err: ErrTooLarge})
	case len(c.own.rows) >= MaxRows && !had:
		c.do(Refused{Key: p.Key, Err: ErrTooMany})
	default:
		c.own.put(p.Key, p.Row)
		c.refresh(p.Key)
	}
}

func fits(k Key, r Row) bool { return len(k) <= MaxKey && len(r.Value) <= MaxValue && r.TTL >= 0 }

func (c *Core) members(now time.Duration, peers []cluster.ID) {
	for _, id := range c.order {
		if slices.Contains(peers, id) {
			continue
		}
		r := c.copies[id]
		delete(c.copies, id)
		delete(c.readers, id)
		c.refreshAll(r)
	}
	c.order = slices.Sorted(slices.Values(peers))
	for _, id := range c.order {
		if c.copies[id] == nil && id != c.cfg.Self {
			c.copies[id] = &replica{owner: id, rows: map[Key]copied{}, lost: true, since: now} // until it is said to be there
			c.readers[id] = &reader{id: id}
		}
	}
	c.order = slices.DeleteFunc(c.order, func(id cluster.ID) bool { return id == c.cfg.Self })
}

func (c *Core) receive(now time.Duration, e Received) {
	r, to := c.copies[e.From], c.readers[e.From]
	if r == nil {
		return // not of this cluster
	}
	switch m := e.Message.(type) {
	case Head:
		if to.hears(m) {
			to.take(now, c.cfg.Incarnation, &c.own, m.Has)
			c.head(now, r, m)
			c.feed(now, to)
		}
	case Tail:
		c.tail(now, r, m)
	case Part:
		c.part(now, r, m)
	}
}

func (c *Core) tick(now time.Duration) {
	if now >= c.expireAt {
		c.expireAt = now + expireInterval
		for _, id := range c.order {
			c.expire(now, c.copies[id])
		}
	}
	all := now >= c.nextHead
	if all {
		c.nextHead = now + headInterval
	}
	for _, id := range c.order {
		r := c.copies[id]
		if !r.lost {
			c.feed(now, c.readers[id])
		}
		if all || r.news {
			r.news = false
			c.say(r)
		}
	}
}

// say sends a head, with how far the copy of the other's table is.
func (c *Core) say(r *replica) {
	c.heads++
	c.do(Send{r.owner, Head{N: c.heads, Incarnation: c.cfg.Incarnation, Seq: c.own.seq, Digest: c.own.digest, Has: r.has()}})
}

// refresh finds which row counts under a key.
func (c *Core) refresh(k Key) {
	var best Changed
	mine, own := c.own.rows[k]
	if own {
		best = Changed{k, true, c.cfg.Self, mine}
	}
	for _, id := range c.order {
		r := c.copies[id]
		if r == nil || r.lost {
			continue
		}
		if row, ok := r.rows[k]; ok && (!best.Found || c.newer(id, row.Value, best)) {
			best = Changed{k, true, id, row.Row}
		}
	}
	if own && best.Owner != c.cfg.Self && c.cfg.Newer != nil && c.cfg.Newer(best.Row.Value, mine.Value) {
		c.do(Superseded{k, best.Owner})
	}
	switch was, shown := c.shown[k]; {
	case !best.Found && shown:
		delete(c.shown, k)
		c.do(Changed{Key: k})
	case best.Found && best != was:
		c.shown[k] = best
		c.do(best)
	}
}

// newer says that a peer's value counts more than the best so far. Where neither is newer the
// smaller name decides, so that all peers see the same.
func (c *Core) newer(id cluster.ID, value string, best Changed) bool {
	if c.cfg.Newer != nil {
		if c.cfg.Newer(value, best.Row.Value) {
			return true
		}
		if c.cfg.Newer(best.Row.Value, value) {
			return false
		}
	}
	return id < best.Owner
}

func (c *Core) refreshAll(r *replica) {
	for _, k := range sorted(r.rows) {
		c.refresh(k)
	}
}

// Lookup returns the row that counts under a key, and whose it is.
func (c *Core) Lookup(k Key) (Row, cluster.ID, bool) {
	s, ok := c.shown[k]
	return s.Row, s.Owner, ok
}
