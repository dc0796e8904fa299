package peers

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"turnpike.dev/turnpike/control/registrations"
)

// Whatever endpoints, peers and lines do: when it is quiet each endpoint is where it
// registered last, and all nodes know it.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		acts := rapid.SliceOfN(rapid.Custom(drawAct), 1, 30).Draw(rt, "acts")
		wrong := ""
		synctest.Test(t, func(t *testing.T) { wrong = runModel(t, acts) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// act is one thing that happens at a node.
type act struct {
	node     int
	what     int // 0 cut off or back, 1 unregister, 2 restart, or else register
	endpoint endpoint
	rounds   int // that pass afterwards
}

func drawAct(t *rapid.T) act {
	a := act{
		node: rapid.IntRange(0, 2).Draw(t, "node"), what: rapid.IntRange(0, 7).Draw(t, "what"), rounds: rapid.IntRange(1, 20).Draw(t, "rounds"),
		endpoint: endpoint{name: rapid.SampledFrom([]string{alice, bob}).Draw(t, "name"), contact: "sip:c@192.0.2.2"},
	}
	if k := rapid.IntRange(0, 2).Draw(t, "flow"); k > 0 {
		a.endpoint.instance, a.endpoint.flow = "<urn:i>", uint32(k)
	}
	return a
}

func runModel(t *testing.T, acts []act) (wrong string) {
	m := &model{r: newRig(t, 3), at: map[endpoint]int{}}
	for _, a := range acts {
		m.do(a)
	}
	for i, p := range m.r.nodes {
		if p.gone {
			m.r.lose(i, false)
		}
	}
	m.r.pass(20 * time.Second) // digests are compared every ten
	return m.check()
}

type model struct {
	r  *rig
	at map[endpoint]int // where it registered last
}

func (m *model) do(a act) {
	p := m.r.nodes[a.node]
	switch a.what {
	case 0:
		m.r.lose(a.node, !p.gone)
	case 1:
		if b := a.endpoint.find(p.own.Of(a.endpoint.name)); b != nil {
			p.own.Remove(b.ID, registrations.Left)
			if m.at[a.endpoint] == a.node {
				delete(m.at, a.endpoint)
			}
		}
	case 2:
		end(p.own)
		p.start()
		p.meet()
		if p.gone {
			m.r.lose(a.node, true)
		}
	default:
		m.r.register(a.node, a.endpoint)
		m.at[a.endpoint] = a.node
	}
	for range a.rounds {
		m.r.round()
	}
}

// check says what is wrong.
func (m *model) check() string {
	for e, n := range m.at {
		if e.find(m.r.nodes[n].own.Of(e.name)) == nil {
			return fmt.Sprintf("%+v registered last at node %d, which has it no more", e, n+1)
		}
	}
	for i, p := range m.r.nodes {
		var want, got []string
		for _, o := range m.r.nodes {
			for _, b := range o.own.List() {
				want = append(want, text(o.index, b))
			}
		}
		for _, b := range p.all.List("") {
			got = append(got, text(b.Peer, &b.Binding))
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			return fmt.Sprintf("node %d has\n%q, the others\n%q", i+1, got, want)
		}
	}
	return ""
}

func text(peer uint8, b *registrations.Binding) string {
	return fmt.Sprint(peer, " ", b.AOR, " ", b.Contact, " ", b.Instance, " ", b.RegID, " ", b.ID)
}
