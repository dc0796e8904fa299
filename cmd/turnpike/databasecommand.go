package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/clustering"
)

func databaseCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "database",
		Short: "Look at what peers agreed on and copied, and repair it (root on the machine)",
		Long: `Look at what the peers of a cluster agreed on and copied of each other, as this node
has it, and repair it. Only root on the machine can, at the node's socket.`,
		Example: "  turnpike database status\n  turnpike database rows --of tp2 --prefix r/ -o json",
	}
	cmd.AddCommand(databaseShow(a, "status", "Show how the database of this node stands", writeDatabase),
		databaseShow(a, "members", "Show who belongs to the agreement, and who was removed", writeVoters),
		databaseShow(a, "revisions", "Show which configuration each peer has", writeRevisions),
		databaseRowsCommand(a), databaseLedgerCommand(a), databaseResync(a), databaseForget(a), databasePurge(a))
	return cmd
}

func databaseShow(a *app, use, short string, write func(*tabwriter.Writer, clustering.Database)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Example: "  turnpike database " + use, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.client().Database(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(d, func(w *tabwriter.Writer) { write(w, d) })
		},
	}
}

func writeDatabase(w *tabwriter.Writer, d clustering.Database) {
	_, _ = fmt.Fprintf(w, "state\t%s\n", d.State)
	if d.Damaged != "" {
		_, _ = fmt.Fprintf(w, "damaged\t%s\nto do\t`turnpike database purge`, see docs/cluster.md\n", d.Damaged)
		return
	}
	_, _ = fmt.Fprintf(w, "cluster id\t%s\nearlier ids\t%d\nleader\t%s\nterm\t%d\napplied\t%d\nlast contact\t%.0f ms\nown rows\t%d\n\n",
		orNone(d.ClusterID), len(d.Earlier), orNone(d.Leader), d.Term, d.Applied, d.LastContact, d.Rows)
	_, _ = fmt.Fprintln(w, "COPY OF\tNAME\tROWS\tSEQUENCE\tSTATE")
	for _, c := range d.Copies {
		state := "current"
		switch {
		case c.Lost:
			state = "owner is away"
		case !c.Current:
			state = "being made"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", c.ID, orNone(c.Name), c.Rows, c.Sequence, state)
	}
}

func writeVoters(w *tabwriter.Writer, d clustering.Database) {
	_, _ = fmt.Fprintln(w, "ID\tADDRESS\tNAME\tSTATE")
	for _, v := range d.Voters {
		state := "votes, not heard or with another id"
		if v.Joined {
			state = "votes"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", v.ID, v.Address, orNone(v.Name), state)
	}
	for _, id := range d.Removed {
		_, _ = fmt.Fprintf(w, "%s\t\t\tremoved: must be reset to join\n", id)
	}
}

func writeRevisions(w *tabwriter.Writer, d clustering.Database) {
	_, _ = fmt.Fprintln(w, "PEER\tADDRESS\tAUTHOR\tGENERATION\tREVISION\tDIGEST")
	for _, r := range d.Revisions {
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%d\t%s\n", r.Index, r.Address, orNone(r.Author), r.Generation, r.Revision, orNone(r.Digest))
	}
}

func databaseRowsCommand(a *app) *cobra.Command {
	var of, prefix string
	var most int
	cmd := &cobra.Command{
		Use:   "rows",
		Short: "List rows: registrations (r/), usage (u/), licences (l/)",
		Long: `List rows of this node's own table, or of a peer's as this node has copied it. -o json
has their values too, in base64.`,
		Example: "  turnpike database rows\n  turnpike database rows --of 2 --prefix r/ --limit 100",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := a.client().DatabaseRows(cmd.Context(), of, prefix, most)
			if err != nil {
				return err
			}
			return a.show(r, func(w *tabwriter.Writer) { writeRows(w, r) })
		},
	}
	cmd.Flags().StringVar(&of, "of", "", "place, address, name or id of a peer")
	cmd.Flags().StringVar(&prefix, "prefix", "", "only keys that begin so")
	cmd.Flags().IntVar(&most, "limit", 1000, "how many at most, up to 10000")
	return cmd
}

func writeRows(w *tabwriter.Writer, r clustering.Rows) {
	_, _ = fmt.Fprintln(w, "KEY\tBYTES\tTTL\tCOUNTS")
	for _, row := range r.Rows {
		_, _ = fmt.Fprintf(w, "%q\t%d\t%s\t%t\n", row.Key, len(row.Value), time.Duration(row.TTL*float64(time.Second)), row.Counts)
	}
	_, _ = fmt.Fprintf(w, "%d of %d rows of %s\n", len(r.Rows), r.All, r.Of)
}

func databaseLedgerCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "ledger", Short: "Show who may use how much, as it is agreed", Example: "  turnpike database ledger", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.client().DatabaseLedger(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(l, func(w *tabwriter.Writer) {
				_, _ = fmt.Fprintln(w, "RESOURCE\tTOTAL\tPOLICY\tPEER\tMAY USE\tREQUEST")
				for _, r := range l.Resources {
					_, _ = fmt.Fprintf(w, "%s\t%d\t%s\tall\t%d\t\n", r.Name, r.Total, r.Policy, r.Granted)
					for _, g := range r.Grants {
						_, _ = fmt.Fprintf(w, "\t\t\t%s\t%d\t%d of %d\n", g.Peer, g.Amount, g.Number, g.Incarnation)
					}
				}
			})
		},
	}
}

