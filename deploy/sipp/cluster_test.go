package sipp_test

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/deploy/sipp/agent"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/perf/lab/nodetest"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/peers"
)

// clustered is the node file of a peer: %d is its number, %q its state directory, %s the list of peers.
// Phones are outside, the cluster is inside; whoever calls from the second address of the first phones' host
// is the branch office.
const clustered = `system: {name: tp%d, role: E, platform: CE1200, state: %q}
interfaces: {internal: {name: in}, external: {name: out}}
turn: {mode: off}
admin: {metrics: off}
sip: {mode: on, udp: 5060, tcp: 5060, tls: 5061, digest: sha256_first}
domains: [example.test]
accounts: [{name: alice, password: secret}, {name: bob, password: secret}, {name: carol, password: secret}]
zones: [{name: Branch Office, type: neighbour, protocol: sip, peers: ["198.18.0.151:5062"], monitor: off}]
search_rules: [{name: local, priority: 50, pattern: {type: any}, target: local}]
cluster: {name: cluster1.example.test, primary: 1, ip: ipv4, peers: [%s]}
`

// peered are real nodes that form a cluster, each with a host of phones.
type peered struct {
	lab   *lab.Peers
	nodes []*node
}

// newPeered starts a cluster and returns when its peers know each other.
func newPeered(t *testing.T, number int) *peered {
	t.Helper()
	bin := nodetest.Built(t)
	c := &peered{lab: labtest.NewPeers(t, number)}
	var list []string
	for i := range number {
		list = append(list, c.lab.Inside(i).String())
	}
	for i := range number {
		around := &lab.Lab{Name: c.lab.Name, Node: c.lab.Nodes[i], Client: c.lab.Phones[i]}
		n := &node{nodetest.New(t, around, bin)}
		n.Write(t, fmt.Sprintf(clustered, i+1, n.State, strings.Join(list, ", ")))
		n.Start(t)
		c.nodes = append(c.nodes, n)
	}
	for _, n := range c.nodes {
		n.Command(t, 0, "cluster", "status", "--wait", "--timeout", "60s")
	}
	return c
}

// at is where a node, from 0, takes calls of phones.
func (c *peered) at(node int) netip.AddrPort { return netip.AddrPortFrom(c.lab.Outside(node), sipPort) }

// phone starts an agent at a node, from 0, which registers there.
func (c *peered) phone(ctx context.Context, t *testing.T, node int, o agent.Options) *agent.Process {
	t.Helper()
	o.Transport = cmp.Or(o.Transport, "udp")
	o.Local, o.Server = netip.AddrPortFrom(c.lab.Phone(node, 0), 5066), c.at(node)
	return c.nodes[node].agent(ctx, t, c.lab.Phones[node], o)
}

// flow opens a flow from the phones of a host, from 0, to a node.
func (c *peered) flow(t *testing.T, host, node int, name string) *flow {
	t.Helper()
	return flowTo(t, c.lab.Phones[host], c.lab.Phone(host, 0), c.at(node), name)
}

// knows waits until a node, from 0, shows so many registrations of a name, those of its peers among them.
func (c *peered) knows(t *testing.T, node int, name string, number int) {
	t.Helper()
	nodetest.Eventually(t, 15*time.Second, name+" on the peers", func() error {
		out := c.nodes[node].Command(t, 0, "registration", "list", "--cluster")
		if got := strings.Count(out, name+"@example.test "); got != number {
			return fmt.Errorf("%d registrations of %s, want %d:\n%s", got, name, number, out)
		}
		return nil
	})
}

// watched is how a node showed the calls to somebody while they were set up, and then.
type watched struct{ before, after []string }

// watch looks at the running calls of a node until done is closed.
func (n *node) watch(ctx context.Context, done <-chan struct{}) <-chan watched {
	out := make(chan watched, 1)
	go func() {
		var w watched
		note := func(list *[]string, path string) {
			if path != "" && !slices.Contains(*list, path) {
				*list = append(*list, path)
			}
		}
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			list, _ := n.API.Calls(ctx, false)
			for _, c := range list {
				if c.State == calls.Connected {
					note(&w.after, c.Route.Path)
				} else {
					note(&w.before, c.Route.Path)
				}
			}
			select {
			case <-done:
				out <- w
				return
			case <-tick.C:
			}
		}
	}()
	return out
}

