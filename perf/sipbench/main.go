// Command sipbench measures what SIP costs: CPU time of a REGISTER, an OPTIONS and a call
// whose media is anchored, memory of a registration, a call and an idle TLS connection,
// and the media of 950 calls at once. Turnpike and Kamailio with rtpengine take turns in
// one run on one machine, each tied to the same core, the load to the other.
//
//	go run ./perf/sipbench -quick
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sipbench:", err)
		os.Exit(1)
	}
}

// run measures and reports.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	defer lab.ComeFirst()()
	now := time.Now()
	b := &bench{options: o, start: now, stdout: stdout, report: report.New(append([]string{filepath.Base(args[0])}, args[1:]...), now)}
	b.report.SIP = &report.SIP{}
	ticks := report.CPUTicks()
	b.measure(ctx)
	b.report.Finish(time.Now(), ticks)
	b.report.Ratios = ratios(b.report.SIP)
	if err := b.report.SIPTable(stdout); err != nil || o.out == "" {
		return err
	}
	if err := b.report.WriteSIP(o.out); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	fmt.Fprintf(stdout, "\nwritten to %s\n", o.out)
	return ctx.Err()
}

// Targets.
const (
	turnpike = "turnpike"
	kamailio = "kamailio"
	withRTP  = "kamailio + rtpengine"
)

// Parts.
const (
	cpuPart    = "cpu"
	memoryPart = "memory"
	tlsPart    = "tls"
	mediaPart  = "media"
)

var (
	allTargets = []string{turnpike, kamailio}
	allParts   = []string{cpuPart, memoryPart, tlsPart, mediaPart}
)

// options are the command line.
type options struct {
	binary, out    string
	targets, parts []string
	rounds         int
	scale          float64 // of what is measured and for how long
	media          time.Duration
	server, load   string // CPUs
}

func parse(args []string) (options, error) {
	var o options
	var targets, parts string
	var quick bool
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	f.StringVar(&o.binary, "bin", "bin/turnpike", "Turnpike's `binary`")
	f.StringVar(&o.out, "out", "perf/results", "`folder` for sip.json and sip.txt; empty: none")
	f.StringVar(&targets, "targets", strings.Join(allTargets, ","), "what to measure, a `list`")
	f.StringVar(&parts, "parts", strings.Join(allParts, ","), "which parts to measure, a `list`")
	f.IntVar(&o.rounds, "rounds", 5, "`rounds` of which the median counts")
	f.BoolVar(&quick, "quick", false, "two rounds, shorter ones, and fewer registrations")
	f.StringVar(&o.server, "server-cpu", "0", "`CPUs` of what is measured")
	f.StringVar(&o.load, "load-cpu", "1", "`CPU` of the load")
	if err := f.Parse(args[1:]); err != nil {
		return o, err
	}
	o.scale, o.media = 1, 20*time.Second
	if quick {
		o.scale, o.rounds, o.media = .2, 2, 5*time.Second
	}
	var err error
	if o.targets, err = choose("target", targets, allTargets); err != nil {
		return o, err
	}
	if o.parts, err = choose("part", parts, allParts); err != nil {
		return o, err
	}
	if slices.Contains(o.targets, turnpike) {
		if _, err := os.Stat(o.binary); err != nil {
			return o, fmt.Errorf("no Turnpike: build it with make build, or name it with -bin: %w", err)
		}
	}
	return o, nil
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
