package clustertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/perf/lab/clusterlab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

func TestMain(m *testing.M) { os.Exit(nodetest.Main(m, 4)) }

// rig is a cluster of a test.
type rig struct {
	*clusterlab.Cluster
	t *testing.T
}

func newRig(t *testing.T, nodes, phones int) *rig {
	t.Helper()
	program := nodetest.Built(t)
	dir, err := os.MkdirTemp("", "c-") // short: there are sockets in it
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c, err := clusterlab.New(clusterlab.Options{Nodes: nodes, Extra: phones, Program: program, Dir: dir})
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			for _, n := range c.Nodes {
				t.Logf("%s\n%s", n.Name, n.Tail())
			}
		}
		must(t, c.Close())
	})
	return &rig{Cluster: c, t: t}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// part is a part of a test that goes on where the one before left off.
func (r *rig) part(name string, run func(t *testing.T, r *rig)) {
	r.t.Helper()
	ok := r.t.Run(name, func(t *testing.T) { run(t, &rig{r.Cluster, t}) })
	if !ok {
		r.t.FailNow()
	}
}

// part is a part of a test whose rig has more than nodes.
type part[R any] struct {
	name string
	run  func(t *testing.T, r R)
}

// parts runs them in their order; on makes the test's rig of one for a part.
func parts[R any](r *rig, on func(*rig) R, all ...part[R]) {
	r.t.Helper()
	for _, p := range all {
		r.part(p.name, func(t *testing.T, r *rig) { p.run(t, on(r)) })
	}
}

// newPhones returns the phones of one of a cluster's hosts that are no nodes.
func (r *rig) newPhones() *clusterlab.Phones {
	r.t.Helper()
	p, err := clusterlab.NewPhones(r.Star.Hosts[len(r.Nodes)])
	must(r.t, err)
	r.t.Cleanup(func() { _ = p.Close() })
	return p
}

// run runs a command on a node.
func (r *rig) run(i int, args ...string) string {
	r.t.Helper()
	out, err := r.Nodes[i].Run(args...)
	must(r.t, err)
	return out
}

// refused runs a command that a node must refuse, and returns why.
func (r *rig) refused(i int, args ...string) string {
	r.t.Helper()
	out, err := r.Nodes[i].Run(args...)
	if err == nil {
		r.t.Fatalf("tp%d did %s: %s", i+1, strings.Join(args, " "), out)
	}
	return err.Error()
}

// within waits until something is so.
func (r *rig) within(d time.Duration, what string, so func() error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	defer cancel()
	must(r.t, r.Nodes[0].Await(ctx, what, so))
}

// whole waits until nodes see a whole cluster.
func (r *rig) whole(d time.Duration, nodes ...int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	defer cancel()
	must(r.t, r.Settle(ctx, r.pick(nodes)...))
}

func (r *rig) pick(nodes []int) []*clusterlab.Node {
	var out []*clusterlab.Node
	for _, i := range nodes {
		out = append(out, r.Nodes[i])
	}
	return out
}

func (r *rig) status(i int) clustering.Status {
	r.t.Helper()
	st, err := r.Nodes[i].API.Cluster(r.t.Context())
	must(r.t, err)
	return st
}

// peer waits until a node sees another one so.
func (r *rig) peer(d time.Duration, at, of int, what string, so func(p clustering.Peer) bool) {
	r.t.Helper()
	r.within(d, fmt.Sprintf("tp%d sees tp%d %s", at+1, of+1, what), func() error {
		st, err := r.Nodes[at].API.Cluster(r.t.Context())
		if err != nil {
			return err
		}
		i := slices.IndexFunc(st.Peers, func(p clustering.Peer) bool {
			return slices.Contains(r.Addresses(of), p.Address) || slices.Contains(r.Addresses(of), p.Resolved)
		})
		if i < 0 || !so(st.Peers[i]) {
			return fmt.Errorf("%+v", st.Peers)
		}
		return nil
	})
}

func active(p clustering.Peer) bool { return p.Active() && !p.Own() }
func failed(p clustering.Peer) bool { return p.State == clustering.Failed }

// item waits until a configuration item has a value on nodes.
func (r *rig) item(d time.Duration, path, want string, nodes ...int) {
	r.t.Helper()
	for _, i := range nodes {
		r.within(d, fmt.Sprintf("%s of tp%d is %s", path, i+1, want), func() error {
			it, err := r.Nodes[i].API.ConfigItem(r.t.Context(), path)
			if err == nil && it.Value != want {
				err = fmt.Errorf("it is %q", it.Value)
			}
			return err
		})
	}
}

// stands waits until an alarm stands on nodes.
func (r *rig) stands(d time.Duration, number int, nodes ...int) {
	r.t.Helper()
	for _, i := range nodes {
		r.within(d, fmt.Sprintf("alarm %d stands on tp%d", number, i+1), func() error { return r.alarm(i, number, true) })
	}
}

// quiet waits until none of the cluster's alarms stands on nodes, but those that may.
func (r *rig) quiet(d time.Duration, may []int, nodes ...int) {
	r.t.Helper()
	for _, i := range nodes {
		r.within(d, fmt.Sprintf("alarms of tp%d are lowered", i+1), func() error {
			standing, err := r.Nodes[i].Standing(r.t.Context())
			for number, detail := range standing {
				if number/1000 == 20 && !slices.Contains(may, number) {
					err = errors.Join(err, fmt.Errorf("%d stands: %s", number, detail))
				}
			}
			return err
		})
	}
}

func (r *rig) alarm(i, number int, want bool) error {
	standing, err := r.Nodes[i].Standing(r.t.Context())
	if _, is := standing[number]; err == nil && is != want {
		err = fmt.Errorf("what stands: %v", standing)
	}
	return err
}

// agreed waits until a node knows of a majority that agrees.
func (r *rig) agreed(d time.Duration, i int) {
	r.t.Helper()
	r.within(d, fmt.Sprintf("tp%d agrees with the others", i+1), func() error {
		st, err := r.Nodes[i].API.Cluster(r.t.Context())
		if err == nil && st.Database != clustering.DatabaseActive {
			err = errors.New(st.Database)
		}
		return err
	})
}

// alone says what is wrong with a node that should have left.
func (r *rig) alone(i int) error {
	st, err := r.Nodes[i].API.Cluster(r.t.Context())
	if err == nil && (st.Mode != clustering.Standalone || len(st.Peers) > 0) {
		err = fmt.Errorf("it is %+v", st)
	}
	return err
}
