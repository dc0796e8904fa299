package endtoend_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// Two nodes with a traversal zone between them: inner opens the connection, and calls go
// over it both ways.
const (
	innerNode = `sip: {mode: on, udp: 5060, tcp: 5060, tls: off}
domains: [inner.test]
zones:
- {name: phones, type: neighbour, protocol: sip, peers: ["198.18.0.2:5062"], monitor: off}
- {name: desk, type: neighbour, protocol: sip, peers: ["198.18.0.2:5070"], monitor: off}
- {name: outer, type: traversal_client, protocol: sip, peers: ["198.18.1.1:7001"], sip: {transport: tcp}, traversal: {username: inner, password: secret}}
search_rules:
- {name: out, priority: 100, pattern: {type: any}, source: named, source_name: phones, target: outer}
- {name: in, priority: 110, pattern: {type: any}, source: named, source_name: outer, target: desk}`
	outerNode = `sip: {mode: on, udp: 5060, tcp: 5060, tls: off}
domains: [outer.test]
accounts: [{name: inner, password: secret}]
zones:
- {name: phones, type: neighbour, protocol: sip, peers: ["198.18.1.2:5062"], monitor: off}
- {name: desk, type: neighbour, protocol: sip, peers: ["198.18.1.2:5070"], monitor: off}
- {name: inner, type: traversal_server, protocol: sip, sip: {transport: tcp}, traversal: {username: inner, sip_port: 7001}}
search_rules:
- {name: in, priority: 100, pattern: {type: any}, source: named, source_name: phones, target: inner}
- {name: out, priority: 110, pattern: {type: any}, source: named, source_name: inner, target: desk}`
)

// A call from outside reaches a node that nobody can connect to, over the connection that
// it keeps open; and so does one from inside the other way. When the server comes back
// after a restart, the client does too.
func TestCallsThroughATraversalZone(t *testing.T) {
	bin := nodetest.Built(t)
	t.Parallel()
	l := labtest.New(t, lab.Options{})
	inner, outer := nodeIn(t, l, bin), nodeIn(t, l, bin)
	inner.configure(t, file{name: "inner", interfaces: "external: {name: s0}", more: innerNode})
	outer.configure(t, file{name: "outer", interfaces: "external: {name: s1}", more: outerNode})
	outer.Start(t)
	inner.Start(t)
	connected := func() error {
		if got := outer.zoneIs(t, "inner") + ", " + inner.zoneIs(t, "outer"); got != "Active (1 of 6), Active (1 of 1)" {
			return errors.New(got)
		}
		return nil
	}
	nodetest.Eventually(t, 20*time.Second, "inner logs in", connected)
	through(t, l.Peer, "198.18.1.2", "198.18.1.1:5060", l.Client, "198.18.0.2")
	through(t, l.Client, "198.18.0.2", "198.18.0.1:5060", l.Peer, "198.18.1.2")
	outer.End(t, unix.SIGTERM)
	outer.Start(t)
	nodetest.Eventually(t, 60*time.Second, "inner logs in again", connected)
	through(t, l.Peer, "198.18.1.2", "198.18.1.1:5060", l.Client, "198.18.0.2")
}

// through has SIPp make calls from one side to the other, by a node at to.
func through(t *testing.T, from *lab.Host, caller, to string, at *lab.Host, callee string) {
	t.Helper()
	const calls = 5
	answering, err := runner.Start(t.Context(), runner.Config{Host: at, Scenario: "signalling-callee", Local: netip.MustParseAddrPort(callee + ":5070"), Calls: calls})
	if err != nil {
		t.Fatal(err)
	}
	defer answering.Close() //nolint:errcheck // a folder of its own
	_, err = runner.Run(t.Context(), runner.Config{
		Host: from, Scenario: "signalling-caller", Local: netip.MustParseAddrPort(caller + ":5062"),
		Target: netip.MustParseAddrPort(to), Calls: calls, Rate: 10, Service: "bob",
	})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := answering.Wait(t.Context()); err != nil || r.Successful != calls {
		t.Errorf("callee: %+v, %v", r, err)
	}
}

// zoneIs is the status of a zone.
func (n *node) zoneIs(t *testing.T, zone string) string {
	t.Helper()
	var all []routing.ZoneSummary
	if err := json.Unmarshal([]byte(n.Command(t, 0, "zone", "list", "-o", "json")), &all); err != nil {
		t.Fatal(err)
	}
	for _, z := range all {
		if z.Name == zone {
			return z.Status
		}
	}
	return "there is no zone " + zone
}
