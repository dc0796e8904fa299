package revisions_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/sim"
)

// broken is what a wrapper around the core does wrong.
type broken int

const (
	whole    broken = iota
	hasty           // puts in force what is not durable
	obedient        // takes whatever it is sent
	aloof           // does not hear of later reigns
	talking         // hands in what is this node's own
	careless        // sends to whom runs other software
)

func trial(b broken) sim.Trial {
	return sim.Trial{
		Name: "revisions", Sizes: []int{1, 2, 3, 6}, Seeds: 4, Steps: 4000, Long: 5000, Settle: 14 * time.Second, Calm: 2 * time.Second,
		New: func(w *sim.World) sim.Program { return newAuthors(w, b) },
		Must: []string{
			"cut one way", "cut in a bridge", "crash", "pause", "message overtaken", "torn write lost", "torn write kept", "accepted", "deposed",
			"primary changed", "two primaries", "written in vain", "forced", "damaged", "mended", "disk put back", "upgrade",
		},
	}
}

// CL-03, CL-04, CL-12, CL-15, CL-18: revisions never go back, one tag is one document, what is a node's own does not travel,
// and a healed cluster with one primary has one configuration, which changes everywhere within a second.
func TestSimulated(t *testing.T) { trial(whole).Run(t) }

func TestBrokenVariantsAreCaught(t *testing.T) {
	for name, b := range map[string]broken{
		"in force before it is durable": hasty,
		"whatever is sent is taken":     obedient,
		"later reigns are not heard of": aloof,
		"what is a node's own travels":  talking,
		"software is not looked at":     careless,
	} {
		t.Run(name, func(t *testing.T) { trial(b).Catch(t) })
	}
}

// authors is a cluster with liveness and configuration.
type authors struct {
	w        *sim.World
	broken   broken
	text     int
	top      []revisions.Tag // the latest that a machine had in force
	what     map[revisions.Tag]string
	putBack  bool // a disk was put back to what it had: tags may be used again
	final    string
	proposed time.Duration
	err      error
}

func newAuthors(w *sim.World, b broken) *authors {
	a := &authors{w: w, broken: b, what: map[revisions.Tag]string{}, top: make([]revisions.Tag, len(w.Machines))}
	for _, m := range w.Machines {
		m.Put("settings", revisions.Settings{Primary: name(0), Decision: 1})
		m.Put("software", "1")
	}
	return a
}

func name(i int) cluster.ID { return cluster.ID(rune('a' + i)) }

func index(id cluster.ID) int { return int(id[0] - 'a') }

func (a *authors) Every() time.Duration { return 100 * time.Millisecond }

func (a *authors) Start(m *sim.Machine) sim.Process {
	p := &node{a: a, m: m, id: name(m.Index)}
	incarnation := cluster.Incarnation(m.Starts)
	p.software = m.Read("software").(string)
	stored, _ := m.Read("store").(revisions.Stored)
	if stored.Tag.Compare(a.top[m.Index]) < 0 {
		a.fail("%s starts with %s and had %s in force", p.id, stored.Tag, a.top[m.Index])
	}
	p.inForce = stored.Tag.Digest
	p.live = liveness.New(p.id, incarnation)
	p.core = revisions.New(revisions.Config{
		Self: p.id, Incarnation: incarnation, Software: p.software, Stored: stored,
		Initial: revisions.Propose{Bytes: "initial", Digest: "initial"},
	})
	list := liveness.List{Own: m.Index}
	var others []cluster.ID
	for i := range a.w.Machines {
		list.Addresses = append(list.Addresses, string(name(i)))
		others = append(others, name(i))
	}
	p.step(m.Now(), revisions.Members{Peers: others})
	p.step(m.Now(), m.Read("settings").(revisions.Settings))
	p.life(m.Now(), list)
	return p
}

func (a *authors) fail(format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(format, args...)
	}
}

