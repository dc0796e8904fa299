package clustertest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab/clusterlab"
)

// Two real nodes, 80 ms apart: calls that come to the first for who is registered to the second.
func TestCallsBetweenPeers(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, 2)
	s, err := clusterlab.NewSites(r.Star.Hosts[2], r.Star.Hosts[3])
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	takes := strings.SplitAfter(clusterlab.Takes, "\n")
	must(t, r.Form(t.Context(), more+strings.Join(takes[:len(takes)-2], "")+s.Between("{mode: limited, kbps: 1600}")))
	r.within(30*time.Second, "the east registers", func() error { return s.Settle(t.Context(), r.Star.Addr(1)) })
	b := between{s}
	r.part("OneLicence", b.oneLicence)
	r.part("SetUp", b.setUp)
	r.part("Apart", b.apart)
	r.part("Restart", b.restart)
}

type between struct{ *clusterlab.Sites }

// oneLicence: LI-04: the call takes one licence of the cluster, on the peer where it came in.
func (b between) oneLicence(t *testing.T, r *rig) {
	var c *clusterlab.Call
	r.within(20*time.Second, "a call", func() (err error) {
		c, err = b.Call(t.Context(), r.Star.Addr(0), clusterlab.Wanted{Kbps: 64})
		return err
	})
	for i, want := range []float64{0.5, 0} {
		l, err := r.Nodes[i].API.Licences(t.Context())
		must(t, err)
		for _, u := range l.Use {
			if u.Name == "rms" && u.Here.Used != want {
				t.Errorf("tp%d uses %g licences for the call, want %g", i+1, u.Here.Used, want)
			}
		}
	}
	must(t, c.End(t.Context()))
}

// setUp: how long a call takes to be set up: one round trip of 80 ms between the peers, and one of 40 ms to each end.
func (b between) setUp(t *testing.T, r *rig) {
	var took []time.Duration
	for range 20 {
		began := time.Now()
		c, err := b.Call(t.Context(), r.Star.Addr(0), clusterlab.Wanted{Kbps: 64})
		must(t, err)
		took = append(took, time.Since(began))
		must(t, c.End(t.Context()))
	}
	slices.Sort(took)
	t.Logf("a call between two peers was set up within %v (median), %v (longest)", took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	if took[len(took)/2] > 400*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

// restart: RG-01, RG-04: the called peer is killed and starts again. The call that was on its way is sent to it again; those that
// follow are a peer's at once: it asks for no password.
func (b between) restart(t *testing.T, r *rig) {
	call := func() error {
		c, err := b.Call(t.Context(), r.Star.Addr(0), clusterlab.Wanted{Kbps: 64})
		if err != nil {
			return err
		}
		return c.End(t.Context())
	}
	must(t, r.Nodes[1].End(unix.SIGKILL)) // it has written down who is registered
	first := make(chan error, 1)
	began := time.Now()
	go func() { first <- call() }()
	must(t, r.Nodes[1].Start(t.Context()))
	early := 0
	for r.Settle(during(t, 10*time.Millisecond), r.Nodes[0], r.Nodes[1]) != nil && early < 100 {
		must(t, call())
		early++
	}
	must(t, <-first)
	t.Logf("%d calls before the peers were whole again; the first took %v", early, time.Since(began).Round(time.Millisecond))
	if early == 0 {
		t.Error("no call came early enough to show anything")
	}
}

// during is a context of a test that ends soon.
func during(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
