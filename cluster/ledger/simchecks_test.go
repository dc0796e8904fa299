package ledger_test

import (
	"errors"
	"fmt"
	"time"

	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/sim"
)

func (s *shares) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

// Check holds what is in use and what may be used against the totals.
func (s *shares) Check(*sim.Machine) error {
	if s.err != nil {
		return s.err
	}
	s.elect()
	usable := map[usage]uint64{}
	var used uint64
	for _, o := range s.w.Machines {
		use, _ := o.Read("use").(map[ledger.Resource]uint32)
		used += uint64(use[strict])
		p, ok := o.Process.(*node)
		if !ok {
			continue
		}
		if err := s.uses(p, usable); err != nil {
			return err
		}
	}
	if total := uint64(s.totals[strict].Amount); used > total {
		return fmt.Errorf("%d of %d strict are in use", used, total)
	}
	if granted := s.table.Granted(strict); granted > uint64(s.totals[strict].Amount) {
		return fmt.Errorf("%d of strict are granted", granted)
	}
	for u, n := range usable {
		if err := s.within(u, n); err != nil {
			return err
		}
	}
	if s.w.Now() < s.next {
		return nil
	}
	s.next = s.w.Now() + 100*time.Millisecond
	return errors.Join(s.together(), s.unserved())
}

// usage is what may be used of a resource by one table.
type usage struct {
	in ledger.History
	of ledger.Resource
}

// uses looks at what one node uses, and adds what it may use.
func (s *shares) uses(p *node, usable map[usage]uint64) error {
	if t := p.core.Provisional(); t != nil {
		h, _ := p.core.Aside()
		s.aside[h] = t
	}
	leased := p.leased()
	for _, r := range lasting {
		if p.use[r] > p.ceiling[r] {
			return fmt.Errorf("%s uses %d of %s, its ceiling is %d", p.id, p.use[r], r, p.ceiling[r])
		}
		switch {
		case p.free[r]:
			if g := s.table.Grants[p.id][r]; g.Amount < p.ceiling[r] || g.Leased {
				return fmt.Errorf("%s may use %d of %s without a lease, agreed is %+v", p.id, p.ceiling[r], r, g)
			}
			usable[usage{of: r}] += uint64(p.ceiling[r])
		case leased:
			usable[usage{p.leasedIn, r}] += uint64(p.ceiling[r])
		}
	}
	if leased && p.leasedIn == (ledger.History{}) {
		s.served[p.m.Index] = s.w.Now()
	}
	return nil
}

// within holds what may be used of one table against its total.
func (s *shares) within(u usage, usable uint64) error {
	t, what := s.table, "over the total"
	if u.in != (ledger.History{}) {
		t, what = s.aside[u.in], "aside over the total"
		for _, of := range t.Grants {
			if g := of[pipe]; g.Number == 0 && g.Amount > 0 {
				s.w.Count("kept aside")
			}
		}
	}
	if _, shared := t.Totals[u.of]; !shared && u.in != (ledger.History{}) {
		return nil // nothing of it is given there: it is what calls hold that the operator has declared gone
	}
	granted, total := t.Granted(u.of), uint64(t.Totals[u.of].Amount)
	if granted > total {
		s.w.Count(what)
	}
	if granted <= total && usable > total {
		return fmt.Errorf("%d of %d %s may be used in %v, %d are granted", usable, total, u.of, u.in, granted)
	}
	return nil
}

// held looks at what is freed of a lost peer: what its media may use only when that is over.
func (s *shares) held(e ledger.Entry) {
	if e.All {
		return
	}
	for _, r := range lasting {
		g, hold := s.table.Grants[e.Peer][r], s.table.Totals[r].Hold
		switch {
		case hold == 0 || g.Amount == 0 || g.Incarnation > e.Incarnation || !g.Leased:
		case e.Hold < hold:
			s.w.Count("kept for the media of a lost peer")
		case s.w.Now()-s.served[index(e.Peer)] < hold*9/10:
			s.fail("%s of %s is freed %s after it had a lease", r, e.Peer, s.w.Now()-s.served[index(e.Peer)])
		}
	}
}

// atOnce is how soon it is known that there is no more: less than a leader waits for who does not answer.
const atOnce = 950 * time.Millisecond

// denied: in a healed cluster nobody is refused what others do not use.
func (s *shares) denied(p *node, r ledger.Resource) {
	if p.m.Index == s.who && r == strict && s.exceeds != 0 {
		s.exceeds = 0
		s.w.Count("refused at once")
	}
	n := p.waits[r]
	if n == 0 {
		return
	}
	idle := s.table.Left(r)
	for _, m := range s.w.Machines {
		if q := m.Process.(*node); q != p {
			idle += q.ceiling[r] - q.use[r]
		}
	}
	if p.use[r]+n <= p.ceiling[r]+idle {
		s.fail("%s is refused %d of %s: it has %d and uses %d, others have %d idle", p.id, n, r, p.ceiling[r], p.use[r], idle)
	}
}

// waited: everybody has what it waited for.
func (s *shares) waited() {
	for _, m := range s.w.Machines {
		p := m.Process.(*node)
		for r, n := range p.waits {
			if n > 0 {
				s.fail("%s still waits for %d of %s, it has %d and uses %d", p.id, n, r, p.ceiling[r], p.use[r])
			}
		}
	}
	s.w.Count("given to all that waited")
}

