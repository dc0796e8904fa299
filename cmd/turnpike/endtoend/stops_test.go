package endtoend_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
	"turnpike.dev/turnpike/perf/load"
)

// part is some of a site's relays.
type part struct{ from, to int }

func (p part) has(flow int) bool { return flow/2 >= p.from && flow/2 < p.to }

// Times end in the kernel: also when nobody says so, because the process is held up.
// ME-06, ME-07
func TestTimesEndInTheKernel(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	s := newSite(t, newNode(t, lab.Options{}, file{}), 40)
	s.End(t, unix.SIGKILL)
	end := time.Now().Add(15 * time.Second)
	at := monotonic(t) + int64(time.Until(end))
	ends := map[string]part{"permissions": {0, 10}, "channels": {10, 20}, "allocations": {20, 30}}
	s.age(t, func(i int, r *aged) {
		switch x := &r.Relays[0]; {
		case ends["permissions"].has(2 * i):
			x.Permissions[0].Expires = at
		case ends["channels"].has(2 * i):
			x.Channels[0].Expires = at
		case ends["allocations"].has(2 * i):
			x.Expires = at
		}
	})
	s.Start(t)
	startTraffic(t, 8000, s)
	s.flowing(t)
	s.Signal(t, unix.SIGSTOP)
	defer s.Signal(t, unix.SIGCONT)

	wait(t, time.Until(end.Add(-2*time.Second)))
	s.flowing(t)
	if late := time.Since(end); late > 0 {
		t.Fatalf("the machine is too busy to look at flows before they end: %s late", late)
	}
	wait(t, time.Until(end.Add(50*time.Millisecond))) // leases are in steps of 17 ms
	ended := s.arrived(t)
	for range 3 {
		s.flowingIn(t, part{30, 40}) // their time is not over
	}
	for what, p := range ends {
		for i, n := range s.arrived(t) {
			if p.has(i) && n != ended[i] {
				t.Errorf("%s: flow %d goes on: %d packets more", what, i, n-ended[i])
			}
		}
	}
}

// What is ended ends at once, in the kernel as well, and nothing else does.
func TestEndedRelaysStopAtOnce(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	both := fmt.Sprintf("{name: %s, password: %s}, {name: other, password: other}", user, password)
	s := emptySite(t, newNode(t, lab.Options{Peers: 2}, file{users: both}))
	const each = 10
	s.add(t, clients{number: each}) // these go on
	released := s.add(t, clients{number: each})
	s.add(t, clients{number: each, user: "other", password: "other"})
	s.add(t, clients{number: each})
	s.add(t, clients{number: each, to: s.Lab.PeerAddrs.V4[1:]})
	traffic := startTraffic(t, 8000, s)
	s.flowing(t)

	for _, tt := range []struct {
		name string
		part part
		end  func()
	}{
		{"given back by the client", part{each, 2 * each}, func() {
			if _, err := released.Release(t.Context()); err != nil {
				t.Error(err)
			}
		}},
		{"of a revoked user", part{2 * each, 3 * each}, func() {
			s.configure(t, file{})
			s.Command(t, 0, "reload")
		}},
		{"killed by the operator", part{3 * each, 4 * each}, func() {
			s.Command(t, 0, append([]string{"relay", "kill"}, s.ids(t, s.relays[3*each:4*each])...)...)
		}},
		{"to a peer that is denied", part{4 * each, 5 * each}, func() {
			s.configure(t, file{turn: fmt.Sprintf("deny: [%s]", s.Lab.PeerAddrs.V4[1])})
			s.Command(t, 0, "reload")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.end()
			before := s.arrived(t)
			for range 3 {
				s.flowingIn(t, part{0, each})
			}
			for i, n := range s.arrived(t) {
				if tt.part.has(i) && n != before[i] {
					t.Errorf("flow %d goes on: %d packets more", i, n-before[i])
				}
			}
		})
	}
	if n := len(s.list(t)); n != 2*each { // a denied peer costs nobody the relay
		t.Errorf("%d relays, want %d", n, 2*each)
	}
	sent := traffic.end(t)[0]
	s.noLossIn(t, part{0, each}, sent)
}