func (a *authors) Operate(m *sim.Machine) {
	p := m.Process.(*node)
	switch n := a.w.Rand.IntN(200); {
	case n < 8:
		a.elect(a.w.Rand.IntN(len(a.w.Machines)))
	case n < 12:
		a.w.Count("forced")
		p.step(m.Now(), revisions.Force{})
	case n < 16:
		a.w.Count("damaged")
		p.inForce = "damaged"
		p.step(m.Now(), revisions.Checked{Digest: p.inForce})
	case n < 18:
		p.rollBack()
	case n < 22:
		a.w.Count("upgrade")
		m.Put("software", fmt.Sprint(1+a.w.Rand.IntN(2)))
		a.w.Restart(m)
	case n < 120:
		p.propose(p.text())
	}
}

// elect is an operator who makes a machine the primary: there first, on the others when he gets to them.
func (a *authors) elect(primary int) {
	a.w.Count("primary changed")
	a.w.Logf("operator: %s is to be the primary", name(primary))
	for i, m := range a.w.Machines {
		if !m.Runs() {
			continue // nobody can log in there
		}
		after := time.Duration(0)
		if i != primary {
			after = time.Duration(a.w.Rand.IntN(5000)) * time.Millisecond
		}
		m.After(after, func() { m.Process.(*node).name(primary) })
	}
}

func (a *authors) Check(m *sim.Machine) error {
	acting := 0
	for _, o := range a.w.Machines {
		if o.Process != nil && o.Process.(*node).core.Acting() {
			acting++
		}
	}
	if acting > 1 {
		a.w.Count("two primaries")
	}
	return a.err
}

// Quiet is the operator who makes all settings equal, as the guide says, and then changes something.
func (a *authors) Quiet() {
	primary := a.w.Rand.IntN(len(a.w.Machines))
	a.w.Logf("operator: all name %s", name(primary))
	for _, m := range a.w.Machines {
		m.Put("software", "2")
		if m.Process.(*node).software != "2" {
			a.w.Restart(m)
		}
		// When elections that were on their way are over.
		a.w.After(6*time.Second, func() { m.Process.(*node).name(primary) })
	}
	m := a.w.Machines[primary]
	a.w.After(12*time.Second, func() {
		p := m.Process.(*node)
		a.final, a.proposed = p.text(), a.w.Now()
		p.propose(a.final)
	})
}

func (a *authors) Converged() error {
	for _, m := range a.w.Machines {
		p := m.Process.(*node)
		primary := m.Read("settings").(revisions.Settings).Primary
		if p.inForce != a.final || p.core.Has().Digest != a.final {
			return fmt.Errorf("%s has %s, %q; the primary %s wrote %q", p.id, p.core.Has(), p.inForce, primary, a.final)
		}
		if took := p.applied - a.proposed; took > time.Second {
			return fmt.Errorf("a change took %s to %s", took, p.id)
		}
		if p.core.Acting() != (p.id == primary) {
			return fmt.Errorf("%s acts as the primary: %t", p.id, p.core.Acting())
		}
		if t := p.core.Faults(); t != (revisions.Faults{}) {
			return fmt.Errorf("%s has %+v", p.id, t)
		}
	}
	return nil
}

// node is what runs on a machine.
type node struct {
	a        *authors
	m        *sim.Machine
	id       cluster.ID
	software string
	live     *liveness.Core
	core     *revisions.Core
	inForce  string // digest
	applied  time.Duration
	forced   bool // the next may be anything: the operator said so
	foreign  bool // what is being taken comes from one that runs other software
}

func (p *node) text() string {
	p.a.text++
	return fmt.Sprint("text ", p.a.text)
}

func (p *node) propose(text string) {
	bytes := text
	if p.a.broken == talking {
		bytes += fmt.Sprint(" †host_name: ", p.id)
	}
	p.step(p.m.Now(), revisions.Propose{Bytes: bytes, Digest: text})
}

// name sets the primary in this node's own settings.
func (p *node) name(primary int) {
	s := p.m.Read("settings").(revisions.Settings)
	if s.Primary == name(primary) {
		return
	}
	s.Primary = name(primary)
	s.Decision++
	p.m.Put("settings", s)
	p.step(p.m.Now(), s)
}

