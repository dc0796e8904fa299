package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"turnpike.dev/turnpike/perf/limit"
	"turnpike.dev/turnpike/perf/report"
)

// bench is one run.
type bench struct {
	options
	report *report.Report
	start  time.Time
	stdout io.Writer
	// flat are the flat-out rates found, for where the no-drop search begins.
	flat map[flatKey]float64
	// noDrop are the no-drop rates found, for the load that latency is measured at.
	noDrop map[flatKey]float64
}

type flatKey struct{ target, direction string }

func newBench(o options, args []string, stdout io.Writer) *bench {
	now := time.Now()
	return &bench{
		options: o, report: report.New(append([]string{filepath.Base(args[0])}, args[1:]...), now), start: now, stdout: stdout,
		flat: make(map[flatKey]float64), noDrop: make(map[flatKey]float64),
	}
}

// measure runs the parts that were chosen. What fails is noted, and the rest goes on.
func (b *bench) measure(ctx context.Context) {
	ticks := report.CPUTicks()
	b.besideLimit(ctx)
	for _, target := range []string{userspaceTarget, coturnTarget, pionTarget} {
		if slices.Contains(b.targets, target) {
			b.try(ctx, target, func() error { return b.alone(ctx, target) })
		}
	}
	b.report.Finish(time.Now(), ticks)
}

// try runs a part and notes why it failed.
func (b *bench) try(ctx context.Context, what string, part func() error) {
	if ctx.Err() != nil {
		return
	}
	if err := part(); err != nil {
		b.report.Problems = append(b.report.Problems, fmt.Sprintf("%s: %v", what, err))
		b.say("%s: %v", what, err)
	}
}

// say tells the progress.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.stdout, "%4.0fs  %s\n", time.Since(b.start).Seconds(), fmt.Sprintf(format, args...))
}

func (b *bench) wants(part string) bool { return slices.Contains(b.parts, part) }

// besideLimit measures the bare limit and Turnpike on XDP, by turns where they are
// compared: the machine may be faster at one time than at another.
func (b *bench) besideLimit(ctx context.Context) {
	var sites []*site
	defer func() {
		for _, s := range sites {
			b.try(context.WithoutCancel(ctx), "clean up "+s.target, s.close)
		}
	}()
	if slices.Contains(b.targets, limitTarget) {
		b.try(ctx, limitTarget, func() error {
			s, err := b.fasterLimit(ctx)
			sites = appendSite(sites, s)
			return err
		})
	}
	if slices.Contains(b.targets, xdpTarget) {
		b.try(ctx, xdpTarget, func() error {
			s, err := b.openServer(ctx, xdpTarget)
			sites = appendSite(sites, s)
			return err
		})
	}
	if len(sites) > 0 {
		b.compare(ctx, sites)
	}
}

func appendSite(sites []*site, s *site) []*site {
	if s == nil {
		return sites
	}
	return append(sites, s)
}

func (b *bench) compare(ctx context.Context, sites []*site) {
	if b.wants(throughputPart) {
		b.try(ctx, throughputPart, func() error { return b.throughput(ctx, sites) })
	}
	if b.wants(sweepPart) {
		b.try(ctx, sweepPart, func() error { return b.sweep(ctx, sites) })
	}
	for _, s := range sites {
		b.quiet(ctx, s)
	}
	for _, s := range sites {
		if s.server == nil {
			continue
		}
		if b.wants(oneCorePart) {
			b.try(ctx, oneCorePart, func() error { return b.oneCoreLoad(ctx, s) })
		}
		if b.wants(churnPart) {
			b.try(ctx, churnPart, func() error { return b.churnCost(ctx, s) })
		}
		if b.wants(peersPart) {
			b.try(ctx, peersPart, func() error { return b.fourPeers(ctx, s) })
		}
	}
}

// alone measures a server that works in its process.
func (b *bench) alone(ctx context.Context, target string) error {
	s, err := b.openServer(ctx, target)
	if err != nil {
		return err
	}
	if b.wants(throughputPart) {
		b.try(ctx, target+" "+throughputPart, func() error { return b.ladder(ctx, s) })
	}
	b.quiet(ctx, s)
	return s.close()
}

// quiet measures what is measured without loss.
func (b *bench) quiet(ctx context.Context, s *site) {
	if b.wants(noDropPart) {
		b.try(ctx, s.target+" "+noDropPart, func() error { return b.noDropRates(ctx, s) })
	}
	if b.wants(latencyPart) {
		b.try(ctx, s.target+" "+latencyPart, func() error { return b.latencies(ctx, s) })
	}
}

// fasterLimit opens the site of the faster way to redirect.
func (b *bench) fasterLimit(ctx context.Context) (*site, error) {
	rates := make(map[limit.Kind]float64)
	for _, kind := range []limit.Kind{limit.Redirect, limit.Devmap, limit.Redirect, limit.Devmap} {
		s, err := limitSite(kind)
		if err != nil {
			return nil, err
		}
		o, err := s.trial(ctx, b.base(up))
		if err := errors.Join(err, s.close()); err != nil {
			return nil, err
		}
		rates[kind] = max(rates[kind], o.delivered)
	}
	best := limit.Redirect
	if rates[limit.Devmap] > rates[best] {
		best = limit.Devmap
	}
	b.say("bare limit: %s %.0f, %s %.0f packets/s", limit.Redirect, rates[limit.Redirect], limit.Devmap, rates[limit.Devmap])
	return limitSite(best)
}

// base is a flat-out round of the base case.
func (b *bench) base(direction string) demand {
	return demand{direction: direction, relays: baseRelays, payload: basePayload, duration: b.plan.round, cpu: b.cpu}
}

// openServer starts a server and makes its relays, which is a measurement itself.
func (b *bench) openServer(ctx context.Context, target string) (*site, error) {
	if _, err := os.Stat(b.binary); err != nil && (target == xdpTarget || target == userspaceTarget) {
		return nil, fmt.Errorf("no Turnpike: build it with make build, or name it with -bin: %w", err)
	}
	s, err := serverSite(ctx, target, b.binary)
	if err != nil {
		return nil, err
	}
	if err := b.setups(ctx, s); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}
