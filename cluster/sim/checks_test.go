package sim_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/settings"
	"turnpike.dev/turnpike/cluster/sim"
)

// Check says what does not hold that must always hold.
func (n *nodes) Check(m *sim.Machine) error {
	for _, id := range slices.Sorted(maps.Keys(n.histories)) {
		n.histories[id].elect(n)
	}
	n.watch()
	if n.err != nil {
		return n.err
	}
	p, ok := m.Process.(*node)
	if !ok {
		return nil
	}
	for _, err := range []error{n.copies(p), n.shares(), n.alarms(p)} {
		if err != nil {
			return err
		}
	}
	return nil
}

// copies holds what a node has of the others' rows against what those had. Nothing is offered of a lost peer.
func (n *nodes) copies(p *node) error {
	if !p.touched {
		return nil
	}
	p.touched = false
	for _, c := range p.rows.Copies() {
		if c.Incarnation == 0 {
			continue // nothing yet, or dropped
		}
		was := p.at[c.Owner]
		p.at[c.Owner] = c
		if c.Incarnation == was.Incarnation && c.Seq < was.Seq && slices.Contains(p.with, c.Owner) && was.Rows > 0 && c.Rows > 0 {
			return fmt.Errorf("%s went back from %d.%d to %d.%d of %s", p.id, was.Incarnation, was.Seq, c.Incarnation, c.Seq, c.Owner)
		}
		past := n.past[life{c.Owner, c.Incarnation}]
		if !c.Short && (int(c.Seq) >= len(past) || past[c.Seq] != c.Digest) {
			return fmt.Errorf("%s has of %s what was not so at %d.%d", p.id, c.Owner, c.Incarnation, c.Seq)
		}
	}
	for k, key := range keys {
		_, owner, ok := p.rows.Lookup(key)
		if ok && owner != p.id && !p.there(owner) {
			return fmt.Errorf("%s offers k%d of %s, who is %s", p.id, k, owner, p.liveness.State(owner))
		}
	}
	return nil
}

// pushed looks at a document that arrives.
func (n *nodes) pushed(p *node, from int, m pushed) {
	if strings.Contains(m.Bytes, "†") {
		n.fail("%s gets what is %s's own", p.id, name(from))
	}
	if !n.carried[p.cluster()][from] {
		n.fail("%s gets a document of %s, who has not joined %s", p.id, name(from), p.cluster())
	}
}

// inForce looks at a configuration that is put in force: it is never an older one, unless the operator said so.
func (n *nodes) inForce(p *node, a revisions.Apply) {
	n.w.Count("accepted")
	n.w.Logf("%s has %s in force, %q", p.id, a.Tag, a.Tag.Digest)
	if a.Lost {
		n.w.Count("written in vain")
	}
	if a.Tag.Compare(n.top[p.m.Index]) < 0 && !p.forced {
		n.fail("%s goes back from %s to %s", p.id, n.top[p.m.Index], a.Tag)
	}
	if kept := p.m.Read("revision").(revisions.Stored); kept.Tag != a.Tag {
		n.fail("%s has %s in force and %s on its disk", p.id, a.Tag, kept.Tag)
	}
	n.top[p.m.Index] = a.Tag
	p.forced, p.inForce, p.applied = false, a.Tag.Digest, n.w.Now()
}

// In time: how long it may take until an alarm about a peer stands that cannot be reached, and until none does about one
// that can.
const (
	raised  = 10 * time.Second
	lowered = 12 * time.Second
)

// watch notes which machines reach each other.
func (n *nodes) watch() {
	now := n.w.Now()
	asleep := now-n.watched > 300*time.Millisecond // all were
	n.watched = now
	for i, m := range n.w.Machines {
		for j, o := range n.w.Machines {
			both := n.serves(m) && n.serves(o)
			if both && n.w.Reaches(i, j) {
				n.near[i][j] = now
			}
			if !both || !n.linked(i, j) {
				n.apart[i][j] = now
			}
			if asleep {
				n.apart[i][j] = now
			}
		}
	}
}

// serves says that a machine runs and does not mean to end.
func (n *nodes) serves(m *sim.Machine) bool { return m.Runs() && !m.Process.(*node).leaving }

// alarms holds a node's alarms against what happened to it and its peers.
func (n *nodes) alarms(p *node) error {
	i, now := p.m.Index, n.w.Now()
	if now-n.apart[i][i] < raised || now-p.steady < raised {
		return nil // it has not run for so long, or has other settings
	}
	for at, e := range p.own().list {
		j := of(e)
		if i == j {
			continue
		}
		primary := p.own().at(p.own().primary) == at
		if silent := now - min(n.near[i][j], n.near[j][i]); silent > raised {
			if !p.raised(20004, e) || primary && !p.raised(20016, "") {
				return fmt.Errorf("%s does not reach %s for %s and has only %v", p.id, name(j), silent, p.troubles)
			}
			n.w.Count("alarmed in time")
		}
		q, ok := n.w.Machines[j].Process.(*node)
		if !ok || q.own().at(i) < 0 || now-n.apart[i][j] < lowered || now-p.steady < lowered || now-q.steady < lowered {
			continue
		}
		if p.raised(20004, e) {
			return fmt.Errorf("%s and %s reach each other for %s: %v", p.id, q.id, now-n.apart[i][j], p.troubles)
		}
		if primary && p.raised(20016, "") && p.revisions.Follows() == q.id {
			return fmt.Errorf("%s and its primary %s reach each other for %s: %v", p.id, q.id, now-n.apart[i][j], p.troubles)
		}
		if err := n.differ(p, q, e); err != nil {
			return err
		}
	}
	return nil
}