// Times in which peers that reach each other find together: what was given elsewhere ends, and all say what
// they hold; and in which a side without a leader counts for itself.
const (
	findTogether = 15 * time.Second
	comeTogether = 5 * time.Second // when there is a leader again, or another
	findAside    = 25 * time.Second
)

// unserved says whether nobody may use anything on a side of the cluster that has no leader and is whole: all reach
// each other, and nobody else.
func (s *shares) unserved() error {
	if s.w.Now()-s.looked > 300*time.Millisecond {
		clear(s.alone) // all were paused
		for i := range s.w.Machines {
			s.alone[i] = s.w.Now()
		}
	}
	s.looked = s.w.Now()
	for i, m := range s.w.Machines {
		if !m.Runs() || s.majority(i) {
			s.alone[i] = s.w.Now()
			continue
		}
		s.surrounded(i)
		p := m.Process.(*node)
		if p.served() {
			s.leased[i] = s.w.Now()
		}
		since := s.w.Now() - s.alone[i]
		if since <= findAside {
			continue
		}
		s.w.Count("served aside")
		if !p.served() && (!s.w.Lossy() || s.w.Now()-s.leased[i] > comeTogether) { // lines may lose all for as long as a lease
			return fmt.Errorf("%s has no lease, and its side is whole and without a leader for %s", p.id, since)
		}
	}
	return nil
}

// surrounded notes when a machine's side was last not whole.
func (s *shares) surrounded(i int) {
	for j, o := range s.w.Machines {
		for k := range s.w.Machines {
			// What reaches i in any way reaches it both ways, and all that it reaches.
			near := s.w.Reaches(i, j) || s.w.Reaches(j, i)
			if o.Runs() && near && (s.joined[[2]int{i, j}] == 0 || s.w.Machines[k].Runs() && s.joined[[2]int{i, k}] != 0 != (s.joined[[2]int{j, k}] != 0)) {
				s.alone[i] = s.w.Now()
			}
		}
		if at := s.joined[[2]int{i, j}]; at != 0 {
			s.alone[i] = max(s.alone[i], at)
		}
	}
}

// together says whether two peers count apart that reach each other, and whether nobody counts on a side that is whole.
func (s *shares) together() error {
	for i, m := range s.w.Machines {
		for j, o := range s.w.Machines {
			pair := [2]int{i, j}
			if !m.Runs() || !o.Runs() || !s.w.Reaches(i, j) || !s.w.Reaches(j, i) {
				delete(s.joined, pair)
				continue
			}
			p, q := m.Process.(*node), o.Process.(*node)
			at, ok := s.joined[pair]
			if !ok || s.starts[pair] != m.Starts+o.Starts {
				at, s.joined[pair], s.starts[pair] = s.w.Now(), s.w.Now(), m.Starts+o.Starts
			}
			if !p.served() || !q.served() || p.leasedIn == q.leasedIn || s.apart[pair] == 0 {
				s.apart[pair] = s.w.Now()
			}
			if s.w.Now()-max(at+findTogether, s.apart[pair]+comeTogether) > 0 {
				return fmt.Errorf("%s counts in %v and %s in %v, and they reach each other for %s", p.id, p.leasedIn, q.id, q.leasedIn, s.w.Now()-at)
			}
		}
	}
	return nil
}

// Converged says what is not as it should be some time after all was healed.
func (s *shares) Converged() error {
	for _, m := range s.w.Machines {
		if err := s.settled(m.Process.(*node)); err != nil {
			return err
		}
	}
	for r := range s.table.Totals {
		if _, there := s.totals[r]; !there {
			return fmt.Errorf("the table has a total of %s, the configuration has none", r)
		}
	}
	if got := s.w.Machines[s.who].Process.(*node).ceiling[strict]; got != s.want {
		return fmt.Errorf("%s has %d, nobody else uses what is missing to %d", name(s.who), got, s.want)
	}
	s.w.Count("given to one peer in the end")
	return nil
}

func (s *shares) settled(p *node) error {
	if h, aside := p.core.Aside(); aside {
		return fmt.Errorf("%s counts in %v", p.id, h)
	}
	if !p.served() || p.leasedIn != (ledger.History{}) {
		return fmt.Errorf("%s has no lease", p.id)
	}
	for r, t := range s.totals {
		c := p.core.Ceiling(r)
		if g := s.table.Grants[p.id][r]; g.Amount != c || p.ceiling[r] != c {
			return fmt.Errorf("%s has ceilings of %d and %d, of %s %d are agreed", p.id, c, p.ceiling[r], r, g.Amount)
		}
		if g, has := s.table.Grants[p.id][r]; has && g.Amount > 0 && (g.Leased != (t.Policy == ledger.Available) || p.free[r] == g.Leased) {
			return fmt.Errorf("%s uses %s without a lease: %t; of %+v it has %+v", p.id, r, p.free[r], t, g)
		}
	}
	if p.index != len(s.log) {
		return fmt.Errorf("%s has applied %d of %d", p.id, p.index, len(s.log))
	}
	return nil
}