// rollBack puts the disk of the machine back to an image of some time ago.
func (p *node) rollBack() {
	image, ok := p.m.Read("image").(revisions.Stored)
	if !ok {
		return
	}
	p.a.w.Count("disk put back")
	p.a.w.Logf("the disk of %s is put back to %s", p.id, image.Tag)
	p.a.putBack = true
	p.m.Crash()
	p.m.Put("store", image)
	p.a.top[p.m.Index] = image.Tag
	p.m.Start()
}

func (p *node) Tick(now time.Duration) {
	p.life(now, liveness.Tick{})
	p.step(now, revisions.Tick{})
}

func (p *node) Receive(now time.Duration, from int, message any) {
	switch m := message.(type) {
	case liveness.Beat:
		p.life(now, liveness.Heard{Address: string(name(from)), From: name(from), Beat: m})
		return
	case revisions.Beat:
		if p.a.broken == aloof {
			m.Reign, m.Has.Reign = revisions.Reign{}, revisions.Reign{}
		}
		if p.a.broken == careless {
			m.Software = p.software
		}
		message = m
	case sent:
		if strings.Contains(m.Bytes, "†") {
			p.a.fail("%s gets what is %s's own", p.id, name(from))
		}
		if p.a.broken == obedient {
			p.step(now, revisions.Force{})
			p.forced = false
		}
		p.a.w.Logf("%s gets %s", p.id, m.Tag)
		p.foreign = m.software != p.software
		message = m.Push
	}
	p.step(now, revisions.Received{From: name(from), Message: message})
	p.foreign = false
}

// sent is a document on its way, with the software that its sender ran.
type sent struct {
	revisions.Push
	software string
}

func (p *node) life(now time.Duration, e liveness.Event) {
	for _, a := range p.live.Step(now, e) {
		switch a := a.(type) {
		case liveness.Send:
			p.m.Send(index(cluster.ID(a.Address)), a.Beat)
		case liveness.Changed:
			p.step(now, revisions.Reachable{Peer: a.Peer, Is: a.To == liveness.Active || a.To == liveness.Suspect})
		}
	}
}

func (p *node) step(now time.Duration, e revisions.Event) {
	if _, ok := e.(revisions.Force); ok {
		p.forced = true
	}
	acted := p.core.Acting()
	for _, a := range p.core.Step(now, e) {
		p.act(a)
	}
	if acted && !p.core.Acting() {
		p.a.w.Count("deposed")
	}
}

func (p *node) act(a revisions.Action) {
	switch a := a.(type) {
	case revisions.Send:
		m := a.Message
		if push, ok := m.(revisions.Push); ok {
			m = sent{push, p.software}
		}
		p.m.Send(index(a.To), m)
	case revisions.Write:
		if p.foreign {
			p.a.fail("%s takes %s of one that runs other software", p.id, a.Tag)
		}
		done := func() { p.step(p.m.Now(), revisions.Wrote{Tag: a.Tag}) }
		if p.a.broken == hasty {
			p.m.Write("store", a.Stored, nil)
			p.m.After(0, done)
			return
		}
		p.m.Write("store", a.Stored, done)
	case revisions.Apply:
		p.apply(a)
	case revisions.Check:
		p.m.After(0, func() { p.step(p.m.Now(), revisions.Checked{Digest: p.inForce}) })
	}
}

func (p *node) apply(a revisions.Apply) {
	w, i := p.a.w, p.m.Index
	w.Count("accepted")
	w.Logf("%s has %s in force, %q", p.id, a.Tag, a.Tag.Digest)
	if a.Lost {
		w.Count("written in vain")
	}
	if p.inForce == "damaged" {
		w.Count("mended")
	}
	if a.Tag.Compare(p.a.top[i]) < 0 && !p.forced {
		p.a.fail("%s goes back from %s to %s", p.id, p.a.top[i], a.Tag)
	}
	key := a.Tag
	key.Digest = ""
	if was, ok := p.a.what[key]; ok && was != a.Bytes && !p.a.putBack {
		p.a.fail("%s is %q and %q", a.Tag, was, a.Bytes)
	}
	p.a.what[key], p.a.top[i] = a.Bytes, a.Tag
	p.forced, p.inForce, p.applied = false, a.Tag.Digest, w.Now()
	if w.Chance(200) {
		p.m.Put("image", p.m.Read("store"))
	}
}
