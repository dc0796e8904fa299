package clustertest

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// relaysOfSmall is what one small node has, and two of them together (CA-02).
const relaysOfSmall = 1800

// small is the node file of a small node.
const small = "system: {name: %s, state: %q, platform: Small}\ninterfaces: {external: {name: c0}}\ndataplane: {mode: userspace}\nadmin: {metrics: off}\n%s" +
	"cluster_tls: permissive\nturn: {mode: on, realm: test, users: [{name: u, password: p}]}\n"

// CA-02: two small nodes have the relays of one. What one gives back the other gets.
func TestRelaysOfTheCluster(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, 1)
	for i, n := range r.Nodes {
		must(t, os.WriteFile(n.File, fmt.Appendf(nil, small, n.Name, n.State, r.List(1, 0, 1)), 0o600))
		must(t, r.Nodes[i].Launch())
	}
	r.whole(time.Minute, 0, 1)
	h := household{r}
	r.within(30*time.Second, "a first share", func() error { return h.one(t, 0) })
	begin := time.Now()
	got := [2]int{1 + h.all(t, 0, relaysOfSmall/2), h.all(t, 1, relaysOfSmall)}
	got[0] += h.all(t, 0, relaysOfSmall)
	t.Logf("%d and %d relays after %v", got[0], got[1], time.Since(begin).Round(time.Millisecond))
	if got[0]+got[1] != relaysOfSmall {
		t.Errorf("%d and %d relays, together %d, want %d\n%s\n%s", got[0], got[1], got[0]+got[1], relaysOfSmall, r.run(0, "database", "ledger"), r.run(1, "database", "ledger"))
	}
	h.refuses(t, 0)
	h.refuses(t, 1)
	list, err := r.Nodes[0].API.Relays(t.Context())
	must(t, err)
	for _, x := range list[:3] {
		must(t, r.Nodes[0].API.Kill(t.Context(), x.ID))
	}
	begin = time.Now()
	r.within(10*time.Second, "tp2 gets what tp1 gave back", func() error { return h.one(t, 1) })
	t.Logf("what one gave back the other had after %v", time.Since(begin).Round(time.Millisecond))
}

// one asks a node for a relay.
func (h household) one(t *testing.T, i int) error {
	t.Helper()
	conn := h.socket(t, 0)
	defer func() { _ = conn.Close() }()
	code, at, err := ask(conn, h.server(i))
	if err == nil && code != 0 {
		err = fmt.Errorf("it answers %d %s", code, at)
	}
	return err
}

// all asks a node for so many relays, again where it was refused, since the other peer may have had them, until it is refused
// for three seconds, and returns how many there were.
func (h household) all(t *testing.T, i, n int) int {
	t.Helper()
	var got atomic.Int32
	var last atomic.Pointer[time.Time]
	now := time.Now()
	last.Store(&now)
	var asking sync.WaitGroup
	for range 48 {
		asking.Go(func() {
			for int(got.Load()) < n && time.Since(*last.Load()) < 3*time.Second {
				if h.one(t, i) == nil {
					now := time.Now()
					last.Store(&now)
					got.Add(1)
				}
			}
		})
	}
	asking.Wait()
	return int(got.Load())
}
