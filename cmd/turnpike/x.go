package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
)

func xConfigurationCommand(a *app) *cobra.Command {
	return xRoot(a, "xconfiguration", "Read or set the configuration in the words of xConfiguration",
		`Read or set the configuration in the words of xConfiguration. A path alone shows what
is at and below it, Leaf: VALUE sets it. ? lists what may follow, ?? explains it. Case
does not matter.`,
		`  turnpike xconfiguration Zones Zone 1
  turnpike xconfiguration SIP Mode: On
  turnpike xconfiguration Alternates '??'`)
}

func xStatusCommand(a *app) *cobra.Command {
	return xRoot(a, "xstatus", "Show how the node is in the words of xStatus",
		`Show how the node is in the words of xStatus. ? lists the elements, ?? explains them.`,
		`  turnpike xstatus SystemUnit
  turnpike xstatus TURN -o json`)
}

func xCommandCommand(a *app) *cobra.Command {
	return xRoot(a, "xcommand", "Act in the words of xCommand",
		`Act in the words of xCommand: parameters are Name: VALUE. ? lists the commands, a
command with ? explains its parameters; (r) marks those that must be there.`,
		`  turnpike xcommand ZoneAdd ZoneName: out Type: Neighbor
  turnpike xcommand SearchRuleAdd '?'`)
}

func xRoot(a *app, name, short, long, example string) *cobra.Command {
	return &cobra.Command{
		Use: name + " [WORD...]", Short: short, Long: long, Example: example,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := a.client().X(cmd.Context(), name+" "+joinWords(args))
			var misuse *api.Misuse
			if errors.As(err, &misuse) {
				return usage(err)
			}
			if err != nil {
				return err
			}
			return a.show(answer.Elements, func(w *tabwriter.Writer) { _, _ = fmt.Fprint(w, answer.Text) })
		},
	}
}

// joinWords makes a line of arguments. The shell took the quotation marks off; where
// a line needs them they are put back. One argument alone is a line already.
func joinWords(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = a
		if a == "" || strings.ContainsAny(a, " \t\"\\") || i > 0 && strings.HasSuffix(args[i-1], ":") && strings.HasSuffix(a, ":") {
			words[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(a) + `"`
		}
	}
	return strings.Join(words, " ")
}

func shellCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "tsh",
		Short: "Run lines of xConfiguration, xStatus and xCommand, one after the other",
		Long: `Run lines of xConfiguration, xStatus and xCommand from standard input, one after the
other. ? and ?? behind an element list and explain what may follow; exit ends.`,
		Example: `  turnpike tsh
  echo 'xStatus Time' | turnpike tsh`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.converse(cmd) },
	}
}

// converse runs lines until there are no more. From a script the first line that
// fails ends it.
func (a *app) converse(cmd *cobra.Command) error {
	_, err := unix.IoctlGetTermios(int(os.Stdin.Fd()), unix.TCGETS)
	person := err == nil
	in := bufio.NewScanner(cmd.InOrStdin())
	for {
		if person {
			_, _ = fmt.Fprint(a.stdout, "turnpike> ")
		}
		if !in.Scan() {
			return in.Err()
		}
		text := strings.TrimSpace(in.Text())
		switch strings.ToLower(text) {
		case "exit", "quit", "bye":
			return nil
		}
		answer, err := a.client().X(cmd.Context(), text)
		switch {
		case err != nil && person:
			_, _ = fmt.Fprintln(a.stdout, "ERROR:", err)
		case err != nil:
			return fmt.Errorf("%s: %w", text, err)
		default:
			_, _ = fmt.Fprint(a.stdout, answer.Text)
		}
	}
}
