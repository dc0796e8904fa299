package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config"
)

func configCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check, show and change the configuration",
		Long: `Check, show and change the configuration. Every change is a revision with who made
it, from where and what it changed; a change that is wrong anywhere changes nothing.
docs/configuration.md lists the items. Entries of lists go by name or index:
zones[out].hop_count, zones[1].hop_count.`,
		Example: `  turnpike config set turn.realm example.org
  turnpike config history
  turnpike config rollback 4`,
	}
	cmd.AddCommand(
		configCheck(a), configShow(a), configGet(a), configSet(a), configAdd(a), configDelete(a),
		configDiff(a), configApply(a), configHistory(a), configRollback(a), configSchema(a),
	)
	return cmd
}

func configCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Say what is wrong with a node file, or that nothing is",
		Long: `Say what is wrong with a node file, or that nothing is. Notes tell of what is allowed
and probably not meant: a subzone that no link leads to, a pipe that is on no link.`,
		Example: `  turnpike config check node.yaml
  turnpike config check /etc/turnpike/node.yaml && systemctl reload turnpike`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			n, err := config.Load(args[0])
			if err != nil {
				return err
			}
			if _, err := loadCertificate(n.TURN.TLS); err != nil {
				return err
			}
			return a.checked(fmt.Sprintf("%s: node %s, %d relays", args[0], n.System.Name, n.MaxRelays()), config.Remarks(n))
		},
	}
}

// checked ends a check of a file that is right, with what of it is probably not meant.
func (a *app) checked(text string, remarks []config.Remark) error {
	return a.show(struct {
		Done    string          `json:"done"`
		Remarks []config.Remark `json:"remarks,omitempty"`
	}{text, remarks}, func(w *tabwriter.Writer) {
		_, _ = fmt.Fprintln(w, text)
		writeRemarks(w, remarks)
	})
}

func writeRemarks(w *tabwriter.Writer, remarks []config.Remark) {
	for _, r := range remarks {
		_, _ = fmt.Fprintf(w, "note: %s\n", printableText(r.String()))
	}
}

func configShow(a *app) *cobra.Command {
	var revision int
	var scope string
	var defaults bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the configuration as a node file, secrets hidden",
		Long: `Show the configuration as a node file. Secrets are shown as ***; where a file that
is applied has ***, the secret stays as it is.`,
		Example: `  turnpike config show > node.yaml
  turnpike config show --defaults
  turnpike config show --revision 4 --scope shared`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			doc, err := a.client().Config(cmd.Context(), revision, config.Scope(scope), defaults)
			if err != nil {
				return err
			}
			return a.show(doc, func(w *tabwriter.Writer) { _, _ = fmt.Fprint(w, doc.Text) })
		},
	}
	cmd.Flags().IntVar(&revision, "revision", 0, "revision instead of what is in force")
	cmd.Flags().BoolVar(&defaults, "defaults", false, "also what is at its default")
	scopeFlag(cmd, &scope)
	return cmd
}

func scopeFlag(cmd *cobra.Command, scope *string) {
	cmd.Flags().StringVar(scope, "scope", "all", "all, peer (what belongs to this node) or shared (what a cluster shares)")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		switch config.Scope(*scope) {
		case config.ScopeAll, config.ScopePeer, config.ScopeShared:
			return nil
		}
		return usage(fmt.Errorf("--scope cannot be %q: want all, peer or shared", *scope))
	}
}

func configGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "get PATH",
		Short: "Show one item",
		Example: `  turnpike config get turn.realm
  turnpike config get 'zones[out].peers' -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			item, err := a.client().ConfigItem(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.show(item, func(w *tabwriter.Writer) { _, _ = fmt.Fprintln(w, item.Value) })
		},
	}
}

func configSet(a *app) *cobra.Command {
	var p api.Proposal
	cmd := &cobra.Command{
		Use:   "set PATH VALUE...",
		Short: "Set an item; a list takes several values",
		Long: `Set an item; a list of values takes several. An entry that is named and not there
is made. Several items in one change: write PATH=VALUE for each.`,
		Example: `  turnpike config set turn.realm example.org
  turnpike config set turn.deny 10.0.0.0/8 192.0.2.1
  turnpike config set 'zones[out].type=neighbour' 'zones[out].peers=192.0.2.1'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ops, err := assignments(args)
			if err != nil {
				return usage(err)
			}
			p.Operations = ops
			return a.propose(cmd, p)
		},
	}
	proposalFlags(cmd, &p)
	return cmd
}