// What the next process does not take over ends with its start.
func TestUserIsRevokedWhileNobodyLooks(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	both := fmt.Sprintf("{name: %s, password: %s}, {name: other, password: other}", user, password)
	s := emptySite(t, newNode(t, lab.Options{}, file{users: both}))
	const each = 10
	s.add(t, clients{number: each})
	s.add(t, clients{number: each, user: "other", password: "other"})
	traffic := startTraffic(t, 8000, s)
	s.flowing(t)
	s.End(t, unix.SIGTERM)
	s.flowing(t)
	s.configure(t, file{})
	s.Start(t)
	before := s.arrived(t)
	for range 3 {
		s.flowingIn(t, part{0, each})
	}
	for i, n := range s.arrived(t) {
		if (part{each, 2 * each}).has(i) && n != before[i] {
			t.Errorf("flow %d goes on: %d packets more", i, n-before[i])
		}
	}
	if relays, flows := len(s.list(t)), s.entries(t, "flows"); relays != each || flows != 2*each {
		t.Errorf("%d relays and %d flows in the kernel, want %d", relays, flows, each)
	}
	s.noLossIn(t, part{0, each}, traffic.end(t)[0])
}

// ids are the node's numbers of relays.
func (n *node) ids(t *testing.T, relays []load.Relay) []string {
	t.Helper()
	number := map[string]uint64{}
	for _, r := range n.list(t) {
		number[r.Client] = r.ID
	}
	var ids []string
	for _, r := range relays {
		ids = append(ids, strconv.FormatUint(number[r.Client.String()], 10))
	}
	return ids
}

// ME-07: knowing addresses, ports and channel of a relay is not enough to use it.
func TestThirdPartiesDoNotPass(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	n := newNode(t, lab.Options{Clients: 2, Peers: 2}, file{})
	s := newSite(t, n, 4)
	r := s.relays[0]
	channel, peer := r.Channels[0].Number, r.Channels[0].Peer
	port := func(a netip.AddrPort, p uint16) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), p) }
	addr := func(a netip.AddrPort, to netip.Addr) netip.AddrPort { return netip.AddrPortFrom(to, a.Port()) }
	const first = 100
	for i, f := range []gen.Flow{
		s.fromClient(port(r.Client, 1111), r.Server, channel, 0),
		s.fromClient(addr(r.Client, n.Lab.ClientAddrs.V4[1]), r.Server, channel, 0),
		s.fromClient(r.Client, r.Server, channel+1, 0),
		s.fromClient(r.Client, r.Relayed, 0, 0),
		s.fromPeer(addr(peer, n.Lab.PeerAddrs.V4[1]), r.Relayed, 0),
		s.fromPeer(peer, port(r.Relayed, r.Relayed.Port()^1), 0),
		s.fromPeer(r.Client, r.Relayed, 0),
	} {
		f.ID = uint32(first + i)
		s.others = append(s.others, f)
	}
	traffic := startTraffic(t, 8000, s)
	s.flowing(t)
	wait(t, 2*time.Second)
	sent := traffic.end(t)[0]
	s.noLossIn(t, part{0, 4}, sent)
	for _, c := range []interface {
		Flows(int) ([]countFlow, error)
	}{s.toPeer, s.toUser} {
		flows, err := c.Flows(first + len(s.others))
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range s.others {
			if got := flows[first+i].Packets; got != 0 {
				t.Errorf("%d packets from %s to %s channel %#x passed", got, f.Src, f.Dst, f.Channel)
			}
		}
	}
	if s.left(t, "stranger") < sent[len(sent)-3] {
		t.Errorf("fewer strangers than sent: %s", s.whereabouts(t))
	}
}
