package main

import (
	"context"
	"fmt"
	"time"

	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/load"
	"turnpike.dev/turnpike/perf/report"
)

// memory is what a server and the machine use at one time, in bytes.
type memory struct{ process, system uint64 }

func (s *site) memory() (m memory, err error) {
	if m.process, err = s.server.RSS(); err != nil {
		return m, err
	}
	m.system, err = s.server.SystemMemory()
	return m, err
}

// setups makes the relays of a site, several times, and measures how fast, and what
// they weigh the first time.
func (b *bench) setups(ctx context.Context, s *site) error {
	var err error
	if s.fleet, err = s.newFleet(baseRelays, 1); err != nil {
		return err
	}
	s.closers = append(s.closers, func() error {
		if s.fleet == nil {
			return nil
		}
		return s.fleet.Close()
	})
	before, err := s.memory()
	if err != nil {
		return err
	}
	first, err := s.fleet.Setup(ctx, load.Pace{})
	if err != nil {
		return fmt.Errorf("set up relays: %w", err)
	}
	after, err := s.memory()
	if err != nil {
		return err
	}
	s.relays, s.renewed = s.fleet.Relays(), time.Now()
	best, err := s.again(ctx, first, b.plan.setups-1)
	if err != nil {
		return err
	}
	row := setupRow(report.Setups, s.target, best)
	row.RSS = after.process
	row.RSSPerRelay = (int64(after.process) - int64(before.process)) / int64(len(s.relays))
	row.SystemMemory = (int64(after.system) - int64(before.system)) / int64(len(s.relays))
	b.report.Add(row)
	b.say("%-18s %d relays: %.0f set-ups/s, %.1f KiB RSS each", s.target, row.Relays, row.PerSecond, float64(row.RSSPerRelay)/1024)
	return nil
}

// again replaces the relays by new ones, and returns the fastest round: what slows
// the others is the machine.
func (s *site) again(ctx context.Context, best load.Report, rounds int) (load.Report, error) {
	for range rounds {
		r, err := s.replaceFleet(ctx, baseRelays, 1)
		if err != nil {
			return best, err
		}
		if r.Rate() > best.Rate() {
			best = r
		}
	}
	return best, nil
}

func setupRow(part, target string, r load.Report) report.Row {
	return report.Row{
		Part: part, Target: target, Relays: r.Done, PerSecond: r.Rate(), Repeated: r.Repeated,
		P50: report.MicrosOf(r.Quantile(.5)), P99: report.MicrosOf(r.Quantile(.99)),
	}
}

// oneCoreLoad gives each relay 50 packets/s both ways, with generator, node and
// counters on one core.
func (b *bench) oneCoreLoad(ctx context.Context, s *site) error {
	const perRelay = 50
	if err := s.server.Pin(b.cpu); err != nil {
		return err
	}
	d := b.base(both)
	d.rate, d.duration = float64(len(s.relays)*perRelay*2), b.plan.oneCore
	d.burst = time.Second // the process shares the core; nothing may be left out for that
	o, err := s.trial(ctx, d)
	if err != nil {
		return err
	}
	row := o.row(report.OneCore, s.target)
	if row.Unseen, err = s.unseen(o); err != nil {
		return err
	}
	b.report.Add(row)
	b.say("%-18s %d relays × %d packets/s both ways on one core: %d of %d lost", s.target, d.relays, perRelay, row.Lost, row.Sent)
	return s.server.Unpin()
}

// churnCost compares throughput without and with 100 set-ups per second, of relays
// that come and go besides those that carry the load: flat out, where requests wait
// in the same queues as the load, and at half of that.
func (b *bench) churnCost(ctx context.Context, s *site) error {
	const perSecond = 100
	coming := int(perSecond * b.plan.churn.Seconds())
	keep := baseRelays - coming
	if _, err := s.replaceFleet(ctx, keep, 1); err != nil {
		return err
	}
	d := b.base(up)
	d.relays, d.duration = keep, b.plan.churn
	flat, err := b.churn(ctx, s, d, coming, perSecond)
	if err != nil {
		return err
	}
	d.rate = flat / 2
	_, err = b.churn(ctx, s, d, coming, perSecond)
	return err
}

// churn measures one load and returns what was delivered without set-ups.
func (b *bench) churn(ctx context.Context, s *site, d demand, coming int, perSecond float64) (float64, error) {
	calm, err := s.trial(ctx, d)
	if err != nil {
		return 0, err
	}
	busy, setups, err := s.trialWithSetups(ctx, d, coming, perSecond)
	if err != nil {
		return 0, err
	}
	without, with := calm.row(report.Churn, s.target), busy.row(report.Churn, s.target)
	without.P50, without.P99 = 0, 0
	with.PerSecond, with.Repeated = setups.Rate(), setups.Repeated
	with.P50, with.P99 = report.MicrosOf(setups.Quantile(.5)), report.MicrosOf(setups.Quantile(.99))
	b.report.Add(without, with)
	b.say("%-18s %.0f packets/s, with %.0f set-ups/s %.0f", s.target, without.Delivered, with.PerSecond, with.Delivered)
	return without.Delivered, nil
}

// trialWithSetups runs a trial while another fleet sets up its relays. The fleet works
// on the generator's core: a veth's receive queue is served by the core that sent
// into it when it was empty, so a request from another core would take the whole
// load there, which no network card does.
func (s *site) trialWithSetups(ctx context.Context, d demand, n int, rate float64) (outcome, load.Report, error) {
	coming, err := s.newFleet(n, 1)
	if err != nil {
		return outcome{}, load.Report{}, err
	}
	defer coming.Close() //nolint:errcheck // sockets
	var setups load.Report
	failed := make(chan error, 1)
	go func() {
		failed <- gen.OnCPU(d.cpu, func() (err error) {
			setups, err = coming.Setup(ctx, load.Pace{Rate: rate})
			return err
		})
	}()
	o, err := s.trial(ctx, d)
	if setupErr := <-failed; setupErr != nil {
		return o, setups, fmt.Errorf("set up relays under load: %w", setupErr)
	}
	if err != nil {
		return o, setups, err
	}
	_, err = coming.Release(ctx)
	return o, setups, err
}

// fourPeers measures as many flows on a quarter of the relays.
func (b *bench) fourPeers(ctx context.Context, s *site) error {
	const each = 4
	if _, err := s.replaceFleet(ctx, baseRelays/each, each); err != nil {
		return err
	}
	for _, direction := range b.plan.directions {
		d := b.base(direction)
		d.relays = baseRelays / each
		if err := b.rounds(ctx, []*site{s}, d, b.plan.sweepRounds); err != nil {
			return err
		}
	}
	return nil
}

// replaceFleet gives the relays back and makes others.
func (s *site) replaceFleet(ctx context.Context, relays, each int) (load.Report, error) {
	if _, err := s.fleet.Release(ctx); err != nil {
		return load.Report{}, fmt.Errorf("give relays back: %w", err)
	}
	if err := s.fleet.Close(); err != nil {
		return load.Report{}, err
	}
	var err error
	if s.fleet, err = s.newFleet(relays, each); err != nil {
		return load.Report{}, err
	}
	r, err := s.fleet.Setup(ctx, load.Pace{})
	if err != nil {
		return r, fmt.Errorf("set up %d relays with %d peers: %w", relays, each, err)
	}
	s.relays, s.renewed = s.fleet.Relays(), time.Now()
	return r, nil
}
