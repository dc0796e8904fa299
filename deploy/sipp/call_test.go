package sipp_test

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/deploy/sipp/runner"
)

// media counts the RTP of the caller's and the callee's namespaces.
type media struct{ near, far *runner.Media }

func (n *node) media(t *testing.T) media {
	t.Helper()
	near, err := runner.CountMedia(t.Context(), n.Lab.Client, runner.NodePorts)
	if err != nil {
		t.Fatal(err)
	}
	far, err := runner.CountMedia(t.Context(), n.Lab.Peer, runner.NodePorts)
	if err != nil {
		t.Fatal(err)
	}
	return media{near, far}
}

// check compares what the ends sent and received with each other and with what the node
// says that it carried. SIPp echoes by one socket, which may overflow when the machine is
// busy: what it did not send back is not the node's loss, and the node must have missed
// no more than that.
func (m media) check(t *testing.T, sum carried) {
	t.Helper()
	sent, back, err := m.near.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	returned, arrived, err := m.far.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if sent == 0 || arrived != sent || back != returned {
		t.Errorf("caller sent %d and callee received %d; callee returned %d and caller received %d: want the same", sent, arrived, returned, back)
	}
	if sum.fromCallers != sent || sum.fromCallees != returned {
		t.Errorf("the node carried %d and %d packets, want %d and %d", sum.fromCallers, sum.fromCallees, sent, returned)
	}
	if overflowed := int64(arrived) - int64(returned); sum.missing > overflowed {
		t.Errorf("the node missed %d packets of the callee, which did not return %d", sum.missing, overflowed)
	}
}

// ME-02, ME-05: a call in from one interface and out of the other, with RTP both ways, by
// the kernel from the first packet to the last.
func TestCallWithMediaBothWays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name           string
		caller, callee string
		streams        int
		tcp            bool
	}{
		{name: "audio", caller: "caller", callee: "callee", streams: 1},
		{name: "TCP", caller: "caller", callee: "callee", streams: 1, tcp: true},
		{name: "video", caller: "video-caller", callee: "video-callee", streams: 2},
		{name: "delayed offer", caller: "delayed-caller", callee: "delayed-callee", streams: 1},
		{name: "hold", caller: "hold-caller", callee: "hold-callee", streams: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, nil)
			const number = 5
			m := n.media(t)
			callee := n.called(tt.callee, number)
			callee.TCP = false
			answering := begin(t, callee)
			caller := n.calling(tt.caller, "bob", number)
			caller.TCP, caller.Hold, caller.Pcap = tt.tcp, 2*time.Second, runner.Video(50)
			all(t, number)(runner.Run(t.Context(), caller))
			all(t, number)(answering.Wait(t.Context()))
			m.check(t, onXDP(t, n.ended(t, "bob", number), tt.streams))
		})
	}
}
