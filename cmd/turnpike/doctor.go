package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/doctor"
)

func doctorCommand(a *app) *cobra.Command {
	var file, stunServer string
	var fix, all bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what of this machine would cost packets or calls, and mend what is safe",
		Long: `Say what of this machine would cost packets or calls: interfaces and what their
drivers can do with XDP, offloads, queues and their CPUs, ports, firewall rules that
media passes by, limits, clock, and the address that clients are told. Each finding
has a stable name, why it matters and the command that mends it; docs/doctor.md lists
them all.

With -c it looks before a node runs. Without, it asks the running node of --state
and makes a relay through it as a client does. --fix mends what is safe to mend:
sysctls, the BPF file system and offloads of the node's interfaces; never the
firewall, forwarding or what takes a link down. It lasts until the next boot.

Exit code 3 says that a warning or a problem is left.`,
		Example: `  turnpike doctor -c node.yaml       # before the first start
  turnpike doctor                    # the running node
  turnpike doctor --fix
  turnpike doctor --stun stun.example.org:3478
  turnpike doctor -o json | jq '.findings[] | select(.severity == "problem")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := a.patient(cmd.Context(), file, cmd.Flags().Changed("state"))
			if err != nil {
				return err
			}
			o.Fix = fix
			if stunServer != "" {
				o.Outside = func(ctx context.Context) doctor.Outside { return askOutside(ctx, stunServer, o.Node) }
			}
			report, err := doctor.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			return a.tellReport(report, all)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "node file, for a node that does not run yet")
	cmd.Flags().StringVar(&stunServer, "stun", "", "STUN server outside (HOST:PORT) to ask for the node's public address")
	cmd.Flags().BoolVar(&fix, "fix", false, "mend what is safe")
	cmd.Flags().BoolVar(&all, "all", false, "also what is fine")
	return cmd
}

// tellReport prints a report and makes a degraded machine an exit code.
func (a *app) tellReport(r doctor.Report, all bool) error {
	if a.output == "json" {
		if err := a.show(r, nil); err != nil {
			return err
		}
	} else if err := writeReport(a.stdout, r, all); err != nil {
		return err
	}
	if r.Degraded {
		return &exitError{code: exitDegraded}
	}
	return nil
}

// patient finds out whose machine is looked at: the file's, and the running node's where
// one answers.
func (a *app) patient(ctx context.Context, file string, stateGiven bool) (doctor.Options, error) {
	var o doctor.Options
	state := a.state
	if file != "" {
		n, err := config.Load(file)
		if err != nil {
			return o, err
		}
		if stateGiven {
			n.System.State = state
		}
		o.Node, state = n, n.System.State
	}
	running, err := askRunning(ctx, api.NewClient(state))
	switch {
	case errors.Is(err, api.ErrNoNode) && o.Node != nil:
		return o, nil
	case errors.Is(err, api.ErrNoNode):
		return o, fmt.Errorf("%w\nto look at a machine before, name the node file: turnpike doctor -c FILE", err)
	case err != nil:
		return o, err
	}
	return runningPatient(o, running), nil
}

// runningPatient completes the options for a node that runs.
func runningPatient(o doctor.Options, running *doctor.Running) doctor.Options {
	o.Running = running
	if o.Node == nil {
		o.Node = nodeOf(running.Status)
	}
	o.Namespace = otherNamespace(running.Status.PID)
	if bool(o.Node.TURN.Mode) && !running.Status.Draining {
		n := o.Node
		o.Try = func(ctx context.Context) doctor.Told { return tryRelay(ctx, n, running.Status) }
	}
	return o
}

func askRunning(ctx context.Context, c *api.Client) (*doctor.Running, error) {
	var r doctor.Running
	var err error
	if r.Status, err = c.Status(ctx); err != nil {
		return nil, err
	}
	if r.Dataplane, err = c.Dataplane(ctx); err != nil {
		return nil, err
	}
	if r.Reasons, err = c.Reasons(ctx); err != nil {
		return nil, err
	}
	if r.Cluster, err = c.Cluster(ctx); err != nil || r.Cluster.Mode != clustering.Clustered {
		return &r, err
	}
	if r.Licences, err = c.Licences(ctx); err != nil {
		return nil, err
	}
	b, err := c.Bandwidth(ctx, "")
	r.Bandwidth = b.Objects
	return &r, err
}

// nodeOf is a running node's file, or what its status tells where that cannot be read.
func nodeOf(st api.Status) *config.Node {
	if n, err := config.Load(st.File); err == nil {
		return n
	}
	n := config.Default()
	n.System.Name, n.System.Role, n.System.Platform = st.Name, config.Role(st.Role), config.PlatformName(st.Platform)
	for _, i := range st.Interfaces {
		if i.Side == "internal" {
			n.Interfaces.Internal = &config.Internal{Name: i.Name}
		} else {
			n.Interfaces.External = &config.External{Name: i.Name}
		}
	}
	for _, r := range st.TURN.Relay {
		if public, err := netip.ParseAddr(r.Public); err == nil && r.Public != r.Local && n.Interfaces.External != nil {
			n.Interfaces.External.StaticNAT = public
		}
	}
	return n // turn.mode stays off: nobody's credentials are known
}

// otherNamespace is the network namespace of a process; empty when it is ours.
func otherNamespace(pid int) string {
	path := fmt.Sprintf("/proc/%d/ns/net", pid)
	its, err := os.Stat(path)
	own, err2 := os.Stat("/proc/self/ns/net")
	if err != nil || err2 != nil || os.SameFile(its, own) {
		return ""
	}
	return path
}

func writeReport(w io.Writer, r doctor.Report, all bool) error {
	var b strings.Builder
	for _, f := range r.Findings {
		if f.Severity == doctor.OK && !all {
			continue
		}
		fmt.Fprintf(&b, "%-8s %-18s %s: %s\n", f.Severity, f.ID, f.Subject, f.What)
		if f.Severity == doctor.OK {
			continue
		}
		fmt.Fprintf(&b, "         why: %s\n", f.Why)
		if f.Command != "" {
			by := ""
			if f.Fixable {
				by = "   (--fix does it)"
			}
			fmt.Fprintf(&b, "         do:  %s%s\n", f.Command, by)
		}
	}
	for _, d := range r.Done {
		outcome := "done until the next boot"
		if d.Error != "" {
			outcome = "failed: " + d.Error
		}
		fmt.Fprintf(&b, "fix      %-18s %s: %s (%s)\n", d.ID, d.Subject, d.Command, outcome)
	}
	fmt.Fprintf(&b, "%s%s: %d problems, %d warnings, %d notes, %d fine\n", r.Node, notRunning(r),
		r.Count(doctor.Problem), r.Count(doctor.Warning), r.Count(doctor.Note), r.Count(doctor.OK))
	_, err := io.WriteString(w, b.String())
	return err
}

func notRunning(r doctor.Report) string {
	if r.Running {
		return ""
	}
	return " (not running)"
}

// absolute is a path that means the same to a process elsewhere.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil && path != "" {
		return abs
	}
	return path
}
