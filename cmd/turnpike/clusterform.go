package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/durable"
)

// joining is what `cluster join` was asked for.
type joining struct {
	api.JoinCluster
	restart      bool
	reset        bool   // remove this node's own configuration first
	backup       string // file that it is kept in
	passwordFile string
	timeout      time.Duration
}

func clusterJoinCommand(a *app) *cobra.Command {
	var j joining
	cmd := &cobra.Command{
		Use:   "join",
		Short: "Give this node its place in a cluster",
		Long: `Give this node its place in a cluster, from its next restart on. Name all peers with
--peer, in the order of the primary's list and with this node among them; one --peer
alone, this node's own, forms a cluster of one. A node joins reset: it takes the
primary's configuration and loses its own. --reset removes that first, and --backup
keeps it. The primary and the other members must list the node before.`,
		Example: `  turnpike cluster join --name c1.example.test --peer tp1.example.test --confirm tp1
  turnpike cluster join --name c1.example.test --primary 1 --peer tp1.example.test \
      --peer tp2.example.test --confirm tp2 --reset --backup tp2.backup \
      --password-file ~/backup.password --restart`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if j.Node == "" {
				return usage(errors.New("which node joins? it takes the primary's configuration and loses its own: write --confirm NAME"))
			}
			return a.join(cmd.Context(), cmd.ErrOrStderr(), j)
		},
	}
	f := cmd.Flags()
	f.StringVar(&j.Name, "name", "", "name of the cluster, an FQDN")
	f.StringArrayVar(&j.Peers, "peer", nil, "address or FQDN of a peer; once for each, in their order")
	f.IntVar(&j.Primary, "primary", 0, "place of the primary in the list, from 1")
	f.StringVar(&j.IP, "ip", "", "IP version between peers: ipv4 or ipv6")
	f.StringVar(&j.Node, "confirm", "", "name of this node")
	f.BoolVar(&j.reset, "reset", false, "remove this node's own configuration first")
	f.StringVar(&j.backup, "backup", "", "with --reset: file to keep it in")
	f.StringVar(&j.passwordFile, "password-file", "", "file with the backup's password")
	f.BoolVar(&j.restart, "restart", false, "restart the node at once")
	f.DurationVar(&j.timeout, "timeout", time.Minute, "how long a restart may take")
	return cmd
}

// join does the steps of a join one after the other; told gets what happens meanwhile.
func (a *app) join(ctx context.Context, told io.Writer, j joining) error {
	c := a.client()
	if j.reset {
		if err := a.resetFirst(ctx, told, j); err != nil {
			return err
		}
	}
	done, err := c.JoinCluster(ctx, j.JoinCluster)
	if err != nil {
		return err
	}
	if !j.restart {
		return a.show(done, func(w *tabwriter.Writer) {
			writeChanged(w, done)
			_, _ = fmt.Fprintln(w, "it takes effect at the restart: `turnpike restart`, then `turnpike cluster status`")
		})
	}
	if err := a.restartOwn(ctx, j.timeout); err != nil {
		return err
	}
	return a.done("the node runs with its list: `turnpike cluster status --wait` tells when it has joined")
}

// resetFirst keeps the node's configuration in a backup and removes it.
func (a *app) resetFirst(ctx context.Context, told io.Writer, j joining) error {
	if j.backup == "" {
		return usage(errors.New("where shall the configuration be kept that --reset removes? write --backup FILE"))
	}
	password, err := backupPassword(j.passwordFile)
	if err != nil {
		return err
	}
	data, err := a.client().Backup(ctx, password)
	if err != nil {
		return err
	}
	if err := durable.ReplaceFile(j.backup, data); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(told, "%s: %d bytes\n", j.backup, len(data))
	before, err := a.client().Status(ctx)
	if err != nil {
		return err
	}
	if err := a.client().FactoryReset(ctx, j.Node); err != nil {
		return err
	}
	if err := a.startedAfter(ctx, before, j.timeout); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(told, "the node is reset")
	return nil
}

// restartOwn restarts the node that is asked, and returns when it is ready again.
func (a *app) restartOwn(ctx context.Context, timeout time.Duration) error {
	before, err := a.client().Status(ctx)
	if err != nil {
		return err
	}
	if err := a.client().Restart(ctx); err != nil {
		return err
	}
	return a.startedAfter(ctx, before, timeout)
}

// startedAfter waits for a node's next process.
func (a *app) startedAfter(ctx context.Context, before api.Status, timeout time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%s are over", timeout))
	defer cancel()
	look := time.NewTicker(pollCluster)
	defer look.Stop()
	for {
		st, err := a.client().Status(ctx)
		if err == nil && st.State == api.Ready && st.Started.After(before.Started) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the node did not come back: %w: see its log", context.Cause(ctx))
		case <-look.C:
		}
	}
}

