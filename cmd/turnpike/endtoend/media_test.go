package endtoend_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// between has calls from the client's side go to the peer's, at that address, and back.
func between(called string) string {
	return fmt.Sprintf(`sip: {mode: on, udp: 5060, tcp: off, tls: off}
domains: [example.test]
zones:
- {name: out, type: neighbour, protocol: sip, peers: [%q], monitor: off}
- {name: in, type: neighbour, protocol: sip, peers: [%q], monitor: off}
search_rules: [{name: out, priority: 100, pattern: {type: any}, target: out}]`, called, callingSIP)
}

const (
	callingSIP = "198.18.0.2:5062"
	calledSIP  = "198.18.1.2:5070"
	calledSIP6 = "[fd00:0:0:2::2]:5070"
	thiefAddr  = "198.18.0.3"
)

// callEach has SIPp make calls with RTP both ways through a node, and returns what the node
// recorded of them.
func callEach(t *testing.T, n *node, called string, count int, hold time.Duration) []calls.Call {
	t.Helper()
	answering, err := runner.Start(t.Context(), runner.Config{
		Host: n.Lab.Peer, Scenario: "callee", Local: netip.MustParseAddrPort(called), MediaPort: 30000, Calls: count,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer answering.Close() //nolint:errcheck // a folder of its own
	before := len(n.ended(t))
	_, err = runner.Run(t.Context(), runner.Config{
		Host: n.Lab.Client, Scenario: "caller", Local: netip.MustParseAddrPort(callingSIP),
		Target: netip.AddrPortFrom(n.Lab.Node.Links[0].Prefixes[0].Addr(), 5060),
		Calls:  count, Rate: 20, Hold: hold, Service: "bob",
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []calls.Call
	nodetest.Eventually(t, 5*time.Second, "the calls are recorded", func() error {
		all = n.ended(t)
		if len(all)-before != count {
			return fmt.Errorf("%d of %d", len(all)-before, count)
		}
		return nil
	})
	return all
}

// ended are the node's ended calls.
func (n *node) ended(t *testing.T) []calls.Call {
	t.Helper()
	var all []calls.Call
	if err := json.Unmarshal([]byte(n.Command(t, 0, "call", "list", "--ended", "-o", "json")), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// The media of calls goes through the kernel, both ways, and every packet arrives; with a
// third party that sprays every media port too, which hears nothing.
// ME-02, ME-05
func TestMediaOfCalls(t *testing.T) {
	t.Parallel()
	n := newNode(t, lab.Options{Clients: 2}, file{more: between(calledSIP)})
	count := func(h *lab.Host) *runner.Media {
		m, err := runner.CountMedia(t.Context(), h, runner.NodePorts)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	atCaller, atCallee := count(n.Lab.Client), count(n.Lab.Peer)
	recorded := callEach(t, n, calledSIP, 10, time.Second)
	sent, back, err := atCaller.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	returned, received, err := atCallee.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	up, down := carried(t, recorded)
	if sent < 300 || sent != received || returned != back || up != sent || down != back {
		t.Errorf("caller sent %d and got %d, callee got %d and sent %d, the node recorded %d and %d", sent, back, received, returned, up, down)
	}

	s := n.spray(t)
	up, down = carried(t, callEach(t, n, calledSIP, 10, time.Second))
	if s.stop() == 0 {
		t.Error("the thief sent nothing")
	}
	if up != down || up < sent+300 {
		t.Errorf("beside a thief the node recorded %d and %d", up, down)
	}
	if heard := s.heard(t); heard > 0 {
		t.Errorf("the thief heard %d packets", heard)
	}
}

// An IPv4 endpoint calls an IPv6 one.
// ME-02, ME-04
func TestMediaBetweenFamilies(t *testing.T) {
	t.Parallel()
	n := newNode(t, lab.Options{}, file{more: between(calledSIP6)})
	if up, down := carried(t, callEach(t, n, calledSIP6, 3, time.Second)); up != down || up < 90 {
		t.Errorf("%d packets up, %d down", up, down)
	}
}

// carried sums what calls carried, all of it by the kernel and without a loss.
func carried(t *testing.T, all []calls.Call) (up, down uint64) {
	t.Helper()
	for _, c := range all {
		if len(c.Streams) != 1 {
			t.Errorf("call %d has streams %+v", c.ID, c.Streams)
		}
		for _, s := range c.Streams {
			if s.Path != "xdp" || s.A.Lost != 0 || s.B.Lost != 0 {
				t.Errorf("call %d: %+v", c.ID, s)
			}
			up += s.A.Packets
			down += s.B.Packets
		}
	}
	return up, down
}

// sprayer is a third party that sends RTP to all media ports of the node.
type sprayer struct {
	conn *net.UDPConn
	end  context.CancelFunc
	done sync.WaitGroup
	sent int
}

func (n *node) spray(t *testing.T) *sprayer {
	t.Helper()
	s := &sprayer{}
	err := n.Lab.Client.Do(func() (err error) {
		s.conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(thiefAddr+":5004")))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.end = cancel
	t.Cleanup(func() { cancel(); s.done.Wait(); _ = s.conn.Close() })
	node := n.Lab.Node.Links[0].Prefixes[0].Addr()
	packet := append([]byte{0x80, 0, 0, 1, 0, 0, 0, 1, 6, 6, 6, 6}, make([]byte, 160)...)
	s.done.Go(func() {
		// What the link has no room for would be lost to the calls as well.
		const atOnce, every = 64, 4 * time.Millisecond
		pace := time.NewTicker(every)
		defer pace.Stop()
		for port := runner.NodePorts.First; ctx.Err() == nil; {
			<-pace.C
			for range atOnce {
				if _, err := s.conn.WriteToUDPAddrPort(packet, netip.AddrPortFrom(node, port)); err == nil {
					s.sent++
				}
				if port++; port > runner.NodePorts.Last {
					port = runner.NodePorts.First
				}
			}
		}
	})
	return s
}

// stop ends the spraying and returns how much was sent.
func (s *sprayer) stop() int {
	s.end()
	s.done.Wait()
	return s.sent
}

// heard is how many datagrams came to the third party.
func (s *sprayer) heard(t *testing.T) (n int) {
	t.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	for b := make([]byte, 2000); ; n++ {
		if _, _, err := s.conn.ReadFromUDPAddrPort(b); errors.Is(err, os.ErrDeadlineExceeded) {
			return n
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
