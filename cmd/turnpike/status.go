package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
)

func statusCommand(a *app) *cobra.Command {
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the node is",
		Long: `Show how the node is. Exit code 3 says that it runs but something does not work
as configured, or that an alarm above notice waits to be acknowledged; 1 that no
node answers. With --wait it returns 0 as soon as the node is ready, also when
degraded.`,
		Example: `  turnpike status
  turnpike --state /run/tp1 status --wait
  turnpike status -o json | jq .interfaces`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := ask(cmd.Context(), a.client(), wait, timeout)
			if err != nil {
				return err
			}
			if err := a.show(st, func(w *tabwriter.Writer) { writeStatus(w, st) }); err != nil {
				return err
			}
			if (len(st.Degraded) > 0 || somethingToDo(st.Alarms)) && !wait {
				return &exitError{code: exitDegraded}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the node is ready")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long --wait waits")
	return cmd
}

func ask(ctx context.Context, c *api.Client, wait bool, timeout time.Duration) (api.Status, error) {
	if !wait {
		return c.Status(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%s are over", timeout))
	defer cancel()
	st, err := c.WaitReady(ctx)
	if err != nil && (ctx.Err() != nil || errors.Is(err, api.ErrNoNode)) {
		return st, fmt.Errorf("%w\nsee what `turnpike serve` said, or wait longer with --timeout", err)
	}
	return st, err
}

// lines writes labelled lines into a table.
type lines struct{ w *tabwriter.Writer }

func (l lines) line(label, format string, args ...any) {
	_, _ = fmt.Fprintf(l.w, "%s\t%s\n", label, fmt.Sprintf(format, args...))
}

func writeStatus(w *tabwriter.Writer, st api.Status) {
	l := lines{w}
	l.line("node", "%s (%s, role %s), pid %d", st.Name, st.Platform, st.Role, st.PID)
	l.line("version", "%s", st.Version)
	l.line("state", "%s, up %s%s", st.State, time.Duration(st.Uptime)*time.Second, draining(st))
	l.line("path", "path=%s", st.Path)
	for _, i := range st.Interfaces {
		l.line("interface", "%s %s path=%s%s%s %s%s", i.Name, i.Side, i.Path, parenthesised(i.Mode), vlanOf(i),
			strings.Join(i.Addresses, " "), parenthesised(i.Reason))
	}
	l.line("turn", "%s%s", st.TURN.Mode, realm(st.TURN))
	for _, at := range st.TURN.Listen {
		l.line("listen", "%s", at)
	}
	for _, r := range st.TURN.Relay {
		l.line("relay on", "%s%s", r.Local, publicIfOther(r))
	}
	l.line("relays", "%d of %d", st.Relays.Used, st.Relays.Limit)
	for _, at := range st.SIP {
		l.line("sip", "%s", at)
	}
	for _, u := range []struct {
		name string
		api.Usage
	}{{"calls", st.Calls}, {"registrations", st.Registrations}} {
		if u.Limit > 0 {
			l.line(u.name, "%d of %d", u.Used, u.Limit)
		}
	}
	if st.Cluster != "" {
		l.line("cluster", "%s", printableText(st.Cluster))
	}
	l.line("metrics", "%s", st.Metrics)
	for _, at := range st.HTTPS {
		l.line("https", "%s", at)
	}
	for _, d := range st.Degraded {
		l.line("degraded", "%s", d)
	}
	for _, x := range st.Alarms {
		l.line("alarm", "%s %d %s%s: %s%s", x.Severity, x.Number, x.Title, parenthesised(printableText(x.Key)), printableText(x.Detail), seen(x))
	}
	for _, n := range st.Notes {
		l.line("note", "%s", n)
	}
}

// vlanOf says where the frames of a VLAN go.
func vlanOf(i api.Interface) string {
	if i.VLAN == 0 {
		return ""
	}
	return fmt.Sprintf(", VLAN %d on %s,", i.VLAN, i.Under)
}

func draining(st api.Status) string {
	if st.Draining {
		return ", draining: takes nothing new"
	}
	return ""
}

func realm(t api.TURN) string {
	if t.Realm == "" {
		return ""
	}
	return ", realm " + t.Realm
}

func publicIfOther(r api.RelayAddress) string {
	if r.Public == r.Local {
		return ""
	}
	return ", clients are told " + r.Public
}

func parenthesised(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
