package main

import (
	"context"

	"turnpike.dev/turnpike/perf/report"
	"turnpike.dev/turnpike/perf/search"
)

// maxLoss is RFC 2544's zero, relaxed to what the promises say.
const maxLoss = .001

// noDropRates searches the highest rate without drop in each direction.
func (b *bench) noDropRates(ctx context.Context, s *site) error {
	for _, direction := range b.plan.quiet {
		var last outcome
		rate, err := search.NoDrop(ctx, b.searchOptions(s, direction), func(ctx context.Context, rate float64) (search.Trial, error) {
			d := b.base(direction)
			d.rate, d.duration = rate, b.plan.trial
			o, err := s.trial(ctx, d)
			if err == nil && o.loss() <= maxLoss {
				last = o
			}
			return search.Trial{Offered: o.sent.Rate(), Loss: o.loss()}, err
		})
		if err != nil {
			return err
		}
		b.noDrop[flatKey{s.target, direction}] = rate
		row := last.row(report.NoDrop, s.target)
		row.Direction, row.Relays, row.Payload, row.Offered = direction, baseRelays, basePayload, rate
		b.report.Add(row)
		b.say("%-18s %-4s without drop: %9.0f packets/s", s.target, direction, rate)
	}
	return nil
}

func (b *bench) searchOptions(s *site, direction string) search.Options {
	high := 1e6
	if flat := b.flat[flatKey{s.target, direction}]; flat > 0 {
		high = 1.3 * flat
	}
	return search.Options{
		Low: min(5000, high), High: high, MaxLoss: maxLoss,
		Precision: b.plan.precision, Confirm: b.plan.confirm, Retries: 2,
	}
}