// RG-01, RG-05, ME-02, LI-04: phones that are registered to different peers call each other; the media
// is on XDP on both peers, nothing of it is lost, no licence is taken, and each peer shows its
// part of the route.
func TestPhonesOnDifferentPeers(t *testing.T) {
	t.Parallel()
	c := newPeered(t, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	bob := c.phone(ctx, t, 1, agent.Options{Name: "bob"})
	c.knows(t, 0, "bob", 1)
	done := make(chan struct{})
	sees := []<-chan watched{c.nodes[0].watch(ctx, done), c.nodes[1].watch(ctx, done)}
	alice := c.phone(ctx, t, 0, agent.Options{Name: "alice", Call: "bob"})
	up, err := alice.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	down, err := bob.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	close(done)
	// What bob sends while his answer is still on its way over two nodes is before its time.
	if up.Sent == 0 || up.Received < down.Sent-2 || down.Received != up.Sent {
		t.Errorf("alice %+v, bob %+v, want all that was sent", up, down)
	}
	const relayed = "Default Subzone -> Traversal Subzone -> Default Subzone"
	for i, before := range []string{relayed + " -> Cluster Subzone", "Cluster Subzone -> " + relayed} {
		got := <-sees[i]
		if len(got.before) == 0 || got.before[0] != before || !slices.Equal(got.after, []string{relayed}) {
			t.Errorf("peer %d shows %v, then %v", i+1, got.before, got.after)
		}
		over := c.nodes[i].ended(t, "bob", 1)
		onXDP(t, over, 1)
		if m := over[0].Media; m.HalfRMS != 0 {
			t.Errorf("peer %d took %d halves of a licence", i+1, m.HalfRMS)
		}
	}
}

// One cluster of three real nodes shows what is left of calls between peers.
func TestOneLocalZone(t *testing.T) {
	t.Parallel()
	c := newPeered(t, 3)
	t.Run("flows to two peers", func(t *testing.T) { flowsToTwoPeers(t, c) })
	t.Run("a subscription", func(t *testing.T) { aSubscription(t, c) })
	t.Run("from a branch office", func(t *testing.T) { fromABranchOffice(t, c) })
	t.Run("nobody else is a peer", func(t *testing.T) { nobodyElseIsAPeer(t, c) })
	t.Run("a peer is killed", func(t *testing.T) { aPeerIsKilled(t, c) })
}

// RG-03: a phone with flows to two peers gets a message once, from a third; when it has lost the one flow, over
// the other.
func flowsToTwoPeers(t *testing.T, c *peered) {
	first, second := c.flow(t, 1, 1, "bob"), c.flow(t, 1, 2, "bob")
	first.register("00000000-0000-1000-8000-000000000001", 1)
	second.register("00000000-0000-1000-8000-000000000001", 2)
	c.knows(t, 0, "bob", 2)
	alice := c.flow(t, 0, 0, "alice")
	alice.register("00000000-0000-1000-8000-000000000002", 1)
	for _, round := range []string{"both flows", "one flow"} {
		sent := make(chan *message.Message, 1)
		go func() {
			sent <- alice.ask(message.Method("MESSAGE"), "bob", func(m *message.Message) { m.SetBody("text/plain", []byte(round)) })
		}()
		var got *message.Message
		over, other := first, second
		select {
		case got = <-first.in:
		case got = <-second.in:
			over, other = second, first
		case <-time.After(10 * time.Second):
		}
		if got == nil || string(got.Body()) != round || got.Has(peers.Header) {
			t.Fatalf("%s: bob got %v", round, got)
		}
		over.answer(got, 200)
		if resp := <-sent; resp.Status() != 200 {
			t.Errorf("%s: alice is answered %d", round, resp.Status())
		}
		if m := other.next(200 * time.Millisecond); m != nil {
			t.Errorf("%s: bob got it twice:\n%s", round, m.Append(nil))
		}
		over.close()
		for range over.in { // until it is closed
		}
		first, second = other, other
	}
	c.knows(t, 0, "bob", 0)
	alice.close()
}

// RG-01: a subscription to somebody on another peer; what he tells comes back over both, in the dialog.
func aSubscription(t *testing.T, c *peered) {
	alice, bob := c.flow(t, 0, 0, "alice"), c.flow(t, 1, 1, "bob")
	alice.register("00000000-0000-1000-8000-000000000002", 1)
	bob.register("00000000-0000-1000-8000-000000000001", 1)
	c.knows(t, 0, "bob", 1)
	sent := make(chan *message.Message, 1)
	go func() {
		sent <- alice.ask(message.Subscribe, "bob", func(m *message.Message) {
			m.Set("Event", "presence")
			m.Set("Expires", "60")
			m.SetContacts(alice.contact())
		})
	}()
	asked := bob.next(10 * time.Second)
	if asked == nil {
		t.Fatalf("bob is not asked; alice is told %v", <-sent)
	}
	bob.answer(asked, 200, func(m *message.Message) {
		m.Set("Expires", "60")
		m.SetContacts(bob.contact())
	})
	if resp := <-sent; resp.Status() != 200 {
		t.Fatalf("alice is answered %d", resp.Status())
	}
	go func() {
		m := alice.next(10 * time.Second)
		if m != nil && m.Method() == message.Notify && m.Get("Event") == "presence" {
			alice.answer(m, 200)
		}
	}()
	resp := bob.ask(message.Notify, "alice", func(m *message.Message) {
		m.SetURI(asked.Contacts()[0].URI)
		m.SetCallID(asked.CallID())
		m.SetTo(asked.From())
		m.SetFrom(message.Address{URI: asked.To().URI}.WithTag("bob"))
		m.SetRoutes(asked.RecordRoutes()...)
		m.SetContacts(bob.contact())
		m.Set("Event", "presence")
		m.Set("Subscription-State", "active")
	})
	if resp.Status() != 200 {
		t.Errorf("what bob tells is answered\n%s", resp.Append(nil))
	}
	alice.close()
	bob.close()
	c.knows(t, 0, "bob", 0)
}

// RG-05, LI-04: a call from outside, for somebody who is registered to another peer. Both relay it, and the one where it
// came in takes the licence: one for the cluster.
func fromABranchOffice(t *testing.T, c *peered) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	bob := c.phone(ctx, t, 1, agent.Options{Name: "bob"})
	c.knows(t, 0, "bob", 1)
	done := make(chan struct{})
	sees := []<-chan watched{c.nodes[0].watch(ctx, done), c.nodes[1].watch(ctx, done)}
	all(t, 1)(runner.Run(ctx, runner.Config{
		Host: c.lab.Phones[0], Scenario: "caller", Local: netip.AddrPortFrom(c.lab.Phone(0, 1), callerPort), Target: c.at(0),
		Service: "bob", Domain: domain, Calls: 1, Hold: time.Second,
	}))
	close(done)
	if _, err := bob.Next(ctx); err != nil {
		t.Error(err)
	}
	const relayed = "Traversal Subzone -> Default Subzone"
	for i, before := range []string{"Branch Office -> " + relayed + " -> Cluster Subzone", "Cluster Subzone -> Default Subzone -> " + relayed} {
		got := <-sees[i]
		if len(got.before) == 0 || got.before[0] != before {
			t.Errorf("peer %d shows %v, then %v", i+1, got.before, got.after)
		}
		over := c.nodes[i].ended(t, "bob", 1)
		onXDP(t, over, 1)
		if m := over[0].Media; m.HalfRMS != 1-i {
			t.Errorf("peer %d took %d halves of a licence", i+1, m.HalfRMS)
		}
	}
}

