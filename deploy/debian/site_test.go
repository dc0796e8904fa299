package debian_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/perf/count"
	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/load"
)

const (
	relays    = 200
	rate      = 100_000 // packets per second, of all together
	firstPeer = 10000
)

// media is what clients and peers around a machine send through its relays, and counters
// of what arrives at the other end.
type media struct {
	lab            *lab.Lab
	fleet          *load.Fleet
	toPeer, toUser *count.Counter
	gen            *gen.Generator
	stop           context.CancelFunc
	ended          chan struct{}
	err            error // when it has ended
	sent           atomic.Uint64
}

// allocate makes the relays, as clients that have a user's password.
func allocate(t *testing.T, l *lab.Lab) *media {
	t.Helper()
	m := &media{lab: l, toPeer: attach(t, l.Peer, "p0"), toUser: attach(t, l.Client, "c0")}
	var err error
	m.fleet, err = load.New(load.Config{
		Host: l.Client, Clients: l.ClientAddrs.V4[:1], User: "u", Password: "p", Tries: 20,
		Servers: []netip.AddrPort{netip.AddrPortFrom(l.Node.Link("s0").Prefixes[0].Addr(), 3478)},
		Peers: func(relay int) []netip.AddrPort {
			return []netip.AddrPort{netip.AddrPortFrom(l.PeerAddrs.V4[0], firstPeer+uint16(relay))}
		},
	}, relays)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.fleet.Close() }) // sockets
	if _, err := m.fleet.Setup(t.Context(), load.Pace{}); err != nil {
		t.Fatal(err)
	}
	return m
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

// flows are both directions of each relay.
func (m *media) flows() []gen.Flow {
	from := func(h *lab.Host, name string, to string) gen.Flow {
		return gen.Flow{
			Link:   gen.Link{Host: h, Name: name},
			SrcMAC: h.Link(name).MAC, DstMAC: m.lab.Node.Link(to).MAC,
		}
	}
	var flows []gen.Flow
	for i, r := range m.fleet.Relays() {
		up, down := from(m.lab.Client, "c0", "s0"), from(m.lab.Peer, "p0", "s1")
		up.Src, up.Dst, up.Channel, up.ID = r.Client, r.Server, r.Channels[0].Number, uint32(i)
		down.Src, down.Dst, down.ID = r.Channels[0].Peer, r.Relayed, uint32(i)
		flows = append(flows, up, down)
	}
	return flows
}

// start sends until end.
func (m *media) start(t *testing.T) {
	t.Helper()
	var err error
	if m.gen, err = gen.New(gen.Config{Flows: m.flows(), Payload: 172}); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	m.ended = make(chan struct{})
	go func() {
		defer close(m.ended)
		m.err = m.gen.Steady(ctx, rate, 1, func(packets uint64) { m.sent.Add(packets) })
	}()
	t.Cleanup(func() {
		m.stop()
		<-m.ended
		_ = m.gen.Close()
	})
}

// end stops sending and checks that every packet arrived.
func (m *media) end(t *testing.T) {
	t.Helper()
	m.stop()
	<-m.ended
	if m.err != nil {
		t.Fatal(m.err)
	}
	sent := m.sent.Load()
	eventually(t, 3*time.Second, "what was sent", func() error {
		// The links queue 256 frames. A busy machine lets them overflow, with or without a relay.
		if got, overflow := m.arrived(t), m.overflow(t); got+overflow != sent {
			return fmt.Errorf("%d of %d packets arrived, %d did not fit into the queues of the links", got, sent, overflow)
		}
		return nil
	})
	t.Logf("%d packets, none lost; %d did not fit into the queues of the links", sent, m.overflow(t))
}

func (m *media) arrived(t *testing.T) (packets uint64) {
	t.Helper()
	for _, c := range []*count.Counter{m.toPeer, m.toUser} {
		total, err := c.Totals()
		if err != nil {
			t.Fatal(err)
		}
		packets += total.Packets
	}
	return packets
}

// overflow is how many frames the lab's links threw away because their queues were full.
func (m *media) overflow(t *testing.T) (frames uint64) {
	t.Helper()
	for _, h := range []*lab.Host{m.lab.Client, m.lab.Node, m.lab.Peer} {
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

// flowing waits until more packets arrive.
func (m *media) flowing(t *testing.T) {
	t.Helper()
	before := m.arrived(t)
	eventually(t, 10*time.Second, "media", func() error {
		if m.arrived(t) < before+rate/10 {
			return fmt.Errorf("%d packets arrived", m.arrived(t)-before)
		}
		return nil
	})
}

// onXDP waits until the machine says that all relays are there and the kernel has them.
func (m *machine) onXDP(t *testing.T) {
	t.Helper()
	eventually(t, 20*time.Second, "relays on XDP", func() error {
		var all []api.Relay
		if err := json.Unmarshal([]byte(m.run(t, "turnpike", "relay", "list", "-o", "json")), &all); err != nil {
			return err
		}
		if len(all) != relays {
			return fmt.Errorf("%d relays", len(all))
		}
		for _, r := range all {
			if r.Path != "xdp" {
				return fmt.Errorf("relay %d: path=%s (%s)", r.ID, r.Path, r.Reason)
			}
		}
		return nil
	})
}
