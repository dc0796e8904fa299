package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"turnpike.dev/turnpike/control/api"
)

const (
	// overdue is how long a part of the data path may be silent. Each does its work once
	// a second or more often; the kernel goes on alone for relay.LeaseTime.
	overdue = 5 * time.Second
	// turnTime is how long the relay loops may take to come round.
	turnTime = time.Second
)

// manager is what the service manager was told.
type manager struct {
	status string
	ill    bool // the last look at the data path found something
}

// tellManager tells the service manager how the node is, and that it lives: only when
// the data path does. Without a word for the time of WatchdogSec= it ends the process and
// starts another one, which takes over what the kernel still carries.
func (n *node) tellManager(ctx context.Context, st api.Status) {
	if text := summary(st); text != n.manager.status {
		n.notify("STATUS=" + text)
		n.manager.status = text
	}
	if os.Getenv("WATCHDOG_USEC") == "" {
		return
	}
	err := n.dataPath(ctx)
	if err == nil {
		n.notify("WATCHDOG=1")
	} else if !n.manager.ill {
		n.log.Error("System Data Path Stuck", "Detail", err)
	}
	n.manager.ill = err != nil
}

// summary is a node in one line.
func summary(st api.Status) string {
	text := fmt.Sprintf("TURN %s, %d of %d relays", st.TURN.Mode, st.Relays.Used, st.Relays.Limit)
	if st.Path != "" {
		text += ", path=" + st.Path
	}
	if st.Draining {
		text += ", draining"
	}
	switch len(st.Degraded) {
	case 0:
		return text
	case 1:
		return text + "; " + st.Degraded[0]
	}
	return fmt.Sprintf("%s; %s (and %d more: see `turnpike status`)", text, st.Degraded[0], len(st.Degraded)-1)
}

// dataPath says what of the data path does not do its work: the heartbeat without which
// the kernel takes no new clients, the renewal of the leases that the kernel forwards
// under, the loops that take every datagram which is not media. That the locks are free is
// shown by the status that was made just before. Whether XDP is on an interface is no
// matter of life: without it the process relays.
func (n *node) dataPath(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, turnTime, errors.New("no turn in "+turnTime.String()))
	defer cancel()
	if err := n.process.Turning(ctx); err != nil {
		return err
	}
	if since := time.Since(n.engine.Renewed()); since > overdue {
		return fmt.Errorf("leases were renewed %s ago", since.Round(time.Second))
	}
	if n.kernel == nil {
		return nil
	}
	if since := time.Since(n.kernel.Heartbeat()); since > overdue {
		return fmt.Errorf("the kernel heard the last heartbeat %s ago", since.Round(time.Second))
	}
	return nil
}
