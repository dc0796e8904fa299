package rows_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/cluster/sim"
)

// broken is what a wrapper around the core does wrong.
type broken int

const (
	whole     broken = iota
	gaps             // takes changes although some are missing before them
	ghosts           // does not spread deletes
	hasty            // takes the first part of a snapshot for all of it
	reborn           // a start does not raise the incarnation
	trusting         // is not told that a peer is lost
	unheeding        // does not delete what was superseded
)

func trial(b broken) sim.Trial {
	return sim.Trial{
		Name: "rows", Sizes: []int{2, 3, 4, 6}, Seeds: 2, Steps: 3000, Long: 5000, Settle: 15 * time.Second, Calm: 3 * time.Second,
		New: func(w *sim.World) sim.Program { return newSpread(w, b) },
		Must: []string{
			"cut one way", "cut in a bridge", "crash", "pause", "message overtaken", "lost", "superseded", "snapshot part",
			"it runs anew", "it has fallen behind", "deleted", "recovered",
		},
		Rare: []string{"rows have ended while it was lost"},
	}
}

// RG-01, RG-04, CL-18: what a peer has of another is at every moment that one's table as it was at some number;
// nothing of a lost peer is offered; when all is healed, all tables are equal and each key has one owner.
func TestSimulated(t *testing.T) { trial(whole).Run(t) }

func TestBrokenVariantsAreCaught(t *testing.T) {
	for name, b := range map[string]broken{
		"changes are taken after a gap":          gaps,
		"deletes are not spread":                 ghosts,
		"part of a snapshot is taken for it all": hasty,
		"a start does not raise the incarnation": reborn,
		"rows of the lost are offered":           trusting,
		"the superseded row stays":               unheeding,
	} {
		t.Run(name, func(t *testing.T) { trial(b).Catch(t) })
	}
}

// keys are of all rows that there may be.
var keys = func() (out []rows.Key) {
	for k := range 24 {
		out = append(out, rows.Key(fmt.Sprint("k", k)))
	}
	return out
}()

// spread is a cluster with liveness and rows.
type spread struct {
	w       *sim.World
	broken  broken
	version int
	past    map[life][]rows.Digest // of an owner's table, by number
}

type life struct {
	owner       cluster.ID
	incarnation cluster.Incarnation
}

func newSpread(w *sim.World, b broken) *spread {
	return &spread{w: w, broken: b, past: map[life][]rows.Digest{}}
}

func name(i int) cluster.ID { return cluster.ID(rune('a' + i)) }

func index(id cluster.ID) int { return int(id[0] - 'a') }

func (s *spread) Every() time.Duration { return 100 * time.Millisecond }
func (s *spread) Quiet()               {}

func (s *spread) Start(m *sim.Machine) sim.Process {
	p := &node{s: s, m: m, id: name(m.Index), own: map[rows.Key]rows.Row{}, shown: map[rows.Key]rows.Changed{}, at: map[cluster.ID]rows.Copy{}}
	p.incarnation = cluster.Incarnation(m.Starts)
	if s.broken == reborn {
		p.incarnation = 1
	}
	if kept, ok := m.Read("rows").(map[rows.Key]rows.Row); ok && s.w.Chance(500) {
		s.w.Count("recovered")
		p.own = maps.Clone(kept)
	}
	for k, r := range p.own {
		p.shown[k] = rows.Changed{Key: k, Found: true, Owner: p.id, Row: r}
	}
	p.live = liveness.New(p.id, p.incarnation)
	p.core = rows.New(rows.Config{
		Self: p.id, Incarnation: p.incarnation, Rows: p.own, Log: 24, Bytes: 200,
		Newer: func(a, b string) bool { return a > b },
	})
	// The order in which recovered rows got their numbers is nobody's business: nobody hears of one before the last.
	s.past[life{p.id, p.incarnation}] = make([]rows.Digest, p.core.Own().Seq+1)
	p.note()
	list := liveness.List{Own: m.Index}
	var others []cluster.ID
	for i := range s.w.Machines {
		list.Addresses = append(list.Addresses, string(name(i)))
		others = append(others, name(i))
	}
	p.rows(m.Now(), rows.Members{Peers: others})
	p.life(m.Now(), list)
	return p
}

func (s *spread) Operate(m *sim.Machine) {
	p, now := m.Process.(*node), m.Now()
	key := func() rows.Key { return keys[s.w.Rand.IntN(len(keys))] }
	n := 1
	if s.w.Chance(50) {
		n = 60 // more than is kept for readers
	}
	for range n {
		if s.w.Chance(300) {
			p.delete(now, key())
			continue
		}
		s.version++
		ttl := []time.Duration{0, 3 * time.Second, 20 * time.Second}[s.w.Rand.IntN(3)]
		p.put(now, key(), rows.Row{Value: fmt.Sprintf("%08d", s.version), TTL: ttl})
	}
}

func (s *spread) Check(m *sim.Machine) error {
	if m.Process == nil {
		return nil
	}
	p := m.Process.(*node)
	for _, c := range p.core.Copies() {
		if c.Incarnation == 0 {
			continue // nothing yet, or dropped
		}
		was := p.at[c.Owner]
		p.at[c.Owner] = c
		if c.Incarnation < was.Incarnation || c.Incarnation == was.Incarnation && c.Seq < was.Seq {
			return fmt.Errorf("%s went back from %d.%d to %d.%d of %s", p.id, was.Incarnation, was.Seq, c.Incarnation, c.Seq, c.Owner)
		}
		if c.Short {
			continue
		}
		past := s.past[life{c.Owner, c.Incarnation}]
		if int(c.Seq) >= len(past) || past[c.Seq] != c.Digest {
			return fmt.Errorf("%s has of %s what was not so at %d.%d", p.id, c.Owner, c.Incarnation, c.Seq)
		}
	}
	for k, key := range keys {
		_, owner, ok := p.core.Lookup(key)
		if ok && owner != p.id && p.live.State(owner) != liveness.Active && p.live.State(owner) != liveness.Suspect {
			return fmt.Errorf("%s offers k%d of %s, who is %s", p.id, k, owner, p.live.State(owner))
		}
	}
	return nil
}

