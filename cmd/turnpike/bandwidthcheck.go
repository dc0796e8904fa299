package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/bandwidth"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/occupancy"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/licensing"
)

func bandwidthCheck(a *app) *cobra.Command {
	var q occupancy.Question
	var file string
	cmd := &cobra.Command{
		Use:   "check NODE1 NODE2 [KBPS]",
		Short: "Say what a call would get, by which way, and what decides",
		Long: `Say what a call from one subzone or zone to another would get, the route that it would
take as nodes and links, and which object decides. Nothing is changed. The running
node answers by what is left now, in a cluster also by what peers have idle: the call
waits for that. With -c a node file answers with nothing in use.
Without KBPS the call asks for bandwidth.default_kbps. --traversal is for calls whose
media passes the node. Exit code 1 says that the call would be refused.`,
		Example: `  turnpike bandwidth check lisbon porto 2000
  turnpike bandwidth check lisbon DefaultZone 2000 --traversal
  turnpike bandwidth check lisbon porto -c node.yaml -o json | jq .nodes`,
		Args: cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Node1, q.Node2 = args[0], args[1]
			if len(args) == 3 {
				kbps, err := strconv.ParseUint(args[2], 10, 32)
				if err != nil || kbps < 1 || kbps > bandwidth.MaxKbps {
					return usage(fmt.Errorf("KBPS cannot be %q: want a whole number from 1 to %d", args[2], bandwidth.MaxKbps))
				}
				q.Kbps = uint32(kbps)
			}
			answer, err := a.checkBandwidth(cmd.Context(), file, q)
			if err != nil {
				return err
			}
			if err := a.show(answer, func(w *tabwriter.Writer) { writeCheck(w, answer) }); err != nil {
				return err
			}
			if answer.Result == occupancy.Refused {
				return &exitError{code: exitFailed}
			}
			return nil
		},
		ValidArgsFunction: a.completeEnds(&file),
	}
	cmd.Flags().BoolVar(&q.Traversal, "traversal", false, "the call's media passes the node")
	cmd.Flags().StringVarP(&file, "config", "c", "", "ask this node file instead of the running node")
	return cmd
}

func (a *app) checkBandwidth(ctx context.Context, file string, q occupancy.Question) (occupancy.Answer, error) {
	if file == "" {
		return a.client().CheckBandwidth(ctx, q)
	}
	r, n, err := idle(file)
	if err != nil {
		return occupancy.Answer{}, err
	}
	return occupancy.Check(r, n, q)
}

// bandwidth reports of the running node or, with a file, of a node of it without calls.
func (a *app) bandwidth(ctx context.Context, file string) (occupancy.Report, error) {
	if file == "" {
		return a.client().Bandwidth(ctx, "")
	}
	r, n, err := idle(file)
	if err != nil {
		return occupancy.Report{}, err
	}
	return occupancy.Of(r, n, occupancy.Unmeasured{}), nil
}

// idle is what a node of a file has when nobody calls.
func idle(file string) (*resources.Resources, *config.Node, error) {
	n, err := config.Load(file)
	if err != nil {
		return nil, nil, err
	}
	r, err := resources.New(n, licensing.Installed{}, resources.Deps{})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, n, nil
}

func writeCheck(w *tabwriter.Writer, a occupancy.Answer) {
	l := lines{w}
	l.line("result", "%s", resultOf(a))
	if len(a.Nodes) > 0 {
		l.line("route", "%s", routeText(a))
	}
	_ = w.Flush()
	if len(a.Tolls) == 0 {
		return
	}
	head := "LEFT"
	if a.AtOnce != nil {
		head = "LEFT HERE\tIN CLUSTER"
	}
	_, _ = fmt.Fprintf(w, "\nCOUNTS ON\tTIMES\tKBIT/S\t%s\tTOTAL\tONE CALL\n", head)
	for _, t := range a.Tolls {
		left := leftOf(t.Left)
		if a.AtOnce != nil {
			left += "\t" + leftOf(t.Cluster)
		}
		mark := ""
		if t.Object.String() == a.At {
			mark = "\t<- decides"
		}
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s%s\n", t.Object, t.Times, uint64(t.Times)*uint64(a.Kbps), left, kbpsLimit(t.Object.TotalKbps), kbpsLimit(t.Limit), mark)
	}
}

func leftOf(kbps *uint64) string {
	if kbps == nil {
		return "-"
	}
	return fmt.Sprint(*kbps)
}

func resultOf(a occupancy.Answer) string {
	waits := ""
	if a.AtOnce != nil && *a.AtOnce < a.Kbps {
		waits = "; it waits for what peers have idle"
	}
	switch a.Result {
	case occupancy.Granted:
		return fmt.Sprintf("granted: %d kbit/s%s", a.Kbps, waits)
	case occupancy.Downspeeded:
		return fmt.Sprintf("downspeeded: %d of %d kbit/s: %s%s", a.Kbps, a.Asked, a.Detail, waits)
	}
	text := fmt.Sprintf("refused: %s", a.Reason)
	if a.Detail != "" {
		text += ": " + a.Detail
	}
	return text
}

// routeText is the route as nodes and links: lisbon -(lisbon out: lisbon line)- porto.
func routeText(a occupancy.Answer) string {
	pipes := map[string][]string{}
	for _, t := range a.Tolls {
		if t.Object.Kind == "link" {
			pipes[t.Object.Name] = t.Object.Pipes
		}
	}
	var b strings.Builder
	for i, node := range a.Nodes {
		if i > 0 && i <= len(a.Links) {
			link := a.Links[i-1]
			if over := pipes[link]; len(over) > 0 {
				link += ": " + strings.Join(over, ", ")
			}
			fmt.Fprintf(&b, " -(%s)- ", link)
		}
		b.WriteString(node)
	}
	return b.String()
}

// completing bounds how long a shell waits for the names of a node.
const completing = 2 * time.Second

// completeObjects offers the names of objects of some kinds that are not there yet.
func (a *app) completeObjects(kinds ...string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completing)
		defer cancel()
		r, err := a.client().Bandwidth(ctx, "")
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, o := range r.Objects {
			if slices.Contains(kinds, o.Kind) && !slices.Contains(args, o.Name) && strings.HasPrefix(o.Name, typed) {
				names = append(names, cobra.CompletionWithDesc(o.Name, o.Kind))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeEnds offers subzones and zones for both ends of a call, of the running node or
// of a file.
func (a *app) completeEnds(file *string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		switch {
		case len(args) > 1:
			return nil, cobra.ShellCompDirectiveNoFileComp
		case *file == "":
			return a.completeObjects("subzone", "zone")(cmd, nil, typed) // both ends may be the same
		}
		n, err := config.Load(*file)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return occupancy.Nodes(n), cobra.ShellCompDirectiveNoFileComp
	}
}
