package peers_test

import (
	"net/netip"
	"testing"
	"time"

	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/perf/peers"
)

// Kamailio registers with a digest, answers OPTIONS, and has the media of calls go
// through rtpengine: what it is measured for.
func TestKamailioWithRTPEngine(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	l := labtest.New(t, lab.Options{})
	g, err := peers.KamailioWithRTPEngine(t.Context(), l, peers.KamailioOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, scenario := range []string{"options", "register", "register-wrong"} {
		password := peers.Password
		if scenario == "register-wrong" {
			password = "wrong"
		}
		c := callerOf(l, scenario, 20)
		c.Users = []string{runner.User("alice", peers.Domain, password)}
		if _, err := runner.Run(t.Context(), c); err != nil {
			t.Error(err)
		}
	}
	anchored(t, l)
	checkGroup(t, g)
}

func callerOf(l *lab.Lab, scenario string, calls int) runner.Config {
	return runner.Config{
		Host: l.Client, Scenario: scenario, Local: netip.AddrPortFrom(l.ClientAddrs.V4[0], peers.CallerPort),
		Target: netip.AddrPortFrom(l.Node.Link("s0").Prefixes[0].Addr(), peers.SIPPort), Calls: calls, Rate: 50,
	}
}

// anchored makes calls with RTP, which must come back through the node's ports.
func anchored(t *testing.T, l *lab.Lab) {
	t.Helper()
	const calls = 5
	media, err := runner.CountMedia(t.Context(), l.Client, runner.Ports{First: 20000, Last: 35999})
	if err != nil {
		t.Fatal(err)
	}
	callee, err := runner.Start(t.Context(), runner.Config{
		Host: l.Peer, Scenario: "callee", Local: netip.AddrPortFrom(l.PeerAddrs.V4[0], peers.CalleePort), MediaPort: 6000, Calls: calls,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer callee.Close() //nolint:errcheck // a folder of its own
	c := callerOf(l, "caller", calls)
	c.Hold = time.Second
	if _, err := runner.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	sent, received, err := media.Totals(t.Context())
	if err != nil || sent == 0 || sent != received {
		t.Errorf("%d RTP packets sent, %d came back, %v", sent, received, err)
	}
}

func checkGroup(t *testing.T, g peers.Group) {
	t.Helper()
	if used, err := g.CPUTime(); err != nil || used <= 0 {
		t.Errorf("CPU time %s, %v", used, err)
	}
	pss, err := g.PSS()
	if err != nil || pss < 1<<20 {
		t.Errorf("PSS %d, %v", pss, err)
	}
	if all, err := g.SystemMemory(); err != nil || all < pss {
		t.Errorf("memory in all %d, PSS %d, %v", all, pss, err)
	}
}
