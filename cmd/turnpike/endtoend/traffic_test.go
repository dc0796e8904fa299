package endtoend_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/count"
	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/lab"
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
	s := &site{node: n, toUser: attach(t, n.lab.Client, "c0")}
	if s.toPeer = s.toUser; n.lab.Peer != n.lab.Client {
		s.toPeer = attach(t, n.lab.Peer, "p0")
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
	return f
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
		Host: n.lab.Client, Clients: c.from, Servers: c.servers, User: c.user, Password: c.password,
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
		cfg.Clients = n.lab.ClientAddrs.V4[:1]
	}
	if c.to == nil {
		c.to = n.lab.PeerAddrs.V4[:1]
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
	f := flowBy(s.lab.Client, s.lab.Client.Links[0], s.lab.Node.Links[0])
	f.Src, f.Dst, f.Channel, f.ID = src, dst, channel, uint32(id)
	return f
}

func (s *site) fromPeer(src, dst netip.AddrPort, id int) gen.Flow {
	f := flowBy(s.lab.Peer, s.lab.Peer.Links[0], s.lab.Node.Links[len(s.lab.Node.Links)-1])
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

// traffic is media through some sites, from one generator.
type traffic struct {
	sites   []*site
	order   []place // of each of the generator's flows
	gen     *gen.Generator
	stop    context.CancelFunc
	ended   chan struct{}
	err     error
	sent    uint64
	elapsed time.Duration
}

// place is where one of the generator's flows belongs.
type place struct{ site, flow int }

// startTraffic sends at a rate for each site until it is stopped.
func startTraffic(t *testing.T, rate float64, sites ...*site) *traffic {
	t.Helper()
	tr := &traffic{sites: sites, ended: make(chan struct{})}
	flows := tr.mix()
	var err error
	if tr.gen, err = gen.New(gen.Config{Flows: flows, Payload: 172}); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, tr.stop = context.WithCancel(context.Background())
	go func() {
		defer close(tr.ended)
		tr.err = tr.send(ctx, rate*float64(len(sites)))
	}()
	t.Cleanup(func() {
		tr.stop()
		<-tr.ended
		_ = tr.gen.Close()
	})
	return tr
}

// rate is how many packets per second were sent.
func (tr *traffic) rate() float64 { return float64(tr.sent) / tr.elapsed.Seconds() }

const (
	// pulseRate is how fast the generator sends when it does. It spins on a CPU while
	// it runs, so it does its work in a part of the time and leaves the rest.
	pulseRate = 1_000_000
	pulse     = 40 * time.Millisecond // at most
	// forgiven is how much of a delay is not made up for.
	forgiven = time.Second
)

// send keeps up a rate with pulses. Each takes about 25 ms more than it says, in which
// the kernel waits.
func (tr *traffic) send(ctx context.Context, rate float64) error {
	begun := time.Now()
	due := begun // the time up to which everything is sent
	for ctx.Err() == nil {
		now := time.Now()
		if now.Sub(due) > forgiven {
			due = now.Add(-forgiven)
		}
		length := min(time.Duration(float64(now.Sub(due))*rate/pulseRate), pulse)
		r, err := tr.gen.Run(ctx, gen.Load{Rate: pulseRate, Duration: max(length, time.Millisecond), CPU: 1})
		if err != nil {
			return err
		}
		tr.sent += r.Sent
		due = due.Add(time.Duration(float64(r.Sent) / rate * float64(time.Second)))
	}
	tr.elapsed = time.Since(begun)
	return nil
}

// mix has the sites take turns: the generator's frames come in bunches.
func (tr *traffic) mix() []gen.Flow {
	var all []gen.Flow
	own := make([][]gen.Flow, len(tr.sites))
	most := 0
	for i, s := range tr.sites {
		own[i] = s.flows()
		most = max(most, len(own[i]))
	}
	for f := range most {
		for i := range own {
			if f < len(own[i]) {
				all = append(all, own[i][f])
				tr.order = append(tr.order, place{i, f})
			}
		}
	}
	return all
}

// end stops the generator and returns what it sent of each flow of each site.
func (tr *traffic) end(t *testing.T) [][]uint64 {
	t.Helper()
	tr.stop()
	<-tr.ended
	if tr.err != nil {
		t.Fatal(tr.err)
	}
	sent := make([][]uint64, len(tr.sites))
	for i, p := range tr.order {
		n := tr.sent / uint64(len(tr.order))
		if uint64(i) < tr.sent%uint64(len(tr.order)) {
			n++
		}
		sent[p.site] = append(sent[p.site], n)
	}
	return sent
}

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
	if n.lab.Client == n.lab.Peer {
		return []*lab.Host{n.lab.Client, n.lab.Node}
	}
	return []*lab.Host{n.lab.Client, n.lab.Node, n.lab.Peer}
}

// whereabouts tells what may have become of packets.
func (s *node) whereabouts(t *testing.T) string {
	var text strings.Builder
	reasons, err := s.api.Reasons(t.Context())
	if err != nil {
		return err.Error()
	}
	for _, r := range reasons {
		if r.Packets > 0 {
			fmt.Fprintf(&text, "%s %s %d\n", r.Path, r.Reason, r.Packets)
		}
	}
	for _, h := range s.hosts() {
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
	eventually(t, 10*time.Second, "media", func() error {
		for i, n := range s.arrived(t) {
			if p.has(i) && n == before[i] {
				return fmt.Errorf("nothing arrives of flow %d", i)
			}
		}
		return nil
	})
}