// Whoever says what peers say to each other without a peer's key is a stranger as before, also at a peer's address.
func nobodyElseIsAPeer(t *testing.T, c *peered) {
	for _, port := range []uint16{sipPort, tlsPort} {
		if said := c.claimed(t, 2, netip.AddrPortFrom(c.lab.Inside(0), port)); said != 403 && said != 407 {
			t.Errorf("port %d: answered %d", port, said)
		}
	}
}

// RG-04: who was registered to a peer that is dead is not there any more: nobody waits for it. Whom it had comes
// back with it.
func aPeerIsKilled(t *testing.T, c *peered) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	carol := c.phone(ctx, t, 2, agent.Options{Name: "carol", Wait: time.Minute})
	c.knows(t, 0, "carol", 1)
	alice := c.flow(t, 0, 0, "alice")
	alice.register("00000000-0000-1000-8000-000000000002", 1)
	ask := func() (status int, took time.Duration) {
		began := time.Now()
		resp := alice.ask(message.Method("MESSAGE"), "carol", func(m *message.Message) { m.SetBody("text/plain", []byte("hello")) })
		return resp.Status(), time.Since(began)
	}
	if status, _ := ask(); status != 405 && status != 501 { // the agent takes none
		t.Errorf("a message to carol is answered %d", status)
	}
	c.nodes[2].End(t, unix.SIGKILL)
	if status, took := ask(); status != 480 && status != 404 || took > 8*time.Second {
		t.Errorf("a message just after the end is answered %d after %s", status, took)
	}
	c.knows(t, 0, "carol", 0)
	if status, took := ask(); status != 404 || took > time.Second {
		t.Errorf("a message to nobody is answered %d after %s", status, took)
	}
	c.nodes[2].Start(t)
	carol.Close()
	back := c.flow(t, 2, 2, "carol")
	back.register("00000000-0000-1000-8000-000000000009", 1)                    // as soon as it runs
	c.nodes[2].Command(t, 0, "cluster", "status", "--wait", "--timeout", "60s") // what comes from a peer it knows by that
	c.knows(t, 0, "carol", 1)
	go func() {
		if m := back.next(10 * time.Second); m != nil {
			back.answer(m, 200)
		}
	}()
	if status, _ := ask(); status != 200 {
		t.Errorf("a message to carol, who is back, is answered %d", status)
	}
}
