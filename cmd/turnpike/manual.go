package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manualCommand is for whoever makes a package: it is not shown.
func manualCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "manual DIR",
		Short:  "Write the manual pages into a directory",
		Hidden: true,
		Long: `Write a manual page for each command into a directory, which must be there. Their
date is SOURCE_DATE_EPOCH (seconds) where the environment has it.`,
		Example: `  turnpike manual ./man1`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true
			if st, err := os.Stat(args[0]); err != nil || !st.IsDir() {
				return fmt.Errorf("write the manual: %s is no directory: make it first", args[0])
			}
			header := &doc.GenManHeader{Section: "1", Source: "turnpike " + version(), Manual: "Turnpike"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("write the manual: %w", err)
			}
			return nil
		},
	}
}
