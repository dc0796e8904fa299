package main

import (
	"fmt"
	"net/netip"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/clustering"
)

func clusterDNSCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "dns",
		Short: "Show the DNS records that the cluster should have, and what DNS answers",
		Long: `Show the SRV and address records that should exist for the cluster's name, as lines of
a zone file, with what DNS answers: ok, missing, other. Priorities and weights are
equal, so that endpoints spread over the peers. Where endpoints reach peers at other
addresses than the peers each other, the addresses in public DNS are those. Exit code
3: DNS differs.`,
		Example: "  turnpike cluster dns\n  turnpike cluster dns -o json | jq -r '.records[] | select(.state != \"ok\")'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.client().ClusterDNS(cmd.Context())
			if err != nil {
				return err
			}
			if err := a.show(d, func(w *tabwriter.Writer) { writeDNS(w, d) }); err != nil {
				return err
			}
			if !d.OK() {
				return &exitError{code: exitDegraded}
			}
			return nil
		},
	}
}

func writeDNS(w *tabwriter.Writer, d clustering.DNS) {
	for _, r := range d.Answers {
		found := ""
		if r.Found != "" {
			found = "found " + printableText(r.Found)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t; %s\t%s\n", r.State, r.Record, r.Text, found)
	}
	for _, x := range d.Extra {
		_, _ = fmt.Fprintf(w, "extra\t%s\t; leads to no peer\n", printableText(x))
	}
	for _, l := range d.Lacking {
		_, _ = fmt.Fprintf(w, "lacking\t%s\n", l)
	}
}

func clusterMappingCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mapping",
		Short: "Show and change the address mapping of the peers",
		Long: `The address mapping says which addresses the names of peers stand for; it is looked at
before DNS, for peers alone. Any peer takes changes and gives them to the primary; all
have them at once. It is off until "turnpike config set cluster_mapping.mode on".`,
		Example: "  turnpike cluster mapping show\n  turnpike cluster mapping add tp1.example.test 198.18.0.1",
	}
	cmd.AddCommand(mappingShowCommand(a), mappingSuggestCommand(a),
		&cobra.Command{
			Use: "add FQDN ADDRESS", Short: "Add a pair", Example: "  turnpike cluster mapping add tp1.example.test 198.18.0.1", Args: cobra.ExactArgs(2),
			RunE: func(cmd *cobra.Command, args []string) error {
				addr, err := netip.ParseAddr(args[1])
				if err != nil {
					return usage(fmt.Errorf("%q is no IP address", args[1]))
				}
				if err := a.client().AddMapping(cmd.Context(), clustering.Mapping{Name: args[0], Address: addr}); err != nil {
					return err
				}
				return a.done(args[0] + " is " + addr.String())
			},
		},
		&cobra.Command{
			Use: "remove FQDN", Short: "Take the pair of a name out", Example: "  turnpike cluster mapping remove tp1.example.test", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				if err := a.client().RemoveMapping(cmd.Context(), args[0]); err != nil {
					return err
				}
				return a.done(args[0] + " is looked up in DNS")
			},
		})
	return cmd
}

func mappingShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show the pairs", Example: "  turnpike cluster mapping show", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := a.client().Mappings(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(m, func(w *tabwriter.Writer) { writeMappings(w, m) })
		},
	}
}

func writeMappings(w *tabwriter.Writer, m api.Mappings) {
	_, _ = fmt.Fprintf(w, "mode\t%s\n", m.Mode)
	for _, e := range m.Entries {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", e.Name, e.Address)
	}
	for _, e := range m.Suggested {
		_, _ = fmt.Fprintf(w, "%s\t%s\tsuggested: turnpike cluster mapping add %s %s\n", e.Name, e.Address, e.Name, e.Address)
	}
}

func mappingSuggestCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "suggest",
		Short: "Add the pairs that the peers' own addresses and names suggest",
		Long: `Add a pair for each peer that has none: a listed name with the address that it was
reached at, or a listed address under the peer's system name in this node's domain.
Look at them with "turnpike cluster mapping show" before: a suggestion may be wrong.`,
		Example: "  turnpike cluster mapping suggest", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := a.client().Mappings(cmd.Context())
			if err != nil {
				return err
			}
			for _, e := range m.Suggested {
				if err := a.client().AddMapping(cmd.Context(), e); err != nil {
					return err
				}
			}
			if m, err = a.client().Mappings(cmd.Context()); err != nil {
				return err
			}
			return a.show(m, func(w *tabwriter.Writer) { writeMappings(w, m) })
		},
	}
}
