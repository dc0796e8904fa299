package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/clustering"
)

func clusterRestartCommand(a *app) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "restart",
		Short: "Restart all peers one at a time, the primary first",
		Long: `Restart all peers one at a time, the primary first. Each must be back, joined and with
the same configuration as the others before the next is restarted; it stops with what
is missing when a peer does not come back. Media of running calls goes on. It begins
only when the cluster is complete, and may be run on any peer.`,
		Example: "  turnpike cluster restart\n  turnpike cluster restart --timeout 10m",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.restartAll(cmd.Context(), cmd.ErrOrStderr(), timeout)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long each peer may take")
	return cmd
}

// settleSoon is how long a restart of all waits for what was changed just before to get to all peers.
const settleSoon = 10 * time.Second

// settledSoon returns how the cluster is when it is complete, or what it still is after a moment.
func (a *app) settledSoon(ctx context.Context, moment time.Duration) (clustering.Status, error) {
	st, err := a.client().Cluster(ctx)
	if ok, _ := st.Settled(); err != nil || ok || st.Mode != clustering.Clustered {
		return st, err
	}
	return askCluster(ctx, a.client(), true, moment)
}

// restartAll leads through a restart of all peers; told gets what happens meanwhile.
func (a *app) restartAll(ctx context.Context, told io.Writer, timeout time.Duration) error {
	st, err := a.settledSoon(ctx, min(timeout, settleSoon))
	if err != nil {
		return err
	}
	r, err := clustering.NewRestart(st)
	if err != nil {
		return err
	}
	for i, at := range r.Order() {
		address := st.Peers[at-1].Address
		_, _ = fmt.Fprintf(told, "%d of %d: restarting %s\n", i+1, len(r.Order()), address)
		if err := a.client().RestartPeer(ctx, strconv.Itoa(at)); err != nil {
			return fmt.Errorf("%s was not restarted: %w%s", address, err, notDone(st, r.Order()[i:]))
		}
		if missing := a.waitBack(ctx, r, at, timeout); missing != nil {
			return fmt.Errorf("after %s %s is not back: %s%s", timeout, address, strings.Join(missing, "; "), notDone(st, r.Order()[i+1:]))
		}
	}
	return a.done("all peers were restarted")
}

// notDone names the peers that were left as they are.
func notDone(st clustering.Status, places []int) string {
	if len(places) == 0 {
		return ""
	}
	var left []string
	for _, at := range places {
		left = append(left, st.Peers[at-1].Address)
	}
	slices.Sort(left)
	return "; not restarted: " + strings.Join(left, ", ")
}

// waitBack waits until a peer is back. The node that is asked may be the one that restarts.
func (a *app) waitBack(ctx context.Context, r *clustering.Restart, at int, timeout time.Duration) (missing []string) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	look := time.NewTicker(pollCluster)
	defer look.Stop()
	for {
		st, err := a.client().Cluster(ctx)
		if err == nil {
			ok, why := r.Back(st, at)
			if ok {
				return nil
			}
			missing = why
		} else if !errors.Is(err, context.DeadlineExceeded) {
			missing = []string{err.Error()}
		}
		select {
		case <-ctx.Done():
			return missing
		case <-look.C:
		}
	}
}
