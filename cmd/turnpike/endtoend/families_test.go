package endtoend_test

import (
	"fmt"
	"net/netip"
	"testing"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// ME-01, ME-04: between IPv4 and IPv6, with two interfaces and with one.
func TestFamilies(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	for name, shape := range map[string]lab.Shape{"two interfaces": lab.ThreeNodes, "one interface": lab.SingleInterface} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, lab.Options{Shape: shape}, file{})
			s := emptySite(t, n)
			const each = 5
			for _, client := range []lab.Addrs{{V4: n.Lab.ClientAddrs.V4}, {V6: n.Lab.ClientAddrs.V6}} {
				for _, peer := range [][]netip.Addr{n.Lab.PeerAddrs.V4, n.Lab.PeerAddrs.V6} {
					from, server := client.V4, 0
					if from == nil {
						from, server = client.V6, 1
					}
					s.add(t, clients{
						number: each, from: from, to: peer,
						servers: []netip.AddrPort{netip.AddrPortFrom(n.Lab.Node.Links[0].Prefixes[server].Addr(), port)},
					})
				}
			}
			traffic := startTraffic(t, 8000, s)
			s.flowing(t)
			s.noLoss(t, traffic.end(t)[0])
			kinds := map[string]int{}
			for _, r := range s.list(t) {
				if r.Path != "xdp" {
					t.Errorf("%s to %s: path=%s (%s)", r.Client, r.Relay, r.Path, r.Reason)
				}
				kinds[fmt.Sprint(family(t, r.Client), " to ", family(t, r.Relay[0]))]++
			}
			if len(kinds) != 4 {
				t.Errorf("relays: %v", kinds)
			}
		})
	}
}

// ME-04: the peer is on the clients' side of a node whose relays are on the other, and
// the other way round.
func TestClientsAndPeersOnOneSide(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	n := newNode(t, lab.Options{Clients: 2}, file{})
	s := &site{node: n, toUser: attach(t, n.Lab.Client, "c0")}
	s.toPeer = s.toUser
	s.add(t, clients{number: 5, to: n.Lab.ClientAddrs.V4[1:]})
	s.add(t, clients{number: 5, to: n.Lab.ClientAddrs.V6[1:]})
	s.peersBeside = true
	traffic := startTraffic(t, 8000, s)
	s.flowing(t)
	s.noLoss(t, traffic.end(t)[0])
	for _, r := range s.list(t) {
		if r.Path != "xdp" {
			t.Errorf("%s to %s: path=%s (%s)", r.Client, r.Relay, r.Path, r.Reason)
		}
	}
}

func family(t *testing.T, addr string) string {
	t.Helper()
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	if a.Addr().Is4() {
		return "IPv4"
	}
	return "IPv6"
}
