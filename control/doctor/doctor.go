// Package doctor looks at the machine that a node runs on, or is to run on, and says
// what would make it lose packets, relay in the process, or tell clients an address that
// nobody reaches.
//
// It exists because what spoils a media relay is seldom in its own log: a checksum that
// a virtual link leaves to nobody, one receive queue for all CPUs, a firewall rule that
// XDP passes by. Gathering and judging are apart: a Snapshot is what the kernel says, read
// from procfs, sysfs, netlink and ethtool; each check is a function of a snapshot and
// nothing else. Every finding says what is so, why that matters, and the command that
// mends it. Run changes nothing unless Options.Fix is set, and then only what docs/doctor.md
// marks as safe.
package doctor

import (
	"context"
	"errors"
	"slices"
	"time"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/occupancy"
)

// Options say what to look at.
type Options struct {
	// Node is what runs or is to run here.
	Node *config.Node
	// Running is what the running node says of itself; nil: none runs.
	Running *Running
	// Namespace is the file of the network namespace to look at; empty: the process's.
	Namespace string
	// Try makes a relay through the running node as a client does, and has something come
	// back through it. It is called in the namespace. Nil: not tried.
	Try func(context.Context) Told
	// Outside asks a STUN server elsewhere which address the node's packets come from. It
	// is called in the namespace. Nil: not asked.
	Outside func(context.Context) Outside
	// Fix mends what is safe to mend.
	Fix bool
}

// Running is what a running node says of itself.
type Running struct {
	Status    api.Status
	Dataplane api.Dataplane
	Reasons   []api.Reason
	Cluster   clustering.Status
	Licences  api.Licences
	Bandwidth []occupancy.Object
}

// Report is what doctor found.
type Report struct {
	Node     string    `json:"node"`
	Running  bool      `json:"running"`
	Kernel   string    `json:"kernel"`
	At       time.Time `json:"at"`
	Degraded bool      `json:"degraded"` // a warning or a problem is left
	Findings []Finding `json:"findings"`
	// Done is what --fix did, in its order.
	Done []Done `json:"done,omitempty"`
}

// Count returns how many findings have a severity.
func (r Report) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Run looks at the machine, mends what it is told to mend and looks again. The error is
// about looking at all; what could not be looked at in parts is a finding.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.Node == nil {
		return Report{}, errors.New("doctor needs a node file: name one with -c FILE")
	}
	var report Report
	err := inNamespace(o.Namespace, func() error {
		s := gather(ctx, o)
		report = judge(s)
		if !o.Fix {
			return nil
		}
		done := mendAll(report.Findings)
		if len(done) > 0 {
			report = judge(gather(ctx, o))
			report.Done = done
		}
		return nil
	})
	return report, err
}

// judge runs every check over a snapshot.
func judge(s *Snapshot) Report {
	r := Report{Node: s.Node.System.Name, Running: s.Running != nil, Kernel: s.Kernel.Release, At: s.At, Findings: []Finding{}}
	for _, c := range Catalogue() {
		for _, f := range c.look(s) {
			f.ID = c.ID
			if f.Severity != OK {
				f.Why = c.Why
			}
			f.complete()
			r.Findings = append(r.Findings, f)
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return b.Severity.rank() - a.Severity.rank() })
	r.Degraded = r.Count(Warning)+r.Count(Problem) > 0
	return r
}
