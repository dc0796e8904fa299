package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
)

// notify tells the service manager about the node, when there is one that asked for
// it (sd_notify(3)): "READY=1", "STOPPING=1".
func notify(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	if name[0] == '@' {
		name = "\x00" + name[1:]
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell the service manager %s: %w", state, err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte(state)); err != nil {
		return fmt.Errorf("tell the service manager %s: %w", state, err)
	}
	return nil
}

// notify tells the service manager, or the log that it cannot be told.
func (n *node) notify(state string) {
	if err := notify(state); err != nil {
		n.log.Warn("Service Manager Unreachable", "Detail", err)
	}
}

// notifyStop tells the service manager that the node ends; not when it begins anew in
// the same process, for then it does not.
func (n *node) notifyStop(ctx context.Context) {
	if errors.Is(context.Cause(ctx), errRestart) {
		n.notify("STATUS=restarting")
		return
	}
	n.notify("STOPPING=1")
}
