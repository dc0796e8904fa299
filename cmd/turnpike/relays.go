package main

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/dataplane/relay"
)

func relayCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "List, show and end TURN relays",
		Example: `  turnpike relay list
  turnpike relay show 17
  turnpike relay kill 17`,
	}
	cmd.AddCommand(relayList(a), relayShow(a), relayKill(a))
	return cmd
}

func relayList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the relays",
		Example: `  turnpike relay list
  turnpike relay list -o json | jq '.[] | select(.path != "xdp")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			relays, err := a.client().Relays(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(relays, func(w *tabwriter.Writer) { writeRelays(w, relays) })
		},
	}
}

func writeRelays(w *tabwriter.Writer, relays []api.Relay) {
	_, _ = fmt.Fprintln(w, "ID\tUSER\tCLIENT\tRELAY\tPEERS\tPATH\tPACKETS UP\tDOWN\tEXPIRES IN")
	for _, r := range relays {
		up, down := r.Packets()
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s %s\t%s\t%d\t%s\t%d\t%d\t%s\n", r.ID, printable(r.User), r.Transport, r.Client,
			strings.Join(r.Relay, " "), len(r.Channels), pathOf(r), up, down, left(r.Expires))
	}
}

func pathOf(r api.Relay) string {
	if r.Path == "" {
		return "-"
	}
	return r.Path
}

func left(t time.Time) string { return time.Until(t).Round(time.Second).String() }

// printable keeps what came from the wire from doing things to a terminal.
func printable(s string) string {
	q := strconv.Quote(s)
	if q == `"`+s+`"` {
		return s
	}
	return q
}

func relayShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show one relay with its permissions, channels and what they carried",
		Example: `  turnpike relay show 17
  turnpike relay show 17 -o json | jq .channels`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			r, err := a.client().Relay(cmd.Context(), id)
			if err != nil {
				return err
			}
			return a.show(r, func(w *tabwriter.Writer) { writeRelay(w, r) })
		},
	}
}

func parseID(s string) (uint64, error) {
	id, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, usage(fmt.Errorf("%q is no relay id: see `turnpike relay list`", s))
	}
	return id, nil
}

func writeRelay(w *tabwriter.Writer, r api.Relay) {
	l := lines{w}
	l.line("relay", "%d", r.ID)
	l.line("user", "%s", printable(r.User))
	l.line("client", "%s %s to %s", r.Transport, r.Client, r.Server)
	l.line("relayed address", "%s", strings.Join(r.Relay, " "))
	l.line("clients are told", "%s", strings.Join(r.Public, " "))
	l.line("path", "path=%s%s", pathOf(r), parenthesised(r.Reason))
	l.line("expires in", "%s", left(r.Expires))
	for _, p := range r.Permissions {
		l.line("permission", "%s for %s", p.Peer, left(p.Expires))
	}
	for _, c := range r.Channels {
		l.line("channel", "0x%04X to %s for %s", c.Number, c.Peer, left(c.Expires))
		writeFlow(l, "  up", c.Up)
		writeFlow(l, "  down", c.Down)
	}
}

func writeFlow(l lines, label string, f relay.FlowStats) {
	seen := "never"
	if !f.LastSeen.IsZero() {
		seen = time.Since(f.LastSeen).Round(time.Second).String() + " ago"
	}
	l.line(label, "path=%s%s %d packets, %d bytes, last seen %s", f.Path, parenthesised(f.Reason), f.Packets, f.Bytes, seen)
	for _, s := range f.RTP {
		l.line("", "RTP %08x: %d of %d lost, jitter %.1f ms", s.SSRC, s.Lost, s.Expected, s.JitterMs)
	}
}

func relayKill(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "kill ID...",
		Short: "End relays at once",
		Long: `End relays at once: nothing of them is relayed any more when the command returns.
The clients notice at their next request.`,
		Example: `  turnpike relay kill 17
  turnpike relay kill 17 18 19`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				id, err := parseID(arg)
				if err != nil {
					return err
				}
				if err := a.client().Kill(cmd.Context(), id); err != nil {
					return fmt.Errorf("end relay %d: %w", id, err)
				}
			}
			return a.done("ended " + strings.Join(args, ", "))
		},
	}
}
