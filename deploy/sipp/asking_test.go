package sipp_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// videoPort is where both ends of the scenarios "asking-…" have video, audioOnly what they
// say without.
const (
	videoPort = 7002
	audioOnly = 0
)

// line is the b= line that asks for so many kbit/s. 0: nothing is asked for.
func line(kbps int) string {
	if kbps == 0 {
		return "a=asks:nothing"
	}
	return fmt.Sprintf("b=AS:%d", kbps)
}

// answering starts the callee of calls that ask, who asks for as much as most callers.
func (n *node) answering(t *testing.T, number, video int) *runner.Process {
	t.Helper()
	c := n.called("asking-callee", number)
	c.MediaPort, c.Timeout = 0, 2*time.Minute
	c.Users = []string{fmt.Sprintf("%s;%d", line(asks), video)}
	return begin(t, c)
}

// ask starts calls, ten a second.
func (n *node) ask(t *testing.T, from netip.AddrPort, whom string, number, kbps, video int) *runner.Process {
	t.Helper()
	c := n.calling("asking-caller", whom, number)
	c.Local, c.Timeout = from, 2*time.Minute
	c.Users = []string{line(kbps) + ";" + strconv.Itoa(video)}
	return begin(t, c)
}

// told waits until a SIPp knows what came of so many calls, and returns it by call.
func told(t *testing.T, p *runner.Process, number int) []runner.Told {
	t.Helper()
	var all []runner.Told
	nodetest.Eventually(t, 30*time.Second, "what became of calls", func() (err error) {
		if all, err = p.Told(); err == nil && len(all) < number {
			err = fmt.Errorf("%d of %d calls are decided", len(all), number)
		}
		return err
	})
	slices.SortFunc(all, func(a, b runner.Told) int { return a.Call - b.Call })
	return all
}

// standing waits until so many calls are connected.
func (n *node) standing(t *testing.T, number int) []calls.Call {
	t.Helper()
	var list []calls.Call
	nodetest.Eventually(t, 30*time.Second, "calls that stand", func() (err error) {
		if list, err = n.API.Calls(t.Context(), false); err != nil {
			return err
		}
		up := 0
		for _, c := range list {
			if c.State == calls.Connected {
				up++
			}
		}
		if up != number || len(list) != number {
			return fmt.Errorf("%d of %d calls stand, want %d", up, len(list), number)
		}
		return nil
	})
	return list
}

// hangUp has the node end all calls.
func (n *node) hangUp(t *testing.T) {
	t.Helper()
	for _, c := range n.standing(t, len(n.running(t))) {
		if err := n.API.Disconnect(t.Context(), c.Serial); err != nil {
			t.Error(err)
		}
	}
	n.standing(t, 0)
}

func (n *node) running(t *testing.T) []calls.Call {
	t.Helper()
	list, err := n.API.Calls(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	return list
}
