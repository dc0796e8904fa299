package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func cleanupCommand(a *app) *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "cleanup",
		Short: "Remove every trace of a node that is not running",
		Long: `Remove every trace of a node that is not running: the XDP program from the
interfaces, pinned maps, socket, journal, keys and event log of its state
directory. Relays that the kernel still carried end. It refuses while the node
is alive. With --keep-state only the kernel is cleaned up: journal, keys and log stay.`,
		Example: `  turnpike --state /var/lib/turnpike cleanup
  turnpike cleanup --keep-state    # the XDP program leaves, the node's identity stays`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			remove, left := removeState, "no trace is left of the node of "
			if keep {
				remove, left = removeFromKernel, "nothing is left in the kernel of the node of "
			}
			if err := remove(a.state); err != nil {
				return fmt.Errorf("clean up: %w", err)
			}
			return a.done(left + a.state)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep-state", false, "remove only what is in the kernel")
	return cmd
}
