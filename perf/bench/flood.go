package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"turnpike.dev/turnpike/perf/flood"
	"turnpike.dev/turnpike/perf/limit"
	"turnpike.dev/turnpike/perf/load"
	"turnpike.dev/turnpike/perf/peers"
	"turnpike.dev/turnpike/perf/report"
	"turnpike.dev/turnpike/perf/search"
)

// While rubbish comes, baseRelays innocent ones carry this much in both directions: a
// quarter of what coturn carries without drop.
const innocentRate = commonRate

// Rates at which every target is flooded to compare what newcomers see.
var commonFloods = map[string][]float64{"packets": {50e3, 0}, "connections": {1000, 0}, "set-ups": {500, 0}}

const (
	// lowestFlood is where the search begins, by share of what is tried at most.
	lowestFlood = 1. / 3000
	floodTime   = 45 * time.Second // for one kind and target
	greedyKbps  = 128
	// spareRelays are for newcomers and allocation storms.
	spareRelays = 4000
)

func chooseKinds(list string, p plan) ([]string, error) {
	var all []string
	for _, k := range flood.Kinds() {
		all = append(all, k.Name)
	}
	switch {
	case list != "":
		return choose("kind", list, all)
	case len(p.floods) > 0:
		return p.floods, nil
	}
	return all, nil
}

// floods measures every kind of rubbish against every target, one target after the other.
func (b *bench) floods(ctx context.Context) {
	targets := b.targets
	if len(targets) == len(allTargets) {
		targets = []string{limitTarget, xdpTarget, coturnTarget}
	}
	for _, target := range targets {
		b.try(ctx, target, func() error {
			s, err := b.floodSite(ctx, target)
			if err != nil {
				return err
			}
			for _, k := range flood.Kinds() {
				if slices.Contains(b.kinds, k.Name) {
					b.try(ctx, target+" "+k.Name, func() error { return b.flood(ctx, s, k) })
				}
			}
			return s.close()
		})
	}
}

