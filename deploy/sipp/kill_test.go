package sipp_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/dataplane/relay"
)

// BW-03, BW-06: what a process had granted when it was killed is not granted a second time:
// its media goes on in the kernel. When nobody can be sending any more it is free again.
func TestGrantsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	const number = 3
	n := newSites(t, site{pipe: limited(number*asks + bit)})
	n.answering(t, 10, videoPort)
	told(t, n.ask(t, n.caller(0), "lost", number, asks, videoPort), number)
	n.on(t, "pipe", "line", number, number*asks)
	n.End(t, unix.SIGKILL)
	n.Start(t)
	n.on(t, "pipe", "line", number, number*asks)
	if c := n.one(t, 0, asks, videoPort); c.Status != 0 {
		t.Errorf("%+v, want what was left", c)
	} else if got, _ := c.Kbps(); got != bit {
		t.Errorf("after the restart a call got %d kbit/s, want the %d that were left", got, bit)
	}
	wantShort(t, n.one(t, 1, asks, videoPort))
	n.hangUp(t)
	n.idleWithin(t, relay.LeaseTime*2)
	if c := n.one(t, 2, asks, videoPort); c.Status != 0 {
		t.Errorf("%+v, want a call when all is free again", c)
	}
	n.hangUp(t)
	n.idle(t)
}
