package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/control/trace"
)

// locateOptions are the flags of locate.
type locateOptions struct {
	question   routing.Question
	file       string
	registered []string
	all        bool
}

func locateCommand(a *app) *cobra.Command {
	var o locateOptions
	cmd := &cobra.Command{
		Use:   "locate ALIAS",
		Short: "Say where a call to an alias would go, and why, step by step",
		Long: `Say where a call to an alias would go, and why, step by step. The running node
answers by the configuration in force and what is registered; nobody is called.
With -c a node file answers instead, and --registered says who would be registered.

In the steps, + applied, - did not and ! ended the search. Steps that did not apply
are counted only; --all shows each. Exit code 1 says that the call would go nowhere.`,
		Example: `  turnpike locate alice@example.com
  turnpike locate 1234 --source-zone branch --protocol h323 --all
  turnpike locate sip:bob@example.com -c node.yaml --registered bob@example.com
  turnpike locate 1234 -o json | jq .targets`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.question.Alias = args[0]
			answer, err := o.ask(cmd.Context(), a)
			if err != nil {
				return err
			}
			if err := a.show(answer, func(w *tabwriter.Writer) { writeAnswer(w, answer, o.all) }); err != nil {
				return err
			}
			if !answer.Found {
				return &exitError{code: exitFailed}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.question.Source, "source-zone", config.LocalZoneName, "zone or subzone that the call comes from")
	f.StringVar(&o.question.Protocol, "protocol", "sip", "protocol of the request: sip or h323")
	f.IntVar(&o.question.HopCount, "hop-count", 15, "hops that the request may still take")
	f.BoolVar(&o.question.Authenticated, "authenticated", true, "whether the caller is authenticated")
	f.StringVar(&o.question.Caller, "source-alias", "", "alias of the caller")
	f.StringVarP(&o.file, "config", "c", "", "ask this node file instead of the running node")
	f.StringArrayVar(&o.registered, "registered", nil, "with -c: alias that would be registered (repeat for more)")
	f.BoolVar(&o.all, "all", false, "show the steps that did not apply too")
	return cmd
}

func (o *locateOptions) ask(ctx context.Context, a *app) (routing.Answer, error) {
	if o.file == "" {
		if len(o.registered) > 0 {
			return routing.Answer{}, usage(fmt.Errorf("--registered is for node files: add -c FILE, or leave it out"))
		}
		return a.client().Locate(ctx, o.question)
	}
	n, err := config.Load(o.file)
	if err != nil {
		return routing.Answer{}, err
	}
	s, err := routing.Compile(n, routing.Surroundings{}, nil)
	if err != nil {
		return routing.Answer{}, fmt.Errorf("%s: %w", o.file, err)
	}
	would, err := wouldBe(o.registered)
	if err != nil {
		return routing.Answer{}, err
	}
	return s.Ask(o.question, dialplan.Network{Registrations: would})
}

// supposed are registrations that an operator supposes.
type supposed map[string]dialplan.Binding

func wouldBe(names []string) (supposed, error) {
	s := supposed{}
	for _, name := range names {
		got, err := alias.Parse(name)
		if err != nil {
			return nil, usage(fmt.Errorf("--registered %s: %w", name, err))
		}
		b := dialplan.Binding{Protocol: dialplan.SIP, Contact: "(supposed)"}
		if strings.HasPrefix(strings.ToLower(name), "h323:") {
			b.Protocol = dialplan.H323
		}
		s[got.Name] = b
	}
	return s, nil
}

// Lookup finds who is supposed to be registered.
func (s supposed) Lookup(dst []dialplan.Binding, name string) []dialplan.Binding {
	if b, ok := s[name]; ok {
		dst = append(dst, b)
	}
	return dst
}

func writeAnswer(w *tabwriter.Writer, answer routing.Answer, all bool) {
	if !answer.Found {
		_, _ = fmt.Fprintf(w, "nowhere: %s%s\n", answer.Reason, byRule(answer.Rule))
	} else {
		_, _ = fmt.Fprintln(w, "TURN\tZONE\tALIAS\tPROTOCOL\tAT\tRULE\tHOPS")
	}
	for _, t := range answer.Targets {
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d\n", t.Group+1, t.Zone, printable(t.Alias), protocolOf(t), at(t), ruleOf(t), t.HopCount)
	}
	_ = w.Flush() // the steps are no columns of the table
	_, _ = fmt.Fprintln(w, "\nwhy:")
	for i := range answer.Steps {
		answer.Steps[i] = safe(answer.Steps[i])
	}
	_ = trace.Write(w, answer.Steps, all)
	if answer.Lost > 0 {
		_, _ = fmt.Fprintf(w, "... and %d more steps\n", answer.Lost)
	}
}

// safe keeps what came from outside from doing things to a terminal or to the columns.
func safe(s trace.Step) trace.Step {
	s.Name, s.Why, s.Before, s.After = printableText(s.Name), printableText(s.Why), printableText(s.Before), printableText(s.After)
	return s
}

// printableText is printable without the quotes: backslashes and quotes stay.
func printableText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

func byRule(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" (rule %q)", name)
}

func protocolOf(t routing.Target) string {
	if t.Interworked {
		return t.Protocol + " (interworked)"
	}
	return t.Protocol
}

// at says who is asked.
func at(t routing.Target) string {
	switch {
	case t.Peer != 0:
		return fmt.Sprintf("%s on peer %d", printable(t.Contact), t.Peer)
	case t.Contact != "":
		return printable(t.Contact)
	case len(t.Peers) > 0:
		return strings.Join(t.Peers, ", ")
	}
	return "DNS"
}

func ruleOf(t routing.Target) string {
	if t.Rule == "" {
		return "-"
	}
	return fmt.Sprintf("%s (%d)", t.Rule, t.Priority)
}
