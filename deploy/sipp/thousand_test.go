package sipp_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// ME-02, ME-05: a thousand calls at 50 a second with RTP both ways: none fails, every
// stream is the kernel's, and every packet that was sent arrives.
func TestThousandCalls(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	const number = 1000
	m := n.media(t)
	callee := n.called("callee", number)
	callee.Timeout = 2 * time.Minute
	answering := begin(t, callee)
	c := n.calling("caller", "bob", number)
	c.Rate, c.Hold, c.Timeout = 50, 2*time.Second, 2*time.Minute
	all(t, number)(runner.Run(t.Context(), c))
	all(t, number)(answering.Wait(t.Context()))
	sum := onXDP(t, n.ended(t, "bob", number), 1)
	m.check(t, sum)
	t.Logf("%d packets up, %d down", sum.fromCallers, sum.fromCallees)
}

// ME-04: a caller that knows only IPv4 talks to a callee that knows only IPv6.
func TestCallFromIPv4ToIPv6(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(l *lab.Lab, file string) string {
		return strings.Replace(file, l.PeerAddrs.V4[0].String()+":", "["+l.PeerAddrs.V6[0].String()+"]:", 1)
	})
	const number = 5
	m := n.media(t)
	callee := n.called("callee", number)
	callee.Local = netip.AddrPortFrom(n.Lab.PeerAddrs.V6[0], calleePort)
	answering := begin(t, callee)
	c := n.calling("caller", "bob", number)
	c.Hold = 2 * time.Second
	all(t, number)(runner.Run(t.Context(), c))
	all(t, number)(answering.Wait(t.Context()))
	m.check(t, onXDP(t, n.ended(t, "bob", number), 1))
}

// ME-02: a third party that sprays all relay ports of running calls, from an address of
// its own on either side, neither gets media nor puts any in (RTP bleed).
func TestThirdPartyGetsAndInjectsNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	const number = 3
	m := n.media(t)
	answering := begin(t, n.called("callee", number))
	c := n.calling("caller", "bob", number)
	c.Hold = 4 * time.Second
	caller := begin(t, c)
	nodetest.Eventually(t, 5*time.Second, "calls that ended", func() error { return n.talking(t.Context(), number) })
	for _, side := range []struct {
		host     *lab.Host
		from, to netip.Addr
	}{
		{n.Lab.Client, n.Lab.ClientAddrs.V4[3], n.near().Addr()},
		{n.Lab.Peer, n.Lab.PeerAddrs.V4[3], n.far().Addr()},
	} {
		if got, err := spray(side.host, side.from, side.to, time.Second); err != nil || got != 0 {
			t.Errorf("a third party at %s received %d packets, %v", side.from, got, err)
		}
	}
	all(t, number)(caller.Wait(t.Context()))
	all(t, number)(answering.Wait(t.Context()))
	sum := onXDP(t, n.ended(t, "bob", number), 1)
	// The ends echo what they get: with a packet put in they would have more than these.
	_, arrived, err := m.far.Totals(t.Context())
	if err != nil || arrived != sum.fromCallers {
		t.Errorf("the callee received %d packets, %v, want the caller's %d", arrived, err, sum.fromCallers)
	}
	_, back, err := m.near.Totals(t.Context())
	if err != nil || back != sum.fromCallees {
		t.Errorf("the caller received %d packets, %v, want the callee's %d", back, err, sum.fromCallees)
	}
}

// talking reports whether so many calls run whose streams have carried something.
func (n *node) talking(ctx context.Context, number int) error {
	list, err := n.API.Calls(ctx, false)
	if err != nil {
		return err
	}
	if len(list) != number || !allTalk(list) {
		return fmt.Errorf("%d calls run, want %d with media", len(list), number)
	}
	return nil
}

func allTalk(list []calls.Call) bool {
	for _, c := range list {
		if len(c.Streams) == 0 || c.Streams[0].A.Packets < 20 || c.Streams[0].B.Packets < 20 {
			return false
		}
	}
	return true
}
