package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config"
)

// Clustering says how the cluster is, as this node sees it.
func (n *node) Clustering() clustering.Status {
	if n.cluster == nil {
		return n.alone(n.running())
	}
	return n.together(n.running())
}

// alone is the state of a node that runs standalone: what its configuration names, and nobody heard.
func (n *node) alone(c *config.Node) clustering.Status {
	st := clustering.Status{
		Mode: clustering.Standalone, Name: c.Cluster.Name, IP: string(c.Cluster.IP), Primary: c.Cluster.Primary,
		TLS: clustering.TLS{Configured: string(c.ClusterTLS)}, ResetArmed: n.resetArmed(), Banner: n.resetBanner(), Peers: []clustering.Peer{},
	}
	if n.damaged != nil {
		st.Database = "damaged: " + n.damaged.Error()
	}
	for i, address := range c.Cluster.Peers {
		st.Peers = append(st.Peers, clustering.Peer{Index: i + 1, Address: address, State: clustering.Unknown})
	}
	return st
}

func clusterStatusCommand(a *app) *cobra.Command {
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the cluster and each peer, as this node sees them",
		Long: `Show the cluster and each peer, as this node sees them: state, certificate, version,
the revision of the configuration and the round trip. With --wait it returns when all
peers of the list are active, have joined and have the same configuration.`,
		Example: `  turnpike cluster status
  turnpike cluster status --wait --timeout 5m
  turnpike cluster status -o json | jq -r '.peers[].state'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := askCluster(cmd.Context(), a.client(), wait, timeout)
			if err != nil {
				return err
			}
			return a.show(st, func(w *tabwriter.Writer) { writeCluster(w, st) })
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until all peers are there with the same configuration")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long --wait waits")
	return cmd
}

// pollCluster is how often a command that waits for the cluster looks.
const pollCluster = 250 * time.Millisecond

func askCluster(ctx context.Context, c *api.Client, wait bool, timeout time.Duration) (clustering.Status, error) {
	if !wait {
		return c.Cluster(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	look := time.NewTicker(pollCluster)
	defer look.Stop()
	for {
		st, err := c.Cluster(ctx)
		if err != nil {
			return st, err
		}
		ok, missing := st.Settled()
		if ok {
			return st, nil
		}
		select {
		case <-ctx.Done():
			return st, fmt.Errorf("after %s the cluster is not complete: %s", timeout, strings.Join(missing, "; "))
		case <-look.C:
		}
	}
}

func writeCluster(w *tabwriter.Writer, st clustering.Status) {
	l := lines{w}
	if st.Banner != "" {
		l.line("RESET", "%s", printableText(st.Banner))
	}
	l.line("cluster", "%s%s, %s", orDash(st.Name), parenthesised(st.ClusterID), st.Mode)
	l.line("primary", "%s", primaryText(st))
	l.line("tls", "%s%s", st.TLS.Configured, notActive(st.TLS))
	if st.Mode == clustering.Clustered {
		l.line("database", "%s", st.Database)
		l.line("configuration", "%s%s%s", orDash(st.Synchronisation), whenSynced(", last %s", st.LastSync), whenSynced(", next %s", st.NextSync))
	}
	for _, r := range st.RestartRequired {
		l.line("restart", "%s", r)
	}
	if len(st.Peers) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w, "\nPEER\tADDRESS\tSTATE\tCERTIFICATE\tVERSION\tREVISION\tRTT\t")
	for _, p := range st.Peers {
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Index, p.Address, printableText(p.State), orDash(p.Certificate),
			orDash(p.Version), revisionOf(p), roundTrip(p), peerNotes(p))
	}
}

func primaryText(st clustering.Status) string {
	text := fmt.Sprintf("%d", st.Primary)
	if st.Primary >= 1 && st.Primary <= len(st.Peers) {
		text += parenthesised(st.Peers[st.Primary-1].Address)
	}
	switch {
	case st.Mode != clustering.Clustered || st.Acting == st.Primary:
		return text
	case st.Acting == 0:
		return text + ", which does not act: configuration cannot be changed"
	}
	return fmt.Sprintf("%s, but %d acts", text, st.Acting)
}

func notActive(t clustering.TLS) string {
	if t.Active == "" || t.Active == t.Configured {
		return ""
	}
	return ", " + t.Active + " until the restart"
}

func whenSynced(format string, at *time.Time) string {
	if at == nil {
		return ""
	}
	return fmt.Sprintf(format, at.UTC().Format(time.RFC3339))
}

func revisionOf(p clustering.Peer) string {
	if p.Digest == "" {
		return "-"
	}
	return fmt.Sprintf("%d.%d %.8s", p.Generation, p.Revision, p.Digest)
}

func roundTrip(p clustering.Peer) string {
	if p.RTT == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f ms", p.RTT)
}

// peerNotes is what else there is to say of a peer, in a few words.
func peerNotes(p clustering.Peer) string {
	var notes []string
	if p.Primary {
		notes = append(notes, "primary")
	}
	if p.Maintenance {
		notes = append(notes, "maintenance")
	}
	if p.Database != "" && p.Database != clustering.DatabaseActive {
		notes = append(notes, "database: "+p.Database)
	}
	if p.Why != "" {
		notes = append(notes, printableText(p.Why))
	}
	return strings.Join(notes, ", ")
}
