package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/registrations"
)

func registrationCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "registration",
		Short: "List, show and remove registrations",
		Example: `  turnpike registration list
  turnpike registration show alice@example.org
  turnpike registration remove 17`,
	}
	cmd.AddCommand(registrationList(a), registrationShow(a), registrationRemove(a))
	return cmd
}

func registrationList(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the registrations of this node, or of its cluster",
		Example: `  turnpike registration list
  turnpike registration list --cluster
  turnpike registration list -o json | jq '.[] | select(.transport == "udp")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all {
				return a.listClusterRegistrations(cmd)
			}
			list, err := a.client().Registrations(cmd.Context(), "")
			if err != nil {
				return err
			}
			return a.show(list, func(w *tabwriter.Writer) { writeRegistrations(w, list) })
		},
	}
	cmd.Flags().BoolVar(&all, "cluster", false, "list those of all peers of the cluster")
	return cmd
}

func (a *app) listClusterRegistrations(cmd *cobra.Command) error {
	list, err := a.client().ClusterRegistrations(cmd.Context(), "")
	if err != nil {
		return err
	}
	return a.show(list, func(w *tabwriter.Writer) {
		_, _ = fmt.Fprintln(w, "PEER\tNODE\tID\tALIAS\tCONTACT\tFROM\tSUBZONE\tUSER AGENT")
		for i := range list {
			b := &list[i]
			_, _ = fmt.Fprintf(w, "%d\t%s\t%d\t%s\t%s\t%s %s\t%s\t%s\n", b.Peer, orDash(b.Node), b.ID, orDash(b.AOR), orDash(b.Contact),
				b.Transport, b.Source, whereOf(&b.Binding), orDash(b.UserAgent))
		}
	})
}

func writeRegistrations(w *tabwriter.Writer, list []*registrations.Binding) {
	_, _ = fmt.Fprintln(w, "ID\tALIAS\tCONTACT\tFROM\tSUBZONE\tACCOUNT\tEXPIRES IN\tUSER AGENT")
	for _, b := range list {
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s %s\t%s\t%s\t%s\t%s\n", b.ID, orDash(b.AOR), orDash(b.Contact), b.Transport, b.Source,
			whereOf(b), orDash(b.Account), left(b.Expires), orDash(b.UserAgent))
	}
}

// whereOf is the subzone, or the zone that holds a proxied registration.
func whereOf(b *registrations.Binding) string {
	if b.Proxied {
		return "zone " + orDash(b.Zone)
	}
	return orDash(b.Subzone)
}

func registrationShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show ALIAS|ID",
		Short: "Show the registrations of a name, or one of them",
		Example: `  turnpike registration show alice@example.org
  turnpike registration show 17 -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := a.registrationsOf(cmd, args[0])
			if err != nil {
				return err
			}
			return a.show(list, func(w *tabwriter.Writer) {
				for _, b := range list {
					writeRegistration(w, b)
				}
			})
		},
	}
}

func (a *app) registrationsOf(cmd *cobra.Command, name string) ([]*registrations.Binding, error) {
	if name == "" {
		return nil, usage(errors.New("whose registrations? write an alias, a number or a serial"))
	}
	list, err := a.client().Registrations(cmd.Context(), name)
	if err == nil && len(list) == 0 {
		err = errNoRegistration
	}
	return list, err
}

func writeRegistration(w *tabwriter.Writer, b *registrations.Binding) {
	l := lines{w}
	l.line("registration", "%d", b.ID)
	l.line("serial", "%s", b.Serial)
	l.line("alias", "%s", orDash(b.AOR))
	for _, also := range b.Also {
		l.line("also", "%s", orDash(also))
	}
	l.line("protocol", "%s", b.Protocol)
	l.line("contact", "%s%s", orDash(b.Contact), printableText(b.Params))
	for _, p := range b.Path {
		l.line("path", "%s", orDash(p))
	}
	l.line("from", "%s %s to %s", b.Transport, b.Source, b.Local)
	if b.Instance != "" {
		l.line("instance", "%s, flow %d", orDash(b.Instance), b.RegID)
	}
	l.line("in", "%s", whereOf(b))
	l.line("account", "%s", orDash(b.Account))
	l.line("user agent", "%s", orDash(b.UserAgent))
	l.line("since", "%s", b.Since.UTC().Format(time.DateTime))
	l.line("expires in", "%s", left(b.Expires))
	if b.Broken {
		l.line("note", "its connection is gone: it is reached again when it comes back")
	}
}

func registrationRemove(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "remove ALIAS|ID...",
		Short: "Remove registrations",
		Long: `Remove registrations by number or serial, or all of a name. Endpoints come back at
their next refresh: to keep one out change its password or use registrations.deny.
Calls that it is in go on.`,
		Example: `  turnpike registration remove 17
  turnpike registration remove alice@example.org
  turnpike registration remove --all`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usage(errors.New("name registrations, or write --all"))
			}
			if all {
				args = []string{""}
			}
			removed := 0
			for _, name := range args {
				n, err := a.removeRegistrations(cmd, name)
				if err != nil {
					return err
				}
				removed += n
			}
			return a.done(fmt.Sprintf("removed %d", removed))
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "remove all registrations")
	return cmd
}

// removeRegistrations removes those of a name; of the empty name all.
func (a *app) removeRegistrations(cmd *cobra.Command, name string) (int, error) {
	list, err := a.client().Registrations(cmd.Context(), name)
	if err == nil && len(list) == 0 && name != "" {
		err = errNoRegistration
	}
	if err != nil {
		return 0, fmt.Errorf("remove %s: %w", orDash(name), err)
	}
	for _, b := range list {
		if err := a.client().RemoveRegistration(cmd.Context(), b.Serial.String()); err != nil && name != "" {
			return 0, err
		}
	}
	return len(list), nil
}