// assignments reads PATH VALUE... or PATH=VALUE for each.
func assignments(args []string) ([]config.Operation, error) {
	if _, _, ok := cutAssignment(args[0]); !ok {
		if len(args) == 2 {
			return []config.Operation{{Verb: config.Set, Path: args[0], Text: args[1]}}, nil
		}
		if len(args) == 1 {
			return nil, errors.New("which value? write PATH VALUE or PATH=VALUE")
		}
		return []config.Operation{{Verb: config.Set, Path: args[0], Texts: args[1:]}}, nil
	}
	var ops []config.Operation
	for _, arg := range args {
		path, value, ok := cutAssignment(arg)
		if !ok {
			return nil, fmt.Errorf("%q is not PATH=VALUE, and others are", arg)
		}
		ops = append(ops, config.Operation{Verb: config.Set, Path: path, Text: value})
	}
	return ops, nil
}

// cutAssignment splits at the first = that is not within brackets.
func cutAssignment(s string) (path, value string, ok bool) {
	depth := 0
	for i, c := range s {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == '=' && depth == 0:
			return s[:i], s[i+1:], true
		}
	}
	return "", "", false
}

func configAdd(a *app) *cobra.Command {
	var p api.Proposal
	cmd := &cobra.Command{
		Use:     "add LIST NAME [KEY=VALUE...]",
		Short:   "Add an entry to a list",
		Example: `  turnpike config add zones out peers=192.0.2.1 protocol=sip`,
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.Operations = []config.Operation{{Verb: config.Add, Path: args[0], Text: args[1]}}
			for _, arg := range args[2:] {
				key, value, ok := strings.Cut(arg, "=")
				if !ok {
					return usage(fmt.Errorf("%q is not KEY=VALUE", arg))
				}
				p.Operations = append(p.Operations, config.Operation{Verb: config.Set, Path: args[0] + "[" + strconv.Quote(args[1]) + "]." + key, Text: value})
			}
			return a.propose(cmd, p)
		},
	}
	proposalFlags(cmd, &p)
	return cmd
}

func configDelete(a *app) *cobra.Command {
	var p api.Proposal
	cmd := &cobra.Command{
		Use:   "delete PATH...",
		Short: "Delete entries, or give items their default",
		Example: `  turnpike config delete 'zones[out]'
  turnpike config delete turn.tls`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				p.Operations = append(p.Operations, config.Operation{Verb: config.Delete, Path: arg})
			}
			return a.propose(cmd, p)
		},
	}
	proposalFlags(cmd, &p)
	return cmd
}

func configDiff(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "diff FILE | FROM [TO]",
		Short: "Show what a file would change, or what changed between revisions",
		Example: `  turnpike config diff node.yaml
  turnpike config diff 3
  turnpike config diff 3 5`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			changes, err := a.configDiff(cmd, args)
			if err != nil {
				return err
			}
			return a.show(changes, func(w *tabwriter.Writer) { writeChanges(w, changes) })
		},
	}
}

func (a *app) configDiff(cmd *cobra.Command, args []string) ([]config.Change, error) {
	var revisions [2]int
	for i, arg := range args {
		n, err := strconv.Atoi(arg)
		if err != nil && len(args) == 2 {
			return nil, usage(fmt.Errorf("%q is no revision", arg))
		}
		if err != nil {
			changed, err := a.proposeFile(cmd, arg, api.Proposal{Try: true})
			return changed.Changes, err
		}
		revisions[i] = n
	}
	return a.client().ConfigDiff(cmd.Context(), revisions[0], revisions[1])
}

func configApply(a *app) *cobra.Command {
	var p api.Proposal
	var scope string
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Make a file the configuration",
		Long: `Make a file the configuration: what it does not name gets its default. The file is
checked as a whole first. With --try it is only told what would change.`,
		Example: `  turnpike config apply node.yaml
  turnpike config apply shared.yaml --scope shared --expect 7`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.Scope = config.Scope(scope)
			changed, err := a.proposeFile(cmd, args[0], p)
			if err != nil {
				return err
			}
			return a.show(changed, func(w *tabwriter.Writer) { writeChanged(w, changed) })
		},
	}
	proposalFlags(cmd, &p)
	scopeFlag(cmd, &scope)
	return cmd
}

