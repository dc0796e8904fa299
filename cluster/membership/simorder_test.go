package membership_test

import (
	"slices"
	"strings"
	"time"

	"turnpike.dev/turnpike/cluster/revisions"
)

// Times of the end, after all is healed.
const (
	tidied = 6 * time.Second
	looked = 12 * time.Second // how long alarms are given to stand
)

// Quiet is the operator who makes all settings equal, and resets what was removed or is strange. Sometimes he takes for the
// primary who is no member, against the guide. Then he does what the alarms say.
func (ps *peers) Quiet() {
	ps.w.After(tidied, func() {
		primary := ps.keeper()
		if ps.w.Chance(300) {
			primary = max(ps.newest(func(member) bool { return true }), 0)
		}
		ps.tidy(primary)
		ps.w.After(looked, ps.look)
		ps.w.After(2*looked, ps.look)
	})
}

func (ps *peers) tidy(primary int) {
	ps.w.Logf("operator: all is to be in order, with %s as the primary", name(primary))
	ps.stay = nil
	keeps := ps.w.Machines[primary].Read("member").(member)
	for i, m := range ps.w.Machines {
		o := m.Read("own").(own)
		if o.primary != primary {
			o.decision++
		}
		o.primary, o.list = primary, nil
		for k := range ps.w.Machines {
			o.list = append(o.list, entry(k, true))
		}
		m.Put("own", o)
		kept := m.Read("member").(member)
		if ps.strange(i, kept) || keeps.Cluster != "" && !related(kept, keeps) {
			ps.anew(m, func() { ps.reset(m); m.Put("own", o) })
		} else if kept.Cluster != "" {
			ps.stay = append(ps.stay, i)
		}
	}
	for _, m := range ps.w.Machines {
		m.Process.(*node).configure()
	}
}

// look does what alarm 20024 says on each node: another is to be the primary, or this one to be reset.
func (ps *peers) look() {
	for i, m := range ps.w.Machines {
		switch d := m.Process.(*node).core.Disagreement(); {
		case strings.Contains(d, "make a member of it the primary"):
			ps.w.Count("another primary after an alarm")
			ps.tidy(ps.keeper())
			return
		case strings.HasPrefix(d, "this node ") && strings.Contains(d, "reset it"):
			ps.w.Count("reset after an alarm")
			ps.w.Logf("operator: %s is reset: %s", name(i), d)
			o := m.Read("own")
			ps.anew(m, func() { ps.reset(m); m.Put("own", o) })
		}
	}
}

// founds holds a node that begins a cluster against those who stay members of another, and are all connected with it.
func (ps *peers) founds(p *node) {
	for _, i := range ps.stay {
		if kept := ps.w.Machines[i].Read("member").(member); kept.Cluster != "" {
			ps.fail("%s founds a cluster beside %s, which %s is in", p.id, kept.Cluster, name(i))
		}
	}
}

// keeper is who has the latest configuration of those who belong to a cluster, as the guide has it; of all where nobody does.
func (ps *peers) keeper() int {
	if i := ps.newest(func(kept member) bool { return kept.Cluster != "" }); i >= 0 {
		return i
	}
	return max(ps.newest(func(member) bool { return true }), 0)
}

// newest is who has the latest configuration of some, but for those who are strange; -1: there is none.
func (ps *peers) newest(of func(member) bool) int {
	best, tag := -1, revisions.Tag{}
	for i, m := range ps.w.Machines {
		kept := m.Read("member").(member)
		if t := m.Read("revision").(revisions.Stored).Tag; of(kept) && !ps.strange(i, kept) && (best < 0 || t.Compare(tag) > 0) {
			best, tag = i, t
		}
	}
	return best
}

func (ps *peers) removed(i int) bool {
	for _, h := range ps.begun {
		if slices.Contains(h.newest.removed, name(i)) {
			return true
		}
	}
	return false
}

// strange says whether a node does not get in without a reset, as its operator reads in the guide.
func (ps *peers) strange(i int, kept member) bool {
	return ps.removed(i) || strings.HasPrefix(kept.Cluster, "foreign") || kept.Cluster == "" && !ps.w.Machines[i].Read("reset").(bool)
}

// related says whether two nodes come from one cluster: who founded one of its own is reset too.
func related(a, b member) bool {
	return a.Cluster == "" || slices.ContainsFunc(append([]string{a.Cluster}, a.Earlier...), func(id string) bool {
		return id == b.Cluster || slices.Contains(b.Earlier, id)
	})
}
