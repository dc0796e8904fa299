package peers

import (
	"cmp"
	"slices"

	"turnpike.dev/turnpike/control/dialplan"
)

// Lookup appends the bindings of a canonical name: this node's own first, then one for
// each peer that has to be asked, best first (RG-01). A peer asks its own endpoints, so it
// is there once, however many of them it has; with the number and the contact of its best.
// An endpoint with flows to several nodes is asked for once, here if it is here (RG-03).
func (t *Table) Lookup(dst []dialplan.Binding, name string) []dialplan.Binding {
	dst = t.cfg.Own.Lookup(dst, name)
	return t.choose(dst, name, 0)
}

// Instead appends the peers that have other flows of the endpoints for which nodes were
// asked in vain (RG-03, RFC 5626 section 7). tried has a bit for each index of a peer that
// was asked, bit 0 for this node.
func (t *Table) Instead(dst []dialplan.Binding, name string, tried uint8) []dialplan.Binding {
	return t.choose(dst, name, tried)
}

func (t *Table) choose(dst []dialplan.Binding, name string, tried uint8) []dialplan.Binding {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := t.byName[name]
	if len(list) == 0 {
		return dst
	}
	c := choice{t: t, name: name, tried: tried}
	for _, r := range list {
		c.add(r)
	}
	if tried&1 == 0 {
		c.drop(t.here(name, list))
	}
	return c.append(dst)
}

// here are the instances of a name that are reached from this node.
func (t *Table) here(name string, list []*remote) []string {
	if !slices.ContainsFunc(list, func(r *remote) bool { return r.instance != "" }) {
		return nil
	}
	var out []string
	for _, b := range t.cfg.Own.Of(name) {
		if b.Instance != "" && !b.Broken {
			out = append(out, b.Instance)
		}
	}
	return out
}

// choice is which peers are asked for a name.
type choice struct {
	t     *Table
	name  string
	tried uint8
	list  []candidate
}

type candidate struct {
	*remote
	place Place
}

func (c *choice) add(r *remote) {
	place := c.t.places[r.owner]
	if place.Index == 0 || !r.answers(c.name) {
		return
	}
	c.list = append(c.list, candidate{r, place})
}

// drop takes out the endpoints that need no peer.
func (c *choice) drop(instances []string) {
	if len(instances) == 0 {
		return
	}
	c.list = slices.DeleteFunc(c.list, func(r candidate) bool { return r.instance != "" && slices.Contains(instances, r.instance) })
}

// append chooses the peers. First those that are the only way to an endpoint; an endpoint
// with several ways is asked for over one that is asked anyway, or else over the best.
func (c *choice) append(dst []dialplan.Binding) []dialplan.Binding {
	if c.tried != 0 {
		c.retry()
	}
	slices.SortStableFunc(c.list, better)
	var chosen uint8
	for i, r := range c.list {
		if c.ways(i) == 1 {
			chosen |= 1 << r.place.Index
		}
	}
	for i, r := range c.list {
		if c.ways(i)&chosen == 0 && c.ways(i) != 1 {
			chosen |= 1 << r.place.Index
		}
	}
	first := len(dst)
	for _, r := range c.list {
		if chosen&(1<<r.place.Index) == 0 {
			continue
		}
		b := dialplan.Binding{ID: r.id, Protocol: r.protocol(), Peer: r.place.Index, Contact: r.contact}
		if !slices.ContainsFunc(dst[first:], func(o dialplan.Binding) bool { return o.Peer == b.Peer && o.Protocol == b.Protocol }) {
			dst = append(dst, b)
		}
	}
	return dst
}

// ways has a bit for each peer over which the endpoint is reached; 1 where there is one
// way only.
func (c *choice) ways(i int) uint8 {
	r := c.list[i]
	if r.instance == "" {
		return 1
	}
	ways := uint8(0)
	for _, o := range c.list {
		if o.instance == r.instance {
			ways |= 1 << o.place.Index
		}
	}
	if ways == 1<<r.place.Index {
		return 1
	}
	return ways
}

// retry leaves what is worth another try: endpoints that a node was asked for in vain, over
// peers that were not.
func (c *choice) retry() {
	var asked []string
	for _, r := range c.list {
		if r.instance != "" && c.tried&(1<<r.place.Index) != 0 {
			asked = append(asked, r.instance)
		}
	}
	if c.tried&1 != 0 {
		asked = append(asked, c.t.here(c.name, c.t.byName[c.name])...)
	}
	c.list = slices.DeleteFunc(c.list, func(r candidate) bool {
		return c.tried&(1<<r.place.Index) != 0 || !slices.Contains(asked, r.instance)
	})
}

// better puts peers that take calls first, then what the endpoint prefers, then the newest.
func better(a, b candidate) int {
	return cmp.Or(maintained(a)-maintained(b), cmp.Compare(b.q, a.q), b.stamp.Compare(a.stamp), cmp.Compare(a.place.Index, b.place.Index))
}

func maintained(c candidate) int {
	if c.place.Maintenance {
		return 1
	}
	return 0
}
