// Command bench measures Turnpike beside the bare XDP redirect, coturn and pion, all
// in one run on one machine, and says which of the promised ratios hold.
//
//	go run ./perf/bench -quick
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/peers"
	"turnpike.dev/turnpike/perf/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures and reports.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) > 1 && args[1] == peers.PionCommand {
		return peers.ServePion(ctx, args[2:])
	}
	opts, err := parse(args)
	if err != nil {
		return err
	}
	alone, err := lock()
	if err != nil {
		return err
	}
	defer alone.Close() //nolint:errcheck // ends with the process at the latest
	defer lab.ComeFirst()()
	b := newBench(opts, args, stdout)
	switch {
	case b.wants(floodPart):
		return b.extra(ctx, b.floods, b.report.FloodTable, b.report.WriteFlood)
	case b.wants(scalePart):
		return b.extra(ctx, b.scales, b.report.ScaleTable, b.report.WriteScale)
	case b.wants(capturePart):
		return b.extra(ctx, b.captures, b.report.CaptureTable, b.report.WriteCapture)
	}
	b.measure(ctx)
	b.report.Ratios = promises(b.report)
	if err := b.report.Table(stdout); err != nil {
		return err
	}
	if opts.out == "" {
		return ctx.Err()
	}
	if err := b.report.Write(opts.out); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	fmt.Fprintf(stdout, "\nwritten to %s\n", opts.out)
	return ctx.Err()
}

// extra runs a part that has a report of its own.
func (b *bench) extra(ctx context.Context, measure func(context.Context), table func(io.Writer) error, write func(dir string) error) error {
	ticks := report.CPUTicks()
	measure(ctx)
	b.report.Finish(time.Now(), ticks)
	if err := table(b.stdout); err != nil || b.out == "" {
		return errors.Join(err, ctx.Err())
	}
	if err := write(b.out); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	fmt.Fprintf(b.stdout, "\nwritten to %s\n", b.out)
	return ctx.Err()
}

// lock lets one benchmark run at a time: two would measure each other. An abstract
// socket is gone with its process.
func lock() (io.Closer, error) {
	l, err := net.Listen("unix", "@turnpike-bench")
	if err != nil {
		return nil, fmt.Errorf("another benchmark is running; wait for its end: %w", err)
	}
	return l, nil
}

// options are the command line.
type options struct {
	plan    plan
	binary  string
	out     string
	targets []string
	parts   []string
	kinds   []string // of floods
	cpu     int
}

func parse(args []string) (options, error) {
	var o options
	var targets, parts, kinds string
	var quick bool
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	f.BoolVar(&quick, "quick", false, "less than two minutes instead of a quarter of an hour")
	f.StringVar(&o.binary, "bin", "bin/turnpike", "Turnpike's `binary`")
	f.StringVar(&o.out, "out", "perf/results", "`folder` for bench.json, bench.txt and bench.png; empty: none")
	f.StringVar(&targets, "targets", strings.Join(allTargets, ","), "what to measure, a `list`")
	f.StringVar(&parts, "parts", strings.Join(allParts, ","), "which parts to measure, a `list`; or one of "+strings.Join(extraParts, ", "))
	f.StringVar(&kinds, "kinds", "", "which floods to measure, a `list`; empty: all, or some with -quick")
	f.IntVar(&o.cpu, "cpu", 0, "`CPU` for the generator, and with it for XDP")
	if err := f.Parse(args[1:]); err != nil {
		return o, err
	}
	o.plan = full
	if quick {
		o.plan = brief
	}
	var err error
	if o.targets, err = choose("target", targets, allTargets); err != nil {
		return o, err
	}
	if o.kinds, err = chooseKinds(kinds, o.plan); err != nil {
		return o, err
	}
	if slices.Contains(extraParts, parts) {
		o.parts = []string{parts}
		return o, nil
	}
	o.parts, err = choose("part", parts, allParts)
	return o, err
}

// choose splits a list and checks its words.
func choose(what, list string, all []string) ([]string, error) {
	chosen := strings.Split(list, ",")
	for _, c := range chosen {
		if !slices.Contains(all, c) {
			return nil, fmt.Errorf("unknown %s %q: choose from %s", what, c, strings.Join(all, ", "))
		}
	}
	return chosen, nil
}
