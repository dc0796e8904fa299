package main

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/preflight"
)

var _ api.Preflight = (*node)(nil)

// Preflight says what the node lacks before it may join a cluster (CL-19).
func (n *node) Preflight() ([]preflight.Finding, error) {
	interfaces, own, err := systemInterfaces()
	if err != nil {
		return nil, err
	}
	cur := n.store.Current()
	f := preflight.Facts{
		Config: cur.Node, Reset: n.store.Fresh(), Member: n.cluster != nil, ClockInStep: clockInStep(),
		Interfaces: interfaces, OwnAddresses: own, SystemDNS: systemDNS("/etc/resolv.conf"),
	}
	for _, a := range n.board.List() {
		f.KeyAlarm = f.KeyAlarm || a.Number == store.AlarmKey && a.Stands()
	}
	return preflight.Check(f), nil
}

// clockInStep asks the kernel whether somebody keeps its clock in step.
func clockInStep() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
}

// systemDNS reads the name servers of resolv.conf(5).
func systemDNS(file string) (servers []netip.Addr) {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		if words := strings.Fields(s.Text()); len(words) > 1 && words[0] == "nameserver" {
			if a, err := netip.ParseAddr(words[1]); err == nil {
				servers = append(servers, a)
			}
		}
	}
	return servers
}

// systemInterfaces reads the interfaces and all their addresses.
func systemInterfaces() (all []preflight.Interface, own []netip.Addr, err error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, nil, fmt.Errorf("list interfaces: %w", err)
	}
	gateways, err := gatewayLinks()
	if err != nil {
		return nil, nil, err
	}
	for _, l := range links {
		i := preflight.Interface{Name: l.Attrs().Name, Up: l.Attrs().Flags&1 != 0, SpeedMbps: speedOf(l.Attrs().Name), Gateway: gateways[l.Attrs().Index]}
		addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			return nil, nil, fmt.Errorf("list addresses of %s: %w", i.Name, err)
		}
		for _, a := range addrs {
			addr, ok := netip.AddrFromSlice(a.IP)
			if !ok {
				continue
			}
			ones, _ := a.Mask.Size()
			i.Addresses = append(i.Addresses, netip.PrefixFrom(addr.Unmap(), ones))
			own = append(own, addr.Unmap())
		}
		all = append(all, i)
	}
	return all, own, nil
}

// gatewayLinks returns the interfaces that default routes leave by.
func gatewayLinks() (map[int]bool, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	links := map[int]bool{}
	for _, r := range routes {
		if r.Dst == nil || r.Dst.IP.IsUnspecified() {
			links[r.LinkIndex] = true
		}
	}
	return links, nil
}

// speedOf returns what the driver says, 0 when it says nothing.
func speedOf(name string) int {
	data, err := os.ReadFile(filepath.Join("/sys/class/net", name, "speed"))
	if err != nil {
		return 0
	}
	speed, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0
	}
	return max(0, speed)
}

func clusterCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "cluster",
		Short:   "See and form the cluster of this node",
		Example: "  turnpike cluster status\n  turnpike cluster check",
	}
	cmd.AddCommand(
		clusterStatusCommand(a), clusterCheckCommand(a), clusterJoinCommand(a), clusterLeaveCommand(a), clusterPeerCommand(a), clusterPrimaryCommand(a),
		clusterTLSCommand(a), clusterRestartCommand(a), clusterTrustCommand(a), clusterDNSCommand(a), clusterMappingCommand(a),
	)
	return cmd
}

func clusterCheckCommand(a *app) *cobra.Command {
	var peers []string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what is missing before the node may join a cluster",
		Long: `Say what is missing before the node may join a cluster, why a cluster wants it and
what to do. The other peers of the list, or those that --peer names, are asked whether
ports are open both ways and what must be equal is. What blocks keeps the node from
joining; the rest warns. Exit code 3 says that something is missing.`,
		Example: "  turnpike cluster check\n  turnpike cluster check --peer tp1.example.test\n  turnpike cluster check -o json | jq -r '.[].do'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			missing, err := a.client().Preflight(cmd.Context())
			if err != nil {
				return err
			}
			between, err := a.client().PreflightPeers(cmd.Context(), peers)
			if err != nil {
				return err
			}
			missing = append(missing, between...)
			if err := a.show(missing, func(w *tabwriter.Writer) { writePreflight(w, missing) }); err != nil {
				return err
			}
			if len(missing) > 0 {
				return &exitError{code: exitDegraded}
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&peers, "peer", nil, "peer to ask, before it is in this node's list")
	return cmd
}

func writePreflight(w *tabwriter.Writer, missing []preflight.Finding) {
	if len(missing) == 0 {
		_, _ = fmt.Fprintln(w, "nothing is missing")
	}
	for _, m := range missing {
		weight := "warns"
		if m.Blocks {
			weight = "blocks"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n\t\t%s\n\t\t-> %s\n", m.Check, weight, printableText(m.What), m.Why, m.Do)
	}
}
