package pooling

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/licensing"
)

// halves are option keys for so many halves of rich media sessions.
func halves(n int) licensing.Installed {
	return licensing.Installed{Keyed: true, Pool: licensing.Pool{HalfRMS: n}}
}

// BW-04, BW-05, LI-06: nodes that start take nothing of what is shared before they have a share: calls that come at once
// wait for it, and together never have more than there is.
func TestNothingBeforeTheFirstShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, 2, 40*time.Millisecond, halves(2))
		granted, refused := 0, 0
		for i := range 10 { // for 2 sessions of all, and for 4000 kbit/s of which each asks for 1000
			want := stranger(64)
			if i >= 6 {
				want = call("Porto", 1000)
			}
			r.nodes[i%2].ask(want, func(a *asking) {
				if !a.waited {
					t.Error("decided before there was a share")
				}
				if a.refused != nil {
					refused++
					return
				}
				granted++
			})
		}
		for range 80 {
			r.run(100 * time.Millisecond)
			r.within(resources.LevelRMS, 4)
			r.within("pipe Porto", 4000)
		}
		// 2 of 6 have a licence, and all of the others their bandwidth.
		if _, kbps := r.sum("pipe Porto"); granted != 6 || refused != 4 || kbps != 4000 {
			t.Errorf("%d are granted, %d refused, %d kbit/s in use", granted, refused, kbps)
		}
	})
}

// BW-04, BW-05: a pipe that is filled from one peer leaves nothing for the others; what one frees another gets; a call has less
// than it asks for only when the cluster has no more.
func TestPipeIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, 3, 40*time.Millisecond, halves(10))
		r.run(3 * time.Second)
		a, b := r.nodes[0], r.nodes[1]
		made := func(p *peer, kbps uint32) *asking {
			t.Helper()
			var out *asking
			p.ask(call("Porto", kbps), func(a *asking) { out = a })
			r.run(4 * time.Second)
			r.within("pipe Porto", 4000)
			if out == nil {
				t.Fatal("it is forgotten")
			}
			return out
		}
		full := made(a, 3500)
		if full.refused != nil || full.grant.Granted().Kbps[0] != 3500 || full.took > time.Second {
			t.Fatalf("%v after %s: %v", full.grant, full.took, full.refused)
		}
		less := made(b, 1000)
		if less.refused != nil || less.grant.Granted().Kbps[0] != 500 || !less.waited {
			t.Errorf("the rest: %+v %+v", less, less.grant.Granted().Kbps)
		}
		if none := made(r.nodes[2], 100); none.refused == nil || none.refused.Why != resources.OverTotal {
			t.Errorf("of a full pipe: %+v", none)
		}
		full.grant.Release()
		if next := made(b, 3400); next.refused != nil || next.grant.Granted().Kbps[0] != 3400 || next.took > time.Second {
			t.Errorf("what was freed elsewhere: %+v", next)
		}
	})
}

// LI-06: a thousand and more objects that nobody uses are asked for at a pace, and calls meanwhile do not wait for them.
func TestManyPipesAreAskedForAtAPace(t *testing.T) {
	const many = 500
	var b strings.Builder
	fmt.Fprintln(&b, "# many")
	for i := range many {
		fmt.Fprintf(&b, "  - {name: S%d, bandwidth: {total: {mode: limited, kbps: 2000}}}\n", i)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRingOf(t, 2, 40*time.Millisecond, halves(10), strings.Replace(site, "subzones: [{name: Lisbon}, {name: Porto}]\n", "subzones:\n  - {name: Lisbon}\n  - {name: Porto}\n"+b.String(), 1))
		most := 0
		for range 100 {
			r.run(100 * time.Millisecond)
			most = max(most, len(r.nodes[1].pool.asked))
		}
		told := 0
		for _, p := range r.nodes[1].resources.Parts() {
			if p.Told && p.Ceiling > 0 {
				told++
			}
		}
		if most > maxAsked || most == 0 || told < many {
			t.Errorf("%d were asked for at a time, %d have a share of %d", most, told, many)
		}
	})
}

// LI-01: peers tell what they use: what has changed, no more than so much at a time, and nothing of what is not in use.
func TestUseIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, 2, 40*time.Millisecond, halves(10))
		r.run(3 * time.Second)
		a, b := r.nodes[0], r.nodes[1]
		var made *asking
		a.ask(stranger(64), func(done *asking) { made = done })
		r.run(3 * time.Second)
		told := func() map[string]uint32 {
			b.pool.mu.Lock()
			defer b.pool.mu.Unlock()
			return maps.Clone(b.pool.others["a"])
		}
		if diff := cmp.Diff(map[string]uint32{"rms": 2}, told()); diff != "" {
			t.Error(diff)
		}
		before := len(a.put)
		r.run(3 * time.Second)
		if len(a.put) != before {
			t.Errorf("told again: %v", a.put[before:])
		}
		s, _ := b.pool.Share("rms")
		if s.Cluster.Used != 2 || s.Here.Used != 0 || s.Of["a"].Used != 2 || s.Cluster.Total != 20 || s.Policy != Available || s.State != "" {
			t.Errorf("%+v", s)
		}
		made.grant.Release()
		r.run(3 * time.Second)
		if diff := cmp.Diff(map[string]uint32(nil), told()); diff != "" {
			t.Errorf("when it has ended: %s", diff)
		}
		names := []string{}
		for _, s := range b.pool.Shares() {
			names = append(names, s.Kind.String()+": "+s.Name)
		}
		if diff := cmp.Diff([]string{"licence: desktop", "licence: rms", "licence: room", "pipe: pipe Lisbon", "pipe: pipe Porto"}, names); diff != "" {
			t.Error(diff)
		}
	})
}

