package main

import (
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/occupancy"
	"turnpike.dev/turnpike/control/sharing"
)

func licenceStatus(a *app) *cobra.Command {
	var peers bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how peers share licences and capacity, and what is used of them",
		Long: `Show how the peers of a cluster share licences and capacity: used/granted/total of the
whole cluster and of this node, who waits for more, and what was refused here since
the start: how often, why, and what to do. What is granted may be used without asking
anybody; more is asked for before it is wanted. docs/cluster.md says what the policies
do. Exit code 3 says that something is used up, of the cluster's or of this node's
own, or that this node counts apart from others.`,
		Example: `  turnpike licence status
  turnpike licence status --peers
  turnpike licence status -o json | jq '.use[] | {name, policy, here, cluster}'
  turnpike licence status -o json | jq '.use[] | {name, refused, refusals}'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.client().Licences(cmd.Context())
			if err != nil {
				return err
			}
			rows := licenceShares(l)
			if err := a.show(l, func(w *tabwriter.Writer) { writeShares(w, l.Sharing, rows, peers) }); err != nil {
				return err
			}
			return sharedOut(l.Sharing, rows)
		},
	}
	cmd.Flags().BoolVar(&peers, "peers", false, "also which peer has how much, and who waits since when")
	return cmd
}

func bandwidthStatus(a *app) *cobra.Command {
	var peers bool
	cmd := &cobra.Command{
		Use:   "status [NAME...]",
		Short: "Show how peers share bandwidth, and what is used of it",
		Long: `Show how the peers of a cluster share what is limited in total: used/granted/total of
the whole cluster and of this node in kbit/s, what the calls of this node send, who
waits for more, and what was refused here since the start: how often, why, and what to
do. What is granted may be used without asking anybody. docs/cluster.md says what the
policies do. Exit code 3 says that a total is used up, or that this node counts apart
from others.`,
		Example: `  turnpike bandwidth status
  turnpike bandwidth status "lisbon line" --peers
  turnpike bandwidth status -o json | jq '.objects[] | {name, policy, here, cluster}'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.client().Bandwidth(cmd.Context(), "")
			if err != nil {
				return err
			}
			if r.Objects, err = namedObjects(r.Objects, args); err != nil {
				return err
			}
			var s sharing.Status
			if r.Sharing != nil {
				s = *r.Sharing
			}
			rows := bandwidthShares(r)
			if err := a.show(r, func(w *tabwriter.Writer) { writeShares(w, s, rows, peers) }); err != nil {
				return err
			}
			return sharedOut(s, rows)
		},
		ValidArgsFunction: a.completeObjects("subzone", "pipe"),
	}
	cmd.Flags().BoolVar(&peers, "peers", false, "also which peer has how much, and who waits since when")
	return cmd
}

// shareRow is a line of what is shared.
type shareRow struct {
	name     string
	measured string // what calls send here; empty: it is nothing that is sent
	refused  uint64
	refusals sharing.Refusals // nil: there was none, or the node's version says nothing of reasons
	sharing.Share
}

// licenceShares are the lines of licences and capacity. What calls are made of (traversal or not) is no limit of its own.
func licenceShares(l api.Licences) []shareRow {
	var out []shareRow
	for _, u := range l.Use {
		if u.Name != "traversal" && u.Name != "non_traversal" {
			out = append(out, shareRow{name: limitNames[u.Name], refused: u.Refused, refusals: u.Refusals, Share: u.Share})
		}
	}
	return out
}

// bandwidthShares are the lines of what is limited in total.
func bandwidthShares(r occupancy.Report) []shareRow {
	var out []shareRow
	for _, o := range r.Objects {
		if o.Share != nil {
			out = append(out, shareRow{name: o.String(), measured: measuredOf(o), refused: o.Refused, refusals: o.Refusals, Share: *o.Share})
		}
	}
	return out
}

// sharedOut is exit code 3 where something shared is used up, or counted apart.
func sharedOut(s sharing.Status, rows []shareRow) error {
	if s.State == sharing.StateApart || slices.ContainsFunc(rows, func(r shareRow) bool { return r.Full() }) {
		return &exitError{code: exitDegraded}
	}
	return nil
}

func writeShares(w *tabwriter.Writer, s sharing.Status, rows []shareRow, peers bool) {
	lines{w}.line("sharing", "%s", printableText(s.Text()))
	if n := s.Waited; n.Requests > 0 {
		lines{w}.line("waited", "%d requests for idle shares of peers, %.0f ms each, %d in vain", n.Requests, 1000*n.Seconds/float64(n.Requests), n.InVain)
	}
	_ = w.Flush() // what follows is a table of its own
	if len(rows) == 0 {
		_, _ = fmt.Fprintln(w, "\nnothing is limited in total")
		return
	}
	sent := slices.ContainsFunc(rows, func(r shareRow) bool { return r.measured != "" })
	head := "\nRESOURCE\tPOLICY\tCLUSTER USED/GRANTED/TOTAL\tHERE USED/GRANTED/TOTAL\t"
	if sent {
		head += "MEASURED\t"
	}
	_, _ = fmt.Fprintln(w, head+"WAITING\tREFUSED\t")
	for _, r := range rows {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t", r.name, r.Policy, r.Cluster.Figures(), r.Here.Figures())
		if sent {
			_, _ = fmt.Fprintf(w, "%s\t", r.measured)
		}
		_, _ = fmt.Fprintf(w, "%d\t%d\t%s\n", r.Waiting, r.refused, r.note())
	}
	writeRefusals(w, rows)
	if peers {
		writeHolders(w, rows)
	}
}

// writeRefusals writes what was refused here and why, and what to do about each of the reasons.
func writeRefusals(w *tabwriter.Writer, rows []shareRow) {
	all := sharing.Refusals{}
	_ = w.Flush()
	for _, r := range rows {
		for _, why := range r.refusals.Shown() {
			if len(all) == 0 {
				_, _ = fmt.Fprintln(w, "\nREFUSED FOR WANT OF\tTIMES\tREASON")
			}
			all[why.Name] += r.refusals[why.Name]
			_, _ = fmt.Fprintf(w, "%s\t%d\t%s\n", r.name, r.refusals[why.Name], printableText(why.Name))
		}
	}
	_ = w.Flush()
	if len(all) > 0 {
		_, _ = fmt.Fprintln(w)
	}
	for _, why := range all.Shown() {
		_, _ = fmt.Fprintf(w, "%s\t%s\n\t%s\n", printableText(why.Name), why.Text, why.Remedy)
	}
}

// note is what is not as it should be, in a few words.
func (r shareRow) note() string {
	switch text := r.StateText(); {
	case text != "":
		return text
	case r.Full():
		return "used up"
	}
	return ""
}

// writeHolders writes which peer has how much.
func writeHolders(w *tabwriter.Writer, rows []shareRow) {
	_ = w.Flush()
	_, _ = fmt.Fprintln(w, "\nRESOURCE\tPEER\tUSED\tGRANTED\t")
	for _, r := range rows {
		for _, h := range r.Peers {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%g\t%g\t%s\n", r.name, printableText(h.Peer), h.Used, h.Granted, holderNote(h))
		}
	}
}

func holderNote(h sharing.Holder) string {
	switch {
	case h.Away:
		return "not reached"
	case h.Waiting && h.Since != nil:
		return "waits for more since " + h.Since.UTC().Format(time.RFC3339)
	case h.Waiting:
		return "waits for more"
	case h.Own:
		return "this node"
	}
	return ""
}
