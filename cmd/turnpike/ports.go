package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/config"
)

const ipv4Sysctl = "/proc/sys/net/ipv4/"

// mediaPorts are the ports that packets of media come to.
func mediaPorts(n *config.Node) []config.PortRange {
	var all []config.PortRange
	if n.TURN.Mode {
		all = append(all, n.TURN.MediaPorts)
	}
	if n.SIP.Mode {
		all = append(all, n.Media.Ports)
	}
	return all
}

// portsToReserve are the media ports that the machine is to keep free. A node without
// interfaces is for trying out on loopback: the machine stays as it is.
func portsToReserve(n *config.Node) []config.PortRange {
	if len(n.Interfaces.Names()) == 0 {
		return nil
	}
	return mediaPorts(n)
}

// mediaSockets is how many sockets calls take, each with a stream of RTP and RTCP on both sides.
func mediaSockets(n *config.Node) int {
	if !n.SIP.Mode {
		return 0
	}
	return 4 * n.MaxCalls()
}

// reservePorts keeps the kernel from giving relay ports to other programs that ask
// for any port. Nothing is to do where its range for those is elsewhere.
func reservePorts(r config.PortRange) error {
	data, err := os.ReadFile(ipv4Sysctl + "ip_local_port_range")
	if err != nil {
		return err
	}
	low, high, err := parseRange(strings.Join(strings.Fields(string(data)), "-"))
	if err != nil || high < int(r.Start) || low > int(r.End) {
		return err
	}
	data, err = os.ReadFile(ipv4Sysctl + "ip_local_reserved_ports")
	if err != nil {
		return err
	}
	reserved := strings.TrimSpace(string(data))
	if covers(reserved, r) {
		return nil
	}
	wanted := strings.Trim(fmt.Sprintf("%s,%d-%d", reserved, r.Start, r.End), ",")
	if err := os.WriteFile(ipv4Sysctl+"ip_local_reserved_ports", []byte(wanted), 0o644); err != nil {
		return fmt.Errorf("%w: run `sysctl net.ipv4.ip_local_reserved_ports=%s`", err, wanted)
	}
	return nil
}

// spareFiles is what a node opens besides a socket for each relay: 1000 connections of
// clients that have no relay yet, listeners, maps.
const spareFiles = 2000

// enoughFiles reports whether the process may open a socket for each relay.
func enoughFiles(relays int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	if need := uint64(relays + spareFiles); limit.Max < need {
		return fmt.Errorf("%d open files are allowed, %d sockets of media need %d: raise it with LimitNOFILE= or `ulimit -n`", limit.Max, relays, need)
	}
	return nil
}

// covers reports whether one of the reserved ranges holds all of r.
func covers(reserved string, r config.PortRange) bool {
	for part := range strings.SplitSeq(reserved, ",") {
		if low, high, err := parseRange(part); err == nil && low <= int(r.Start) && high >= int(r.End) {
			return true
		}
	}
	return false
}

func parseRange(s string) (low, high int, err error) {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	low, err = strconv.Atoi(from)
	if err == nil {
		high, err = strconv.Atoi(to)
	}
	if err != nil {
		return 0, 0, errors.New("no port range: " + s)
	}
	return low, high, nil
}
