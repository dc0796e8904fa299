package resources

import (
	"errors"
	"strings"
	"testing"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/licensing"
)

// twoSites are two offices behind an access line each.
const twoSites = `
pipes:
  - {name: L, total: {mode: limited, kbps: 2000}, per_call: {mode: limited, kbps: 1000}}
  - {name: P, total: {mode: limited, kbps: 4000}, policing: on}
subzones:
  - {name: Lisbon}
  - {name: Porto, bandwidth: {total: {mode: limited, kbps: 3000}}}
zones:
  - {name: World, peers: [192.0.2.9]}
links:
  - {name: LT, node1: Lisbon, node2: TraversalSubZone, pipe1: L}
  - {name: LD, node1: Lisbon, node2: DefaultSubZone, pipe1: L}
  - {name: PT, node1: Porto, node2: TraversalSubZone, pipe1: P}
  - {name: PD, node1: Porto, node2: DefaultSubZone, pipe1: P}
  - {name: WT, node1: World, node2: TraversalSubZone}
  - {name: WD, node1: World, node2: DefaultSubZone}
  - {name: DT, node1: DefaultSubZone, node2: TraversalSubZone}
  - {name: DZ, node1: DefaultSubZone, node2: DefaultZone}
  - {name: TZ, node1: TraversalSubZone, node2: DefaultZone}
`

// custom is a node with places for two audio calls, or one with video.
const custom = "system: {name: tp1, platform: custom}\nturn: {max_relays: 1}\ncalls: {max: 2}\n"

// nodeOf reads a configuration: what its parts have together.
func nodeOf(t testing.TB, parts ...string) *config.Node {
	t.Helper()
	text := strings.Join(parts, "")
	if !strings.Contains(text, "system:") {
		text += "system: {name: tp1}\n"
	}
	n, err := config.Parse("node.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newResources(t testing.TB, n *config.Node, d Deps) *Resources {
	t.Helper()
	r, err := New(n, licensing.Installed{}, d)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// phone is a registered SIP endpoint in a subzone, guest somebody in a zone.
func phone(subzone string) Party {
	return Party{Node: subzone, Party: licensing.Party{Registered: true, SIP: true}}
}

func guest(zone string) Party {
	return Party{Node: zone, Party: licensing.Party{SIP: true, Stranger: zone == config.DefaultZoneName}}
}

func way(from, to Party, kbps uint32) Way { return Way{From: from, To: to, Asked: kbps} }

func through(from, to Party, kbps uint32) Way {
	return Way{From: from, To: to, Asked: kbps, Traversal: true}
}

func one(w ...Way) Want { return Want{Ways: w, Streams: 2} }

// used returns what is in use: by level and by object, without what is not.
func used(r *Resources) map[string]uint64 {
	out := map[string]uint64{}
	for _, l := range r.Levels() {
		if l.Used > 0 {
			out[l.Name] = uint64(l.Used)
		}
	}
	for _, o := range r.Objects() {
		if o.GrantedKbps > 0 {
			out[o.Kind.String()+" "+o.Name] = o.GrantedKbps
		}
	}
	return out
}

// admitted admits a call that must be.
func admitted(t testing.TB, r *Resources, serial string, w Want) *Grant {
	t.Helper()
	g, err := r.Admit(serial, w)
	if err != nil {
		t.Fatalf("%s: %v", serial, err)
	}
	return g
}

// shortage is what a request waits for that was refused with an error.
func shortage(t testing.TB, err error) *Shortage {
	t.Helper()
	var s *Shortage
	if !errors.As(err, &s) {
		t.Fatalf("it does not wait: %v", err)
	}
	return s
}

func refusal(t testing.TB, err error) Refusal {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) {
		t.Fatalf("not refused: %v", err)
	}
	out := *r
	out.lacks = 0
	return out
}
