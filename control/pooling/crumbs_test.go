package pooling

import (
	"testing"
	"testing/synctest"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/control/resources"
)

// BW-05: what is less than a call for each is left where it is: who wants all of it has it after one round.
func TestNothingIsSharedOutInCrumbs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, 4, 40*time.Millisecond, halves(100))
		r.run(3 * time.Second)
		var held []*asking
		for range 8 {
			r.nodes[0].ask(call("Porto", 500), func(a *asking) { held = append(held, a) })
			r.run(2 * time.Second)
		}
		if _, kbps := r.sum("pipe Porto"); len(held) != 8 || kbps != 4000 {
			t.Fatalf("%d calls use %d kbit/s of 4000", len(held), kbps)
		}
		held[0].grant.Release()
		r.nodes[0].ask(call("Porto", 300), func(*asking) {}) // 200 are left, of four peers
		r.run(3 * time.Second)
		for i, p := range r.nodes[1:] {
			if part, _ := p.resources.Part("pipe Porto"); part.Ceiling != 0 {
				t.Errorf("peer %d has %d kbit/s, and no call", i+1, part.Ceiling)
			}
		}
		var last *asking
		r.nodes[1].ask(call("Porto", 200), func(a *asking) { last = a })
		r.run(2 * time.Second)
		if last == nil || last.refused != nil || last.took > 400*time.Millisecond {
			t.Errorf("%+v", last)
		}
	})
}

// BW-05: what is asked for ahead of bandwidth leaves enough for a call here, or nothing is asked for.
func TestAheadOfCrumbs(t *testing.T) {
	for name, tc := range map[string]struct {
		kind              resources.PartKind
		total, free, idle uint32 // idle elsewhere
		here              uint32 // and not in use
		want              uint32
	}{
		"a crumb is free, and little is idle elsewhere":   {kind: resources.PipePart, total: 4000, free: 10, idle: 200},
		"a crumb is free, and much is idle elsewhere":     {kind: resources.PipePart, total: 4000, free: 10, idle: 2000, want: 251},
		"half of an even share is a crumb":                {kind: resources.PipePart, total: 4000, idle: 256},
		"half of an even share of a subzone is one":       {kind: resources.SubzonePart, total: 4000, idle: 256},
		"half of an even share is a call":                 {kind: resources.PipePart, total: 4000, idle: 512, want: 64},
		"with what is here a crumb makes a call":          {kind: resources.PipePart, total: 4000, free: 30, idle: 2000, here: 40, want: 30},
		"with what is here half of an even share does":    {kind: resources.PipePart, total: 4000, idle: 500, here: 20, want: 45},
		"a call is free, and nothing is idle elsewhere":   {kind: resources.PipePart, total: 4000, free: 256, want: 64},
		"licences are asked for one by one, as calls are": {kind: resources.LicencePart, total: 40, free: 10, idle: 30, want: 10},
	} {
		t.Run(name, func(t *testing.T) {
			const line = "pipe line"
			p := New(Deps{Self: "a"})
			p.offer = resources.Offer{Peers: 4, CallKbps: 384}
			of := member.Holding{Total: tc.total, Granted: uint64(tc.total - tc.free), Of: map[cluster.ID]uint32{"b": tc.idle}}
			p.seen[1] = map[ledger.Resource]member.Holding{line: of}
			p.others["b"] = map[string]uint32{}
			part := resources.Part{Name: line, Kind: tc.kind, Shared: resources.Shared{Ceiling: tc.here}, Given: tc.here}
			if got := p.early(part, of); got != tc.want {
				t.Errorf("it asks for %d, want %d", got, tc.want)
			}
		})
	}
}