func clusterLeaveCommand(a *app) *cobra.Command {
	var name string
	var restart bool
	cmd := &cobra.Command{
		Use:   "leave",
		Short: "Clear this node's list of peers: the next restart is a factory reset",
		Long: `Clear this node's list of peers. That arms a factory reset: the next restart removes
the configuration, the certificates and the trusted authorities; the first interface,
the administrators' accounts and option keys stay. Until then the same list in the
same order disarms it: "turnpike cluster join". Take the node out of the others' lists
then.`,
		Example: "  turnpike cluster leave --confirm tp3 --restart\n  turnpike cluster peer remove tp3.example.test   # on each other peer",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if name == "" {
				return usage(errors.New("which node leaves? write `turnpike cluster leave --confirm NAME`"))
			}
			done, err := a.client().LeaveCluster(cmd.Context(), name)
			if err != nil {
				return err
			}
			if restart {
				if err := a.restartOwn(cmd.Context(), time.Minute); err != nil {
					return err
				}
				return a.done("the node has left and is reset: take it out of the list on each other peer")
			}
			return a.show(done, func(w *tabwriter.Writer) {
				writeChanged(w, done)
				_, _ = fmt.Fprintln(w, "the next restart removes this node's configuration; the same list of peers in the same order disarms that")
			})
		},
	}
	cmd.Flags().StringVar(&name, "confirm", "", "name of this node")
	cmd.Flags().BoolVar(&restart, "restart", false, "restart the node at once")
	return cmd
}

func clusterPrimaryCommand(a *app) *cobra.Command {
	return stepCommand(a, "primary PEER", "Name the primary on this node",
		`Name the primary on this node, by its place in the list or its address. Do it on the
new primary first, then on the old one if it answers, then on each other peer: the new
one acts from the first step on, and alarms 20012 and 20017 tell who names another.`,
		"  turnpike cluster primary 2\n  turnpike cluster primary tp2.example.test", 1,
		func(ctx context.Context, args []string) (api.Changed, error) {
			return a.client().SetPrimary(ctx, args[0])
		})
}

func clusterTLSCommand(a *app) *cobra.Command {
	var insist bool
	cmd := stepCommand(a, "tls permissive|enforce", "Set whether peers check each other's certificates, on the primary",
		`Set whether peers check each other's certificates. It is set on the primary, goes to
all peers, and takes effect when each restarts: the primary first, see "turnpike
cluster restart". Enforce is refused while a certificate is not known to be valid,
which "turnpike cluster status" shows in both modes.`,
		"  turnpike cluster tls enforce\n  turnpike cluster restart", 1,
		func(ctx context.Context, args []string) (api.Changed, error) {
			return a.client().SetClusterTLS(ctx, api.TLSMode{Mode: args[0], Insist: insist})
		})
	cmd.Flags().BoolVar(&insist, "insist", false, "although a certificate is not valid")
	return cmd
}

func clusterPeerCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "peer",
		Short:   "Change this node's list of peers",
		Example: "  turnpike cluster peer add tp4.example.test",
	}
	cmd.AddCommand(
		stepCommand(a, "add ADDRESS", "Add a peer at the end of this node's list",
			`Add a peer at the end of this node's list: on the primary, then on each other member;
then "turnpike cluster join" with the whole list on the new node.`,
			"  turnpike cluster peer add tp4.example.test", 1,
			func(ctx context.Context, args []string) (api.Changed, error) {
				return a.client().AddPeer(ctx, args[0])
			}),
		stepCommand(a, "remove PEER", "Take a peer out of this node's list",
			`Take a peer out of this node's list, by its place or its address: on the primary, then
on each other peer. A peer that lives leaves first ("turnpike cluster leave" there).
The list has no gaps, so the primary's place follows.`,
			"  turnpike cluster peer remove 3\n  turnpike cluster peer remove tp3.example.test", 1,
			func(ctx context.Context, args []string) (api.Changed, error) {
				return a.client().RemovePeer(ctx, args[0])
			}),
		stepCommand(a, "replace PEER ADDRESS", "Give a peer of this node's list another address",
			`Give a peer of this node's list another address, an FQDN for its IP address or back:
on every peer, then restart that peer, wait until the alarms clear, and go on with the
next.`,
			"  turnpike cluster peer replace 198.18.0.1 tp1.example.test", 2,
			func(ctx context.Context, args []string) (api.Changed, error) {
				return a.client().ReplacePeer(ctx, args[0], args[1])
			}),
	)
	return cmd
}

// stepCommand is a command that changes the configuration of the node.
func stepCommand(a *app, use, short, long, example string, args int, do func(context.Context, []string) (api.Changed, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Example: example, Args: cobra.ExactArgs(args),
		RunE: func(cmd *cobra.Command, args []string) error {
			done, err := do(cmd.Context(), args)
			if err != nil {
				return err
			}
			return a.show(done, func(w *tabwriter.Writer) { writeChanged(w, done) })
		},
	}
}

func clusterTrustCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "trust PEER",
		Short: "Forget the pinned key of a peer, so that its new one is taken",
		Long: `Forget the pinned key of a peer. In the permissive mode a peer's key is pinned when it
is met first, and another one is refused (alarm 20004): use this when its certificate
was changed, or the machine replaced, and you know by whom. On each peer that refuses.`,
		Example: "  turnpike cluster trust tp2.example.test",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.client().TrustPeer(cmd.Context(), args[0]); err != nil {
				return err
			}
			return a.done("the key that " + args[0] + " shows next is pinned")
		},
	}
}
