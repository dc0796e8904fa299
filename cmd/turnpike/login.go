package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/durable"
)

// remoteFlags say which node is asked over HTTPS, and as whom.
type remoteFlags struct {
	node, user, passwordFile, tokenFile, authorities, pin string
}

func (r *remoteFlags) register(f *pflag.FlagSet) {
	f.StringVar(&r.node, "node", "", "ask this node over HTTPS: https://HOST[:PORT] (see turnpike login)")
	f.StringVar(&r.user, "account", "", "with --node: name of the account, instead of the log-in that is kept")
	f.StringVar(&r.passwordFile, "account-password-file", "", "with --account: file with its password")
	f.StringVar(&r.tokenFile, "token-file", "", "with --node: file with a token, instead of the log-in that is kept")
	f.StringVar(&r.authorities, "ca", "", "with --node: file of authorities (PEM) to trust")
	f.StringVar(&r.pin, "pin", "", "with --node: SHA-256 of the node's certificate")
}

// local are the commands that work on the machine that they run on.
var local = map[string]bool{"serve": true, "cleanup": true, "dev": true, "demo": true, "doctor": true, "support": true, "database": true}

// check refuses flags that do not go together.
func (r *remoteFlags) check(cmd *cobra.Command) error {
	if r.node == "" {
		if r.user+r.passwordFile+r.tokenFile+r.authorities+r.pin != "" {
			return usage(errors.New("--account, --account-password-file, --token-file, --ca and --pin go with --node https://HOST"))
		}
		return nil
	}
	if _, err := api.NodeURL(r.node); err != nil {
		return usage(err)
	}
	if cmd.Flags().Changed("state") {
		return usage(errors.New("--state is of a node on this machine, --node of another: write one of them"))
	}
	for c := cmd; c.HasParent(); c = c.Parent() {
		if !c.Parent().HasParent() && local[c.Name()] {
			return usage(fmt.Errorf("`%s` works on the machine that it runs on: run it there, without --node", cmd.CommandPath()))
		}
	}
	return nil
}

// access returns how the node is reached: what the flags say, over what is kept.
func (r *remoteFlags) access() (api.Access, error) {
	node, err := api.NodeURL(r.node)
	if err != nil {
		return api.Access{}, err
	}
	kept, err := readLogIns()
	if err != nil {
		return api.Access{}, err
	}
	l := kept[node]
	a := api.Access{Node: node, Token: l.Token, Pin: l.Pin, Authorities: []byte(l.Authorities)}
	if r.pin != "" {
		a.Pin = r.pin
	}
	if r.authorities != "" {
		if a.Authorities, err = os.ReadFile(r.authorities); err != nil {
			return a, fmt.Errorf("read the authorities: %w", err)
		}
		a.Pin = r.pin
	}
	switch {
	case r.tokenFile != "":
		data, err := os.ReadFile(r.tokenFile)
		if err != nil {
			return a, fmt.Errorf("read the token: %w", err)
		}
		a.Token = strings.TrimSpace(string(data))
	case r.user != "":
		a.Token, a.User = "", r.user
		a.Password, err = readPassword(r.passwordFile, "Password of "+r.user+": ")
		return a, err
	}
	if a.Token == "" {
		return a, fmt.Errorf("nobody is logged in at %s: run `turnpike login --node %s --account NAME` first", node, node)
	}
	return a, nil
}

// client asks the node of --node, or else of --state.
func (a *app) client() *api.Client {
	if a.remote.node == "" {
		return api.NewClient(a.state)
	}
	if a.reached == nil { // a password is asked for once
		access, err := a.remote.access()
		if err == nil {
			a.reached, err = api.NewRemoteClient(access)
		}
		if err != nil {
			a.reached = api.NoClient(err)
		}
	}
	return a.reached
}

// logIn is what is kept of a log-in.
type logIn struct {
	User        string    `json:"user"`
	Token       string    `json:"token"`
	Until       time.Time `json:"until"`
	Pin         string    `json:"pin,omitempty"`
	Authorities string    `json:"authorities,omitempty"`
}

// logInsFile is where log-ins are kept: in the configuration of the user alone.
func logInsFile() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find where to keep log-ins: %w: or use --token-file", err)
	}
	return filepath.Join(dir, "turnpike", "logins.json"), nil
}

// readLogIns returns the log-ins by node. Who else may read them is told.
func readLogIns() (map[string]logIn, error) {
	kept := map[string]logIn{}
	file, err := logInsFile()
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	}
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s has tokens and others may read it: chmod 600 %s, and log in again", file, file)
	}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err != nil {
		return nil, fmt.Errorf("read the log-ins: %w: delete %s and log in again", err, file)
	}
	return kept, nil
}

func writeLogIns(kept map[string]logIn) error {
	file, err := logInsFile()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("keep the log-in: %w", err)
	}
	data, err := json.MarshalIndent(kept, "", "  ")
	if err != nil {
		return fmt.Errorf("keep the log-in: %w", err)
	}
	return durable.ReplaceFile(file, append(data, '\n'))
}

func loginCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "login",
		Short: "Log in at a node over HTTPS, for commands with --node",
		Long: `Log in at a node over HTTPS and keep the token, which is good for 12 hours, in the
configuration of this user (mode 600). Commands with the same --node use it. The
node's certificate must lead to an authority that is trusted (--ca), or be pinned
(--pin); both are kept with the token. The password is asked for, or in the file
that --account-password-file names; it is not kept.`,
		Example: `  turnpike login --node https://tp1.example.org --account anna
  turnpike --node https://tp1.example.org status
  turnpike login --node https://192.0.2.1 --account anna --pin 5f3c...`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.remote.node == "" || a.remote.user == "" {
				return usage(errors.New("where and as whom? write `turnpike login --node https://HOST --account NAME`"))
			}
			return a.logIn(cmd.Context())
		},
	}
}

func (a *app) logIn(ctx context.Context) error {
	access, err := a.remote.access()
	if err != nil {
		return err
	}
	c, err := api.NewRemoteClient(access)
	if err != nil {
		return err
	}
	s, err := c.LogIn(ctx)
	if err != nil {
		return err
	}
	kept, err := readLogIns()
	if err != nil {
		return err
	}
	kept[access.Node] = logIn{User: s.Name, Token: s.Token, Until: *s.Until, Pin: access.Pin, Authorities: string(access.Authorities)}
	if err := writeLogIns(kept); err != nil {
		return err
	}
	return a.done(fmt.Sprintf("logged in at %s as %s (%s) until %s", access.Node, s.Name, s.Role, s.Until.Local().Format("2006-01-02 15:04")))
}

func logoutCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "logout",
		Short:   "End the log-in at a node",
		Example: "  turnpike logout --node https://tp1.example.org",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			node, err := api.NodeURL(a.remote.node)
			if err != nil {
				return usage(err)
			}
			kept, err := readLogIns()
			if err != nil {
				return err
			}
			ended := a.client().LogOut(cmd.Context())
			delete(kept, node)
			if err := writeLogIns(kept); err != nil {
				return err
			}
			if ended != nil {
				return fmt.Errorf("the token is forgotten here; the node was not told, and it ends by itself: %w", ended)
			}
			return a.done("logged out at " + node)
		},
	}
}

func whoamiCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "whoami",
		Short:   "Show who the node takes you for, and with which role",
		Example: "  turnpike whoami\n  turnpike --node https://tp1.example.org whoami",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.client().Session(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(s, func(w *tabwriter.Writer) {
				_, _ = fmt.Fprintf(w, "%s\t%s\tfrom %s\n", s.Name, s.Role, s.From)
			})
		},
	}
}
