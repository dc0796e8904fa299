package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/durable"
)

// passwordVariable names the environment variable that a backup's password may be in.
const passwordVariable = "TURNPIKE_BACKUP_PASSWORD"

func backupCommand(a *app) *cobra.Command {
	var passwordFile string
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write the configuration and certificates into one encrypted file",
		Long: `Write the configuration, the certificates and the private key into one file,
encrypted with a password of 8 characters or more. The password is in the file
that --password-file names, or in ` + passwordVariable + `. Whoever loses it loses
the backup.`,
		Example: `  turnpike backup tp1.backup --password-file ~/backup.password
  ` + passwordVariable + `=... turnpike backup tp1.backup`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := backupPassword(passwordFile)
			if err != nil {
				return err
			}
			data, err := a.client().Backup(cmd.Context(), password)
			if err != nil {
				return err
			}
			if err := durable.ReplaceFile(args[0], data); err != nil {
				return err
			}
			return a.done(fmt.Sprintf("%s: %d bytes", args[0], len(data)))
		},
	}
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file with the password")
	return cmd
}

func restoreCommand(a *app) *cobra.Command {
	var passwordFile string
	in := api.Restore{}
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in force",
		Long: `Put the configuration and certificates of a backup in force, all or nothing. The
backup must have been made by the same version, and the node must not be a member
of a cluster. Items that belong to the node (†) stay as they are, unless
--peer-specific says so. --try checks the file and the password, and tells what
would change.`,
		Example: `  turnpike restore tp1.backup --password-file ~/backup.password --try
  turnpike restore tp1.backup --password-file ~/backup.password`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if in.Password, err = backupPassword(passwordFile); err != nil {
				return err
			}
			if in.File, err = os.ReadFile(args[0]); err != nil {
				return err
			}
			done, err := a.client().Restore(cmd.Context(), in)
			if err != nil {
				return err
			}
			return a.show(done, func(w *tabwriter.Writer) { writeRestored(w, done, in.Try) })
		},
	}
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file with the password")
	cmd.Flags().BoolVar(&in.Peer, "peer-specific", false, "also what belongs to the node the backup was made on")
	cmd.Flags().BoolVar(&in.Try, "try", false, "change nothing")
	return cmd
}

func writeRestored(w *tabwriter.Writer, r api.Restored, try bool) {
	verb := "changed"
	if try {
		verb = "would change"
	}
	for _, c := range r.Changes {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s -> %s\n", verb, c.Path, orNone(c.From), orNone(c.To))
	}
	for _, c := range r.NeedsRestart {
		_, _ = fmt.Fprintf(w, "needs restart\t%s\t%s -> %s\n", c.Path, orNone(c.From), orNone(c.To))
	}
	if try {
		_, _ = fmt.Fprintf(w, "the backup of %s (%s) can be restored\n", r.From.Node, r.From.Made.Format("2006-01-02 15:04"))
		return
	}
	_, _ = fmt.Fprintf(w, "restored from the backup of %s (%s) as revision %d\n", r.From.Node, r.From.Made.Format("2006-01-02 15:04"), r.Revision)
}

func backupPassword(file string) (string, error) {
	if file == "" {
		if password := os.Getenv(passwordVariable); password != "" {
			return password, nil
		}
		return "", usage(errors.New("which password? name a file that has it with --password-file, or set " + passwordVariable))
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}
