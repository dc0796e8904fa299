package runner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// readyTime is how long SIPp has until it listens.
const readyTime = 10 * time.Second

// awaitListening returns when the process has the socket that an answering side needs;
// one that calls has it soon enough by itself.
func (p *Process) awaitListening(ctx context.Context) error {
	if p.cfg.Target.IsValid() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !p.listening() {
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended at once: %w", p.name(), errOr(p.err))
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen at %s after %s", p.name(), p.cfg.Local, readyTime)
		case <-tick.C:
		}
	}
	return nil
}

func errOr(err error) error {
	if err == nil {
		return errors.New("without an error")
	}
	return err
}

// listening looks for the local port in the tables of the process's namespace.
func (p *Process) listening() bool {
	tables := []string{"udp", "udp6"}
	if p.cfg.TCP {
		tables = []string{"tcp", "tcp6"}
	}
	for _, table := range tables {
		if hasPort(fmt.Sprintf("/proc/%d/net/%s", p.PID(), table), p.cfg.Local.Port()) {
			return true
		}
	}
	return false
}

// hasPort reports whether a table of sockets (proc(5)) has one with that local port that
// is not connected.
func hasPort(table string, port uint16) bool {
	file, err := os.Open(table)
	if err != nil {
		return false
	}
	defer file.Close() //nolint:errcheck // only read
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || !strings.HasSuffix(fields[2], ":0000") {
			continue
		}
		_, hex, _ := strings.Cut(fields[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err == nil && uint16(n) == port {
			return true
		}
	}
	return false
}
