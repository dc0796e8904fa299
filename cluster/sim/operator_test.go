package sim_test

import (
	"fmt"
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/cluster/sim"
)

// Operate does what operators, endpoints and calls do; also what the guide warns of.
func (n *nodes) Operate(m *sim.Machine) {
	size := len(n.w.Machines)
	p := m.Process.(*node)
	switch k := n.w.Rand.IntN(1000); {
	case k < 8:
		n.elect(n.w.Rand.IntN(size))
	case k < 13 && size > 1:
		n.takeOff(n.w.Rand.IntN(size))
	case k < 33:
		n.putBack(n.w.Rand.IntN(size), n.w.Chance(500))
	case k < 37:
		n.readdress(n.w.Rand.IntN(size))
	case k < 39:
		n.w.Count("reset")
		n.w.Logf("operator: %s is reset", p.id)
		n.anew(m, func() { n.reset(m) })
	case k < 40:
		n.strangers(m)
	case k < 48:
		n.turn()
	case k < 80:
		n.maintain(p)
	case k < 350:
		n.endpoints(p)
	case k < 650:
		n.calls(p)
	case k < 950:
		p.propose(p.text())
	}
}

// maintain is what an operator does to one node, or to all in turn.
func (n *nodes) maintain(p *node) {
	switch n.w.Rand.IntN(8) {
	case 0, 1:
		n.w.Count("forced")
		p.revise(p.m.Now(), revisions.Force{})
	case 2, 3:
		n.w.Count("damaged")
		p.inForce = "damaged"
		p.revise(p.m.Now(), revisions.Checked{Digest: p.inForce})
	case 4:
		n.w.Count("upgrade")
		n.w.Logf("operator: %s gets other software", p.id)
		p.m.Put("software", fmt.Sprint(1+n.w.Rand.IntN(2)))
		n.w.Restart(p.m)
	case 5:
		n.w.Count("maintenance")
		on := p.m.Read("maintenance") != true
		p.m.Put("maintenance", on)
		if on {
			p.count(p.m.Now(), ledger.Leave{})
		}
	case 6:
		n.w.Count("left")
		p.count(p.m.Now(), ledger.Leave{})
		p.live(p.m.Now(), liveness.Leave{})
		p.leaving = true
		p.m.After(2*time.Second, func() { n.w.Restart(p.m) })
	case 7:
		n.w.Count("TLS mode changed")
		mode := []string{"permissive", "enforce"}[n.w.Rand.IntN(2)]
		n.change(p.m.Index, func(_ int, o *own) { o.tls = mode })
	}
}

// endpoints register, here or on a peer, and end that.
func (n *nodes) endpoints(p *node) {
	times := 1
	if n.w.Chance(50) {
		times = 40 // more than is kept for readers
	}
	for range times {
		k := keys[n.w.Rand.IntN(len(keys))]
		if n.w.Chance(300) || p.m.Read("maintenance") == true {
			p.unbind(k)
			continue
		}
		n.version++
		ttl := []time.Duration{0, 3 * time.Second, 20 * time.Second}[n.w.Rand.IntN(3)]
		p.bind(k, rows.Row{Value: fmt.Sprintf("%08d", n.version), TTL: ttl})
	}
}

func (n *nodes) calls(p *node) {
	r := shared[n.w.Rand.IntN(len(shared))]
	for range 1 + n.w.Rand.IntN(3) {
		if n.w.Chance(600) && p.m.Read("maintenance") != true {
			p.call(r, uint32(1+n.w.Rand.IntN(4)))
		} else {
			p.hangUp(r)
		}
	}
}

// anew ends a machine's process, does something to its disk and starts another.
func (n *nodes) anew(m *sim.Machine, change func()) {
	m.Crash()
	change()
	m.Start()
}

// strangers makes a machine one of another cluster.
func (n *nodes) strangers(m *sim.Machine) {
	n.w.Count("of another cluster")
	n.w.Logf("operator: %s comes from another cluster", name(m.Index))
	n.anew(m, func() {
		n.reset(m)
		n.ids++
		m.Put("belonging", belonging{Stored: membership.Stored{Cluster: fmt.Sprintf("foreign-%d", n.ids)}})
		m.Put("reset", false)
	})
}

// change changes the settings of all machines that run, one at first and the others when the operator gets there.
func (n *nodes) change(first int, do func(i int, o *own)) {
	for i, m := range n.w.Machines {
		if !m.Runs() {
			continue // nobody can log in there
		}
		after := time.Duration(0)
		if i != first {
			after = time.Duration(n.w.Rand.IntN(4000)) * time.Millisecond
		}
		m.After(after, func() { n.set(i, func(o *own) { do(i, o) }) })
	}
}

// set changes the settings of one machine.
func (n *nodes) set(i int, do func(*own)) {
	m := n.w.Machines[i]
	o := m.Read("own").(own)
	o.list = slices.Clone(o.list)
	was := o.primary
	do(&o)
	if o.primary != was {
		o.decision++
	}
	m.Put("own", o)
	if p, ok := m.Process.(*node); ok {
		p.configure()
	}
}

func (n *nodes) elect(primary int) {
	n.w.Count("primary changed")
	n.w.Logf("operator: %s is to be the primary", name(primary))
	n.change(primary, func(_ int, o *own) { o.primary = primary })
}

