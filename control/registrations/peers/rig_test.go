package peers

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/registrations"
)

// rig is a cluster in one goroutine: real tables, real cores of the cluster, and lines
// between them that can be cut.
type rig struct {
	t     testing.TB
	now   time.Duration
	nodes []*peer
	bytes int // that went between them, as they are in memory
}

type peer struct {
	r     *rig
	id    cluster.ID
	index uint8
	life  cluster.Incarnation
	own   *registrations.Table
	all   *Table
	core  *rows.Core
	file  string
	gone  bool // the others have lost it, and it them
	out   []rows.Send
	shown []rows.Changed
	held  []rows.Event // what the table wrote meanwhile
}

// withPeers runs a test with n nodes in a time of its own.
func withPeers(t *testing.T, n int, test func(*testing.T, *rig)) {
	synctest.Test(t, func(t *testing.T) { test(t, newRig(t, n)) })
}

func newRig(t testing.TB, n int) *rig {
	r := &rig{t: t}
	dir := t.TempDir()
	for i := range n {
		p := &peer{r: r, id: cluster.ID(fmt.Sprintf("node-%d", i+1)), index: uint8(i + 1), file: fmt.Sprintf("%s/%d", dir, i)}
		r.nodes = append(r.nodes, p)
		p.start()
	}
	for _, p := range r.nodes {
		p.meet()
	}
	r.settle()
	return r
}

// start is a start of the node's process.
func (p *peer) start() {
	p.life++
	var all *Table
	p.own = registrations.New(registrations.Config{
		File: p.file,
		Told: func(e registrations.Event) {
			if all != nil {
				all.Told(e)
			}
		},
		Renewed: func(was, is *registrations.Binding) { all.Renewed(was, is) },
	})
	if _, err := p.own.Restore(); err != nil {
		p.r.t.Fatal(err)
	}
	all = New(Config{Self: p.id, Own: p.own})
	p.all, p.out = all, nil
	told := all.Rows()
	p.core = rows.New(rows.Config{Self: p.id, Incarnation: p.life, Rows: told, Newer: Newer})
	all.Spread(p, told)
}

// meet tells a node of the others.
func (p *peer) meet() {
	places, ids := map[cluster.ID]Place{}, []cluster.ID{}
	for _, o := range p.r.nodes {
		places[o.id] = Place{Index: o.index, Name: string(o.id)}
		if o != p {
			ids = append(ids, o.id)
		}
	}
	p.all.Use(places)
	p.step(rows.Members{Peers: ids})
	for _, id := range ids {
		p.step(rows.Alive{Peer: id})
	}
}

// Put implements Rows.
func (p *peer) Put(k rows.Key, r rows.Row) { p.held = append(p.held, rows.Put{Key: k, Row: r}) }

// Delete implements Rows.
func (p *peer) Delete(k rows.Key) { p.held = append(p.held, rows.Delete{Key: k}) }

func (p *peer) step(e rows.Event) {
	for _, a := range p.core.Step(p.r.now, e) {
		switch a := a.(type) {
		case rows.Send:
			p.out = append(p.out, a)
		case rows.Changed:
			p.shown = append(p.shown, a)
		case rows.Refused:
			p.r.t.Errorf("%s: refused %q: %v", p.id, a.Key, a.Err)
		}
	}
}

// turn does what a node has to do at a moment.
func (p *peer) turn() {
	held := p.held
	p.held = nil
	for _, e := range held {
		p.step(e)
	}
	p.step(rows.Tick{})
	p.all.Changed(p.shown)
	p.shown = nil
	select {
	case <-p.all.beating:
		p.all.yield()
	default:
	}
}

// settle lets three seconds pass.
func (r *rig) settle() { r.pass(3 * time.Second) }

func (r *rig) pass(d time.Duration) {
	for range d / (50 * time.Millisecond) {
		r.round()
	}
}

// round is what happens in 50 ms, of the test's time.
func (r *rig) round() {
	time.Sleep(50 * time.Millisecond)
	r.now += 50 * time.Millisecond
	for _, p := range r.nodes {
		p.turn()
	}
	for _, p := range r.nodes {
		out := p.out
		p.out = nil
		for _, m := range out {
			i := slices.IndexFunc(r.nodes, func(o *peer) bool { return o.id == m.To })
			if to := r.nodes[i]; !p.gone && !to.gone {
				r.bytes += size(m.Message)
				to.step(rows.Received{From: p.id, Message: m.Message})
			}
		}
	}
}

// size is about how long a message is on the wire.
func size(m any) int {
	switch m := m.(type) {
	case rows.Tail:
		return 16 + sizeOf(m.Changes)
	case rows.Part:
		return 24 + sizeOf(m.Rows)
	}
	return 48
}

func sizeOf(list []rows.Change) (n int) {
	for _, c := range list {
		n += 8 + len(c.Key) + len(c.Row.Value)
	}
	return n
}

// lose cuts a node off, or brings it back; all notice.
func (r *rig) lose(i int, gone bool) {
	p := r.nodes[i]
	p.gone = gone
	for _, o := range r.nodes {
		if o == p {
			continue
		}
		if gone {
			o.step(rows.Lost{Peer: p.id})
			p.step(rows.Lost{Peer: o.id})
		} else {
			o.step(rows.Alive{Peer: p.id})
			p.step(rows.Alive{Peer: o.id})
		}
	}
	r.settle()
}

// endpoint is a phone.
type endpoint struct {
	name, contact, instance string
	flow                    uint32
	q                       uint16
	expires                 time.Duration
}

// register registers it at a node, or refreshes it there.
func (r *rig) register(i int, e endpoint) *registrations.Binding {
	r.t.Helper()
	if e.expires == 0 {
		e.expires = time.Hour
	}
	have, err := r.nodes[i].own.Update(e.name, func(now time.Time, have []*registrations.Binding) (registrations.Changes, error) {
		b := registrations.Binding{
			Protocol: dialplan.SIP, AOR: e.name, Contact: e.contact, Instance: e.instance, RegID: e.flow, Q: e.q, Expires: now.Add(e.expires),
			Transport: "udp", UserAgent: "test/1",
		}
		if was := e.find(have); was != nil {
			b.ID = was.ID
		}
		return registrations.Changes{Put: []registrations.Binding{b}}, nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return e.find(have)
}

func (e endpoint) find(have []*registrations.Binding) *registrations.Binding {
	for _, b := range have {
		if b.Instance == e.instance && b.RegID == e.flow && (e.instance != "" || b.Contact == e.contact) {
			return b
		}
	}
	return nil
}

// asked returns whom a node asks for a name: 0 is an endpoint of its own.
func (r *rig) asked(i int, name string) []int {
	out := []int{}
	for _, b := range r.nodes[i].all.Lookup(nil, name) {
		out = append(out, int(b.Peer))
	}
	return out
}
