// Package clusterlab runs clusters of real nodes, as far apart as peers may be: processes
// of the program in namespaces around a switch that holds frames up (CL-09).
//
// It exists so that tests of the cluster and the measurements of it begin, break and look
// at nodes alike. It returns errors and knows no testing.
package clusterlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"turnpike.dev/turnpike/perf/lab"
)

// Away is how far each node is from the middle: two are 80 ms apart, there and back.
const Away = 20 * time.Millisecond

// Options say what cluster to make.
type Options struct {
	// Nodes is how many there are; Extra hosts have none: phones.
	Nodes, Extra int
	// Program is the binary, Dir where files are.
	Program, Dir string
	// Away is as in lab.StarOptions; 0: Away.
	Away time.Duration
	// Metrics has each node serve its metrics, to itself.
	Metrics bool
}

// Cluster is nodes that may be one.
type Cluster struct {
	Star  *lab.Star
	Nodes []*Node

	metrics string // where they are served
}

// New makes the namespaces and the nodes, none of them started. Close it.
func New(o Options) (*Cluster, error) {
	if o.Away == 0 {
		o.Away = Away
	}
	away := make([]time.Duration, o.Nodes+o.Extra)
	for i := range o.Nodes {
		away[i] = o.Away
	}
	star, err := lab.NewStar(lab.StarOptions{Hosts: away})
	if err != nil {
		return nil, err
	}
	c := &Cluster{Star: star, metrics: "off"}
	if o.Metrics {
		c.metrics = metricsAt
	}
	for i := range o.Nodes {
		n, err := newNode(c, i, o.Program, filepath.Join(o.Dir, fmt.Sprintf("node%d", i+1)))
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.Nodes = append(c.Nodes, n)
	}
	return c, nil
}

// Close ends all nodes and removes what they left.
func (c *Cluster) Close() error {
	var errs []error
	for _, n := range c.Nodes {
		errs = append(errs, n.close())
	}
	return errors.Join(append(errs, c.Star.Close())...)
}

// Addresses are those of some nodes, in their order: a list of peers.
func (c *Cluster) Addresses(nodes ...int) []string {
	var out []string
	for _, i := range nodes {
		out = append(out, c.Star.Addr(i).String())
	}
	return out
}

// List is the section of a node file that names the peers.
func (c *Cluster) List(primary int, nodes ...int) string {
	return fmt.Sprintf("cluster: {name: cluster1.example.test, primary: %d, ip: ipv4, peers: [%s]}\n", primary, strings.Join(c.Addresses(nodes...), ", "))
}

// Form writes node files that name all nodes, starts these and waits until they are one.
func (c *Cluster) Form(ctx context.Context, more string) error {
	return c.FormEach(ctx, func(*Node) string { return more })
}

// FormEach is Form with node files that say more of each node.
func (c *Cluster) FormEach(ctx context.Context, more func(n *Node) string) error {
	all := make([]int, len(c.Nodes))
	for i := range all {
		all[i] = i
	}
	for _, n := range c.Nodes {
		if err := n.Write(c.List(1, all...) + more(n)); err != nil {
			return err
		}
		if err := n.Launch(); err != nil {
			return err
		}
	}
	return c.Settle(ctx, c.Nodes...)
}

// Settle waits until nodes see a whole cluster with one configuration.
func (c *Cluster) Settle(ctx context.Context, nodes ...*Node) error {
	for _, n := range nodes {
		err := n.Await(ctx, "the cluster is whole", func() error {
			st, err := n.API.Cluster(ctx)
			if err != nil {
				return err
			}
			if ok, why := st.Settled(); !ok {
				return errors.New(strings.Join(why, "; "))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Part cuts lines between two sides, or mends them: frames get lost on them.
func (c *Cluster) Part(cut bool, one, other []int) {
	for _, a := range one {
		for _, b := range other {
			c.Star.Switch.Cut(a, b, cut)
			c.Star.Switch.Cut(b, a, cut)
		}
	}
}

// lastly is how long what is looked for may take where the caller sets no time.
const lastly = time.Minute

// Await looks until so has no complaint, or time is over.
func (n *Node) Await(ctx context.Context, what string, so func() error) error {
	if _, limited := ctx.Deadline(); !limited {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, lastly)
		defer cancel()
	}
	look := time.NewTicker(25 * time.Millisecond)
	defer look.Stop()
	begin := time.Now()
	for {
		err := so()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s: %s: %w", n.Name, time.Since(begin).Round(10*time.Millisecond), what, err)
		case <-look.C:
		}
	}
}

// Write writes the node file; a node that runs reads it at its next start or reload.
func (n *Node) Write(more string) error {
	text := fmt.Sprintf("system: {name: %s, state: %q}\ninterfaces: {external: {name: c0}}\ndataplane: {mode: userspace}\nadmin: {metrics: %q}\n%s", n.Name, n.State, n.cluster.metrics, more)
	return os.WriteFile(n.File, []byte(text), 0o600)
}
