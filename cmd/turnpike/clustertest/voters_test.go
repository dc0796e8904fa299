package clustertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab/clusterlab"
)

// roundsVariable says how often the voters are changed, each time with a peer that dies meanwhile.
const roundsVariable = "TURNPIKE_VOTER_ROUNDS"

// CL-13, CL-14: whoever dies at whatever moment while a voter is added, removed or the leadership is handed over, all are one
// cluster when it is back, with the voters of the list and nothing lost.
func TestVotersAreKilled(t *testing.T) {
	t.Parallel()
	rounds := 1
	if n, err := strconv.Atoi(os.Getenv(roundsVariable)); err == nil {
		rounds = n
	}
	r := newRig(t, 3, 0)
	must(t, r.Form(t.Context(), more))
	r.agreed(20*time.Second, 0)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	k := &killing{rig: r, chance: rand.New(rand.NewPCG(seed, 0)), id: r.status(0).ClusterID}
	for round := range rounds {
		for i, step := range []func(victim int){k.transfer, k.remove, k.add} {
			victim := (round + i) % 3
			if i == 1 {
				victim = (round + i) % 2 // the third is to be removed
			}
			step(victim)
		}
	}
	t.Logf("%d were killed, each at some moment of a change", k.killed)
}

// killing changes the voters of a cluster while one of its peers dies.
type killing struct {
	*rig
	chance *rand.Rand
	id     string // of the cluster: it is one history throughout
	turn   int
	killed int // of them some before or after the moment that their window is of
}

// window is how long a step takes: orders go from the lists to the agreement within a second, and a line takes a round trip or two.
const window = 1500 * time.Millisecond

// dies kills a peer at some moment of the window from now, and has the operator's commands retried until the peer is back.
func (k *killing) dies(victim int) (back func()) {
	at := time.After(time.Duration(k.chance.Int64N(int64(window))))
	done, ended := make(chan error, 1), make(chan struct{})
	k.t.Cleanup(func() { <-ended }) // a test that fails must not leave a node that starts after the others were ended
	go func() {
		defer close(ended)
		<-at
		err := k.Nodes[victim].End(unix.SIGKILL)
		if err == nil {
			err = k.Nodes[victim].Start(k.t.Context())
		}
		done <- err
	}()
	return func() {
		k.t.Helper()
		must(k.t, <-done)
		k.killed++
	}
}

// done runs a command until a node has taken it: it may be dead just now.
func (k *killing) done(i int, args ...string) {
	k.t.Helper()
	k.within(20*time.Second, fmt.Sprintf("tp%d does it", i+1), func() error {
		_, err := k.Nodes[i].Run(args...)
		return err
	})
}

// transfer makes another peer the primary: the leadership follows.
func (k *killing) transfer(victim int) {
	k.t.Helper()
	to := 1 - k.turn%2
	k.turn++
	back := k.dies(victim)
	for _, i := range []int{to, 1 - to, 2} {
		k.done(i, "cluster", "primary", strconv.Itoa(to+1))
	}
	back()
	k.sound(to, 0, 1, 2)
}

func (k *killing) primary() int { return k.turn % 2 }

// remove takes the third out of the lists.
func (k *killing) remove(victim int) {
	k.t.Helper()
	back := k.dies(victim)
	for _, i := range []int{k.primary(), 1 - k.primary()} {
		k.within(20*time.Second, "it is out of the list", func() error {
			if st, err := k.Nodes[i].API.Cluster(k.t.Context()); err != nil || len(st.Peers) == 2 {
				return err
			}
			_, err := k.Nodes[i].Run("cluster", "peer", "remove", k.Addresses(2)[0])
			return err
		})
	}
	back()
	k.sound(k.primary(), 0, 1)
}

// add brings the third back, as a new machine at the same address.
func (k *killing) add(victim int) {
	k.t.Helper()
	must(k.t, k.Nodes[2].End(unix.SIGKILL))
	must(k.t, os.RemoveAll(k.Nodes[2].State))
	must(k.t, k.Nodes[2].Write(k.List(k.primary()+1, 0, 1, 2)+more))
	must(k.t, k.Nodes[2].Start(k.t.Context()))
	for _, i := range []int{k.primary(), 1 - k.primary()} {
		k.done(i, "cluster", "peer", "add", k.Addresses(2)[0])
	}
	k.dies(victim)()
	k.sound(k.primary(), 0, 1, 2)
}

// sound waits until nodes are one cluster, of the same history, in which they vote and nobody else.
func (k *killing) sound(primary int, nodes ...int) {
	k.t.Helper()
	k.whole(40*time.Second, nodes...)
	for _, i := range nodes {
		k.agreed(20*time.Second, i)
		if id := k.status(i).ClusterID; id != k.id {
			k.t.Errorf("tp%d is in another history: %s, and was in %s", i+1, id, k.id)
		}
		k.within(20*time.Second, "who is listed votes", func() error { return k.vote(k.Nodes[i], primary, nodes) })
	}
	realm := fmt.Sprintf("realm%d.test", k.chance.IntN(1_000_000))
	k.run(primary, "config", "set", "turn.realm", realm)
	k.item(2*time.Second, "turn.realm", realm, nodes...)
	k.quiet(20*time.Second, nil, nodes...)
}

// vote says who else than nodes votes, or that it is not the primary who leads.
func (k *killing) vote(at *clusterlab.Node, primary int, nodes []int) error {
	d, err := at.API.Database(k.t.Context())
	if err != nil {
		return err
	}
	var got []string
	for _, v := range d.Voters {
		got = append(got, v.Address)
	}
	slices.Sort(got)
	if want := k.Addresses(nodes...); !slices.Equal(got, want) {
		return fmt.Errorf("%v vote, and should %v", got, want)
	}
	if st := k.status(at.Index); d.Leader != st.Peers[primary].ID {
		return errors.New("the primary does not lead")
	}
	return nil
}
