package sipp_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/deploy/sipp/agent"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// clustered is the node file of a peer: %d is its number, %q its state directory, %s the list of peers.
// Phones are outside, the cluster is inside; whoever calls from port 5062 there is the branch office.
const clustered = `system: {name: tp%d, role: E, platform: CE1200, state: %q}
interfaces: {internal: {name: k0}, external: {name: s0}}
turn: {mode: off}
admin: {metrics: off}
sip: {mode: on, udp: 5060, tcp: 5060, tls: 5061, digest: sha256_first}
domains: [example.test]
accounts: [{name: alice, password: secret}, {name: bob, password: secret}, {name: carol, password: secret}]
zones: [{name: Branch Office, type: neighbour, protocol: sip, peers: ["198.18.0.2:5062"], monitor: off}]
search_rules: [{name: local, priority: 50, pattern: {type: any}, target: local}]
cluster: {name: cluster1.example.test, primary: 1, ip: ipv4, peers: [%s]}
`

// peered are real nodes that form a cluster, each with a lab of its own around it.
type peered struct {
	nodes   []*node
	segment *lab.Segment
}

// newPeered starts a cluster and returns when its peers know each other.
func newPeered(t *testing.T, number int) *peered {
	t.Helper()
	bin := nodetest.Built(t)
	c := &peered{}
	var labs []*lab.Lab
	for range number {
		labs = append(labs, labtest.New(t, lab.Options{Clients: 6}))
	}
	var err error
	if c.segment, err = lab.Join(labs[0].Name, labs...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.segment.Close() })
	var list []string
	for i := range labs {
		list = append(list, c.segment.At(i+1).String())
	}
	for i, l := range labs {
		n := &node{nodetest.New(t, l, bin)}
		n.Write(t, fmt.Sprintf(clustered, i+1, n.State, strings.Join(list, ", ")))
		n.Start(t)
		c.nodes = append(c.nodes, n)
	}
	for _, n := range c.nodes {
		n.Command(t, 0, "cluster", "status", "--wait", "--timeout", "60s")
	}
	return c
}

// phone starts an agent at a node, which registers unless it is an answering side that has.
func (n *node) outside(ctx context.Context, t *testing.T, o agent.Options, host int) *agent.Process {
	t.Helper()
	if o.Transport == "" {
		o.Transport = "udp"
	}
	o.Local, o.Server = netip.AddrPortFrom(n.Lab.ClientAddrs.V4[host], 5066), n.near()
	return n.agent(ctx, t, n.Lab.Client, o)
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
	one, two := c.nodes[0], c.nodes[1]
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	bob := two.outside(ctx, t, agent.Options{Name: "bob"}, 0)
	nodetest.Eventually(t, 10*time.Second, "bob on the other peer", func() error {
		if out := one.Command(t, 0, "registration", "list", "--cluster"); !strings.Contains(out, "bob@example.test") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	done := make(chan struct{})
	sees := []<-chan watched{one.watch(ctx, done), two.watch(ctx, done)}
	alice := one.outside(ctx, t, agent.Options{Name: "alice", Call: "bob"}, 0)
	up, err := alice.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	down, err := bob.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	close(done)
	if up.Sent == 0 || up.Received != down.Sent || down.Received != up.Sent {
		t.Errorf("alice %+v, bob %+v, want all that was sent", up, down)
	}
	const relayed = "Default Subzone -> Traversal Subzone -> Default Subzone"
	for i, want := range []watched{
		{[]string{relayed + " -> Cluster Subzone"}, []string{relayed}},
		{[]string{"Cluster Subzone -> " + relayed}, []string{relayed}},
	} {
		got := <-sees[i]
		if !slices.Equal(got.before, want.before) || !slices.Equal(got.after, want.after) {
			t.Errorf("peer %d shows %v, then %v", i+1, got.before, got.after)
		}
		over := c.nodes[i].ended(t, "bob", 1)
		onXDP(t, over, 1)
		if m := over[0].Media; m.HalfRMS != 0 {
			t.Errorf("peer %d took %d halves of a licence", i+1, m.HalfRMS)
		}
	}
}
