package sipp_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/occupancy"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// sites is a node file with two sites, zones of neighbours whose media goes by the node, and
// a pipe between them: %s are name, platform, state directory, caller, callee, what stands
// in the pipe besides its name, and other sections.
const sites = `system: {name: %s, role: E, platform: %s, state: %q}
interfaces: {internal: {name: s0}, external: {name: s1}}
sip: {mode: on, udp: 5060, tls: 5061, digest: sha256_first}
domains: [example.test]
accounts: [{name: alice, password: secret}, {name: bob, password: secret}, {name: carol, password: secret}]
zones:
- {name: west, type: neighbour, protocol: sip, peers: ["%s"], monitor: off}
- {name: east, type: neighbour, protocol: sip, peers: ["%s"], monitor: off}
search_rules:
- {name: local, priority: 50, pattern: {type: any}, target: local}
- {name: east, priority: 100, pattern: {type: any}, target: east}
pipes: [{name: line, %s}]
links:
- {name: DefaultSZtoTraversalSZ, node1: DefaultSubZone, node2: TraversalSubZone}
- {name: DefaultSZtoDefaultZ, node1: DefaultSubZone, node2: DefaultZone}
- {name: TraversalSZtoDefaultZ, node1: TraversalSubZone, node2: DefaultZone}
- {name: west, node1: west, node2: TraversalSubZone, pipe1: line}
- {name: east, node1: east, node2: TraversalSubZone}
%s
`

// site is what the sites are joined by.
type site struct {
	platform string // empty: CE1200
	pipe     string // empty: without a limit
	more     string // other sections
}

// limited is a pipe's total.
func limited(kbps int) string { return fmt.Sprintf("total: {mode: limited, kbps: %d}", kbps) }

// newSites starts a node between two sites.
func newSites(t *testing.T, s site) *node {
	t.Helper()
	return newNode(t, func(l *lab.Lab, file string) string {
		_, rest, _ := strings.Cut(file, "state: \"")
		state, _, _ := strings.Cut(rest, "\"")
		return s.text(&node{&nodetest.Node{Lab: l, State: state}})
	})
}

// text is the node file of a node between the sites.
func (s site) text(n *node) string {
	return fmt.Sprintf(sites, n.Lab.Name, cmp.Or(s.platform, "CE1200"), n.State, n.caller(0), n.callee(0), cmp.Or(s.pipe, "total: {mode: unlimited}"), s.more)
}

// uses are what calls use of subzones, zones, links and pipes.
func (n *node) uses(t *testing.T) []occupancy.Object {
	t.Helper()
	r, err := n.API.Bandwidth(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return r.Objects
}

// on waits until calls use so much of an object.
func (n *node) on(t *testing.T, kind, name string, calls, kbps int) {
	t.Helper()
	nodetest.Eventually(t, 10*time.Second, kind+" "+name, func() error {
		for _, u := range n.uses(t) {
			switch {
			case u.Kind != kind || u.Name != name:
			case u.Calls != calls || u.GrantedKbps != uint64(kbps):
				return fmt.Errorf("%d calls have %d kbit/s, want %d and %d", u.Calls, u.GrantedKbps, calls, kbps)
			default:
				return nil
			}
		}
		return fmt.Errorf("there is none")
	})
}

// idle waits until nothing is in use of any object.
func (n *node) idle(t *testing.T) {
	t.Helper()
	n.idleWithin(t, 10*time.Second)
}

func (n *node) idleWithin(t *testing.T, patience time.Duration) {
	t.Helper()
	nodetest.Eventually(t, patience, "nothing in use", func() error {
		for _, u := range n.uses(t) {
			if u.Calls != 0 || u.GrantedKbps != 0 {
				return fmt.Errorf("%s %s: %d calls have %d kbit/s", u.Kind, u.Name, u.Calls, u.GrantedKbps)
			}
		}
		return nil
	})
}
