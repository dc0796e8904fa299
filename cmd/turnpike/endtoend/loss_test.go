package endtoend_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// noLoss checks that everything sent arrived, flow by flow.
func (s *site) noLoss(t *testing.T, sent []uint64) {
	t.Helper()
	s.noLossIn(t, part{0, len(s.relays)}, sent)
}

func (s *site) noLossIn(t *testing.T, p part, sent []uint64) {
	t.Helper()
	var lost uint64
	var flows []string
	look := func() bool {
		lost, flows = 0, nil
		for i, n := range s.arrived(t) {
			if p.has(i) && n != sent[i] {
				lost += sent[i] - n
				flows = append(flows, fmt.Sprintf("relay %d %s: %d of %d", i/2, [2]string{"up", "down"}[i%2], n, sent[i]))
			}
		}
		return lost == 0
	}
	for end := time.Now().Add(2 * time.Second); !look(); time.Sleep(20 * time.Millisecond) {
		if time.Now().Before(end) {
			continue
		}
		// The lab's links queue 256 frames. Where the machine has no time for the receiving
		// end they overflow, with or without a relay.
		if overflow := s.overflow(t); overflow == lost {
			t.Logf("%d packets did not fit into the queues of the lab's links: the machine is busy", lost)
			return
		}
		t.Fatalf("%d packets lost in %d flows: %v …\n%s", lost, len(flows), flows[:min(5, len(flows))], s.whereabouts(t))
	}
}

// overflow is how many frames the lab's links threw away because their queues were full.
func (s *site) overflow(t *testing.T) (frames uint64) {
	t.Helper()
	for _, h := range s.hosts() {
		for _, l := range h.Links {
			link, err := h.Netlink().LinkByName(l.Name)
			if err != nil {
				t.Fatal(err)
			}
			frames += link.Attrs().Statistics.RxDropped
		}
	}
	return frames
}

// hosts are the lab's, each once.
func (n *node) hosts() []*lab.Host {
	if n.Lab.Client == n.Lab.Peer {
		return []*lab.Host{n.Lab.Client, n.Lab.Node}
	}
	return []*lab.Host{n.Lab.Client, n.Lab.Node, n.Lab.Peer}
}

// whereabouts tells what may have become of packets.
func (n *node) whereabouts(t *testing.T) string {
	var text strings.Builder
	reasons, err := n.API.Reasons(t.Context())
	if err != nil {
		return err.Error()
	}
	for _, r := range reasons {
		if r.Packets > 0 {
			fmt.Fprintf(&text, "%s %s %d\n", r.Path, r.Reason, r.Packets)
		}
	}
	for _, h := range n.hosts() {
		for _, l := range h.Links {
			out, _ := h.Command(t.Context(), "sh", "-c", "ip -s link show "+l.Name+"; ethtool -S "+l.Name+" | grep -v ': 0$'").CombinedOutput()
			text.Write(out)
		}
	}
	return text.String()
}

func sum(list []uint64) (total uint64) {
	for _, n := range list {
		total += n
	}
	return total
}

// flowing waits until more packets of every flow of the site have arrived.
func (s *site) flowing(t *testing.T) {
	t.Helper()
	s.flowingIn(t, part{0, len(s.relays)})
}

func (s *site) flowingIn(t *testing.T, p part) {
	t.Helper()
	before := s.arrived(t)
	nodetest.Eventually(t, 10*time.Second, "media", func() error {
		for i, n := range s.arrived(t) {
			if p.has(i) && n == before[i] {
				return fmt.Errorf("nothing arrives of flow %d", i)
			}
		}
		return nil
	})
}
