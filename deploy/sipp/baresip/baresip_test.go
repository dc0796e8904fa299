package baresip_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/deploy/sipp/baresip"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/perf/peers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Two phones register at Kamailio and call each other through it: what fails here is the
// driver's fault and not the node's.
func TestPhonesTalkThroughKamailio(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	l := labtest.New(t, lab.Options{})
	g, err := peers.KamailioWithRTPEngine(t.Context(), l, peers.KamailioOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Stop() })
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	far := runner.Ports{First: 20000, Last: 35999}
	media, err := runner.CountMedia(ctx, l.Client, far)
	if err != nil {
		t.Fatal(err)
	}
	alice := phone(ctx, t, baresip.Config{
		Host: l.Client, Name: "alice", Transport: "tcp", Local: netip.AddrPortFrom(l.ClientAddrs.V4[0], 5064), Control: 4444,
		Server: netip.AddrPortFrom(l.Node.Link("s0").Prefixes[0].Addr(), peers.SIPPort),
	})
	bob := phone(ctx, t, baresip.Config{
		Host: l.Peer, Name: "bob", Transport: "udp", Local: netip.AddrPortFrom(l.PeerAddrs.V4[0], peers.CalleePort), Control: 4444,
		Server: netip.AddrPortFrom(l.Node.Link("s1").Prefixes[0].Addr(), peers.SIPPort),
	})
	if err := baresip.Call(ctx, alice, bob, "sip:bob@"+peers.Domain); err != nil {
		t.Fatal(err)
	}
	if err := baresip.Talk(ctx, media, 50); err != nil {
		t.Error(err)
	}
	if err := baresip.HangUp(ctx, alice, bob); err != nil {
		t.Error(err)
	}
}

// phone starts one that has registered.
func phone(ctx context.Context, t *testing.T, c baresip.Config) *baresip.Phone {
	t.Helper()
	c.Password, c.Domain = peers.Password, peers.Domain
	p, err := baresip.Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if _, err := p.Await(ctx, baresip.Registered); err != nil {
		t.Fatal(err)
	}
	return p
}
