package clustertest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/lab/clusterlab"
)

// apart: CL-18, RG-04: while two peers cannot reach each other nobody waits for the other one: who is registered there is looked for by the
// next rule. A call that stood goes on, and ends on both when it is hung up after they are one again.
func (b between) apart(t *testing.T, r *rig) {
	stands, err := b.Call(t.Context(), r.Star.Addr(0), clusterlab.Wanted{Kbps: 64})
	must(t, err)
	r.Part(true, []int{0}, []int{1})
	began := time.Now()
	_, err = b.Call(during(t, 10*time.Second), r.Star.Addr(0), clusterlab.Wanted{Kbps: 64}) // the loss is noticed meanwhile
	if !errors.Is(err, clusterlab.ErrRefused) {
		t.Errorf("a call to a peer that is being lost: %v", err)
	}
	t.Logf("a call to a peer that is being lost was refused after %v: %v", time.Since(began).Round(time.Millisecond), err)
	r.peer(10*time.Second, 0, 1, "failed", failed)
	r.peer(10*time.Second, 1, 0, "failed", failed)
	// The next rule finds the callee without the peer, as soon as this side counts for itself.
	for _, within := range []time.Duration{6 * time.Second, time.Second} {
		c, err := b.Call(during(t, within), r.Star.Addr(0), clusterlab.Wanted{Kbps: 64})
		must(t, err)
		must(t, c.End(t.Context()))
	}
	for i := range 2 {
		must(t, b.calls(r, i, 1))
	}
	r.Part(false, []int{0}, []int{1})
	r.whole(30*time.Second, 0, 1)
	r.within(10*time.Second, "a call", func() error {
		c, err := b.Call(t.Context(), r.Star.Addr(0), clusterlab.Wanted{Kbps: 64})
		if err == nil {
			err = c.End(t.Context())
		}
		return err
	})
	must(t, stands.End(t.Context()))
	for i := range 2 {
		r.within(5*time.Second, "no call is left", func() error { return b.calls(r, i, 0) })
	}
}

// calls says how many calls a node has otherwise.
func (b between) calls(r *rig, i, want int) error {
	list, err := r.Nodes[i].API.Calls(r.t.Context(), false)
	if err == nil && len(list) != want {
		err = fmt.Errorf("tp%d has %d calls, and should have %d", i+1, len(list), want)
	}
	return err
}
