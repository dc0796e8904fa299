package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func cleanupCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "cleanup",
		Short: "Remove every trace of a node that is not running",
		Long: `Remove every trace of a node that is not running: the XDP program from the
interfaces, pinned maps, socket, journal, keys and event log of its state
directory. Relays that the kernel still carried end. It refuses while the node
is alive.`,
		Example: `  turnpike --state /var/lib/turnpike cleanup`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := removeState(a.state); err != nil {
				return fmt.Errorf("clean up: %w", err)
			}
			return a.done("no trace is left of the node of " + a.state)
		},
	}
}
