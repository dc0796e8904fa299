package endtoend_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// toPeers has calls from the client's side go to a zone of four peers.
const toPeers = `sip: {mode: on, udp: 5060, tcp: off, tls: off}
domains: [example.test]
zones:
- {name: far, type: neighbour, protocol: sip, peers: [%s]}
- {name: in, type: neighbour, protocol: sip, peers: ["198.18.0.2:5062"], monitor: off}
search_rules: [{name: far, priority: 100, pattern: {type: any}, target: far}]`

// RG-06: every call goes to the peer that lives, is not in maintenance and has the most
// free media sessions, wherever it stands in the list; `zone status` shows what the
// peers say, and what is known of the one that is not there.
func TestCallsGoToThePeerWithMostRoom(t *testing.T) {
	t.Parallel()
	loads := []string{"maximum=100;current=40", "maximum=500;current=0;maintenance", "maximum=100;current=10", ""}
	n := newNode(t, lab.Options{Peers: len(loads)}, file{})
	var list []string
	var far []*runner.Process
	for i, load := range loads {
		at := netip.AddrPortFrom(n.Lab.PeerAddrs.V4[i], 5070)
		list = append(list, fmt.Sprintf("%q", at))
		if load == "" {
			continue
		}
		p, err := runner.Start(t.Context(), runner.Config{Host: n.Lab.Peer, Scenario: "peer", Local: at, Calls: 1000, Replace: map[string]string{"LOAD": load}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Stop(); _ = p.Close() })
		far = append(far, p)
	}
	n.End(t, unix.SIGTERM)
	n.configure(t, file{more: fmt.Sprintf(toPeers, strings.Join(list, ", "))})
	n.Start(t)

	want := []string{"active 60", "maintenance 500", "active 90", "silent"}
	nodetest.Eventually(t, 40*time.Second, "the peers are known", func() error {
		if got := n.peersOf(t, "far"); !slices.Equal(got, want) {
			return fmt.Errorf("%v, want %v", got, want)
		}
		return nil
	})
	const calls = 10
	_, err := runner.Run(t.Context(), runner.Config{
		Host: n.Lab.Client, Scenario: "signalling-caller", Local: netip.MustParseAddrPort(callingSIP),
		Target: netip.AddrPortFrom(n.Lab.Node.Links[0].Prefixes[0].Addr(), 5060), Calls: calls, Rate: 20, Service: "bob",
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 0, calls} {
		said, err := far[i].Log()
		if got := strings.Count(said, "called"); got != want {
			t.Errorf("peer %d had %d calls, want %d (%v)", i+1, got, want, err)
		}
	}
}

// peersOf says of each peer of a zone how it is and what is free.
func (n *node) peersOf(t *testing.T, zone string) (out []string) {
	t.Helper()
	var all []routing.ZoneSummary
	if err := json.Unmarshal([]byte(n.Command(t, 0, "zone", "status", zone, "-o", "json")), &all); err != nil {
		t.Fatal(err)
	}
	for _, p := range all[0].Peers {
		s := p.Status
		if p.Free != nil {
			s += fmt.Sprint(" ", *p.Free)
		}
		out = append(out, s)
	}
	return out
}
