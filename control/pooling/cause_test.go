package pooling

import (
	"testing"
	"testing/synctest"
	"time"

	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/control/resources"
)

// picture is a member that shows a picture of what is shared.
type picture struct {
	Member
	ledger member.Ledger
}

func (p picture) Ledger() (member.Ledger, bool) { return p.ledger, true }

// LI-06, BW-05: what keeps more from coming tells refusals apart, each by what an operator can do about it.
func TestCause(t *testing.T) {
	const line = "pipe line"
	for name, tc := range map[string]struct {
		strict, denied, over bool // over: the lease is
		hasty                bool // it cannot wait
		short                uint32
		ledger               member.Ledger
		of                   member.Holding
		want                 resources.Cause
	}{
		"all is in use":                          {denied: true, ledger: member.Ledger{Begun: true}, of: member.Holding{Total: 9, Granted: 9}, want: resources.UsedUp},
		"no word of the cluster":                 {ledger: member.Ledger{Begun: true}, of: member.Holding{Total: 9, Granted: 9}, want: resources.NoAnswer},
		"a lost peer keeps some":                 {denied: true, ledger: member.Ledger{Begun: true}, of: member.Holding{Total: 9, Granted: 9, Held: 3}, want: resources.Reserved},
		"a lost peer keeps just enough":          {denied: true, short: 3, ledger: member.Ledger{Begun: true}, of: member.Holding{Total: 9, Granted: 9, Held: 3}, want: resources.Reserved},
		"a lost peer keeps less than is short":   {denied: true, short: 4, ledger: member.Ledger{Begun: true}, of: member.Holding{Total: 9, Granted: 9, Held: 3}, want: resources.UsedUp},
		"it cannot wait for a word":              {hasty: true, ledger: member.Ledger{Begun: true}, of: member.Holding{Total: 9, Granted: 9}, want: resources.NoWait},
		"it cannot wait, and nothing is left":    {hasty: true, denied: true, ledger: member.Ledger{Begun: true}, of: member.Holding{Total: 9, Granted: 9}, want: resources.UsedUp},
		"more than there is":                     {ledger: member.Ledger{Begun: true}, of: member.Holding{Total: 9, Granted: 10, Held: 3}, want: resources.MoreThanTotal},
		"this side has no more":                  {denied: true, ledger: member.Ledger{Begun: true, Aside: true}, of: member.Holding{Total: 9, Granted: 9}, want: resources.ThisSide},
		"cut off a moment ago":                   {over: true, ledger: member.Ledger{Begun: true}, of: member.Holding{Total: 9}, want: resources.NoLease},
		"just started":                           {over: true, want: resources.FirstShare},
		"strict without a majority":              {strict: true, ledger: member.Ledger{Begun: true, Aside: true}, of: member.Holding{Total: 9, Held: 3}, want: resources.NoMajority},
		"strict, cut off a moment ago":           {strict: true, over: true, ledger: member.Ledger{Begun: true}, want: resources.NoMajority},
		"strict, started without a majority":     {strict: true, over: true, ledger: member.Ledger{Aside: true}, want: resources.NoMajority},
		"strict, just started":                   {strict: true, over: true, want: resources.FirstShare},
		"strict, and a lost peer keeps the rest": {strict: true, denied: true, ledger: member.Ledger{Begun: true}, of: member.Holding{Total: 9, Granted: 9, Held: 3}, want: resources.Reserved},
	} {
		t.Run(name, func(t *testing.T) {
			tc.ledger.Resources = map[ledger.Resource]member.Holding{line: tc.of}
			p := New(Deps{Member: picture{ledger: tc.ledger}, Boot: func() time.Duration { return time.Hour }})
			p.offer = resources.Offer{Bandwidth: map[string]uint32{line: 9}, StrictBandwidth: tc.strict}
			if tc.denied {
				p.denied[line] = time.Now()
			}
			if !tc.over {
				p.lease.Extend(2 * time.Hour)
			}
			if got := p.Cause(resources.Unmet{Name: line, N: tc.short, Waited: !tc.hasty}); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// Licences go by their own policy.
func TestCauseOfLicences(t *testing.T) {
	p := New(Deps{Member: picture{ledger: member.Ledger{Begun: true, Aside: true}}, Boot: func() time.Duration { return time.Hour }})
	p.offer = resources.Offer{Brings: map[string]uint32{resources.LevelRMS: 9}, Strict: true}
	if got := p.Cause(resources.Unmet{Name: resources.LevelRMS}); got != resources.NoMajority {
		t.Errorf("strict licences: %s", got)
	}
}

// LI-06: what calls of real nodes are refused for: nothing is left in the cluster; then the one that has all says nothing.
func TestCausesOfNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, 2, 40*time.Millisecond, halves(2))
		r.run(3 * time.Second)
		var first *asking
		refused := 0
		for range 3 { // of two sessions
			r.nodes[1].ask(stranger(64), func(a *asking) {
				if a.refused != nil {
					refused++
				} else {
					first = a
				}
			})
		}
		r.run(3 * time.Second)
		of := func() resources.Refusals { return r.nodes[1].resources.Refused()[resources.LevelRMS] }
		if refused != 1 || of()[resources.UsedUp] != 1 || of().All() != 1 {
			t.Errorf("%d of three calls over two sessions are refused: %v", refused, of())
		}
		first.grant.Release()
		r.nodes[0].ask(stranger(64), func(a *asking) {
			if a.refused != nil {
				t.Errorf("what the other has idle: %v", a.refused)
			}
		})
		r.run(3 * time.Second)
		r.nodes[1].deaf = true
		r.nodes[1].ask(stranger(64), func(*asking) {})
		r.run(2 * time.Second)
		if of()[resources.NoAnswer] != 1 {
			t.Errorf("nobody answers: %v", of())
		}
		r.run(4 * time.Second)
		r.nodes[1].ask(stranger(64), func(*asking) {})
		r.run(2 * time.Second)
		if of()[resources.NoLease] != 1 || of().All() != 3 {
			t.Errorf("cut off: %v", of())
		}
	})
}
