package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/machine"
)

func dataplaneCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dataplane",
		Short: "See who relays what, how fast, and why packets leave the relay",
		Example: `  turnpike dataplane status
  turnpike dataplane top
  turnpike dataplane drops`,
	}
	cmd.AddCommand(dataplaneStatus(a), dataplaneTop(a), dataplaneDrops(a), dataplaneCapture(a))
	return cmd
}

func dataplaneStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the program, its pins, how full its maps are and who relays on each interface",
		Example: `  turnpike dataplane status
  turnpike dataplane status -o json | jq .maps`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.client().Dataplane(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(d, func(w *tabwriter.Writer) { writeDataplane(w, d) })
		},
	}
}

func writeDataplane(w *tabwriter.Writer, d api.Dataplane) {
	l := lines{w}
	l.line("path", "path=%s", d.Path)
	for _, i := range d.Interfaces {
		l.line("interface", "%s path=%s%s driver %s, MTU %d%s", i.Name, i.Path, parenthesised(i.Mode), orNone(i.Driver), i.MTU, parenthesised(i.Reason))
	}
	if p := d.Program; p != nil {
		l.line("program", "%s id %d tag %s", p.Name, p.ID, p.Tag)
		l.line("pins", "%s", d.Pins)
	}
	l.line("flows", "%d on XDP, %d in the process, %d strays", d.Flows.XDP, d.Flows.Userspace, d.Flows.Strays)
	for _, m := range d.Maps {
		l.line("map", "%s %d of %d", m.Name, m.Entries, m.Capacity)
	}
}

func dataplaneDrops(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "drops",
		Short: "Show why packets were dropped or left to the system",
		Long: `Show why packets left the relay, the most frequent first. Reasons that dropped a
packet or passed it on; with --all also those that never happened and what was
forwarded. docs/reasons.md explains each. Path "machine" is what the machine lost
outside the relay, of all programs, since it started: rings of network cards, queues
of CPUs, buffers of sockets.`,
		Example: `  turnpike dataplane drops
  turnpike dataplane drops --all -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			reasons, err := a.client().Reasons(cmd.Context())
			if err != nil {
				return err
			}
			losses, err := a.client().Losses(cmd.Context())
			if err != nil {
				return err
			}
			reasons = append(reasons, lossReasons(losses)...)
			if !all {
				reasons = slices.DeleteFunc(reasons, func(r api.Reason) bool { return r.Packets == 0 || r.Verdict == "forward" })
			}
			slices.SortStableFunc(reasons, func(x, y api.Reason) int { return int(min(max(int64(y.Packets)-int64(x.Packets), -1), 1)) })
			return a.show(reasons, func(w *tabwriter.Writer) { writeReasons(w, reasons) })
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also what did not happen, and what was forwarded")
	return cmd
}

// lossReasons lists what the machine lost beside the relay's own reasons.
func lossReasons(losses []machine.Loss) []api.Reason {
	list := make([]api.Reason, 0, len(losses))
	for _, l := range losses {
		r := api.Reason{Path: "machine", Reason: l.Reason, Verdict: "drop", Packets: l.Packets, Text: l.Text, Interface: l.Interface}
		if l.Late {
			r.Verdict = "late"
		}
		list = append(list, r)
	}
	return list
}

func writeReasons(w *tabwriter.Writer, reasons []api.Reason) {
	_, _ = fmt.Fprintln(w, "PACKETS\tPATH\tVERDICT\tREASON\tMEANING")
	for _, r := range reasons {
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", r.Packets, r.Path, r.Verdict, strings.TrimSpace(r.Reason+" "+r.Interface), r.Text)
	}
}

// sample is the data path at one moment.
type sample struct {
	at      time.Time
	reasons []api.Reason
	relays  []api.Relay
}

// rates are what `dataplane top` prints for one interval.
type rates struct {
	At       time.Time `json:"at"`
	Relays   int       `json:"relays"`
	XDP      float64   `json:"xdp_packets_per_second"`
	Process  float64   `json:"userspace_packets_per_second"`
	Passed   float64   `json:"passed_per_second"`
	Dropped  float64   `json:"dropped_per_second"`
	TopDrop  string    `json:"top_drop,omitempty"`
	MaxRelay uint64    `json:"busiest_relay,omitempty"`
}

func dataplaneTop(a *app) *cobra.Command {
	var interval time.Duration
	var count int
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch the packet rates: one line each interval",
		Long: `Watch the packet rates, one line each interval, until Ctrl-C. A line costs the node
one pass over its flow table; the packet path is not touched.`,
		Example: `  turnpike dataplane top
  turnpike dataplane top --interval 5s --count 12 -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < 100*time.Millisecond {
				return usage(fmt.Errorf("--interval %s is too short: want 100ms or more", interval))
			}
			return a.top(cmd, interval, count)
		},
	}
	cmd.Flags().DurationVar(&interval, "interval", time.Second, "time between lines")
	cmd.Flags().IntVar(&count, "count", 0, "lines to print; 0: until Ctrl-C")
	return cmd
}