func databaseResync(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "resync PEER",
		Short:   "Make the copy of a peer's rows anew; the one that is there counts until then",
		Example: "  turnpike database resync tp2",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.client().ResyncPeer(cmd.Context(), args[0]); err != nil {
				return err
			}
			return a.done("the copy is made anew: `turnpike database status` shows when it is current")
		},
	}
}

func databaseForget(a *app) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "forget PEER",
		Short: "Free what a dead peer had of licences and bandwidth",
		Long: `Free what a peer had of licences and bandwidth: your word that it is gone and its
calls with it. If they go on, the same is used twice. Only for a peer that is not
there, and only on the peer that leads the agreement.`,
		Example: "  turnpike database forget 198.18.0.3 --confirm tp3",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if name == "" {
				return usage(errors.New("which peer is gone? write --confirm NAME, as `turnpike cluster status` has it"))
			}
			if err := a.client().ForgetPeer(cmd.Context(), args[0], name); err != nil {
				return err
			}
			return a.done("what " + name + " had is being freed: see `turnpike database ledger`")
		},
	}
	cmd.Flags().StringVar(&name, "confirm", "", "name of the peer that is gone")
	return cmd
}

// purgeLoses says what a purge takes away.
const purgeLoses = `This removes from this node, for good:
  - what it knows of who belongs to the cluster and who may use how much: it takes
    that from the other peers when it has joined again. Of a cluster of one, or where
    no majority is left, it is lost, and begins anew;
  - its copies of the other peers' registrations, which come again;
  - what it wrote of its own that the primary does not have: it takes the primary's
    configuration.
Its calls and its own registrations stay. It restarts, and joins by its list of peers.`

func databasePurge(a *app) *cobra.Command {
	var name, out string
	cmd := &cobra.Command{
		Use:   "purge",
		Short: "Last resort: remove this node's part of the database, and join again",
		Long: `Remove this node's part of the cluster's database and restart, so that the node joins
again. A support bundle is made first. Without --confirm it asks twice.

` + purgeLoses,
		Example: "  turnpike database purge\n  turnpike database purge --confirm tp2 -w /root/tp2.tar.gz",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.purge(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), name, out, cmd.Flags().Changed("state"))
		},
	}
	cmd.Flags().StringVar(&name, "confirm", "", "name of this node, instead of being asked")
	cmd.Flags().StringVarP(&out, "write", "w", "", "file for the support bundle; it must not be there yet")
	return cmd
}

// purge says what will be lost, asks, makes a bundle and lets the node purge.
func (a *app) purge(ctx context.Context, in io.Reader, told io.Writer, name, out string, stateGiven bool) error {
	st, err := a.client().Status(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(told, purgeLoses)
	if name == "" {
		if name, err = askTwice(in, told, st.Name); err != nil {
			return err
		}
	}
	if name != st.Name {
		return usage(fmt.Errorf("this node is %s, not %q: nothing was done", st.Name, name))
	}
	b, err := a.newBundle(ctx, "", false, stateGiven)
	if err != nil {
		return err
	}
	if out == "" {
		out = fmt.Sprintf("turnpike-support-%s-%s.tar.gz", fileName(st.Name), b.manifest.Made.Format("20060102T150405Z"))
	}
	quiet := *a
	quiet.stdout, quiet.output = told, "table"
	if err := quiet.writeBundle(ctx, b, out); err != nil {
		return fmt.Errorf("nothing was purged: %w", err)
	}
	if _, err := os.Stat(out); err != nil {
		return fmt.Errorf("nothing was purged: %w", err)
	}
	if err := a.client().PurgeDatabase(ctx, name); err != nil {
		return err
	}
	return a.done("purged, the bundle is " + out + ": `turnpike cluster status --wait` tells when the node has joined again")
}

// askTwice has the node's name written, and then the word.
func askTwice(in io.Reader, told io.Writer, name string) (string, error) {
	lines := bufio.NewReader(io.LimitReader(in, 1024))
	for _, q := range []struct{ ask, want string }{{"Name of this node: ", name}, {"Write purge to go on: ", "purge"}} {
		_, _ = fmt.Fprint(told, q.ask)
		line, err := lines.ReadString('\n')
		if strings.TrimSpace(line) != q.want {
			return "", usage(errors.Join(errors.New("nothing was done: answer the questions, or write --confirm "+name), notEOF(err)))
		}
	}
	return name, nil
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
