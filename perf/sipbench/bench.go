package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"turnpike.dev/turnpike/perf/report"
)

// bench is one run.
type bench struct {
	options
	report *report.Report
	start  time.Time
	stdout io.Writer
}

// measure runs the parts that were chosen. What fails is noted, and the rest goes on.
func (b *bench) measure(ctx context.Context) {
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{cpuPart, b.costs}, {memoryPart, b.memory}, {tlsPart, b.connections}, {mediaPart, b.media950}} {
		if slices.Contains(b.parts, part.name) {
			b.try(ctx, part.name, func() error { return part.run(ctx) })
		}
	}
}

// try runs a part and notes why it failed.
func (b *bench) try(ctx context.Context, what string, part func() error) {
	if ctx.Err() != nil {
		return
	}
	if err := part(); err != nil {
		why, _, _ := strings.Cut(err.Error(), "\n") // SIPp's own words follow
		b.report.Problems = append(b.report.Problems, what+": "+why)
		b.say("%s: %v", what, err)
	}
}

// say tells the progress.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.stdout, "%4.0fs  %s\n", time.Since(b.start).Seconds(), fmt.Sprintf(format, args...))
}

// each runs a measurement on a new site of every target.
func (b *bench) each(ctx context.Context, what string, setup setup, measure func(*site) error) {
	for _, target := range b.targets {
		b.try(ctx, target+": "+what, func() error {
			s, err := b.open(ctx, target, setup)
			if err != nil {
				return err
			}
			return errors.Join(measure(s), s.close())
		})
	}
}

// scaled is a number of a full run, smaller in a quick one.
func (b *bench) scaled(n int) int { return max(1, int(float64(n)*b.scale)) }

// ratios compares CPU time with Kamailio's. The design promises at most as much for a call with media anchored;
// of the other two it is what we want.
func ratios(s *report.SIP) []report.Ratio {
	var all []report.Ratio
	for _, what := range []string{registerCost, optionsCost, callCost} {
		own, beside := cost(s, what, true), cost(s, what, false)
		if own == 0 || beside == 0 {
			continue
		}
		all = append(all, report.Ratio{What: "CPU of " + what + " against Kamailio's", Value: float64(own / beside), Want: 1, AtMost: true, Unit: "×"})
	}
	return all
}

func cost(s *report.SIP, what string, own bool) report.Micros {
	for _, c := range s.Costs {
		if c.What == what && (c.Target == turnpike) == own {
			return c.Median
		}
	}
	return 0
}
