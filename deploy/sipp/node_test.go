package sipp_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// Who may register, and the ports of both ends of calls.
const (
	domain     = "example.test"
	password   = "secret"
	sipPort    = 5060
	tlsPort    = 5061
	callerPort = 5062
	calleePort = 5070
)

// contract is the node file that other tools rely on, with the lab's addresses: %s are
// name, state directory, callee and caller.
const contract = `system: {name: %s, role: E, platform: CE1200, state: %q}
interfaces: {internal: {name: s0}, external: {name: s1}}
sip: {mode: on, udp: 5060, tcp: 5060, tls: 5061}
domains: [example.test]
accounts: [{name: alice, password: secret}, {name: bob, password: secret}]
zones: [{name: out, type: neighbour, protocol: sip, peers: ["%s"], monitor: off}, {name: in, type: neighbour, protocol: sip, peers: ["%s"], monitor: off}]
search_rules: [{name: out, priority: 100, pattern: {type: any}, target: out}, {name: local, priority: 50, pattern: {type: any}, target: local}]
`

// node is a node of these tests.
type node struct{ *nodetest.Node }

// newNode starts a node with the contract's file, or with what another makes of it.
func newNode(t *testing.T, change func(l *lab.Lab, file string) string) *node {
	t.Helper()
	return newNodeWith(t, func(n *node, file string) string {
		if change != nil {
			file = change(n.Lab, file)
		}
		return file
	})
}

// newNodeWith is newNode for what has to know the node's state directory too.
func newNodeWith(t *testing.T, change func(n *node, file string) string) *node {
	t.Helper()
	bin := nodetest.Built(t)
	l := labtest.New(t, lab.Options{Clients: 4, Peers: 4})
	n := &node{nodetest.New(t, l, bin)}
	file := fmt.Sprintf(contract, l.Name, n.State, n.callee(0), n.caller(0))
	n.Write(t, change(n, file))
	n.Start(t)
	t.Cleanup(func() {
		select {
		case <-n.Gone():
			t.Errorf("the node ended by itself\n%s", n.Tail())
		default:
		}
	})
	return n
}

// withSIP adds settings to the contract's file.
func withSIP(settings string) func(*lab.Lab, string) string {
	return func(_ *lab.Lab, file string) string {
		return strings.Replace(file, "sip: {mode: on", "sip: {mode: on, "+settings, 1)
	}
}

// Addresses of the ends: callers are clients, callees peers, by their number in the lab.
func (n *node) caller(i int) netip.AddrPort {
	return netip.AddrPortFrom(n.Lab.ClientAddrs.V4[i], callerPort)
}

func (n *node) callee(i int) netip.AddrPort {
	return netip.AddrPortFrom(n.Lab.PeerAddrs.V4[i], calleePort)
}

// near and far are where the node listens towards callers and callees.
func (n *node) near() netip.AddrPort {
	return netip.AddrPortFrom(n.Lab.Node.Link("s0").Prefixes[0].Addr(), sipPort)
}

func (n *node) far() netip.AddrPort {
	return netip.AddrPortFrom(n.Lab.Node.Link("s1").Prefixes[0].Addr(), sipPort)
}

// calling is a SIPp that calls somebody through the node.
func (n *node) calling(scenario, whom string, number int) runner.Config {
	return runner.Config{Host: n.Lab.Client, Scenario: scenario, Local: n.caller(0), Target: n.near(), Service: whom, Calls: number}
}

// called is a SIPp that is called.
func (n *node) called(scenario string, number int) runner.Config {
	return runner.Config{Host: n.Lab.Peer, Scenario: scenario, Local: n.callee(0), MediaPort: 6000, Calls: number}
}

// begin starts an answering side that ends with the test.
func begin(t *testing.T, c runner.Config) *runner.Process {
	t.Helper()
	p, err := runner.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// all checks that every call of a SIPp was as its scenario says.
func all(t *testing.T, number int) func(runner.Result, error) runner.Result {
	return func(r runner.Result, err error) runner.Result {
		t.Helper()
		if err != nil {
			t.Error(err)
		} else if r.Successful != number {
			t.Errorf("%d of %d calls went well", r.Successful, number)
		}
		return r
	}
}

// ended is what `turnpike call list --ended -o json` says of calls to somebody, once there
// are as many.
func (n *node) ended(t *testing.T, whom string, number int) []calls.Call {
	t.Helper()
	var found []calls.Call
	nodetest.Eventually(t, 5*time.Second, "calls that ended", func() error {
		var list []calls.Call
		if err := json.Unmarshal([]byte(n.Command(t, 0, "call", "list", "--ended", "-o", "json")), &list); err != nil {
			return err
		}
		found = nil
		for _, c := range list {
			if strings.Contains(c.To, whom) {
				found = append(found, c)
			}
		}
		if len(found) != number {
			return fmt.Errorf("%d calls to %s ended, want %d", len(found), whom, number)
		}
		return nil
	})
	return found
}

// carried is what the node says that its calls carried.
type carried struct {
	fromCallers, fromCallees uint64
	missing                  int64 // from callees: numbers that never came
}

// onXDP checks that every stream of the calls was carried by the kernel, and that nothing
// of what callers sent was missing when it came.
func onXDP(t *testing.T, list []calls.Call, streams int) (sum carried) {
	t.Helper()
	for _, c := range list {
		if len(c.Streams) != streams {
			t.Errorf("call %d: %d streams carried something, want %d: %+v", c.ID, len(c.Streams), streams, c.Streams)
		}
		for _, s := range c.Streams {
			if s.Path != "xdp" {
				t.Errorf("call %d %s: path=%s (%s)", c.ID, s.Kind, s.Path, s.Reason)
			}
			if s.A.Lost != 0 {
				t.Errorf("call %d %s: %d packets of the caller are missing", c.ID, s.Kind, s.A.Lost)
			}
			sum.fromCallers, sum.fromCallees = sum.fromCallers+s.A.Packets, sum.fromCallees+s.B.Packets
			sum.missing += s.B.Lost
		}
	}
	return sum
}
