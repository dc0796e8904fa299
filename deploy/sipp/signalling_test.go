package sipp_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// What happens to calls besides media: each scenario says which section it is for.
func TestCallsEndAsTheyShould(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	for _, tt := range []struct {
		name, whom, caller, callee string
		hold, leave                time.Duration // of caller and callee
		cause                      calls.Kind
		by                         calls.Side
	}{
		{name: "the caller hangs up", whom: "hangup", caller: "signalling-caller", callee: "signalling-callee", cause: calls.Completed, by: calls.ByCaller},
		{name: "the callee hangs up", whom: "leaver", caller: "left-caller", callee: "leaving-callee", hold: 300 * time.Millisecond, leave: time.Second, cause: calls.Completed, by: calls.ByCallee},
		{name: "CANCEL", whom: "cancelled", caller: "cancelling-caller", callee: "cancelled-callee", hold: 200 * time.Millisecond, cause: calls.Cancelled, by: calls.ByCaller},
		{name: "busy", whom: "busy", caller: "rejected-caller", callee: "rejecting-callee", cause: calls.Refused, by: calls.ByCallee},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const number = 5
			callee := n.called(tt.callee, number)
			callee.Hold = tt.leave
			answering := begin(t, callee)
			caller := n.calling(tt.caller, tt.whom, number)
			caller.Hold = tt.hold
			r := all(t, number)(runner.Run(t.Context(), caller))
			all(t, number)(answering.Wait(t.Context()))
			if r.Retransmissions != 0 {
				t.Errorf("%d messages were sent again", r.Retransmissions)
			}
			for _, c := range n.ended(t, tt.whom, number) {
				if c.Cause == nil || c.Cause.Kind != tt.cause || c.Cause.By != tt.by {
					t.Errorf("call %d ended as %+v, want %s by the %s", c.ID, c.Cause, tt.cause, tt.by)
				}
			}
			if err := answering.Close(); err != nil { // the next one has the same port
				t.Error(err)
			}
		})
	}
}

// RG-08: in maintenance mode nobody calls anew, and a call that stands goes on. And who is
// in no zone and has no account calls nobody (closed by default).
func TestCallsThatAreRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	const number = 3
	refused := func(t *testing.T, from netip.AddrPort, status int) {
		t.Helper()
		c := n.calling("refused-caller", "nobody", number)
		c.Local = from
		c.Replace = map[string]string{"EXPECTED": fmt.Sprint(status)}
		all(t, number)(runner.Run(t.Context(), c))
	}
	t.Run("unknown caller", func(t *testing.T) { refused(t, n.caller(1), 403) })
	t.Run("maintenance", func(t *testing.T) {
		callee := begin(t, n.called("callee", 1))
		standing := n.calling("caller", "stays", 1)
		standing.Hold = 3 * time.Second
		call := begin(t, standing)
		nodetest.Eventually(t, 5*time.Second, "calls that ended", func() error {
			if list, err := n.API.Calls(t.Context(), false); err != nil || len(list) != 1 || list[0].Answered.IsZero() {
				return fmt.Errorf("no call stands: %+v: %w", list, err)
			}
			return nil
		})
		n.Command(t, 0, "maintenance", "on")
		refused(t, netip.AddrPortFrom(n.caller(0).Addr(), callerPort+2), 503)
		all(t, 1)(call.Wait(t.Context()))
		all(t, 1)(callee.Wait(t.Context()))
		n.Command(t, 0, "maintenance", "off")
	})
}

// A third of everything is lost on its way, both ways: the transactions and the 2xx that is
// sent again until it is acknowledged (RFC 3261 13.3.1.4, 17) bring every call through.
func TestLostMessages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, caller, callee string }{
		{"200 and ACK at the caller", "deaf-caller", "signalling-callee"},
		{"everything at the callee", "signalling-caller", "deaf-callee"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, nil)
			const number = 10
			answering := begin(t, n.called(tt.callee, number))
			c := n.calling(tt.caller, "lossy", number)
			c.Hold = time.Second
			r := all(t, number)(runner.Run(t.Context(), c))
			all(t, number)(answering.Wait(t.Context()))
			t.Logf("%d messages sent again by the caller", r.Retransmissions)
			n.ended(t, "lossy", number)
		})
	}
}

// RFC 4028: a caller whose cable was pulled refreshes nothing, and the node ends the call.
// The shortest time that the RFC allows is 90 s; a BYE comes a third of it earlier.
func TestSessionExpires(t *testing.T) {
	t.Parallel()
	n := newNode(t, withSIP("session_time: 90, min_session_time: 90"))
	const interval, least, most = 90, 50 * time.Second, 95 * time.Second
	replace := map[string]string{"INTERVAL": fmt.Sprint(interval), "TIMEOUT": fmt.Sprint(most.Milliseconds())}
	callee := n.called("expiring-callee", 1)
	callee.Replace, callee.Timeout = replace, most+10*time.Second
	answering := begin(t, callee)
	c := n.calling("expiring-caller", "sleeper", 1)
	c.Replace, c.Timeout = replace, most+10*time.Second
	all(t, 1)(runner.Run(t.Context(), c))
	all(t, 1)(answering.Wait(t.Context()))
	for _, call := range n.ended(t, "sleeper", 1) {
		if lasted := time.Duration(call.Seconds * float64(time.Second)); lasted < least || call.Cause.By != calls.ByNode {
			t.Errorf("ended after %s as %+v, want %s at least, by the node", lasted, call.Cause, least)
		}
	}
}
