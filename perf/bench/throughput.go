package main

import (
	"context"
	"fmt"
	"slices"

	"turnpike.dev/turnpike/perf/report"
)

// throughput measures the base case flat out in each direction.
func (b *bench) throughput(ctx context.Context, sites []*site) error {
	for _, direction := range []string{up, down, both, twice} {
		if err := b.rounds(ctx, sites, b.base(direction), b.plan.rounds); err != nil {
			return err
		}
	}
	return nil
}

// sweep varies the number of relays and the payload.
func (b *bench) sweep(ctx context.Context, sites []*site) error {
	for _, direction := range b.plan.directions {
		for _, d := range b.variants(direction) {
			if err := b.rounds(ctx, sites, d, b.plan.sweepRounds); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) variants(direction string) []demand {
	var ds []demand
	for _, relays := range b.plan.relays {
		d := b.base(direction)
		d.relays, d.duration = relays, b.plan.sweepRound
		ds = append(ds, d)
	}
	for _, payload := range b.plan.payloads {
		d := b.base(direction)
		d.payload, d.duration = payload, b.plan.sweepRound
		ds = append(ds, d)
	}
	return ds
}

// rounds measures the sites by turns and adds a row with the median for each.
func (b *bench) rounds(ctx context.Context, sites []*site, d demand, rounds int) error {
	outcomes := make([][]outcome, len(sites))
	unseen := make([]int, len(sites)) // in the last round
	for range rounds {
		for i, s := range sites {
			o, err := s.trial(ctx, d)
			if err != nil {
				return fmt.Errorf("%s: %w", s.target, err)
			}
			outcomes[i] = append(outcomes[i], o)
			if unseen[i], err = s.unseen(o); err != nil {
				return err
			}
		}
	}
	for i, s := range sites {
		row := medianRow(report.Throughput, s.target, outcomes[i])
		row.Unseen, row.PerCore = unseen[i], medianPerCore(outcomes[i])
		var err error
		if row.RunNs, err = s.runNs(ctx, d); err != nil {
			return fmt.Errorf("%s: %w", s.target, err)
		}
		b.flatRow(s, row)
	}
	return nil
}

// flatRow adds a row and remembers its rate.
func (b *bench) flatRow(s *site, row report.Row) {
	b.report.Add(row)
	key := flatKey{s.target, row.Direction}
	if row.Relays == baseRelays && row.Payload == basePayload && row.Peers == 1 {
		b.flat[key] = row.Delivered
	}
	b.say("%-18s %-4s %4d relays × %d, %4d bytes: %9.0f packets/s", s.target, row.Direction, row.Relays, row.Peers, row.Payload, row.Delivered)
}

// medianRow is the row of the outcome with the median rate.
func medianRow(part, target string, os []outcome) report.Row {
	slices.SortFunc(os, func(a, b outcome) int { return int(a.delivered - b.delivered) })
	row := os[len(os)/2].row(part, target)
	row.Worst, row.Best = os[0].delivered, os[len(os)-1].delivered
	return row
}

// medianPerCore is the median of what the rounds had per second of a core.
func medianPerCore(os []outcome) float64 {
	slices.SortFunc(os, func(a, b outcome) int { return int(a.perCore() - b.perCore()) })
	return os[len(os)/2].perCore()
}

// ladder finds the most that a server in a process delivers at any load: it gets
// slower when it is flooded, as what it drops costs time too.
func (b *bench) ladder(ctx context.Context, s *site) error {
	for _, direction := range b.plan.directions {
		var best outcome
		var unseen int
		for _, rate := range []float64{50e3, 75e3, 110e3, 160e3, 240e3, 360e3, 0} {
			d := b.base(direction)
			d.rate = rate
			o, err := s.trial(ctx, d)
			if err != nil {
				return err
			}
			if o.delivered <= best.delivered {
				continue
			}
			best = o
			if unseen, err = s.unseen(o); err != nil {
				return err
			}
		}
		row := best.row(report.Throughput, s.target)
		row.Unseen = unseen
		b.flatRow(s, row)
	}
	return nil
}
