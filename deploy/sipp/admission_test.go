package sipp_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/licensing"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// connected waits for so many calls that stand, and returns them.
func (n *node) connected(t *testing.T, number int) (list []calls.Call) {
	t.Helper()
	nodetest.Eventually(t, 10*time.Second, "calls that stand", func() (err error) {
		list, err = n.API.Calls(t.Context(), false)
		standing := 0
		for _, c := range list {
			if c.State == calls.Connected {
				standing++
			}
		}
		if err != nil || standing != number {
			return fmt.Errorf("%d calls stand, want %d: %w", standing, number, err)
		}
		return nil
	})
	return list
}

// BW-03, CA-04: a call that asks for more than the pipe has is told less, on both sides; the
// next one is refused and told when to come again.
func TestPipeFills(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(_ *lab.Lab, file string) string {
		return file + `pipes: [{name: line, total: {mode: limited, kbps: 1200}}]
links:
  - {name: near, node1: in, node2: TraversalSubZone}
  - {name: far, node1: out, node2: TraversalSubZone, pipe1: line}
`
	})
	granted := map[string]string{"GRANTED": "1200"}
	callee := n.called("limited-callee", 1)
	callee.Replace = granted
	answering := begin(t, callee)
	caller := n.calling("limited-caller", "bob", 1)
	caller.Replace, caller.Hold = granted, 3*time.Second
	call := begin(t, caller)
	if c := n.connected(t, 1)[0]; c.Media.GrantedKbps != 1200 || c.Media.AskedKbps != 1536 || c.Media.HalfRMS != 2 {
		t.Errorf("the call is shown with %+v", c.Media)
	}
	all(t, 1)(runner.Run(t.Context(), n.refused("480", "370")))
	all(t, 1)(call.Wait(t.Context()))
	all(t, 1)(answering.Wait(t.Context()))
	c := n.ended(t, "second", 1)[0]
	if c.Cause.Kind != calls.NoBandwidth || !strings.Contains(c.Cause.Reason, "line") {
		t.Errorf("it ended as %+v", c.Cause)
	}
}

// refused is a second caller that must not get through.
func (n *node) refused(status, warning string) runner.Config {
	c := n.calling("full-caller", "second", 1)
	c.Local = netip.AddrPortFrom(n.caller(0).Addr(), callerPort+2)
	c.Replace = map[string]string{"EXPECTED": status, "WARNING": warning}
	return c
}

// LI-04, CA-04: a node whose keys give no rich media session carries no calls between zones.
func TestNoLicence(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	id := strings.Repeat("07", 16)
	key, err := licensing.Key{Feature: licensing.RoomSystem, Count: 5, Node: id, Serial: "1"}.Sign(private)
	if err != nil {
		t.Fatal(err)
	}
	n := newNodeWith(t, func(n *node, file string) string {
		if err := os.MkdirAll(n.State, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(n.State, "node.id"), []byte(id), 0o600); err != nil {
			t.Fatal(err)
		}
		return file + fmt.Sprintf("option_keys: [{name: %s}]\nlicensing: {issuers: [{name: test, public_key: %s}]}\n",
			key, base64.RawURLEncoding.EncodeToString(public))
	})
	all(t, 1)(runner.Run(t.Context(), n.refused("503", "399")))
	if c := n.ended(t, "second", 1)[0]; c.Cause.Kind != calls.NoLicence {
		t.Errorf("it ended as %+v", c.Cause)
	}
}

// LI-04, facts A3: from audio to video a call takes what is missing to a call with video;
// where there is no room for it the picture is refused, and the call goes on.
func TestAudioToVideo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		video, answer string
		other         bool
	}{
		{"there is room", "[1-9][0-9]*", "[media_port+2]", false},
		{"another call takes it", "0", "0", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNodeWith(t, func(n *node, file string) string {
				at := netip.AddrPortFrom(n.Lab.PeerAddrs.V4[1], calleePort)
				file = strings.Replace(file, "platform: CE1200", "platform: custom", 1)
				file = strings.Replace(file, "zones: [", fmt.Sprintf("zones: [{name: other, type: neighbour, protocol: sip, peers: [%q], monitor: off}, ", at), 1)
				file = strings.Replace(file, "search_rules: [", "search_rules: [{name: other, priority: 10, pattern: {type: prefix, string: other}, target: other}, ", 1)
				return file + "turn: {max_relays: 10}\ncalls: {max: 3}\n"
			})
			callee := n.called("widening-callee", 1)
			callee.Replace = map[string]string{"VIDEO": tt.video, "ANSWER": tt.answer}
			answering := begin(t, callee)
			caller := n.calling("widening-caller", "bob", 1)
			caller.Replace, caller.Hold = map[string]string{"VIDEO": tt.video}, 3*time.Second
			call := begin(t, caller)
			n.connected(t, 1)
			var waits []*runner.Process
			if tt.other {
				waits = n.takeRoom(t)
			}
			for _, p := range append(waits, call, answering) {
				all(t, 1)(p.Wait(t.Context()))
			}
		})
	}
}

// takeRoom begins a call with video to somebody else.
func (n *node) takeRoom(t *testing.T) []*runner.Process {
	t.Helper()
	callee := n.called("limited-callee", 1)
	callee.Local = netip.AddrPortFrom(n.Lab.PeerAddrs.V4[1], calleePort)
	callee.Replace = map[string]string{"GRANTED": "1536"} // all that its streams ask for
	answering := begin(t, callee)
	caller := n.calling("limited-caller", "other", 1)
	caller.Local = netip.AddrPortFrom(n.caller(0).Addr(), callerPort+2)
	caller.Replace, caller.Hold = callee.Replace, 5*time.Second
	call := begin(t, caller)
	n.connected(t, 2)
	return []*runner.Process{call, answering}
}