func (s *spread) Converged() error {
	first := s.w.Machines[0].Process.(*node)
	for _, m := range s.w.Machines {
		p := m.Process.(*node)
		for _, c := range p.core.Copies() {
			own := s.w.Machines[index(c.Owner)].Process.(*node).core.Own()
			if c.Incarnation != own.Incarnation || c.Seq != own.Seq || c.Digest != own.Digest || !c.Current || c.Lost {
				return fmt.Errorf("%s has %+v of %+v", p.id, c, own)
			}
		}
		for k, want := range first.shown {
			if row, owner, ok := p.core.Lookup(k); !ok || owner != want.Owner || row != want.Row {
				return fmt.Errorf("%s has %s as %v of %q, %s has %v", p.id, k, row, owner, first.id, want)
			}
			if _, mine := p.own[k]; mine && want.Owner != p.id {
				return fmt.Errorf("%s holds %s, which %s has", p.id, k, want.Owner)
			}
		}
		if len(p.shown) != len(first.shown) {
			return fmt.Errorf("%s shows %d, %s %d", p.id, len(p.shown), first.id, len(first.shown))
		}
	}
	return nil
}

// node is what runs on a machine.
type node struct {
	s           *spread
	m           *sim.Machine
	id          cluster.ID
	incarnation cluster.Incarnation
	live        *liveness.Core
	core        *rows.Core
	own         map[rows.Key]rows.Row
	shown       map[rows.Key]rows.Changed // as the actions say
	at          map[cluster.ID]rows.Copy
}

func (p *node) Tick(now time.Duration) {
	p.life(now, liveness.Tick{})
	p.rows(now, rows.Tick{})
}

func (p *node) Receive(now time.Duration, from int, message any) {
	if b, ok := message.(liveness.Beat); ok {
		p.life(now, liveness.Heard{Address: string(name(from)), From: name(from), Beat: b})
		return
	}
	p.rows(now, rows.Received{From: name(from), Message: p.distort(name(from), message)})
}

// distort is what the broken variants do to what arrives.
func (p *node) distort(from cluster.ID, message any) any {
	switch m := message.(type) {
	case rows.Tail:
		if has := p.at[from]; p.s.broken == gaps && m.Incarnation == has.Incarnation && has.Seq != 0 {
			m.After = min(m.After, has.Seq)
		}
		if p.s.broken == ghosts {
			changes := append([]rows.Change(nil), m.Changes...)
			for i := range changes {
				changes[i].Gone = false
			}
			m.Changes = changes
		}
		return m
	case rows.Part:
		p.s.w.Count("snapshot part")
		if p.s.broken == hasty {
			m.Of = 1
		}
		return m
	}
	return message
}

func (p *node) life(now time.Duration, e liveness.Event) {
	for _, a := range p.live.Step(now, e) {
		switch a := a.(type) {
		case liveness.Send:
			p.m.Send(index(cluster.ID(a.Address)), a.Beat)
		case liveness.Changed:
			p.s.w.Count(a.To.String())
			p.s.w.Logf("%s takes %s for %s", p.id, a.Peer, a.To)
			switch {
			case a.To == liveness.Lost && p.s.broken != trusting:
				p.rows(now, rows.Lost{Peer: a.Peer})
			case a.To == liveness.Active:
				p.rows(now, rows.Alive{Peer: a.Peer})
			}
		}
	}
}

func (p *node) rows(now time.Duration, e rows.Event) {
	for _, a := range p.core.Step(now, e) {
		switch a := a.(type) {
		case rows.Send:
			p.m.Send(index(a.To), a.Message)
		case rows.Changed:
			if p.shown[a.Key] = a; !a.Found {
				delete(p.shown, a.Key)
			}
		case rows.Superseded:
			p.s.w.Count("superseded")
			if p.s.broken != unheeding {
				p.m.After(time.Millisecond, func() { p.yield(a) })
			}
		case rows.Resynchronised:
			p.s.w.Count(a.Why)
			p.s.w.Logf("%s copies %s anew: %s", p.id, a.Owner, a.Why)
		case rows.Refused:
			panic(a.Err)
		}
	}
}

// yield deletes a row that another peer has a newer one of, if it is so still.
func (p *node) yield(a rows.Superseded) {
	if _, owner, _ := p.core.Lookup(a.Key); owner != p.id {
		p.delete(p.m.Now(), a.Key)
	}
}

func (p *node) put(now time.Duration, k rows.Key, r rows.Row) {
	p.own[k] = r
	p.rows(now, rows.Put{Key: k, Row: r})
	p.note()
}

func (p *node) delete(now time.Duration, k rows.Key) {
	if _, ok := p.own[k]; ok {
		p.s.w.Count("deleted")
		delete(p.own, k)
		p.rows(now, rows.Delete{Key: k})
		p.note()
	}
}

// note remembers what the table is at its number, made from nothing.
func (p *node) note() {
	past := p.s.past[life{p.id, p.incarnation}]
	digest, seq := rows.DigestOf(p.own), int(p.core.Own().Seq)
	if seq == len(past) {
		past = append(past, 0)
	}
	past[seq] = digest
	p.s.past[life{p.id, p.incarnation}] = past
	p.m.Put("rows", maps.Clone(p.own))
}
