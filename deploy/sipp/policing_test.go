package sipp_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/deploy/sipp/pace"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// ends are those of media of calls that ask.
type ends struct{ near, far *pace.End }

func (n *node) ends(t *testing.T) ends {
	t.Helper()
	open := func(h *lab.Host, at netip.Addr) *pace.End {
		e, err := pace.Open(h, netip.AddrPortFrom(at, videoPort))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		return e
	}
	return ends{near: open(n.Lab.Client, n.caller(0).Addr()), far: open(n.Lab.Peer, n.callee(0).Addr())}
}

// backward is the SSRC of the callee of call 0; that of a caller is the call's number.
const backward = 1000

// talking is a call's media, both ways.
type talking struct{ up, down *pace.Stream }

// talk lets calls send at a rate, both ways, and returns when all of them hear each other.
func (e ends) talk(t *testing.T, callers, callees []runner.Told, kbps int) map[int]talking {
	t.Helper()
	all := map[int]talking{}
	for _, near := range callers {
		for _, far := range callees {
			if near.Call == far.Call && near.Status == 0 {
				all[near.Call] = talking{e.near.Send(uint32(near.Call), near.Video, kbps), e.far.Send(uint32(backward+near.Call), far.Video, kbps)}
			}
		}
	}
	nodetest.Eventually(t, 20*time.Second, "media both ways", func() error {
		for call := range all {
			if e.far.Got(uint32(call)).Packets == 0 || e.near.Got(uint32(backward+call)).Packets == 0 {
				return fmt.Errorf("call %d has none", call)
			}
		}
		return nil
	})
	return all
}

// complete checks that all that a call sent has come.
func (e ends) complete(t *testing.T, call int, m talking) {
	t.Helper()
	up, down := m.up.Stop(), m.down.Stop()
	nodetest.Eventually(t, 5*time.Second, fmt.Sprint("media of call ", call), func() error {
		if came, back := e.far.Got(uint32(call)), e.near.Got(uint32(backward+call)); came != up || back != down {
			return fmt.Errorf("%+v of %+v came, and %+v of %+v came back", came, up, back, down)
		}
		return nil
	})
}

// BW-06: a call that goes on sending several times what it was granted is ended, where the
// policy says so, and told of; one that keeps to its grant beside it loses nothing.
func TestCheatIsDisconnected(t *testing.T) {
	t.Parallel()
	n := newSites(t, site{pipe: limited(pipe) + ", policing: on", more: "bandwidth: {over_grant: disconnect}"})
	answering := n.answering(t, 2, videoPort)
	calling := n.ask(t, n.caller(0), "desk", 2, asks, videoPort)
	callers, callees := told(t, calling, 2), told(t, answering, 2)
	media := n.ends(t)
	calls := media.talk(t, callers, callees, asks)
	const honest, cheat = 1, 2
	calls[cheat].up.SetKbps(4 * asks)
	nodetest.Eventually(t, 30*time.Second, "the end of the call that cheats", func() error {
		if left := len(n.running(t)); left != 1 {
			return fmt.Errorf("%d calls run", left)
		}
		return nil
	})
	sent := calls[cheat].up.Sent()
	if got := media.far.Got(cheat); got.Bytes >= sent.Bytes {
		t.Errorf("all of %+v came", sent)
	}
	media.complete(t, honest, calls[honest])
	nodetest.Eventually(t, 5*time.Second, "an event", func() error {
		if strings.Count(n.Log(t), `Event="Call Over Bandwidth"`) != 1 {
			return errors.New(`the log has not one "Call Over Bandwidth"`)
		}
		return nil
	})
	n.on(t, "pipe", "line", 1, asks)
	n.hangUp(t)
	n.idle(t)
}