// proposeFile sends a node file as it is: the node finds what is wrong with it.
func (a *app) proposeFile(cmd *cobra.Command, file string, p api.Proposal) (api.Changed, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return api.Changed{}, fmt.Errorf("read the node file: %w", err)
	}
	if len(data) == 0 {
		return api.Changed{}, fmt.Errorf("%s is empty", file)
	}
	p.Document, p.File = string(data), file
	return a.client().ConfigPropose(cmd.Context(), p)
}

func configHistory(a *app) *cobra.Command {
	limit := 20
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show the revisions: when, who, from where, what",
		Example: `  turnpike config history
  turnpike config history --limit 3 -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			infos, err := a.client().ConfigHistory(cmd.Context(), limit)
			if err != nil {
				return err
			}
			return a.show(infos, func(w *tabwriter.Writer) {
				_, _ = fmt.Fprintln(w, "REVISION\tTIME\tUSER\tFROM\tCHANGES")
				for _, i := range infos {
					_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", i.Number, i.Time.Format("2006-01-02 15:04:05"), i.User, i.From, changeSummary(i.Changes, i.More, i.Note))
				}
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "how many revisions")
	return cmd
}

// changeSummary says in a few words what a revision changed.
func changeSummary(changes []config.Change, more int, note string) string {
	s := "nothing"
	if len(changes) > 0 {
		s = fmt.Sprintf("%s: %s -> %s", changes[0].Path, orNone(changes[0].From), orNone(changes[0].To))
	}
	if n := len(changes) + more; n > 1 {
		s = fmt.Sprintf("%s and %d more", changes[0].Path, n-1)
	}
	if note != "" {
		s += " (" + note + ")"
	}
	return s
}

func configRollback(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "rollback REVISION",
		Short:   "Make the configuration of an earlier revision a new one",
		Example: `  turnpike config rollback 4`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[0])
			if err != nil {
				return usage(fmt.Errorf("%q is no revision: see `turnpike config history`", args[0]))
			}
			changed, err := a.client().ConfigRollback(cmd.Context(), n)
			if err != nil {
				return err
			}
			return a.show(changed, func(w *tabwriter.Writer) { writeChanged(w, changed) })
		},
	}
}

func configSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON schema of node files, for editors",
		Example: `  turnpike config schema > turnpike.schema.json`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(config.JSONSchema())
			return err
		},
	}
}

func proposalFlags(cmd *cobra.Command, p *api.Proposal) {
	cmd.Flags().IntVar(&p.Expect, "expect", 0, "refuse when another revision than this is in force")
	cmd.Flags().StringVar(&p.Note, "note", "", "why; kept with the revision")
	cmd.Flags().BoolVar(&p.Insist, "insist", false, "although the node warns that it shuts peers out")
	cmd.Flags().BoolVar(&p.Try, "try", false, "only say what would change")
}

// propose sends a change and shows what it came to.
func (a *app) propose(cmd *cobra.Command, p api.Proposal) error {
	changed, err := a.client().ConfigPropose(cmd.Context(), p)
	if err != nil {
		return err
	}
	return a.show(changed, func(w *tabwriter.Writer) { writeChanged(w, changed) })
}

func writeChanged(w *tabwriter.Writer, c api.Changed) {
	writeChanges(w, c.Changes)
	switch {
	case c.Revision == 0:
		_, _ = fmt.Fprintln(w, "tried only: nothing is changed")
	case len(c.Changes) > 0:
		_, _ = fmt.Fprintf(w, "revision %d\n", c.Revision)
	}
	for _, waiting := range c.NeedsRestart {
		_, _ = fmt.Fprintf(w, "waits for a restart\t%s\t%s -> %s\n", waiting.Path, orNone(waiting.From), orNone(waiting.To))
	}
}

func writeChanges(w *tabwriter.Writer, changes []config.Change) {
	if len(changes) == 0 {
		_, _ = fmt.Fprintln(w, "nothing changed")
	}
	for _, c := range changes {
		_, _ = fmt.Fprintf(w, "%s\t%s -> %s\n", c.Path, orNone(c.From), orNone(c.To))
	}
}
