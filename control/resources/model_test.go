package resources

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"turnpike.dev/turnpike/control/bandwidth"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/licensing"
)

// machine does what can be done with Resources, and remembers what came of it.
type machine struct {
	fail  func(format string, args ...any)
	pick  func(n int) int // 0 … n-1
	nodes []*config.Node
	maps  []*bandwidth.Map // of them
	keys  []licensing.Installed

	node  int
	disk  *memory
	now   time.Time
	made  int
	r     *Resources
	calls []*modelCall
}

// modelCall is a call as it was last told.
type modelCall struct {
	serial    string
	grant     *Grant
	want      Want
	has       Granted
	recovered bool
}

func newMachine(t testing.TB, fail func(string, ...any), pick func(int) int) *machine {
	const narrow = "pipes: [{name: L, total: {mode: limited, kbps: 700}}]\nbandwidth: {downspeed_total: off, default_kbps: 128}\n" +
		"subzones: [{name: Lisbon, bandwidth: {within: {mode: limited, kbps: 300}, total: {mode: limited, kbps: 900}}}]\n" +
		"links: [{name: LT, node1: Lisbon, node2: TraversalSubZone, pipe1: L}, {name: LD, node1: Lisbon, node2: DefaultSubZone}]\n"
	m := &machine{
		fail: fail, pick: pick, disk: newMemory(), now: time.Unix(1_700_000_000, 0),
		nodes: []*config.Node{
			nodeOf(t, twoSites), nodeOf(t, twoSites, "bandwidth: {downspeed_per_call: off, downspeed_total: off}\n"),
			nodeOf(t, narrow), nodeOf(t),
		},
		keys: []licensing.Installed{{}, {Keyed: true, Pool: licensing.Pool{HalfRMS: 5}}},
	}
	for _, n := range m.nodes {
		plans, err := bandwidth.Compile(mapOf(n))
		if err != nil {
			t.Fatal(err)
		}
		m.maps = append(m.maps, plans)
	}
	m.start()
	return m
}

// start begins a process.
func (m *machine) start() {
	r, err := New(m.nodes[m.node], m.keys[0], Deps{Journal: keeping(m.disk, nil), Now: func() time.Time { return m.now }})
	if err != nil {
		m.fail("%v", err)
	}
	if _, err := r.Recover(); err != nil {
		m.fail("%v", err)
	}
	m.r = r
}

// want makes up what a call wants.
func (m *machine) want() Want {
	ends := []string{"Lisbon", "Porto", "DefaultSubZone", "World", "DefaultZone"}
	kbps := []uint32{0, 64, 200, 500, 1500, 1 << 31}
	w := Want{Connected: m.pick(2) == 0, Streams: m.pick(3), Anew: m.pick(4) == 0}
	for range 1 + m.pick(8)/6*m.pick(4) {
		way := Way{Traversal: m.pick(2) == 0, Asked: kbps[m.pick(len(kbps))]}
		for _, p := range []*Party{&way.From, &way.To} {
			if i := m.pick(len(ends)); i < 3 {
				*p = phone(ends[i])
			} else {
				*p = guest(ends[i])
			}
		}
		w.Ways = append(w.Ways, way)
	}
	return w
}

// step does one thing.
func (m *machine) step() {
	switch n := m.pick(1000); {
	case n < 400:
		m.admit()
	case n < 700:
		m.change()
	case n < 985:
		m.release()
	case n < 990:
		m.r.compact()
	case n < 999:
		m.configure()
	default:
		m.crash()
	}
}

func (m *machine) admit() {
	m.made++
	c := &modelCall{serial: fmt.Sprint("call-", m.made), want: m.want()}
	expected, why := m.expect(c.want)
	g, err := m.r.Admit(c.serial, c.want)
	var refused *Refusal
	switch {
	case errors.As(err, &refused):
		if refused.Why != why {
			m.fail("%+v is refused: %v, want %v", c.want, err, why)
		}
		return
	case err != nil || why != 0:
		m.fail("%+v is admitted, want %v; %v", c.want, why, err)
	}
	c.grant, c.has = g, g.Granted()
	if !slices.Equal(expected, c.has.Kbps) {
		m.fail("%+v has %v, want %v", c.want, c.has.Kbps, expected)
	}
	m.calls = append(m.calls, c)
}