// differ says whether a node tells in what its settings differ from a peer's, and nothing else.
func (n *nodes) differ(p, q *node, e string) error {
	want := map[int]bool{}
	for _, d := range settings.Compare(p.settings(), q.settings()) {
		want[d.Number] = true
	}
	for _, number := range []int{20008, 20012, 20017} {
		if p.raised(number, e) != want[number] {
			return fmt.Errorf("%s and %s: %d should stand: %t; %v", p.id, q.id, number, want[number], p.troubles)
		}
	}
	return nil
}

// Converged says what is not as it should be some time after all was healed and made equal.
func (n *nodes) Converged() error {
	if err := n.ordered(); err != nil {
		return err
	}
	if n.final == "" {
		return errors.New("nothing was changed in the end")
	}
	for _, m := range n.w.Machines {
		if err := n.configured(m.Process.(*node)); err != nil {
			return err
		}
	}
	if got := n.w.Machines[n.who].Process.(*node).ceiling[strict]; got < n.want {
		return fmt.Errorf("%s has %d of strict, nobody else uses what is missing to %d", name(n.who), got, n.want)
	}
	return nil
}

// ordered says what is not as it should be before the last change.
func (n *nodes) ordered() error {
	first, ok := n.w.Machines[0].Process.(*node)
	if !ok {
		return errors.New("a does not run")
	}
	primary := first.own().primary
	h := n.histories[first.cluster()]
	if h == nil || h.leader != primary {
		return fmt.Errorf("%q is not led by %s", first.cluster(), name(primary))
	}
	for i, m := range n.w.Machines {
		p, ok := m.Process.(*node)
		if !ok {
			return fmt.Errorf("%s does not run", name(i))
		}
		for _, err := range []error{n.belongs(p, h), n.spread(p, first), n.shared(p, h)} {
			if err != nil {
				return err
			}
		}
		if len(p.troubles) > 0 {
			return fmt.Errorf("%s: %v", p.id, p.troubles)
		}
		if p.revisions.Acting() != (i == primary) {
			return fmt.Errorf("%s acts: %t", p.id, p.revisions.Acting())
		}
	}
	return nil
}

// belongs: everybody carries one id, votes, and knows the others as members that are there.
func (n *nodes) belongs(p *node, h *history) error {
	if p.cluster() != h.id || !slices.Contains(h.newest.voters, membership.Voter{ID: p.id, Address: entry(p.m.Index, true)}) {
		return fmt.Errorf("%s is in %q; in %q vote %v", p.id, p.cluster(), h.id, h.newest.voters)
	}
	if len(p.with) != len(n.w.Machines)-1 || len(h.newest.voters) != len(n.w.Machines) {
		return fmt.Errorf("%s takes %v for members; %v vote", p.id, p.with, h.newest.voters)
	}
	for _, s := range p.liveness.Status() {
		if !s.Own && s.Life != liveness.Active {
			return fmt.Errorf("%s takes %s for %s", p.id, s.Peer, s.Life)
		}
	}
	return nil
}

// configured: the last change is in force everywhere, within a second.
func (n *nodes) configured(p *node) error {
	if p.inForce != n.final || p.revisions.Has().Digest != n.final {
		return fmt.Errorf("%s has %s, %q; the primary %s wrote %q", p.id, p.revisions.Has(), p.inForce, name(p.own().primary), n.final)
	}
	if took := p.applied - n.begun; took > time.Second {
		return fmt.Errorf("a change took %s to %s", took, p.id)
	}
	return nil
}

// spread: copies are the owners' tables, and each key has one owner, the same for all.
func (n *nodes) spread(p, first *node) error {
	for _, c := range p.rows.Copies() {
		own := n.w.Machines[index(c.Owner)].Process.(*node).rows.Own()
		if c.Incarnation != own.Incarnation || c.Seq != own.Seq || c.Digest != own.Digest || !c.Current || c.Lost {
			return fmt.Errorf("%s has %+v of %+v", p.id, c, own)
		}
	}
	for _, key := range keys {
		row, owner, ok := p.rows.Lookup(key)
		row1, owner1, ok1 := first.rows.Lookup(key)
		if row != row1 || owner != owner1 || ok != ok1 {
			return fmt.Errorf("%s has %s of %q, %s of %q", p.id, key, owner, first.id, owner1)
		}
		if _, mine := p.bindings[key]; mine && owner != p.id {
			return fmt.Errorf("%s holds %s, which %s has", p.id, key, owner)
		}
	}
	return nil
}

// shared: everybody counts by what is agreed, and the pool has what all bring.
func (n *nodes) shared(p *node, h *history) error {
	if in, aside := p.ledger.Aside(); aside || !p.leased() || p.leasedIn != in || p.leasedBy != h.id {
		return fmt.Errorf("%s counts in %v, leased: %t, in %q", p.id, in, p.leased(), p.leasedBy)
	}
	for r, c := range p.ceiling {
		if g := h.table.Grants[p.id][r]; g.Amount != c {
			return fmt.Errorf("%s has a ceiling of %d, of %s %d are agreed", p.id, c, r, g.Amount)
		}
	}
	all := uint32(bring * len(n.w.Machines))
	if p.totals[loose] != all || h.table.Totals[loose] != (ledger.Total{Amount: all, Policy: ledger.Available}) {
		return fmt.Errorf("%s counts %d in the pool, %+v is agreed, all bring %d", p.id, p.totals[loose], h.table.Totals[loose], all)
	}
	return nil
}
