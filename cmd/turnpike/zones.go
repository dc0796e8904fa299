package main

import (
	"fmt"
	"net/netip"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/routing"
)

func zoneCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "zone",
		Short: "List zones and see how they are",
		Example: `  turnpike zone list
  turnpike zone status branch`,
	}
	cmd.AddCommand(zoneList(a), zoneStatus(a))
	return cmd
}

func zoneList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the zones",
		Example: `  turnpike zone list
  turnpike zone list -o json | jq '.[] | select(.status == "Failed")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			zones, err := a.client().Zones(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(zones, func(w *tabwriter.Writer) { writeZones(w, zones) })
		},
	}
}

func writeZones(w *tabwriter.Writer, zones []routing.ZoneSummary) {
	_, _ = fmt.Fprintln(w, "ZONE\tTYPE\tPROTOCOL\tHOPS\tPEERS\tCALLS\tSTATUS")
	for _, z := range zones {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%s\n", z.Name, z.Type, z.Protocol, z.HopCount, len(z.Peers), z.Calls, z.Status)
	}
}

func zoneStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status [ZONE...]",
		Short: "Show zones with their peers",
		Long: `Show zones with their peers, all of them when none is named. Exit code 3 says that
one of them failed: none of its peers answers.`,
		Example: `  turnpike zone status
  turnpike zone status branch core`,
		RunE: func(cmd *cobra.Command, args []string) error {
			zones, err := a.client().Zones(cmd.Context())
			if err != nil {
				return err
			}
			if zones, err = chosen(zones, args); err != nil {
				return err
			}
			if err := a.show(zones, func(w *tabwriter.Writer) { writeZoneStatus(w, zones) }); err != nil {
				return err
			}
			for _, z := range zones {
				if z.Status == "Failed" {
					return &exitError{code: exitDegraded}
				}
			}
			return nil
		},
	}
}

func chosen(zones []routing.ZoneSummary, names []string) ([]routing.ZoneSummary, error) {
	if len(names) == 0 {
		return zones, nil
	}
	byName := map[string]routing.ZoneSummary{}
	for _, z := range zones {
		byName[z.Name] = z
	}
	var out []routing.ZoneSummary
	for _, name := range names {
		z, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("there is no zone %q: see `turnpike zone list`", name)
		}
		out = append(out, z)
	}
	return out, nil
}

func writeZoneStatus(w *tabwriter.Writer, zones []routing.ZoneSummary) {
	_, _ = fmt.Fprintln(w, "ZONE\tPEER\tSTATUS\tCALLS\tFREE SESSIONS")
	for _, z := range zones {
		_, _ = fmt.Fprintf(w, "%s\t\t%s\t%d\t\n", z.Name, z.Status, z.Calls)
		for _, p := range z.Peers {
			free := "-"
			if p.Free != nil {
				free = fmt.Sprint(*p.Free)
			}
			_, _ = fmt.Fprintf(w, "\t%s\t%s\t\t%s\n", p.Address, p.Status, free)
		}
	}
}

// route compiles what decides about calls, now and whenever a part of it changes.
func (n *node) route(s *store.Store) error {
	around, err := surroundings(s.Current().Node)
	if err != nil {
		return err
	}
	if n.router, err = routing.New(s.Current().Node, around); err != nil {
		return fmt.Errorf("compile the dial plan: %w", err)
	}
	s.Subscribe(n.reroute, routing.Paths()...)
	return nil
}

// reroute puts a changed dial plan in force; one that does not compile leaves the old.
func (n *node) reroute(u store.Update) {
	n.routing.Lock()
	defer n.routing.Unlock()
	n.recompile(u.New.Node)
}

// resolve puts the addresses of peers that are names in force.
func (n *node) resolve(names map[string][]netip.Addr) {
	n.routing.Lock()
	defer n.routing.Unlock()
	n.resolved = names
	n.recompile(n.store.Current().Node)
}

func (n *node) recompile(c *config.Node) {
	around, err := surroundings(c)
	around.Resolved = n.resolved
	if err == nil {
		err = n.router.Change(c, around)
	}
	if err != nil {
		n.log.Error("System Configuration Not Applied", "Detail", fmt.Sprintf("the dial plan stays as it was: %v", err))
	}
}

// surroundings are what the machine adds to configuration when calls are routed.
func surroundings(n *config.Node) (routing.Surroundings, error) {
	own, _, err := ownAddresses(n.Interfaces)
	return routing.Surroundings{Own: own}, err
}

// Locate says where a call would go (api.Router).
func (n *node) Locate(q routing.Question) (routing.Answer, error) { return n.router.Ask(q) }

var _ api.Router = (*node)(nil)
