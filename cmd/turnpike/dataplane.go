package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

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
		l.line("interface", "%s path=%s%s%s driver %s, MTU %d%s", i.Name, i.Path, parenthesised(i.Mode), vlanOf(i), orNone(i.Driver), i.MTU, parenthesised(i.Reason))
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