func (a *app) top(cmd *cobra.Command, interval time.Duration, count int) error {
	ctx, c := cmd.Context(), a.client()
	take := func() (s sample, err error) {
		s.at = time.Now()
		if s.reasons, err = c.Reasons(ctx); err == nil {
			s.relays, err = c.Relays(ctx)
		}
		return s, err
	}
	last, err := take()
	if err != nil {
		return err
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := 0; count == 0 || n < count; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := take()
		if ctx.Err() != nil {
			return nil // Ctrl-C is how it ends
		}
		if err != nil {
			return err
		}
		if err := a.printRates(between(last, now), n); err != nil {
			return err
		}
		last = now
	}
	return nil
}

// between turns two samples into rates.
func between(from, to sample) rates {
	r := rates{At: to.at, Relays: len(to.relays)}
	seconds := max(to.at.Sub(from.at).Seconds(), 0.001)
	before := map[[2]string]uint64{}
	for _, x := range from.reasons {
		before[[2]string{x.Path, x.Reason}] = x.Packets
	}
	var most float64
	for _, x := range to.reasons {
		rate := float64(x.Packets-min(before[[2]string{x.Path, x.Reason}], x.Packets)) / seconds
		switch {
		case x.Verdict == "forward" && x.Path == "xdp":
			r.XDP += rate
		case x.Verdict == "forward":
			r.Process += rate
		case x.Verdict == "pass":
			r.Passed += rate
		default:
			r.Dropped += rate
			if rate > most {
				most, r.TopDrop = rate, x.Reason
			}
		}
	}
	r.MaxRelay = busiest(from.relays, to.relays)
	return r
}

// busiest returns the relay that carried the most packets between two lists; 0: none did.
func busiest(from, to []api.Relay) uint64 {
	carried := func(r api.Relay) uint64 { up, down := r.Packets(); return up + down }
	before := map[uint64]uint64{}
	for _, r := range from {
		before[r.ID] = carried(r)
	}
	var id, most uint64
	for _, r := range to {
		if n := carried(r) - min(before[r.ID], carried(r)); n > most {
			id, most = r.ID, n
		}
	}
	return id
}

// printRates prints one line, with the heading before every 20th.
func (a *app) printRates(r rates, n int) error {
	if a.output == "json" {
		return a.show(r, nil)
	}
	if n%20 == 0 {
		if _, err := fmt.Fprintf(a.stdout, "%-8s %7s %12s %12s %10s %10s  %-16s %s\n",
			"TIME", "RELAYS", "XDP pps", "PROCESS pps", "PASS pps", "DROP pps", "TOP DROP", "BUSIEST"); err != nil {
			return err
		}
	}
	drop := r.TopDrop
	if drop == "" {
		drop = "-"
	}
	_, err := fmt.Fprintf(a.stdout, "%-8s %7d %12.0f %12.0f %10.0f %10.0f  %-16s %d\n",
		r.At.Format(time.TimeOnly), r.Relays, r.XDP, r.Process, r.Passed, r.Dropped, drop, r.MaxRelay)
	return err
}
