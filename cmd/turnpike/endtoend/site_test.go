package endtoend_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/count"
	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
	"turnpike.dev/turnpike/perf/load"
)

// site is a node with relays that carry generated media, counted at both ends.
type site struct {
	*node
	fleet  *load.Fleet
	relays []load.Relay
	toPeer *count.Counter
	toUser *count.Counter
	others []gen.Flow // that are sent as well
	// peersBeside: the peers are where the clients are.
	peersBeside bool
}

// newSite gives a node some relays, each with a peer of its own.
func newSite(t *testing.T, n *node, relays int) *site {
	t.Helper()
	s := emptySite(t, n)
	s.fleet = s.add(t, clients{number: relays})
	return s
}

func emptySite(t *testing.T, n *node) *site {
	t.Helper()
	s := &site{node: n, toUser: attach(t, n.Lab.Client, "c0")}
	if s.toPeer = s.toUser; n.Lab.Peer != n.Lab.Client {
		s.toPeer = attach(t, n.Lab.Peer, "p0")
	}
	return s
}

func attach(t *testing.T, h *lab.Host, link string) *count.Counter {
	t.Helper()
	c, err := count.Attach(h, link, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // the link may be gone
	return c
}

// add makes more relays, with peers of their own.
func (s *site) add(t *testing.T, c clients) *load.Fleet {
	t.Helper()
	c.firstPeer = firstPeer + uint16(len(s.relays))
	f := s.newFleet(t, c)
	if _, err := f.Setup(t.Context(), load.Pace{}); err != nil {
		t.Fatal(err)
	}
	s.relays = append(s.relays, f.Relays()...)
	s.awaitKernel(t)
	return f
}

// awaitKernel waits until the kernel carries every relay of a node with XDP: until the link
// address of a first peer is known the process does, and a restart loses what it carries.
func (s *site) awaitKernel(t *testing.T) {
	t.Helper()
	if st, err := s.API.Status(t.Context()); err != nil || st.Path != "xdp" {
		return
	}
	s.awaitPath(t, "xdp", "")
}

// awaitPath waits until all relays have a path, with a reason that has some words.
func (s *site) awaitPath(t *testing.T, path, words string) {
	t.Helper()
	nodetest.Eventually(t, 20*time.Second, "path="+path, func() error {
		for _, r := range s.list(t) {
			if r.Path != path && !(path == "userspace" && r.Path == "mixed") || !strings.Contains(r.Reason, words) {
				return fmt.Errorf("relay %d: path=%s (%s)", r.ID, r.Path, r.Reason)
			}
		}
		return nil
	})
}

// Ports of the peers of a site's relays, and of those that come later.
const (
	firstPeer = 10000
	laterPeer = 20000
)

// clients are some clients that do the same.
type clients struct {
	number         int
	user, password string // empty: the usual
	servers        []netip.AddrPort
	from, to       []netip.Addr // clients and peers; empty: the lab's first of IPv4
	firstPeer      uint16       // port of the first one's peer
	tries          int          // 0: patient
}

func (n *node) newFleet(t *testing.T, c clients) *load.Fleet {
	t.Helper()
	cfg := load.Config{
		Host: n.Lab.Client, Clients: c.from, Servers: c.servers, User: c.user, Password: c.password,
		Peers: func(relay int) []netip.AddrPort {
			return []netip.AddrPort{netip.AddrPortFrom(c.to[relay%len(c.to)], c.firstPeer+uint16(relay))}
		},
		Tries: c.tries,
	}
	if cfg.User == "" {
		cfg.User, cfg.Password = user, password
	}
	if cfg.Servers == nil {
		cfg.Servers = []netip.AddrPort{n.server()}
	}
	if cfg.Clients == nil {
		cfg.Clients = n.Lab.ClientAddrs.V4[:1]
	}
	if c.to == nil {
		c.to = n.Lab.PeerAddrs.V4[:1]
	}
	if cfg.Tries == 0 {
		cfg.Tries = 100
	}
	f, err := load.New(cfg, c.number)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // sockets
	return f
}

// downward is the number of the first relay's flow from its peer: with one interface
// both directions meet one counter.
const downward = 1000

// flows are the site's streams: up and down of each relay, by its number, and others.
func (s *site) flows() []gen.Flow {
	var flows []gen.Flow
	for i, r := range s.relays {
		c := r.Channels[0]
		flows = append(flows,
			s.fromClient(r.Client, r.Server, c.Number, i),
			s.fromPeer(c.Peer, r.Relayed, downward+i))
	}
	return append(flows, s.others...)
}

func (s *site) fromClient(src, dst netip.AddrPort, channel uint16, id int) gen.Flow {
	f := flowBy(s.Lab.Client, s.Lab.Client.Links[0], s.Lab.Node.Links[0])
	f.Src, f.Dst, f.Channel, f.ID = src, dst, channel, uint32(id)
	return f
}

func (s *site) fromPeer(src, dst netip.AddrPort, id int) gen.Flow {
	f := flowBy(s.Lab.Peer, s.Lab.Peer.Links[0], s.Lab.Node.Links[len(s.Lab.Node.Links)-1])
	if s.peersBeside {
		f = flowBy(s.Lab.Client, s.Lab.Client.Links[0], s.Lab.Node.Links[0])
	}
	f.Src, f.Dst, f.ID = src, dst, uint32(id)
	return f
}

func flowBy(h *lab.Host, from, to lab.Link) gen.Flow {
	return gen.Flow{Link: gen.Link{Host: h, Name: from.Name}, SrcMAC: from.MAC, DstMAC: to.MAC}
}

// arrived is what the counters have of each of the site's flows, in their order.
func (s *site) arrived(t *testing.T) []uint64 {
	t.Helper()
	up, err := s.toPeer.Flows(len(s.relays))
	if err != nil {
		t.Fatal(err)
	}
	down, err := s.toUser.Flows(downward + len(s.relays))
	if err != nil {
		t.Fatal(err)
	}
	var all []uint64
	for i := range up {
		all = append(all, up[i].Packets, down[downward+i].Packets)
	}
	return all
}
