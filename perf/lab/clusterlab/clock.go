package clusterlab

import (
	"context"
	"time"

	"turnpike.dev/turnpike/perf/lab/wallclock"
)

// StartOff starts the process with a wall clock that is off, and returns the clock when the node is ready. A restart by
// command has the machine's again.
func (n *Node) StartOff(ctx context.Context, off time.Duration) (*wallclock.Clock, error) {
	cmd := n.command()
	c, err := wallclock.Start(cmd, 1, off) // nsenter becomes the program
	if err != nil {
		return nil, err
	}
	n.runs(cmd)
	return c, n.Ready(ctx)
}
