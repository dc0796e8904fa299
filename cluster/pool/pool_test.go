package pool_test

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/pool"
)

const day = 24 * time.Hour

// rig is a node whose disk keeps what it is told.
type rig struct {
	core   *pool.Core
	now    time.Duration
	totals pool.Amounts
	disk   map[cluster.ID]pool.Kept
}

func newRig() *rig {
	r := &rig{core: pool.New("a", 0, nil)}
	r.step(pool.Listed{Peers: []cluster.ID{"b", "c"}})
	r.step(pool.Brings{Peer: "a", Amounts: pool.Amounts{"rms": 300}})
	r.step(pool.Brings{Peer: "b", Amounts: pool.Amounts{"rms": 300}})
	return r
}

func (r *rig) step(e pool.Event) {
	for _, a := range r.core.Step(r.now, e) {
		switch a := a.(type) {
		case pool.Totals:
			r.totals = a.Of
		case pool.Keep:
			r.disk = a.Peers
		}
	}
}

func (r *rig) pass(d time.Duration) {
	for end := r.now + d; r.now < end; {
		r.now += time.Minute
		r.step(pool.Tick{})
	}
}

// LI-02: what somebody may try out counts only while nobody has bought anything: not one who is there, not one who has been lost for less than
// 14 days.
func TestTrial(t *testing.T) {
	r := &rig{core: pool.New("a", 0, nil)}
	r.step(pool.Listed{Peers: []cluster.ID{"b", "c"}})
	totals := func(when string, want uint32, own bool) {
		t.Helper()
		if r.totals["rms"] != want || len(r.core.Own()) > 0 != own {
			t.Errorf("%s: %v, of which this node brings %v", when, r.totals, r.core.Own())
		}
	}
	r.step(pool.Brings{Peer: "a", Amounts: pool.Amounts{"rms": 500}, Trial: true})
	r.step(pool.Brings{Peer: "b", Amounts: pool.Amounts{"rms": 500}, Trial: true})
	totals("two that try out", 1000, true)
	r.step(pool.Brings{Peer: "c", Amounts: pool.Amounts{"rms": 30, "room": 5}})
	totals("one has bought some", 30, false)
	r.step(pool.Here{Peer: "b"})
	r.step(pool.Here{Peer: "c"})
	r.pass(13 * day)
	totals("who has bought is lost", 30, false)
	if lost := r.core.Lost(); len(lost) != 1 || lost[0].Peer != "c" {
		t.Errorf("lost are %+v", lost)
	}
	r.core = pool.New("a", r.now, r.disk)
	r.step(pool.Brings{Peer: "a", Amounts: pool.Amounts{"rms": 500}, Trial: true})
	totals("anew", 30, false)
	r.pass(2 * day)
	totals("it is gone", 500, true)
}

// restart ends the process and the machine, and starts another whose clock begins anew.
func (r *rig) restart() {
	r.now = 0
	r.core = pool.New("a", 0, r.disk)
	r.step(pool.Brings{Peer: "a", Amounts: pool.Amounts{"rms": 300}})
}

func (r *rig) has(t *testing.T, want uint32, level pool.Level) {
	t.Helper()
	var is pool.Level
	if lost := r.core.Lost(); len(lost) > 0 {
		is = lost[0].Level
	}
	if r.totals["rms"] != want || is != level {
		t.Errorf("%d, level %d; want %d, level %d", r.totals["rms"], is, want, level)
	}
}

// LI-02, LI-03: the pool is the sum; 2 × 300 with one peer lost are 600 for 14 days, then 300, restarts or not; and
// 600 again when it is back.
func TestFourteenDays(t *testing.T) {
	r := newRig()
	r.has(t, 600, pool.Fresh)
	r.step(pool.Here{Peer: "b"})
	r.pass(30 * time.Minute)
	r.has(t, 600, pool.Fresh)
	r.pass(time.Hour)
	r.has(t, 600, pool.ForHours)
	r.pass(2 * day)
	r.has(t, 600, pool.ForDays)
	r.restart()
	r.pass(11 * day)
	r.has(t, 600, pool.ForDays)
	r.pass(day)
	r.has(t, 300, pool.Removed)
	r.restart()
	r.has(t, 300, pool.Removed)
	r.step(pool.Here{Peer: "b", Is: true})
	r.has(t, 600, pool.Fresh)
	r.step(pool.Here{Peer: "b"})
	r.pass(13 * day)
	r.has(t, 600, pool.ForDays)
}

// Contact begins the 14 days anew; what one brought that was taken off the list is gone at once; nobody else's counts.
func TestListed(t *testing.T) {
	r := newRig()
	r.step(pool.Here{Peer: "b"})
	r.pass(10 * day)
	r.step(pool.Here{Peer: "b", Is: true})
	r.step(pool.Here{Peer: "b"})
	r.pass(10 * day)
	r.has(t, 600, pool.ForDays)
	r.step(pool.Brings{Peer: "x", Amounts: pool.Amounts{"rms": 5}})
	r.has(t, 600, pool.ForDays)
	r.step(pool.Listed{Peers: []cluster.ID{"c"}})
	r.has(t, 300, pool.Fresh)
	if diff := cmp.Diff(map[cluster.ID]pool.Kept{}, r.disk); diff != "" {
		t.Error(diff)
	}
}

// A crash loses at most a few minutes of the count, and never gives a day back.
func TestRestarts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig()
		r.step(pool.Here{Peer: "b"})
		var ran time.Duration
		restarts := 0
		for range rapid.IntRange(1, 40).Draw(t, "parts") {
			d := time.Duration(rapid.IntRange(1, 24*60).Draw(t, "minutes")) * time.Minute
			r.pass(d)
			ran += d
			if rapid.Bool().Draw(t, "restart") {
				r.restart()
				restarts++
			}
		}
		lost := r.core.Lost()
		if len(lost) != 1 || lost[0].Away > ran || lost[0].Away < ran-time.Duration(restarts)*6*time.Minute {
			t.Fatalf("%v after %s and %d restarts", lost, ran, restarts)
		}
		if !maps.Equal(lost[0].Brings, pool.Amounts{"rms": 300}) {
			t.Fatalf("%v", lost)
		}
	})
}
