package main

import (
	"context"

	"turnpike.dev/turnpike/perf/report"
)

// commonRate is a load that every target carries, to compare latencies at.
const commonRate = 20e3

// latencies measures the added latency at half the target's no-drop rate, and at a
// rate that is the same for all. What is added by generator and counter themselves
// is the bare limit's latency.
func (b *bench) latencies(ctx context.Context, s *site) error {
	for _, direction := range b.plan.quiet {
		half := b.noDrop[flatKey{s.target, direction}] / 2
		if half > 0 {
			if err := b.latency(ctx, s, direction, half, ""); err != nil {
				return err
			}
		}
		if err := b.latency(ctx, s, direction, commonRate, "common rate"); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) latency(ctx context.Context, s *site, direction string, rate float64, note string) error {
	d := b.base(direction)
	d.rate, d.duration = rate, b.plan.latency
	o, err := s.trial(ctx, d)
	if err != nil {
		return err
	}
	row := o.row(report.Latency, s.target)
	row.Note = note
	b.report.Add(row)
	b.say("%-18s %-4s at %9.0f packets/s: p50 %.1f µs, p99 %.1f µs", s.target, direction, row.Offered, row.P50, row.P99)
	return nil
}
