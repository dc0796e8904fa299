package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"turnpike.dev/turnpike/perf/count"
	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/limit"
	"turnpike.dev/turnpike/perf/load"
	"turnpike.dev/turnpike/perf/peers"
)

// site is a lab in which something relays, with a counter at both ends.
type site struct {
	target string
	lab    *lab.Lab
	server *peers.Server // nil: the bare limit
	fleet  *load.Fleet   // nil: the bare limit
	toPeer *count.Counter
	toUser *count.Counter // at the client
	relays []load.Relay
	fleets int // made so far
	// renewed is when the relays were made or renewed.
	renewed time.Time

	sources   []source // of the last trial
	sourceKey sourceKey
	closers   []func() error // in reverse order
}

// labOptions: a queue for each CPU, so that both can work at the same time.
var labOptions = lab.Options{Queues: 2, Peers: 4, Clients: fleetClients + attackers}

// Of the client's addresses most are the fleets', and some only floods come from.
const fleetClients, attackers = 90, 4

// newSite makes the lab and the counters. The lab's name is always the same, so that
// a run cleans up after one that was killed.
func newSite(target string) (*site, error) {
	opts := labOptions
	opts.Name = "bench-" + target
	l, err := lab.New(opts)
	if err != nil {
		return nil, err
	}
	s := &site{target: target, lab: l}
	s.closers = append(s.closers, l.Close)
	if s.toPeer, err = count.Attach(l.Peer, "p0", true); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.closers = append(s.closers, s.toPeer.Close)
	if s.toUser, err = count.Attach(l.Client, "c0", true); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.closers = append(s.closers, s.toUser.Close)
	return s, nil
}

// limitSite has the bare redirect, and relays that nobody granted: the frames are
// what counts.
func limitSite(kind limit.Kind) (*site, error) {
	s, err := newSite(limitTarget)
	if err != nil {
		return nil, err
	}
	bare, err := limit.Attach(s.lab.Node, kind, "s0", "s1")
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.closers = append(s.closers, bare.Close)
	near, far := s.lab.Node.Link("s0").Prefixes[0].Addr(), s.lab.Node.Link("s1").Prefixes[0].Addr()
	for i := range baseRelays {
		s.relays = append(s.relays, load.Relay{
			Client:   netip.AddrPortFrom(s.lab.ClientAddrs.V4[0], uint16(30000+i)),
			Server:   netip.AddrPortFrom(near, peers.Port),
			Relayed:  netip.AddrPortFrom(far, uint16(24000+i)),
			Channels: []load.Channel{{Number: load.FirstChannel, Peer: s.peerOf(i, 0)}},
		})
	}
	return s, nil
}

// serverSite has a server without relays.
func serverSite(ctx context.Context, target, binary string) (*site, error) {
	s, err := newSite(target)
	if err != nil {
		return nil, err
	}
	switch target {
	case xdpTarget:
		s.server, err = peers.Turnpike(ctx, s.lab, binary, peers.XDP)
	case userspaceTarget:
		s.server, err = peers.Turnpike(ctx, s.lab, binary, peers.Userspace)
	case coturnTarget:
		s.server, err = peers.Coturn(ctx, s.lab)
	case pionTarget:
		s.server, err = peers.Pion(ctx, s.lab)
	default:
		err = fmt.Errorf("%s is no server", target)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.closers = append(s.closers, s.server.Stop)
	return s, nil
}

func (s *site) close() error {
	errs := []error{s.dropSources()}
	for _, f := range slices.Backward(s.closers) {
		errs = append(errs, f())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// newFleet makes clients without relays yet. Each fleet has another address: coturn
// refuses a client's port for a while after its relay has gone.
func (s *site) newFleet(relays, peersEach int) (*load.Fleet, error) {
	client := s.lab.ClientAddrs.V4[s.fleets%fleetClients]
	s.fleets++
	return load.New(load.Config{
		Host: s.lab.Client, Clients: []netip.Addr{client}, Servers: s.server.Listen,
		User: peers.User, Password: peers.Password,
		Peers: func(relay int) []netip.AddrPort {
			var ps []netip.AddrPort
			for k := range peersEach {
				ps = append(ps, s.peerOf(relay, k))
			}
			return ps
		},
	}, relays)
}

// hold keeps the relays from expiring: permissions last five minutes (RFC 8656
// section 9) and nothing else renews them.
func (s *site) hold(ctx context.Context) error {
	const spare = 2 * time.Minute
	if s.fleet == nil || time.Since(s.renewed) < spare {
		return nil
	}
	s.renewed = time.Now()
	if _, err := s.fleet.Renew(ctx); err != nil {
		return fmt.Errorf("renew the relays: %w", err)
	}
	return nil
}

// peerOf is the k-th peer of a relay.
func (s *site) peerOf(relay, k int) netip.AddrPort {
	return netip.AddrPortFrom(s.lab.PeerAddrs.V4[k], uint16(10000+relay))
}

// flows are the streams of the first n relays in a direction.
func (s *site) flows(direction string, n int) []gen.Flow {
	var flows []gen.Flow
	id := uint32(0)
	for _, r := range s.relays[:min(n, len(s.relays))] {
		for _, c := range r.Channels {
			if direction != down {
				flows = append(flows, s.upFlow(r, c, id))
			}
			if direction != up {
				flows = append(flows, s.downFlow(r, c, id))
			}
			id++
		}
	}
	return flows
}

func (s *site) upFlow(r load.Relay, c load.Channel, id uint32) gen.Flow {
	return gen.Flow{
		Link:   gen.Link{Host: s.lab.Client, Name: "c0"},
		SrcMAC: s.lab.Client.Link("c0").MAC, DstMAC: s.lab.Node.Link("s0").MAC,
		Src: r.Client, Dst: r.Server, Channel: c.Number, ID: id,
	}
}

func (s *site) downFlow(r load.Relay, c load.Channel, id uint32) gen.Flow {
	return gen.Flow{
		Link:   gen.Link{Host: s.lab.Peer, Name: "p0"},
		SrcMAC: s.lab.Peer.Link("p0").MAC, DstMAC: s.lab.Node.Link("s1").MAC,
		Src: c.Peer, Dst: r.Relayed, ID: id,
	}
}