// expect says what a call would have, worked out from what all calls have.
func (m *machine) expect(w Want) ([]uint32, Why) {
	n, plans := m.nodes[m.node], m.maps[m.node]
	_, kbps := m.sums()
	var out []uint32
	for _, way := range w.Ways {
		asked := int(min(way.Asked, uint32(m.r.rules.most)))
		if asked == 0 {
			asked = n.Bandwidth.DefaultKbps
		}
		p, err := plans.Plan(way.From.Node, way.To.Node, way.Traversal)
		if err != nil {
			return nil, NoWay
		}
		if p.PerCall.Limited && asked > p.PerCall.Kbps {
			if asked = p.PerCall.Kbps; !n.Bandwidth.DownspeedPerCall || asked == 0 {
				return nil, OverPerCall
			}
		}
		for _, c := range p.Charges {
			o := plans.Objects()[c.ID]
			left := (o.Total.Kbps - int(kbps[key{o.Kind, o.Name}])) / c.Times
			if o.Total.Limited && asked > left {
				if asked = left; !n.Bandwidth.DownspeedTotal || left <= 0 {
					return nil, OverTotal
				}
			}
		}
		out = append(out, uint32(asked))
	}
	return out, m.overLimits(w)
}

// overLimits says whether capacity or licences would refuse.
func (m *machine) overLimits(w Want) Why {
	units, halves := m.r.rules.video, 0
	if w.Streams == 1 {
		units = m.r.rules.audio
	}
	for _, way := range w.Ways {
		cost, _ := licensing.Cost(licensing.Call{A: way.From.Party, B: way.To.Party, Media: way.Traversal, Connected: w.Connected, Streams: w.Streams})
		halves = max(halves, cost)
	}
	switch l := &m.r.limits; {
	case l.calls.Left() < units:
		return OverCapacity
	case int(l.rms.Left()) < halves:
		return NoLicence
	}
	return 0
}

func (m *machine) change() {
	c := m.any()
	if c == nil || c.recovered {
		return
	}
	before, want := c.has, m.want()
	modest := m.pick(3) == 0
	if modest { // what it has, and at times less
		want = c.want.clone()
		for i := range want.Ways {
			if want.Ways[i].Asked > 1 && m.pick(2) == 0 {
				want.Ways[i].Asked /= 2
			}
		}
		want.Ways = want.Ways[:1+m.pick(len(want.Ways))]
	}
	err := c.grant.Change(want)
	c.has = c.grant.Granted()
	switch {
	case err == nil:
		c.want = want
	case modest:
		m.fail("%+v is less than %+v, and refused: %v", want, c.want, err)
	default:
		if !reflect.DeepEqual(before, c.has) {
			m.fail("a refused change has changed: %s", cmp.Diff(before, c.has))
		}
	}
}

func (m *machine) any() *modelCall {
	if len(m.calls) == 0 {
		return nil
	}
	return m.calls[m.pick(len(m.calls))]
}

func (m *machine) release() {
	if c := m.any(); c != nil && !c.recovered {
		c.grant.Release()
		m.calls = slices.DeleteFunc(m.calls, func(o *modelCall) bool { return o == c })
	}
}

func (m *machine) configure() {
	m.node = m.pick(len(m.nodes))
	if err := m.r.Change(m.nodes[m.node], m.keys[m.pick(len(m.keys))]); err != nil {
		m.fail("%v", err)
	}
}