func (n *nodes) takeOff(gone int) {
	n.w.Count("peer taken off the list")
	n.w.Logf("operator: %s is to go", name(gone))
	n.change(-1, func(i int, o *own) {
		if i != gone && o.primary != gone {
			o.list = slices.DeleteFunc(o.list, func(e string) bool { return of(e) == gone })
		}
	})
}

func (n *nodes) putBack(back int, fqdn bool) {
	n.change(-1, func(_ int, o *own) {
		if o.at(back) < 0 {
			o.list = append(o.list, entry(back, fqdn))
			slices.SortFunc(o.list, func(a, b string) int { return of(a) - of(b) })
		}
	})
}

func (n *nodes) readdress(i int) {
	n.w.Count("address changed")
	n.w.Logf("operator: %s gets its other address", name(i))
	n.change(-1, func(_ int, o *own) {
		if at := o.at(i); at >= 0 {
			o.list[at] = entry(i, o.list[at] == entry(i, false))
		}
	})
}

// Times of the end, after all is healed.
const (
	tidied  = 6 * time.Second
	settled = 55 * time.Second
	steady  = 3 * time.Second
)

// Quiet is the operator who makes all settings equal, resets what was removed or is strange, and restarts what needs
// it; and then, when all is as it should be, changes something, and ends most calls.
func (n *nodes) Quiet() {
	latest := n.w.Now() + settled
	n.w.After(tidied, func() {
		n.tidy()
		n.await(n.w.Now(), latest)
	})
}

// await calls the end when nothing has been wrong for a while, or at the latest.
func (n *nodes) await(since, latest time.Duration) {
	if n.ordered() != nil {
		since = n.w.Now()
	}
	if n.w.Now() >= latest || n.w.Now()-since >= steady {
		n.end()
		return
	}
	n.w.After(500*time.Millisecond, func() { n.await(since, latest) })
}

func (n *nodes) end() {
	m := n.w.Machines[0]
	p := n.w.Machines[m.Read("own").(own).primary].Process.(*node)
	n.final, n.begun = p.text(), n.w.Now()
	p.propose(n.final)
	n.who, n.want = n.w.Rand.IntN(len(n.w.Machines)), 20
	for i, m := range n.w.Machines {
		q := m.Process.(*node)
		for _, r := range shared {
			for q.use[r] > 2 {
				q.hangUp(r)
			}
		}
		if i != n.who {
			n.want -= q.use[strict]
		}
	}
	n.insist()
}

// insist wants all that is left on one node, again and again, as callers do.
func (n *nodes) insist() {
	q := n.w.Machines[n.who].Process.(*node)
	if n.want > q.ceiling[strict] {
		q.count(q.m.Now(), ledger.Short{Resource: strict, N: n.want - q.ceiling[strict]})
	}
	n.w.After(4*time.Second, n.insist) // somebody else's request may have been under way, and taken it
}

func (n *nodes) tidy() {
	primary := n.keeper()
	keeps := n.w.Machines[primary].Read("belonging").(belonging)
	if n.strange(primary, keeps) {
		keeps = belonging{Stored: membership.Stored{Cluster: "none"}} // nobody is fit to keep it: all are reset
	}
	n.w.Logf("operator: all is to be in order, with %s as the primary", name(primary))
	for i, m := range n.w.Machines {
		n.set(i, func(o *own) {
			o.primary, o.name, o.tls, o.list = primary, "cluster", "enforce", nil
			for k := range n.w.Machines {
				o.list = append(o.list, entry(k, true))
			}
		})
		m.Put("software", "2")
		m.Put("maintenance", false)
		o := m.Read("own").(own)
		b := m.Read("belonging").(belonging)
		switch p := m.Process.(*node); {
		case n.strange(i, b) || !related(b, keeps):
			n.anew(m, func() { n.reset(m); m.Put("own", o) })
		case p.software != "2" || p.tls != o.tls:
			n.anew(m, func() {})
		}
	}
}

// keeper is who has the latest configuration of those who belong to a cluster, as the guide has it; of all where nobody does.
func (n *nodes) keeper() int {
	if i := n.newest(func(b belonging) bool { return b.Cluster != "" }); i >= 0 {
		return i
	}
	return max(n.newest(func(belonging) bool { return true }), 0)
}

// newest is who has the latest configuration of some, but for those who are strange; -1: there is none.
func (n *nodes) newest(of func(belonging) bool) int {
	best, tag := -1, revisions.Tag{}
	for i, m := range n.w.Machines {
		b := m.Read("belonging").(belonging)
		if t := m.Read("revision").(revisions.Stored).Tag; of(b) && !n.strange(i, b) && (best < 0 || t.Compare(tag) > 0) {
			best, tag = i, t
		}
	}
	return best
}

// strange says whether a node does not get in without a reset, as its operator reads in the guide.
func (n *nodes) strange(i int, b belonging) bool {
	for _, h := range n.histories {
		if slices.Contains(h.newest.removed, name(i)) {
			return true
		}
	}
	return foreign(b.Cluster) || b.Cluster == "" && !n.w.Machines[i].Read("reset").(bool)
}

// related says whether two nodes come from one cluster: who founded one of its own is reset too.
func related(a, b belonging) bool {
	return a.Cluster == "" || slices.ContainsFunc(append([]string{a.Cluster}, a.Earlier...), func(id string) bool {
		return id == b.Cluster || slices.Contains(b.Earlier, id)
	})
}