// BW-05: what a peer says of its use is within bounds, and counts only from itself.
func TestTake(t *testing.T) {
	p := New(Deps{Self: "a", Board: &recordedBoard{}, Boot: func() time.Duration { return 0 }})
	put := func(k string, owner cluster.ID, value string) {
		p.Take([]rows.Changed{{Key: rows.Key(k), Found: true, Owner: owner, Row: rows.Row{Value: value}}})
	}
	for _, bad := range []struct {
		key   string
		owner cluster.ID
		value string
	}{
		{"l/b", "b", "1"},
		{"l/b/", "b", "1"},
		{"l//rms", "", "1"},
		{"l/b/rms", "c", "1"},
		{"l/b/rms", "b", "0"},
		{"l/b/rms", "b", "-1"},
		{"l/b/rms", "b", "4294967296"},
		{"l/b/rms", "b", ""},
		{"x/b/rms", "b", "1"},
	} {
		if put(bad.key, bad.owner, bad.value); len(p.others) != 0 {
			t.Errorf("%+v is believed: %v", bad, p.others)
		}
	}
	for i := range maxNames + 5 {
		put(fmt.Sprint("l/b/pipe a/", i), "b", "4294967295")
		put(fmt.Sprint("l/c/pipe a/", i), "c", "4294967295")
	}
	if n := len(p.others["b"]); n != maxNames {
		t.Errorf("%d names are believed", n)
	}
	if n := p.elsewhere("pipe a/7"); n != ^uint32(0) {
		t.Errorf("%d are in use elsewhere", n)
	}
	p.Take([]rows.Changed{{Key: "l/b/pipe a/7"}})
	if _, there := p.others["b"]["pipe a/7"]; there {
		t.Error("it stays")
	}
}

// FuzzTake takes rows of any peer: nothing may panic, and no more is believed than fits.
func FuzzTake(f *testing.F) {
	f.Add("l/b/rms", "b", "12")
	f.Add("l/b/pipe x/y", "b", "4294967295")
	f.Add("l//", "", "")
	f.Fuzz(func(t *testing.T, key, owner, value string) {
		p := New(Deps{Self: "a", Board: &recordedBoard{}, Boot: func() time.Duration { return 0 }})
		p.Take([]rows.Changed{{Key: rows.Key(key), Found: true, Owner: cluster.ID(owner), Row: rows.Row{Value: value}}})
		for id, of := range p.others {
			if string(id) != owner || len(of) != 1 {
				t.Errorf("%q of %q: %v", key, owner, p.others)
			}
		}
	})
}

// LI-06, BW-05, CA-02: what a node offers goes to the cluster with its policy, and media that outlives its process is waited for.
func TestOffer(t *testing.T) {
	p := &peer{ring: &ring{}}
	pool := New(Deps{Self: "a", Member: p, Board: &recordedBoard{}, Boot: func() time.Duration { return 0 }})
	pool.Offer(resources.Offer{
		Brings: map[string]uint32{"rms": 4}, Most: map[string]uint32{"rms": 8}, Bandwidth: map[string]uint32{"pipe P": 9}, Capacity: map[string]uint32{"cluster calls": 7},
		Trial: true, StrictBandwidth: true,
	})
	want := map[ledger.Resource]ledger.Total{
		"pipe P":        {Amount: 9, Policy: ledger.Strict, Hold: 120 * time.Second},
		"cluster calls": {Amount: 7, Policy: ledger.Available, Hold: 120 * time.Second},
	}
	if diff := cmp.Diff(want, p.offer.Totals); diff != "" || p.offer.Brings["rms"] != 4 || p.offer.Most["rms"] != 8 || !p.offer.Trial || p.offer.Policy != ledger.Available {
		t.Errorf("%+v %s", p.offer, diff)
	}
	if _, ok := (*Pooling)(nil).Share("rms"); ok || (*Pooling)(nil).Shares() != nil || (*Pooling)(nil).Short(nil, 1) {
		t.Error("a node of no cluster shares something")
	}
}

