package liveness_test

import (
	"fmt"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/sim"
)

// broken is what a wrapper around the core does wrong.
type broken int

const (
	whole     broken = iota
	believing        // takes each heartbeat for a confirmation
	reborn           // a start does not raise the incarnation
	punctual         // is never told that it did not run
)

func trial(b broken) sim.Trial {
	return sim.Trial{
		Name: "liveness", Sizes: []int{2, 3, 4, 6}, Seeds: 2, Steps: 4000, Long: 5000, Settle: 10 * time.Second, Calm: 3 * time.Second,
		New:  func(w *sim.World) sim.Program { return newLives(w, b) },
		Must: []string{"cut one way", "cut in a bridge", "crash", "pause", "message overtaken", "message doubled", "became lost", "became active", "restarted"},
		Rare: []string{"one-way cut noticed on both sides"},
	}
}

// RG-04, CL-18: under everything that may happen, nobody who is away is thought to be there, nobody is lost without
// cause, and when all is healed everybody sees everybody.
func TestSimulated(t *testing.T) { trial(whole).Run(t) }

func TestBrokenVariantsAreCaught(t *testing.T) {
	for name, b := range map[string]broken{
		"each heartbeat counts as a confirmation": believing,
		"a start does not raise the incarnation":  reborn,
		"a pause is not noticed":                  punctual,
	} {
		t.Run(name, func(t *testing.T) {
			tr := trial(b)
			if b == punctual { // found where many are paused
				tr.Sizes, tr.First = []int{6}, 5
			}
			tr.Catch(t)
		})
	}
}

// lives is a cluster of which nothing but liveness runs.
type lives struct {
	w      *sim.World
	broken broken
	sent   [][]time.Duration // when the newest heartbeat was sent that has arrived
	good   [][]time.Duration // when the newest one was sent that can have been confirmed
	bad    [][]time.Duration // when they last did not reach each other, or the other did not run
	ran    []time.Duration   // since when each runs without a pause
	looked time.Duration
}

// timed is a heartbeat, and when it was sent.
type timed struct {
	liveness.Beat
	at time.Duration
}

func newLives(w *sim.World, b broken) *lives {
	l := &lives{w: w, broken: b, ran: make([]time.Duration, len(w.Machines))}
	for range w.Machines {
		l.sent = append(l.sent, make([]time.Duration, len(w.Machines)))
		l.good = append(l.good, make([]time.Duration, len(w.Machines)))
		l.bad = append(l.bad, make([]time.Duration, len(w.Machines)))
	}
	return l
}

func name(i int) cluster.ID { return cluster.ID(rune('a' + i)) }

func address(i int) string { return fmt.Sprintf("10.0.0.%d", i+1) }

func (l *lives) Every() time.Duration { return 100 * time.Millisecond }
func (l *lives) Quiet()               {}

func (l *lives) Operate(m *sim.Machine) {
	if !l.w.Chance(20) {
		return
	}
	l.w.Count("goodbye")
	p := m.Process.(*life)
	p.step(m.Now(), liveness.Leave{})
	m.After(10*time.Millisecond, func() { l.w.Restart(m) })
}

func (l *lives) Start(m *sim.Machine) sim.Process {
	incarnation := cluster.Incarnation(m.Starts)
	if l.broken == reborn {
		incarnation = 1
	}
	p := &life{l: l, m: m, core: liveness.New(name(m.Index), incarnation), last: m.Now()}
	var list liveness.List
	for i := range l.w.Machines {
		list.Addresses = append(list.Addresses, address(i))
	}
	list.Own = m.Index
	p.step(m.Now(), list)
	return p
}

// Check compares what the machine thinks with what is so.
func (l *lives) Check(m *sim.Machine) error {
	now := l.w.Now()
	l.look(now)
	if m.Process == nil {
		return nil
	}
	if err := m.Process.(*life).lost; err != nil {
		return err
	}
	for _, s := range m.Process.(*life).core.Status() {
		other := s.Index - 1
		if s.Own || s.Life != liveness.Active && s.Life != liveness.Suspect {
			continue
		}
		// The clock may be 5 % slow, a message half a second late, and a pause of one's own excuses.
		if away := now - l.good[m.Index][other]; away > 6500*time.Millisecond && now-l.ran[m.Index] > 4*time.Second {
			return fmt.Errorf("%d takes %d for %s, which could not be for %s", m.Index, other, s.Life, away)
		}
	}
	return nil
}

