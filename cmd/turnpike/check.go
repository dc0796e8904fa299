package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/pattern"
)

func checkCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "check",
		Short:   "Try things out without changing anything",
		Example: `  turnpike check pattern 1234 '\d{4}' --type regex`,
	}
	cmd.AddCommand(checkPattern(a))
	return cmd
}

// patternCheck is what a pattern makes of an alias.
type patternCheck struct {
	Target  string `json:"target"` // as rules see it
	Matches bool   `json:"matches"`
	Result  string `json:"result,omitempty"`
	Kind    string `json:"kind,omitempty"` // of the result
}

func checkPattern(a *app) *cobra.Command {
	typ, behavior, replace := "exact", "leave", ""
	cmd := &cobra.Command{
		Use:   "pattern TARGET PATTERN",
		Short: "Say whether a pattern matches an alias, and what becomes of it",
		Long: `Say whether a pattern matches an alias, and what becomes of it, as a transform or a
search rule would do it. Exit code 1 says that it does not match.`,
		Example: `  turnpike check pattern 1234 '\d{4}' --type regex
  turnpike check pattern 91234 9 --type prefix --behavior strip
  turnpike check pattern 91234 9 --type prefix --behavior replace --replace 00`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := tryPattern(args[0], args[1], typ, behavior, replace)
			if err != nil {
				return usage(err)
			}
			if err := a.show(c, func(w *tabwriter.Writer) { writePatternCheck(w, c) }); err != nil {
				return err
			}
			if !c.Matches {
				return &exitError{code: exitFailed}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&typ, "type", typ, "exact, prefix, suffix or regex")
	cmd.Flags().StringVar(&behavior, "behavior", behavior, "leave, strip, replace, addprefix or addsuffix")
	cmd.Flags().StringVar(&replace, "replace", replace, `text that is put there or added; \1 to \9 are groups`)
	return cmd
}

func tryPattern(target, text, typ, behavior, replace string) (patternCheck, error) {
	var t pattern.Type
	var b pattern.Behavior
	if err := t.UnmarshalText([]byte(typ)); err != nil {
		return patternCheck{}, fmt.Errorf("--type %w", err)
	}
	if err := b.UnmarshalText([]byte(behavior)); err != nil {
		return patternCheck{}, fmt.Errorf("--behavior %w", err)
	}
	p, err := pattern.Compile(t, text)
	if err != nil {
		return patternCheck{}, err
	}
	r, err := pattern.CompileRewrite(p, b, replace)
	if err != nil {
		return patternCheck{}, err
	}
	name, err := alias.Parse(target)
	if err != nil {
		return patternCheck{}, err
	}
	c := patternCheck{Target: name.Name}
	changed, ok := r.Apply(name.Name)
	if c.Matches = ok; !ok {
		return c, nil
	}
	result, err := alias.Parse(changed)
	if err != nil {
		return c, fmt.Errorf("it matches and makes %q: %w", changed, err)
	}
	c.Result, c.Kind = result.Name, result.Kind.String()
	return c, nil
}

func writePatternCheck(w *tabwriter.Writer, c patternCheck) {
	if !c.Matches {
		_, _ = fmt.Fprintf(w, "%s does not match\n", printableText(c.Target))
		return
	}
	_, _ = fmt.Fprintf(w, "%s matches: %s (%s)\n", printableText(c.Target), printableText(c.Result), c.Kind)
}