// floodSite has a target with all relays, and with room for newcomers.
func (b *bench) floodSite(ctx context.Context, target string) (*site, error) {
	if target == limitTarget {
		s, err := limitSite(limit.Sieve)
		if err != nil {
			return nil, err
		}
		return s, errors.Join(flood.RouteForged(s.lab))
	}
	s, err := newSite(target)
	if err != nil {
		return nil, err
	}
	options := peers.Options{Relays: baseRelays + spareRelays, RateKbps: greedyKbps}
	switch target {
	case xdpTarget, userspaceTarget:
		if _, err := os.Stat(b.binary); err != nil {
			return nil, errors.Join(fmt.Errorf("no Turnpike: build it with make build: %w", err), s.close())
		}
		options.Mode = peers.XDP
		if target == userspaceTarget {
			options.Mode = peers.Userspace
		}
		s.server, err = peers.TurnpikeWith(ctx, s.lab, b.binary, options)
	case coturnTarget:
		s.server, err = peers.CoturnWith(ctx, s.lab, fmt.Sprintf("--max-bps=%d", greedyKbps*1000/8))
	default:
		err = fmt.Errorf("%s is not flooded: choose from %s, %s, %s, %s", target, limitTarget, xdpTarget, userspaceTarget, coturnTarget)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.closers = append(s.closers, s.server.Stop)
	if err := b.innocents(ctx, s); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// innocents makes the relays that are to notice nothing.
func (b *bench) innocents(ctx context.Context, s *site) error {
	if err := flood.RouteForged(s.lab); err != nil {
		return fmt.Errorf("route forged sources: %w", err)
	}
	var err error
	if s.fleet, err = s.newFleet(baseRelays, 1); err != nil {
		return err
	}
	s.closers = append(s.closers, s.fleet.Close)
	r, err := s.fleet.Setup(ctx, load.Pace{})
	if err != nil {
		return fmt.Errorf("set up relays: %w", err)
	}
	s.relays, s.renewed = s.fleet.Relays(), time.Now()
	b.say("%-18s %d innocent relays, %.0f set-ups/s", s.target, r.Done, r.Rate())
	return nil
}

// innocent is what they send. The last relay is the greedy user's and sends nothing else.
func (b *bench) innocent(d time.Duration) demand {
	return demand{
		direction: both, relays: baseRelays - 1, payload: basePayload, rate: innocentRate,
		duration: d, cpu: b.cpu, burst: time.Second,
	}
}

func (s *site) floodTarget() flood.Target {
	t := flood.Target{
		Lab: s.lab, Server: netip.AddrPortFrom(s.lab.Node.Link("s0").Prefixes[0].Addr(), peers.Port),
		Attackers: s.lab.ClientAddrs.V4[fleetClients:], User: peers.User, Password: peers.Password,
		Relays: s.relays, Alone: s.server == nil,
	}
	return t
}

// flood measures one kind: how much of it the innocent bear, and what newcomers see at
// the common rate.
func (b *bench) flood(ctx context.Context, s *site, k flood.Kind) error {
	ctx, cancel := context.WithTimeout(ctx, floodTime)
	defer cancel()
	source, err := k.Open(ctx, s.floodTarget())
	if err != nil {
		return err
	}
	defer source.Close() //nolint:errcheck // memory and sockets
	row := report.Flood{Kind: k.Name, Text: k.Text, Unit: k.Unit, Target: s.shown()}
	for _, rate := range commonFloods[k.Unit] {
		at, err := b.newcomers(ctx, s, k, source, rate)
		if err != nil {
			return err
		}
		row.At = append(row.At, at)
	}
	o := search.Options{
		Low: lowestFlood * k.High, High: k.High, MaxLoss: maxLoss,
		Precision: b.plan.floodPrecision, Confirm: b.plan.floodConfirm, Geometric: true,
	}
	top := true
	row.Rate, err = search.NoDrop(ctx, o, func(ctx context.Context, rate float64) (search.Trial, error) {
		out, offered, err := b.under(ctx, s, source, rate, b.plan.floodTrial)
		if out.loss() > maxLoss {
			top = false
		}
		return search.Trial{Offered: offered, Loss: out.loss()}, err
	})
	if err != nil {
		return err
	}
	row.Unreached = top
	b.report.Floods = append(b.report.Floods, row)
	b.say("%-18s %-10s %s%.0f %s/s", s.target, k.Name, map[bool]string{true: "≥"}[top], row.Rate, k.Unit)
	for _, at := range row.At {
		b.say("%-18s %-10s at %.0f/s: %.2f %% lost, newcomers %d of %d, p99 %.1f ms (%s)", s.target, k.Name,
			at.Offered, 100*at.Loss, at.Done, at.Asked, float64(at.P99)/1000, at.Counters)
	}
	return nil
}

// shown is what the tables call the target.
func (s *site) shown() string {
	if s.server == nil {
		return "alone"
	}
	return s.target
}

// under is a trial of the innocent under a flood. The flood comes from another CPU, and
// so by another queue: where both share one, each takes the generator's time from the
// other, which is no loss that a network has.
func (b *bench) under(ctx context.Context, s *site, f flood.Source, rate float64, d time.Duration) (outcome, float64, error) {
	type ended struct {
		offered float64
		err     error
	}
	start := time.Now()
	full, err := s.overflows()
	if err != nil {
		return outcome{}, 0, err
	}
	flooding, stop := context.WithCancel(ctx)
	defer stop()
	result := make(chan ended, 1)
	go func() {
		offered, err := f.Run(flooding, rate, (b.cpu+1)%runtime.NumCPU())
		result <- ended{offered, err}
	}()
	o, err := s.trial(ctx, b.innocent(d))
	stop()
	r := <-result
	fuller, fullErr := s.overflows()
	reached := r.offered - float64(fuller-full)/time.Since(start).Seconds()
	return o, max(0, reached), errors.Join(err, r.err, fullErr)
}

// overflows is how many frames did not find room in the queues of the node's links, and
// so never reached it.
func (s *site) overflows() (frames uint64, err error) {
	for _, l := range s.lab.Node.Links {
		link, err := s.lab.Node.Netlink().LinkByName(l.Name)
		if err != nil {
			return 0, err
		}
		frames += link.Attrs().Statistics.RxDropped
	}
	return frames, nil
}

// newcomers measures a flood at one rate: the innocent's loss, and honest set-ups that
// come meanwhile.
func (b *bench) newcomers(ctx context.Context, s *site, k flood.Kind, f flood.Source, rate float64) (report.FloodAt, error) {
	at := report.FloodAt{Rate: rate}
	var came arrivals
	done := make(chan error, 1)
	before, err := s.counters()
	if err != nil {
		return at, err
	}
	used, err := s.processTime()
	if err != nil {
		return at, err
	}
	start := time.Now()
	go func() {
		var err error
		came, err = b.arrive(ctx, s, k.TCP)
		done <- err
	}()
	o, offered, err := b.under(ctx, s, f, rate, b.plan.newcomers)
	after, usedErr := s.processTime()
	took := time.Since(start)
	if err := errors.Join(err, usedErr, <-done); err != nil {
		return at, err
	}
	at.Offered, at.Loss, at.CPU = offered, o.loss(), float64(after-used)/float64(took)
	at.Asked, at.Done = came.asked, len(came.took)
	at.P50, at.P99 = report.MicrosOf(came.quantile(.5)), report.MicrosOf(came.quantile(.99))
	if s.server == nil {
		return at, nil
	}
	if at.RSS, err = s.server.RSS(); err != nil {
		return at, err
	}
	grown, err := s.counters()
	at.Counters = strings.Join(grown.since(before, 2), ", ")
	return at, err
}