// BW-05: that there is no more is known after a round trip, not after the time that others have who do not answer; and then it
// is true.
func TestNoIsKnownSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, 4, 40*time.Millisecond, halves(10))
		r.run(3 * time.Second)
		for i, kbps := range []uint32{4000, 100, 100, 100} { // the first has all that there is
			var made *asking
			r.nodes[i].ask(call("Porto", kbps), func(a *asking) { made = a })
			r.run(3 * time.Second)
			if full := i > 0; made == nil || (made.refused != nil) != full || made.took > 400*time.Millisecond {
				t.Errorf("call %d: %+v", i, made)
			}
		}
	})
}

// BW-05: a denial of what was asked for before somebody was short refuses nobody: it is asked for again.
func TestEarlierDenialRefusesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, 2, 40*time.Millisecond, halves(10))
		r.run(3 * time.Second)
		a := r.nodes[0]
		made := false
		a.ask(call("Porto", 3500), func(*asking) { made = true })
		before := r.now() - time.Millisecond
		a.pool.Denied("pipe Porto", before)
		if made || !a.wanted {
			t.Errorf("decided: %t, asked for again: %t", made, a.wanted)
		}
		a.pool.Denied("pipe Porto", r.now())
		if r.run(time.Millisecond); !made {
			t.Error("the answer to its own request does not decide it")
		}
	})
}

// BW-05: a word that there is no more refuses who has waited for it, and others for half a second after it was asked for: a
// peer may have been given something back since it answered.
func TestOldDenialRefusesNobodyElse(t *testing.T) {
	for name, test := range map[string]struct {
		took, later time.Duration
		refused     bool
	}{
		"just asked for":             {100 * time.Millisecond, 390 * time.Millisecond, true},
		"asked for a moment ago":     {100 * time.Millisecond, 410 * time.Millisecond, false},
		"old, and just heard":        {700 * time.Millisecond, 40 * time.Millisecond, true},
		"old, and heard a while ago": {700 * time.Millisecond, 60 * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRing(t, 2, 40*time.Millisecond, halves(10))
				r.run(3 * time.Second)
				a := r.nodes[0]
				a.deaf = true // what it hears the test says
				var first, then *asking
				a.ask(call("Porto", 3500), func(done *asking) { first = done })
				asked := r.now()
				r.run(test.took)
				a.pool.Denied("pipe Porto", asked)
				if r.run(time.Millisecond); first == nil {
					t.Fatal("the answer to its own request does not decide it")
				}
				r.run(test.later)
				a.ask(call("Porto", 3500), func(done *asking) { then = done })
				if r.run(time.Millisecond); (then != nil) != test.refused {
					t.Errorf("refused at once: %t, want %t", then != nil, test.refused)
				}
			})
		})
	}
}

// BW-04: who waits because the lease is over goes on when the ceiling counts without one, also when nothing else comes.
func TestStrictNeedsNoLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, 2, 40*time.Millisecond, halves(10))
		r.run(3 * time.Second)
		a := r.nodes[0]
		a.deaf = true // nothing comes any more, and the lease ends
		r.run(5 * time.Second)
		var made *asking
		a.ask(call("Porto", 100), func(done *asking) { made = done })
		if r.run(100 * time.Millisecond); made != nil {
			t.Fatalf("without a lease: %+v", made)
		}
		a.pool.Leased("pipe Porto", false)
		if r.run(time.Millisecond); made == nil || made.refused != nil {
			t.Errorf("it still waits: %+v", made)
		}
	})
}

// LI-06: the ledger's look at what is in use of something that only became limited is no recall: some of it is asked for
// ahead all the same.
func TestFirstLookIsNoRecall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, 2, 40*time.Millisecond, halves(10))
		p := r.nodes[1].pool
		if len(p.recalls) > 0 {
			t.Errorf("recalled at the start: %v", p.recalls)
		}
		r.run(3 * time.Second)
		if p.Lower("pipe Porto", 0); p.recalls["pipe Porto"].IsZero() {
			t.Error("what was given is lowered, and that is no recall")
		}
	})
}

// LI-06: what a call here frees another one here gets that waits, also when no peer answers.
func TestFreedHereWhileOneWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, 2, 40*time.Millisecond, halves(10))
		r.run(3 * time.Second)
		var first, next *asking
		r.nodes[1].ask(call("Porto", 4000), func(a *asking) { first = a })
		r.run(4 * time.Second)
		if first == nil || first.refused != nil || first.grant.Granted().Kbps[0] != 4000 {
			t.Fatalf("the whole pipe: %+v", first)
		}
		r.delay = time.Minute
		r.nodes[1].ask(call("Porto", 1000), func(a *asking) { next = a })
		r.run(50 * time.Millisecond)
		if next != nil {
			t.Fatalf("it does not wait: %+v", next)
		}
		first.grant.Release()
		r.run(2 * scanEvery)
		if next == nil || next.refused != nil || next.grant.Granted().Kbps[0] != 1000 {
			t.Errorf("it is free here: %+v", next)
		}
	})
}
