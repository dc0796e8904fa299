package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/licences"
	"turnpike.dev/turnpike/licensing"
)

func licenceCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "licence",
		Aliases: []string{"license"},
		Short:   "Install option keys, and see what is used of what they give",
		Long: `Install option keys, and see what is used of what they give. A node without a key that
gives licences is in evaluation: the limits of its platform count, and an alarm says
so. docs/licences.md says what a call costs, and what else there is to know.`,
		Example: `  turnpike licence list
  turnpike licence add TPK1.rms.100...
  turnpike licence usage
  turnpike licence status --peers`,
	}
	cmd.AddCommand(licenceList(a), licenceAdd(a), licenceRemove(a), licenceUsage(a), licenceStatus(a), licenceKeygen(a), licenceSign(a))
	return cmd
}

func licenceList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the option keys, and whether each counts",
		Long: `List the option keys of this node, and whether each counts. Exit code 3 says that one
does not.`,
		Example: `  turnpike licence list
  turnpike licence list -o json | jq -r .node    # the id that keys are made for`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.client().Licences(cmd.Context())
			if err != nil {
				return err
			}
			if err := a.show(l, func(w *tabwriter.Writer) { writeLicences(w, l) }); err != nil {
				return err
			}
			for _, k := range l.Keys {
				if !k.Counts {
					return &exitError{code: exitDegraded}
				}
			}
			return nil
		},
	}
}

func writeLicences(w *tabwriter.Writer, l api.Licences) {
	head := lines{w}
	head.line("node", "%s", printableText(l.Node))
	head.line("issuers", "%s", orDash(strings.Join(l.Issuers, ", ")))
	head.line("features", "%s", orDash(strings.Join(l.Features, ", ")))
	if l.Evaluation {
		head.line("licences", "%s", licences.Evaluation)
	}
	if len(l.Keys) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w, "\nNUMBER\tGIVES\tUNTIL\tSERIAL\tISSUER\tCOUNTS")
	for _, k := range l.Keys {
		counts := "yes"
		if !k.Counts {
			counts = "no: " + printableText(k.Why)
		}
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", k.Number, gives(k), orDash(k.Until), orDash(k.Serial), orDash(k.Issuer), counts)
	}
}

// gives says what a key gives; of one that cannot be trusted, what it begins with.
func gives(k api.OptionKey) string {
	if k.Feature == "" {
		return printableText(k.Key[:min(len(k.Key), 20)]) + "..."
	}
	return licences.What(licensing.Key{Feature: licensing.Feature(k.Feature), Count: k.Count})
}

func licenceAdd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "add KEY...",
		Short: "Install option keys",
		Long: `Install option keys, which count at once. One that was changed, is for another node,
has ended, or is of an issuer that licensing.issuers does not name is refused. - reads
keys from standard input, one on a line.`,
		Example: `  turnpike licence add TPK1.rms.100.4f1c...
  turnpike licence add - < keys.txt`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := keysOf(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			for _, key := range keys {
				if err := a.client().InstallKey(cmd.Context(), key); err != nil {
					return fmt.Errorf("install %s: %w", printableText(key[:min(len(key), 20)])+"...", err)
				}
			}
			l, err := a.client().Licences(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(l, func(w *tabwriter.Writer) {
				_, _ = fmt.Fprintf(w, "installed %d; the node now has\n", len(keys))
				writeUse(w, l, true)
				for _, what := range missing(l) {
					_, _ = fmt.Fprintln(w, what)
				}
			})
		},
	}
}

// maxKeysText bounds what is read of standard input: as many keys as count, twice over.
const maxKeysText = 2 * licensing.MaxKeys * (licensing.MaxKey + 2)

// keysOf returns the keys that are named, or stand on standard input.
func keysOf(in io.Reader, args []string) ([]string, error) {
	if len(args) != 1 || args[0] != "-" {
		return args, nil
	}
	text, err := io.ReadAll(io.LimitReader(in, maxKeysText))
	if err != nil {
		return nil, fmt.Errorf("read option keys from standard input: %w", err)
	}
	keys := strings.Fields(string(text))
	if len(keys) == 0 {
		return nil, usage(fmt.Errorf("there is no key on standard input"))
	}
	return keys, nil
}

func licenceRemove(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "remove NUMBER|SERIAL",
		Short: "Remove an option key",
		Long: `Remove an option key. What it gave ends at once for new calls and registrations; those
that are there go on.`,
		Example: `  turnpike licence remove 3
  turnpike licence remove 7k2m9x`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.client().RemoveKey(cmd.Context(), args[0]); err != nil {
				return err
			}
			return a.done("removed " + printableText(args[0]))
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if l, err := a.client().Licences(cmd.Context()); err == nil && len(args) == 0 {
				for _, k := range l.Keys {
					names = append(names, strconv.Itoa(k.Number)+"\t"+gives(k))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func licenceUsage(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "usage",
		Short: "Show how much of the limits is used",
		Long: `Show how much is used of what option keys and the platform give. Calls count in units
of the platform, of which a video call takes most; a rich media session is one video
call or two of audio. Exit code 3 says that a limit is reached.`,
		Example: `  turnpike licence usage
  turnpike licence usage -o json | jq '.use[] | select(.refused > 0)'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.client().Licences(cmd.Context())
			if err != nil {
				return err
			}
			if err := a.show(l, func(w *tabwriter.Writer) { writeUse(w, l, false) }); err != nil {
				return err
			}
			for _, u := range l.Use {
				if u.Limit > 0 && u.Used >= u.Limit {
					return &exitError{code: exitDegraded}
				}
			}
			return nil
		},
	}
}

// missing tells what a node with a key cannot do, because no key gives it.
func missing(l api.Licences) []string {
	none := map[string]bool{}
	for _, u := range l.Use {
		none[u.Name] = u.Licensed && u.Limit == 0
	}
	var out []string
	if none["rms"] {
		out = append(out, "no key gives rich media sessions: only calls between registered endpoints are carried")
	}
	switch {
	case none["room"] && none["desktop"]:
		out = append(out, "no key gives room or desktop licences: nobody can register")
	case none["room"]:
		out = append(out, "no key gives room licences: only desktop devices can register")
	case none["desktop"]:
		out = append(out, "no key gives desktop licences: only room systems can register")
	}
	return out
}

// limitNames are limits as people read them.
var limitNames = map[string]string{
	"calls": "calls (units)", "traversal": "- with media through the node", "non_traversal": "- others",
	"rms": "rich media sessions", "registrations": "registrations", "room": "room systems", "desktop": "desktop systems",
	"proxied": "proxied registrations", "relays": "TURN relays",
}

// writeUse writes how full limits are; licensed leaves out what no key can give.
func writeUse(w *tabwriter.Writer, l api.Licences, licensed bool) {
	_, _ = fmt.Fprintln(w, "LIMIT\tUSED\tOF\tFROM\tREFUSED")
	for _, u := range l.Use {
		from := "platform"
		switch {
		case u.Licensed:
			from = "option keys"
		case u.Name == "rms" || u.Name == "room" || u.Name == "desktop":
			from = "platform (evaluation)"
		case licensed:
			continue
		}
		_, _ = fmt.Fprintf(w, "%s\t%g\t%g\t%s\t%d\n", limitNames[u.Name], u.Used, u.Limit, from, u.Refused)
	}
}
