package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/accounts"
	"turnpike.dev/turnpike/control/api"
)

func accountCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "account",
		Short: "Who may administer over HTTPS, and with which role",
		Long: `Show and change who may administer over HTTPS (admin.accounts). A role is read (look),
operate (also end calls and drain) or admin (also change the configuration). The
configuration keeps an argon2id hash, which is made here: the password goes nowhere.`,
		Example: `  turnpike account set anna --role operate
  turnpike account list
  turnpike account remove anna`,
	}
	cmd.AddCommand(accountList(a), accountSet(a), accountRemove(a), accountHash(a))
	return cmd
}

func accountList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the accounts",
		Example: "  turnpike account list\n  turnpike account list -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.client().Accounts(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(list, func(w *tabwriter.Writer) {
				if len(list) == 0 {
					_, _ = fmt.Fprintln(w, "no account: nobody may log in over HTTPS")
				}
				for _, x := range list {
					_, _ = fmt.Fprintf(w, "%s\t%s\n", x.Name, x.Role)
				}
			})
		},
	}
}

func accountSet(a *app) *cobra.Command {
	var role, passwordFile string
	var keep bool
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Make an account, or change its password or role",
		Long: `Make an account, or change its password or its role. The password is asked for twice,
or in the file that --password-file names; with --keep-password it stays. A new
password ends the tokens of the account.`,
		Example: `  turnpike account set anna --role operate
  turnpike account set anna --role read --keep-password
  turnpike account set backup --role admin --password-file /root/backup.password`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if role != "" && !api.Role(role).May(api.RoleRead) {
				return usage(fmt.Errorf("--role cannot be %q: want read, operate or admin", role))
			}
			hash := ""
			if !keep {
				var err error
				if hash, err = newHash(passwordFile); err != nil {
					return err
				}
			}
			changed, err := a.client().SetAccount(cmd.Context(), args[0], api.Role(role), hash)
			if err != nil {
				return err
			}
			return a.show(changed, func(w *tabwriter.Writer) { writeChanged(w, changed) })
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "read, operate or admin; a new account without it may read")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file with the password")
	cmd.Flags().BoolVar(&keep, "keep-password", false, "change the role only")
	return cmd
}

func accountRemove(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Short:   "Take an account away; its tokens end with it",
		Example: "  turnpike account remove anna",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			changed, err := a.client().RemoveAccount(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.show(changed, func(w *tabwriter.Writer) { writeChanged(w, changed) })
		},
	}
}

func accountHash(a *app) *cobra.Command {
	var passwordFile string
	cmd := &cobra.Command{
		Use:   "hash",
		Short: "Print the hash of a password, for a node file",
		Example: `  turnpike account hash
  turnpike account hash --password-file anna.password`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			hash, err := newHash(passwordFile)
			if err != nil {
				return err
			}
			return a.show(struct {
				Hash string `json:"hash"`
			}{hash}, func(w *tabwriter.Writer) { _, _ = fmt.Fprintln(w, hash) })
		},
	}
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file with the password")
	return cmd
}

// newHash returns the hash of a new password.
func newHash(file string) (string, error) {
	password, err := readPassword(file, "Password: ")
	if err != nil {
		return "", err
	}
	if file == "" {
		again, err := readPassword("", "Again: ")
		if err != nil {
			return "", err
		}
		if again != password {
			return "", errors.New("the two are not the same: nothing is changed")
		}
	}
	return accounts.Hash(password)
}

// readPassword returns what is in a file, or else what a person types, unseen.
func readPassword(file, prompt string) (string, error) {
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return strings.TrimRight(string(data), "\r\n"), nil
	}
	fd := int(os.Stdin.Fd())
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", usage(errors.New("which password? nobody is at a terminal: name a file that has it with --password-file"))
	}
	silent := *was
	silent.Lflag &^= unix.ECHO
	silent.Lflag |= unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &silent); err != nil {
		return "", fmt.Errorf("switch the echo off: %w", err)
	}
	defer func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, was) }()
	_, _ = fmt.Fprint(os.Stderr, prompt)
	line, err := typedLine()
	_, _ = fmt.Fprintln(os.Stderr)
	return line, err
}

// typedLine reads one line byte by byte: what comes after it is somebody else's.
func typedLine() (string, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) <= accounts.MaxPassword {
		if n, err := os.Stdin.Read(one); n == 0 || err != nil {
			return "", errors.New("read the password: the input ended")
		}
		if one[0] == '\n' {
			break
		}
		line = append(line, one[0])
	}
	return strings.TrimRight(string(line), "\r"), nil
}