// look notes who runs, and who reaches whom.
func (l *lives) look(now time.Duration) {
	paused := now-l.looked > 300*time.Millisecond // all were: nobody has looked
	l.looked = now
	for i, a := range l.w.Machines {
		if paused || !a.Runs() {
			l.ran[i] = now
		}
		for j, b := range l.w.Machines {
			if paused || !l.w.Reaches(i, j) || !l.w.Reaches(j, i) || !b.Runs() {
				l.bad[i][j] = now
			}
		}
	}
}

// arrived notes that a heartbeat has: with it comes whatever had arrived at its sender. The way there and the way back may be
// free at different times.
func (l *lives) arrived(from, to int, at time.Duration) {
	l.sent[from][to] = max(l.sent[from][to], at)
	l.good[to][from] = l.sent[to][from]
}

func (l *lives) Converged() error {
	for i, m := range l.w.Machines {
		for _, s := range m.Process.(*life).core.Status() {
			if !s.Own && s.Life != liveness.Active {
				return fmt.Errorf("%d takes %d for %s", i, s.Index-1, s.Life)
			}
			if s.Peer != name(s.Index-1) {
				return fmt.Errorf("%d takes %d for %q", i, s.Index-1, s.Peer)
			}
		}
	}
	return nil
}

type life struct {
	l    *lives
	m    *sim.Machine
	core *liveness.Core
	last time.Duration // of the punctual one: when it ticked
	woke time.Duration // when something happened to it
	sent uint64        // number of the newest heartbeat
	lost error         // a peer that was called lost without cause
}

func (p *life) Tick(now time.Duration) {
	for p.l.broken == punctual && now-p.last > 400*time.Millisecond {
		p.last += 400 * time.Millisecond
		p.step(p.last, liveness.Tick{})
	}
	p.last = now
	p.step(now, liveness.Tick{})
}

func (p *life) Receive(now time.Duration, from int, message any) {
	timed := message.(timed)
	p.l.arrived(from, p.m.Index, timed.at)
	b := timed.Beat
	if p.l.broken == believing {
		b.Echo, b.EchoOf = p.sent, cluster.Incarnation(p.m.Starts)
	}
	p.step(now, liveness.Heard{Address: address(from), From: name(from), Name: string(name(from)), Beat: b})
}

func (p *life) step(now time.Duration, e liveness.Event) {
	p.l.look(p.l.w.Now())
	if now-p.woke > 400*time.Millisecond {
		p.l.ran[p.m.Index] = p.l.w.Now()
	}
	p.woke = now
	for _, a := range p.core.Step(now, e) {
		switch a := a.(type) {
		case liveness.Send:
			p.sent = a.Beat.Seq
			for i := range p.l.w.Machines {
				if address(i) == a.Address {
					p.m.Send(i, timed{a.Beat, p.l.w.Now()})
				}
			}
		case liveness.Changed:
			p.changed(a)
		case liveness.Restarted:
			p.l.w.Count("restarted")
		}
	}
}

func (p *life) changed(a liveness.Changed) {
	w, i, j := p.l.w, p.m.Index, int(a.Peer[0]-'a')
	w.Count("became " + a.To.String())
	w.Logf("%d takes %d for %s, was %s: %s", i, j, a.To, a.From, a.Why)
	if calm := w.Now() - p.l.bad[i][j]; a.To == liveness.Lost && !w.Lossy() && calm > 12*time.Second {
		p.lost = fmt.Errorf("%d calls %d lost, which was there for %s", i, j, calm)
	}
	if a.To == liveness.Lost && w.Reaches(i, j) != w.Reaches(j, i) {
		w.Count("one-way cut noticed on both sides")
	}
}