// crash ends the process, at times while it writes the end of a call, and starts another
// that finds some of the calls again.
func (m *machine) crash() {
	if m.pick(4) == 0 {
		m.r.compact()
	}
	if c := m.any(); c != nil && !c.recovered && m.pick(2) == 0 {
		before := len(m.disk.text("grants"))
		c.grant.Release()
		after := len(m.disk.text("grants"))
		m.disk.cut("grants", before+m.pick(after-before-1)) // a line without its end still counts
	}
	m.start()
	for _, c := range m.calls {
		if c.recovered = true; m.pick(2) == 0 {
			g, ok := m.r.Adopt(c.serial)
			if !ok {
				m.fail("%s is not found again", c.serial)
			}
			c.grant, c.recovered = g, false
			if diff := cmp.Diff(c.has, g.Granted()); diff != "" {
				m.fail("%s is another: %s", c.serial, diff)
			}
		}
	}
	if m.pick(2) == 0 {
		m.wait()
	}
}

// wait lets the time of recovered grants be over.
func (m *machine) wait() {
	m.now = m.now.Add(relay.LeaseTime)
	m.r.expire(m.now)
	m.calls = slices.DeleteFunc(m.calls, func(c *modelCall) bool { return c.recovered })
}

// sums adds up what calls were told that they have.
func (m *machine) sums() (halves uint32, kbps map[key]uint64) {
	kbps = map[key]uint64{}
	for _, c := range m.calls {
		halves += uint32(c.has.HalfRMS)
		for _, x := range c.has.Charges {
			kbps[key{x.Kind, x.Name}] += uint64(x.Times) * uint64(x.Kbps)
		}
	}
	return halves, kbps
}

// check compares all counters with the sums.
func (m *machine) check() {
	halves, kbps := m.sums()
	if _, used := m.r.limits.rms.Read(); used != halves {
		m.fail("%d halves are in use, calls have %d", used, halves)
	}
	for k, o := range m.r.objects {
		if o.counter == nil {
			continue
		}
		if _, used := o.counter.Read(); uint64(used) != kbps[k] {
			m.fail("%v has %d in use, calls have %d", o, used, kbps[k])
		}
		delete(kbps, k)
	}
	for k := range maps.Keys(kbps) {
		if k.kind == bandwidth.AtSubzone || k.kind == bandwidth.AtPipe {
			m.fail("calls have %d of %v, which nobody counts", kbps[k], k)
		}
	}
	for _, o := range m.r.Objects() {
		_, kbps := m.sums()
		if o.GrantedKbps != kbps[key{o.Kind, o.Name}] {
			m.fail("%s %s shows %d, calls have %d", o.Kind, o.Name, o.GrantedKbps, kbps[key{o.Kind, o.Name}])
		}
	}
	if n := m.r.Calls(); n != len(m.calls) {
		m.fail("%d calls have grants, want %d", n, len(m.calls))
	}
}

// end releases everything, after which nothing may be in use.
func (m *machine) end() {
	m.wait()
	for _, c := range m.calls {
		c.grant.Release()
	}
	m.calls = nil
	m.check()
	for _, l := range m.r.Levels() {
		if l.Used != 0 {
			m.fail("%s: %d are left in use", l.Name, l.Used)
		}
	}
	m.start()
	if n := m.r.Calls(); n != 0 {
		m.fail("the journal still has %d grants", n)
	}
}

// BW-03, LI-04, CA-01: any order of events, held against sums over what calls were told.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newMachine(t, rt.Fatalf, func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "pick") })
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			m.step()
			m.check()
		}
		m.end()
	})
}

// Many events at random: every counter comes back to 0.
func TestManyEvents(t *testing.T) {
	steps := 1_000_000
	if testing.Short() || raceEnabled {
		steps = 30_000
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 6))
	m := newMachine(t, func(format string, args ...any) {
		t.Helper()
		t.Fatalf("seed %d: "+format, append([]any{seed}, args...)...)
	}, random.IntN)
	for i := range steps {
		if m.step(); i%1000 == 0 {
			m.check()
		}
		if len(m.calls) > 100 {
			m.end()
		}
	}
	m.end()
}
