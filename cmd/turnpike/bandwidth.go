package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/occupancy"
)

func bandwidthCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bandwidth",
		Short: "See what calls use of subzones, links and pipes, and what another would get",
		Long: `See what calls use of subzones, zones, links and pipes, and what another would get.
All figures are kbit/s of media without headers, in one direction: a call of 1000 may
send 1000 and receive 1000. docs/bandwidth.md says what counts where.`,
		Example: `  turnpike bandwidth show
  turnpike bandwidth status --peers
  turnpike bandwidth check lisbon porto 2000
  turnpike bandwidth links`,
	}
	cmd.AddCommand(bandwidthShow(a), bandwidthStatus(a), bandwidthCheck(a), bandwidthLinks(a))
	return cmd
}

func bandwidthShow(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "show [NAME...]",
		Short: "Show what calls use of subzones, zones, links and pipes",
		Long: `Show what calls use of subzones, zones, links and pipes: what they were granted, what
they send as far as their media passes the node, and the limits. Without names and
--all, what has neither limits nor calls is left out; JSON has everything. Exit code
3 says that a total is used up, so that the next call there is refused.`,
		Example: `  turnpike bandwidth show
  turnpike bandwidth show "lisbon line"
  turnpike bandwidth show -o json | jq '.objects[] | select(.kind == "pipe")'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.client().Bandwidth(cmd.Context(), "")
			if err != nil {
				return err
			}
			if r.Objects, err = namedObjects(r.Objects, args); err != nil {
				return err
			}
			if err := a.show(r, func(w *tabwriter.Writer) { writeBandwidth(w, r, all || len(args) > 0) }); err != nil {
				return err
			}
			if slices.ContainsFunc(r.Objects, occupancy.Object.Full) {
				return &exitError{code: exitDegraded}
			}
			return nil
		},
		ValidArgsFunction: a.completeObjects("subzone", "zone", "link", "pipe"),
	}
	cmd.Flags().BoolVar(&all, "all", false, "also what has neither limits nor calls")
	return cmd
}

// namedObjects returns the objects of the names, of whatever kind; without names all.
func namedObjects(all []occupancy.Object, names []string) ([]occupancy.Object, error) {
	if len(names) == 0 {
		return all, nil
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(o occupancy.Object) bool { return o.Name == name }) {
			return nil, fmt.Errorf("there is no subzone, zone, link or pipe %q: see `turnpike bandwidth show --all`", name)
		}
	}
	return slices.DeleteFunc(all, func(o occupancy.Object) bool { return !slices.Contains(names, o.Name) }), nil
}

func writeBandwidth(w *tabwriter.Writer, r occupancy.Report, all bool) {
	_, _ = fmt.Fprintln(w, "OBJECT\tCALLS\tGRANTED\tMEASURED\tTOTAL\tONE CALL\tUSED")
	hidden := 0
	for _, o := range r.Objects {
		if !all && o.Calls == 0 && !o.Limited() {
			hidden++
			continue
		}
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t%s\n", o, o.Calls, o.GrantedKbps, measuredOf(o), kbpsLimit(o.TotalKbps), oneCall(o), usedBar(o))
	}
	_ = w.Flush() // what follows is no columns of the table
	if hidden > 0 {
		_, _ = fmt.Fprintf(w, "\n%d more have neither limits nor calls: --all shows them\n", hidden)
	}
	writeMissing(w, r.Missing)
}

func writeMissing(w *tabwriter.Writer, links []string) {
	if len(links) > 0 {
		_, _ = fmt.Fprintf(w, "\nmissing: %s: restore with `turnpike xcommand DefaultLinksAdd`\n", strings.Join(links, ", "))
	}
}

// measuredOf says what the calls on an object send, and of how many of them that is known.
func measuredOf(o occupancy.Object) string {
	switch {
	case o.MeasuredCalls == 0:
		return "-"
	case o.MeasuredCalls < o.Calls:
		return fmt.Sprintf("%d (%d of %d)", o.MeasuredKbps, o.MeasuredCalls, o.Calls)
	}
	return fmt.Sprint(o.MeasuredKbps)
}

func kbpsLimit(limit *int) string {
	switch {
	case limit == nil:
		return "-"
	case *limit == 0:
		return "none"
	}
	return fmt.Sprint(*limit)
}

// oneCall says what one call may have: in and out of a subzone, and within.
func oneCall(o occupancy.Object) string {
	if o.WithinKbps == nil {
		return kbpsLimit(o.PerCallKbps)
	}
	return fmt.Sprintf("%s, %s within", kbpsLimit(o.PerCallKbps), kbpsLimit(o.WithinKbps))
}

// barWidth is how many signs are 100 %.
const barWidth = 10

// usedBar draws how much of a total is granted.
func usedBar(o occupancy.Object) string {
	percent, limited := o.Percent()
	if !limited {
		return "-"
	}
	done := min(percent*barWidth/100, barWidth)
	if percent > 0 {
		done = max(done, 1)
	}
	text := fmt.Sprintf("%s%s %d %%", strings.Repeat("#", done), strings.Repeat(".", barWidth-done), percent)
	if o.Full() {
		text += " full"
	}
	return text
}

func bandwidthLinks(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "links",
		Short: "Show what the links join, and what is odd about them",
		Long: `Show what the links join and which pipes they go over, with the calls on each. Notes
tell of what is allowed and probably not meant: a subzone that no link leads to, a
pipe that is on no link, a shipped link that is not there.`,
		Example: `  turnpike bandwidth links
  turnpike bandwidth links -c node.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := a.bandwidth(cmd.Context(), file)
			if err != nil {
				return err
			}
			r.Objects = slices.DeleteFunc(r.Objects, func(o occupancy.Object) bool { return o.Kind != "link" })
			return a.show(r, func(w *tabwriter.Writer) { writeLinks(w, r) })
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "ask this node file instead of the running node")
	return cmd
}

func writeLinks(w *tabwriter.Writer, r occupancy.Report) {
	_, _ = fmt.Fprintln(w, "LINK\tJOINS\tAND\tPIPES\tCALLS\tGRANTED\tMEASURED")
	for _, o := range r.Objects {
		ends := append(slices.Clone(o.Ends), "-", "-")
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", o.Name, ends[0], ends[1], orDash(strings.Join(o.Pipes, ", ")), o.Calls, o.GrantedKbps, measuredOf(o))
	}
	_ = w.Flush()
	writeMissing(w, r.Missing)
	if len(r.Remarks) > 0 {
		_, _ = fmt.Fprintln(w)
	}
	writeRemarks(w, r.Remarks)
}
