package agent_test

import (
	"context"
	"net/netip"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/deploy/sipp/agent"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/perf/peers"
)

// TestMain lets the test program be an agent.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == agent.Command {
		if agent.Main(context.Background(), os.Args[2:], os.Stdout) != nil {
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// An agent registers at Kamailio, and one calls the other through it: what fails here is
// the agent's fault and not the node's.
func TestAgentsTalkThroughKamailio(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	l := labtest.New(t, lab.Options{})
	g, err := peers.KamailioWithRTPEngine(t.Context(), l, peers.KamailioOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Stop() })
	near, far := l.Node.Link("s0").Prefixes[0].Addr(), l.Node.Link("s1").Prefixes[0].Addr()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	for _, transport := range []string{"tcp", "udp"} {
		t.Run(transport, func(t *testing.T) {
			callee := start(t, l.Peer, agent.Options{
				Name: "bob", Local: netip.AddrPortFrom(l.PeerAddrs.V4[0], peers.CalleePort), Server: netip.AddrPortFrom(far, peers.SIPPort),
			})
			caller := start(t, l.Client, agent.Options{
				Name: "alice", Transport: transport, Register: true,
				Local: netip.AddrPortFrom(l.ClientAddrs.V4[0], 5062), Server: netip.AddrPortFrom(near, peers.SIPPort), Call: "bob",
			})
			if r, err := caller.Next(ctx); err != nil || r.Algorithm != "md5" {
				t.Fatalf("%+v, %v, want a registration by MD5", r, err)
			}
			up, err := caller.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			down, err := callee.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if up.Sent == 0 || up.Received != down.Sent || down.Received != up.Sent {
				t.Errorf("caller %+v, callee %+v, want all that was sent", up, down)
			}
		})
	}
}

func start(t *testing.T, h *lab.Host, o agent.Options) *agent.Process {
	t.Helper()
	o.Password, o.Domain, o.Talk = peers.Password, peers.Domain, time.Second
	if o.Transport == "" {
		o.Transport = "udp"
	}
	p, err := agent.Start(h, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}
