package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/lab"
	fleet "turnpike.dev/turnpike/perf/load"
	"turnpike.dev/turnpike/perf/peers"
)

const (
	relays  = 1000
	payload = 160 // 20 ms of G.711 less its header
	steady  = 400_000
	length  = time.Second
)

// load is relays with a generator for them.
type load struct {
	lab       *lab.Lab
	fleet     *fleet.Fleet
	generator *gen.Generator
}

func newLoad(ctx context.Context, l *lab.Lab, node *peers.Server) (*load, error) {
	peer := func(relay int) []netip.AddrPort {
		return []netip.AddrPort{netip.AddrPortFrom(l.PeerAddrs.V4[0], uint16(10000+relay))}
	}
	f, err := fleet.New(fleet.Config{
		Host: l.Client, Clients: l.ClientAddrs.V4[:1], Servers: node.Listen,
		User: peers.User, Password: peers.Password, Peers: peer,
	}, relays)
	if err != nil {
		return nil, err
	}
	if _, err := f.Setup(ctx, fleet.Pace{}); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	var flows []gen.Flow
	for i, r := range f.Relays() {
		flows = append(flows, gen.Flow{
			Link:   gen.Link{Host: l.Client, Name: "c0"},
			SrcMAC: l.Client.Link("c0").MAC, DstMAC: l.Node.Link("s0").MAC,
			Src: r.Client, Dst: r.Server, Channel: r.Channels[0].Number, ID: uint32(i),
		})
	}
	g, err := gen.New(gen.Config{Flows: flows, Payload: payload})
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &load{lab: l, fleet: f, generator: g}, nil
}

func (l *load) close() error { return errors.Join(l.generator.Close(), l.fleet.Close()) }

// arrived is what the peer's link has received: an XDP program that counts there would
// change what is measured.
func (l *load) arrived() (uint64, error) {
	p0, err := l.lab.Peer.Netlink().LinkByName("p0")
	if err != nil {
		return 0, err
	}
	return p0.Attrs().Statistics.RxPackets, nil
}

// run sends for a while and returns the rate at which packets arrived and the share
// that did not.
func (l *load) run(ctx context.Context, rate float64) (perSecond, lost float64, err error) {
	before, err := l.arrived()
	if err != nil {
		return 0, 0, err
	}
	sent, err := l.generator.Run(ctx, gen.Load{Rate: rate, Duration: length})
	if err != nil {
		return 0, 0, err
	}
	after, err := l.settled(ctx)
	if err != nil || sent.Sent == 0 {
		return 0, 0, err
	}
	got := float64(after - before)
	return got / sent.Elapsed.Seconds(), max(0, 1-got/float64(sent.Sent)), nil
}

// settled returns what has arrived when nothing more does: sockets hold some.
func (l *load) settled(ctx context.Context) (uint64, error) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for last := uint64(0); ; {
		n, err := l.arrived()
		if err != nil || n == last {
			return n, err
		}
		last = n
		select {
		case <-ctx.Done():
			return n, ctx.Err()
		case <-again.C:
		}
	}
}

// measure writes down what arrives flat out, and what is lost of a steady load.
func (b *bench) measure(ctx context.Context, when, path string) error {
	if err := b.awaitPath(ctx, path); err != nil {
		return err
	}
	var rates, losses []float64
	for range b.rounds {
		perSecond, _, err := b.load.run(ctx, 0)
		if err != nil {
			return err
		}
		_, lost, err := b.load.run(ctx, steady)
		if err != nil {
			return err
		}
		rates, losses = append(rates, perSecond), append(losses, lost)
	}
	slices.Sort(rates)
	slices.Sort(losses)
	b.say("%-32s %9.0f packets/s flat out; of %d packets/s %.2f %% lost   (path=%s, median of %d; flat out %.0f to %.0f)\n",
		when+":", rates[len(rates)/2], steady, 100*losses[len(losses)/2], path, b.rounds, rates[0], rates[len(rates)-1])
	return nil
}

// comeFirst gives the measurement a larger share of the processors than other programs
// have (autogroups, sched(7)).
func comeFirst() (undo func()) {
	set := func(nice string) {
		if err := os.WriteFile("/proc/self/autogroup", []byte(nice), 0); err != nil {
			fmt.Fprintln(os.Stderr, "tune: other programs may disturb:", err)
		}
	}
	set("-20")
	return func() { set("0") }
}
