package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/calls"
)

func callCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "call",
		Short: "List, show, trace and end calls",
		Example: `  turnpike call list
  turnpike call trace 17
  turnpike call disconnect 17`,
	}
	cmd.AddCommand(callList(a), callShow(a), callTrace(a), callDisconnect(a))
	return cmd
}

func callList(a *app) *cobra.Command {
	var ended bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the calls that run, or those that ended lately",
		Long: `List the calls that run or, with --ended, those that ended within the last 24 hours,
the last first: 4096 that were carried and 1024 that were refused are kept. The file
of call records has all of them. Streams that carried nothing are left out; the path
of a stream is what carried its last packet.`,
		Example: `  turnpike call list
  turnpike call list --ended
  turnpike call list -o json | jq '.[].streams[] | select(.path != "xdp")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.client().Calls(cmd.Context(), ended)
			if err != nil {
				return err
			}
			return a.show(list, func(w *tabwriter.Writer) { writeCalls(w, list, ended) })
		},
	}
	cmd.Flags().BoolVar(&ended, "ended", false, "list those that ended")
	return cmd
}

func writeCalls(w *tabwriter.Writer, list []calls.Call, ended bool) {
	last := "STATE"
	if ended {
		last = "END"
	}
	_, _ = fmt.Fprintf(w, "ID\tSTARTED\tFROM\tTO\tZONES\tMEDIA\tPATHS\tPACKETS A\tB\tLOST\tTIME\t%s\n", last)
	for _, c := range list {
		a, b := packetsOf(c)
		lostA, lostB := c.Lost()
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", c.ID, c.Started.UTC().Format(time.DateTime),
			orDash(c.From), orDash(c.To), zonesOf(c), mediaOf(c), pathsOf(c), a, b, lostA+lostB, span(c.Seconds), endOf(c))
	}
}

func packetsOf(c calls.Call) (a, b uint64) {
	for _, s := range c.Streams {
		a, b = a+s.A.Packets, b+s.B.Packets
	}
	return a, b
}

func zonesOf(c calls.Call) string {
	return place(c.Caller) + " > " + place(c.Callee)
}

func place(p calls.Party) string { return orDash(cmp.Or(p.Subzone, p.Zone)) }

func mediaOf(c calls.Call) string {
	switch {
	case c.Media.Traversal:
		return "relay"
	case c.Answered.IsZero():
		return "-" // nothing was decided
	}
	return "direct"
}

// pathsOf lists what carries the streams: audio=xdp video=xdp.
func pathsOf(c calls.Call) string {
	var out []string
	for _, s := range c.Streams {
		out = append(out, s.Kind+"="+s.Path)
	}
	return orDash(strings.Join(out, " "))
}

func span(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

func endOf(c calls.Call) string {
	if c.Cause == nil {
		return string(c.State)
	}
	return causeText(*c.Cause)
}

func causeText(c calls.Cause) string {
	text := fmt.Sprintf("%s by the %s", c.Kind, c.By)
	if c.Status >= 300 {
		text += fmt.Sprintf(", %d", c.Status)
	}
	return text + parenthesised(printableText(c.Reason))
}

func callShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show one call: which way it went, its media, and why it ended",
		Long: `Show one call that runs or ended lately: which way it went and why, who carries its
media and why, what each stream carried, and who ended it. ID is the number of
"turnpike call list" or the serial of a record.`,
		Example: `  turnpike call show 17
  turnpike call show 17 -o json | jq .streams`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client().Call(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.show(c, func(w *tabwriter.Writer) { writeCall(w, c) })
		},
	}
}

func writeCall(w *tabwriter.Writer, c calls.Call) {
	l := lines{w}
	l.line("call", "%d, %s", c.ID, c.State)
	l.line("serial", "%s", c.Serial)
	l.line("from", "%s", orDash(c.From))
	l.line("to", "%s", orDash(c.To))
	writeParty(l, "caller", c.Caller)
	writeParty(l, "callee", c.Callee)
	l.line("route", "%s", routeOf(c.Route))
	if c.Route.Path != "" {
		l.line("path", "%s", printableText(c.Route.Path))
	}
	l.line("started", "%s", c.Started.UTC().Format(time.DateTime))
	if !c.Answered.IsZero() {
		l.line("answered", "after %.3f s", c.Answered.Sub(c.Started).Seconds())
		l.line("time", "%s", span(c.Seconds))
	}
	if c.Cause != nil {
		l.line("ended", "%s, %s", c.Ended.UTC().Format(time.DateTime), causeText(*c.Cause))
	}
	l.line("media", "%s%s%s", mediaOf(c), parenthesised(c.Media.Why), srtp(c.Media))
	writeGrant(l, c.Media)
	for _, s := range c.Streams {
		l.line(s.Kind, "path=%s%s", s.Path, parenthesised(s.Reason))
		writeCarried(l, "  from caller", s.A)
		writeCarried(l, "  from callee", s.B)
	}
	l.line("call-id", "%s", orDash(c.CallID))
	if c.SessionID != "" {
		l.line("session", "%s", orDash(c.SessionID))
	}
	l.line("messages", "%d: see `turnpike call trace %d`", c.Messages, c.ID)
}

func writeParty(l lines, label string, p calls.Party) {
	if p == (calls.Party{}) {
		return
	}
	at := "-"
	if p.Address != (netip.AddrPort{}) {
		at = strings.TrimSpace(p.Transport + " " + p.Address.String())
	}
	text := fmt.Sprintf("%s in %s at %s", orDash(p.Alias), place(p), at)
	if p.Peer != 0 {
		text += fmt.Sprintf(", peer %d of the cluster", p.Peer)
	}
	if p.Authenticated {
		text += ", authenticated"
	}
	if p.Agent != "" {
		text += ", " + printableText(p.Agent)
	}
	l.line(label, "%s", text)
}

func routeOf(r calls.Route) string {
	switch {
	case r.Reason != "":
		return "none: " + printableText(r.Reason)
	case r.Rule == "":
		return orDash(r.Alias)
	}
	return fmt.Sprintf("rule %s, as %s", printableText(r.Rule), orDash(r.Alias))
}

func srtp(m calls.Media) string {
	if m.Encrypted {
		return ", SRTP"
	}
	return ""
}

func writeCarried(l lines, label string, d calls.Direction) {
	seen := "never"
	if !d.LastSeen.IsZero() {
		seen = d.LastSeen.UTC().Format(time.DateTime)
	}
	l.line(label, "%d packets, %d bytes, %d lost, jitter %.1f ms, last seen %s", d.Packets, d.Bytes, d.Lost, d.JitterMs, seen)
}

func callDisconnect(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "disconnect ID...",
		Short: "End calls",
		Long: `End calls: both ends are told, and their media stops. ID is the number of "turnpike
call list", or a serial.`,
		Example: `  turnpike call disconnect 17
  turnpike call disconnect --all`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usage(errors.New("name calls, or write --all"))
			}
			if all {
				list, err := a.client().Calls(cmd.Context(), false)
				if err != nil {
					return err
				}
				for _, c := range list {
					args = append(args, c.Serial)
				}
			}
			for _, name := range args {
				if err := a.client().Disconnect(cmd.Context(), name); err != nil && !all {
					return fmt.Errorf("disconnect %s: %w", printableText(name), err)
				}
			}
			return a.done(fmt.Sprintf("disconnecting %d", len(args)))
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "end all calls")
	return cmd
}
