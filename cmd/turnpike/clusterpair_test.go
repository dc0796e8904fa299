package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

// pair is two nodes in namespaces of their own that are one cluster by their node files.
type pair struct {
	t     *testing.T
	bin   string
	nodes [2]*pairNode
}

type pairNode struct {
	host        *lab.Host
	file, state string
	process     *exec.Cmd
	log         bytes.Buffer
}

func newPair(t *testing.T) *pair { return newPairWith(t, "") }

// newPairWith is newPair with more in both node files.
func newPairWith(t *testing.T, more string) *pair {
	t.Helper()
	return newPairOf(t, "cluster: {name: cluster1.example.test, primary: 1, ip: ipv4, peers: [198.18.0.1, 198.18.0.2]}\n"+more)
}

// newPairOf is newPair with the cluster's part of the node files.
func newPairOf(t *testing.T, cluster string) *pair {
	t.Helper()
	needRoot(t)
	l := labtest.New(t, lab.Options{})
	p := &pair{t: t, bin: binary(t), nodes: [2]*pairNode{{host: l.Node}, {host: l.Client}}}
	for i, n := range p.nodes {
		dir := t.TempDir()
		n.file, n.state = filepath.Join(dir, "node.yaml"), filepath.Join(dir, "state")
		text := fmt.Sprintf(`system: {name: tp%d, state: %s}
interfaces: {external: {name: %s}}
dataplane: {mode: userspace}
admin: {metrics: off}
turn: {mode: off}
`, i+1, n.state, n.host.Links[0].Name) + cluster
		if err := os.WriteFile(n.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p.start(n)
	}
	t.Cleanup(func() {
		for _, n := range p.nodes {
			p.stop(n, unix.SIGTERM)
			if t.Failed() {
				t.Logf("%s\n%s", n.file, &n.log)
			}
		}
	})
	return p
}

func (p *pair) start(n *pairNode) {
	p.t.Helper()
	n.process = n.host.Command(context.Background(), p.bin, "serve", "-c", n.file)
	n.process.Stdout, n.process.Stderr = &n.log, &n.log
	if err := n.process.Start(); err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	if _, err := api.NewClient(n.state).WaitReady(ctx); err != nil {
		p.t.Fatalf("%v\n%s", err, &n.log)
	}
}

func (p *pair) stop(n *pairNode, signal unix.Signal) {
	if n.process != nil {
		_ = n.process.Process.Signal(signal)
		_ = n.process.Wait()
		n.process = nil
	}
}

// run runs a command on a node and returns what it says.
func (p *pair) run(n *pairNode, args ...string) string {
	p.t.Helper()
	out, err := exec.Command(p.bin, append([]string{"--state", n.state}, args...)...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// within waits until something is so on a node.
func (p *pair) within(d time.Duration, what string, so func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), d)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !so() {
		select {
		case <-ctx.Done():
			p.t.Fatalf("not within %s: %s", d, what)
		case <-look.C:
		}
	}
}

// stands says whether an alarm stands on a node.
func (p *pair) stands(n *pairNode, number int) bool {
	all, err := api.NewClient(n.state).Alarms(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, a := range all {
		if a.Number == number && a.Stands() {
			return true
		}
	}
	return false
}

// CL-02, CL-03, CL-17, AL-01: two real nodes form by their node files; a change on the primary is on the
// other within a second, and refused there; who is killed is missed, and comes back by itself.
func TestTwoNodesForm(t *testing.T) {
	p := newPair(t)
	one, two := p.nodes[0], p.nodes[1]
	for _, n := range p.nodes {
		p.run(n, "cluster", "status", "--wait", "--timeout", "30s")
	}
	// LI-01: each brings what its platform has, and has what both bring.
	for _, n := range p.nodes {
		p.within(15*time.Second, "licences of both", func() bool {
			l, err := api.NewClient(n.state).Licences(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range l.Use {
				if u.Name == "rms" {
					return u.Policy == "available" && u.Cluster.Total == 2*u.Here.Total && u.Limit == u.Cluster.Total && u.Here.Granted > 0
				}
			}
			return false
		})
	}
	if !p.stands(one, 40049) || !p.stands(two, 40049) { // CL-05
		t.Error("nobody says that certificates are not checked")
	}
	realm := func(n *pairNode, want string) func() bool {
		return func() bool { return p.run(n, "config", "get", "turn.realm") == want }
	}
	p.run(one, "config", "set", "turn.realm", "shared.test")
	p.within(time.Second, "the change on the other", realm(two, "shared.test"))
	out, err := exec.Command(p.bin, "--state", two.state, "config", "set", "turn.realm", "other.test").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "198.18.0.1") {
		t.Errorf("a change on another peer than the primary: %v, %s", err, out)
	}

	p.stop(two, unix.SIGKILL)
	p.within(10*time.Second, "20004", func() bool { return p.stands(one, 20004) })
	p.run(one, "config", "set", "turn.realm", "alone.test") // a primary that is alone can be configured
	p.start(two)
	p.run(two, "cluster", "status", "--wait", "--timeout", "30s")
	p.within(time.Second, "what changed meanwhile", realm(two, "alone.test"))
	p.within(3*time.Second, "20004 lowered", func() bool { return !p.stands(one, 20004) })

	p.stop(one, unix.SIGTERM) // it says that it leaves: nobody has to find out
	p.within(4*time.Second, "20004", func() bool { return p.stands(two, 20004) })
	p.within(8*time.Second, "20016", func() bool { return p.stands(two, 20016) })
	p.start(one)
	p.run(one, "cluster", "status", "--wait", "--timeout", "30s")
	p.within(5*time.Second, "20016 lowered", func() bool { return !p.stands(two, 20016) && !p.stands(two, 20004) })
}
