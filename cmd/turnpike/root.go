package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
)

// app is what every command shares: the global flags and where output goes.
type app struct {
	state   string
	remote  remoteFlags
	reached *api.Client // of remote, once it is needed
	output  string
	stdout  io.Writer
}

const defaultState = "/var/lib/turnpike"

// newRoot returns the tree of commands.
func newRoot(stdout io.Writer) *cobra.Command {
	a := &app{stdout: stdout}
	root := &cobra.Command{
		Use:   "turnpike",
		Short: "TURN server whose media stays in the kernel",
		Long: `Turnpike is a TURN server and media relay for the edge of a network. The steady
state of a relay is carried by an XDP program and does not enter the process.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the node is degraded (status, doctor).`,
		Example: `  turnpike dev                       # try it: a node in a small network of its own
  turnpike serve -c node.yaml        # run a node
  turnpike --state DIR status        # how is the node with that state directory?`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if a.output != "table" && a.output != "json" {
				return usage(fmt.Errorf("-o cannot be %q: want table or json", a.output))
			}
			return a.remote.check(cmd)
		},
	}
	root.SetOut(stdout)
	root.PersistentFlags().StringVar(&a.state, "state", defaultState, "state directory of the node")
	root.PersistentFlags().StringVarP(&a.output, "output", "o", "table", "output: table or json")
	a.remote.register(root.PersistentFlags())
	root.AddCommand(
		serveCommand(a), statusCommand(a), relayCommand(a), dataplaneCommand(a),
		drainCommand(a), reloadCommand(a), cleanupCommand(a), certificateCommand(a), backupCommand(a), restoreCommand(a), restartCommand(a), maintenanceCommand(a), factoryResetCommand(a), clusterCommand(a), databaseCommand(a), configCommand(a), xConfigurationCommand(a), xStatusCommand(a), xCommandCommand(a), shellCommand(a), supportCommand(a), versionCommand(a),
		devCommand(a), demoCommand(a), manualCommand(), doctorCommand(a),
		locateCommand(a), zoneCommand(a), callCommand(a), registrationCommand(a), checkCommand(a), alarmCommand(a), licenceCommand(a), bandwidthCommand(a),
		accountCommand(a), loginCommand(a), logoutCommand(a), whoamiCommand(a),
	)
	root.InitDefaultCompletionCmd("")
	each(root, func(cmd *cobra.Command) {
		if cmd.Example == "" { // only cobra's own: the others bring theirs
			cmd.Example = "  turnpike completion bash > /etc/bash_completion.d/turnpike"
		}
	})
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w: see `%s --help`", err, cmd.CommandPath()))
	})
	each(root, checkArguments)
	return root
}

// each visits a command and all below it.
func each(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, c := range cmd.Commands() {
		each(c, visit)
	}
}

// checkArguments makes wrong arguments an error of usage with a hint. A command that
// only groups others shows its help.
func checkArguments(cmd *cobra.Command) {
	validate := cmd.Args
	if cmd.HasSubCommands() && cmd.RunE == nil {
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		validate = nil
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if cmd.HasSubCommands() && len(args) > 0 {
			return usage(unknownCommand(cmd, args[0]))
		}
		if validate == nil {
			return nil
		}
		if err := validate(cmd, args); err != nil {
			return usage(fmt.Errorf("%w: see `%s --help`", err, cmd.CommandPath()))
		}
		return nil
	}
}

func unknownCommand(cmd *cobra.Command, name string) error {
	hint := fmt.Sprintf("see `%s --help`", cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		hint = fmt.Sprintf("did you mean %s?", strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q for %q: %s", name, cmd.CommandPath(), hint)
}

func usage(err error) error { return &exitError{code: exitUsage, err: err} }

// show prints v as JSON, or as a table by text.
func (a *app) show(v any, text func(w *tabwriter.Writer)) error {
	if a.output == "json" {
		e := json.NewEncoder(a.stdout)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	text(w)
	return w.Flush()
}

// done ends a command that gives nothing but success.
func (a *app) done(text string) error {
	return a.show(struct {
		Done string `json:"done"`
	}{text}, func(w *tabwriter.Writer) { _, _ = fmt.Fprintln(w, text) })
}
