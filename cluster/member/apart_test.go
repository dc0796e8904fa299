package member_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
)

// LI-06, AL-01, AL-02: of a cluster that is cut into two sides, both say that they count apart: the one that nobody leads since when, the other that
// the one that it does not reach may. It goes when they meet again, and the log has when it began and ended.
func TestCountsApart(t *testing.T) {
	on(t, func(r rig) {
		all := r.form(one, two, three)
		for _, l := range all {
			l.member.Pool(member.Offer{Brings: map[ledger.Resource]uint32{"rms": 10}, Policy: ledger.Available})
		}
		within(r.T, 10*time.Second, "one pool", func() bool { l, _ := all[2].member.Ledger(); return l.Resources["rms"].Total == 30 })
		says := func(l *line, text string) bool {
			l.alarms.mu.Lock()
			defer l.alarms.mu.Unlock()
			return strings.Contains(l.alarms.stands["29001 "], text)
		}
		r.cut(one, three, true)
		r.cut(two, three, true)
		within(r.T, 15*time.Second, "both sides say so", func() bool {
			return says(all[0], "they count for themselves; not reached: "+three+" since ") && says(all[1], three) &&
				says(all[2], "this side counts for itself since ") && says(all[2], one+" since ") && says(all[2], two+" since ")
		})
		r.cut(one, three, false)
		r.cut(two, three, false)
		r.settles(all...)
		for _, event := range []string{"Cluster Counts Apart", "Cluster Counts Together"} {
			if !all[2].log.has(event) || all[0].log.has(event) {
				r.Errorf("%q: %t on the side that nobody leads, %t on the other", event, all[2].log.has(event), all[0].log.has(event))
			}
		}
	})
}

// LI-06, AL-01: with policy strict a side without a majority gives what its share has and no more; it says so, and that nothing is counted
// apart. It goes when the side is whole again.
func TestStrictWithoutMajority(t *testing.T) {
	on(t, func(r rig) {
		all := r.form(one, two, three)
		for _, l := range all {
			l.member.Pool(member.Offer{Brings: map[ledger.Resource]uint32{"rms": 10}, Policy: ledger.Strict})
		}
		third := all[2].shares
		within(r.T, 10*time.Second, "its share", func() bool { return third.call("rms", 12) })
		third.hangUp("rms")
		third.call("rms", 10)
		stands := func(l *line, alarm string) bool { return slices.Contains(l.alarms.list(), alarm) }
		r.cut(one, three, true)
		r.cut(two, three, true)
		share := third.has("rms")
		within(r.T, 15*time.Second, "the third says so", func() bool { return stands(all[2], "29003 ") })
		if share <= 10 || !third.call("rms", share-10) {
			r.Errorf("of its share of %d it does not give what is idle", share)
		}
		for range 60 {
			time.Sleep(time.Second)
			if third.call("rms", 1) || third.has("rms") != share {
				r.Fatalf("without a majority it has %d, and had %d", third.has("rms"), share)
			}
		}
		if stands(all[2], "29001 ") || stands(all[0], "29003 ") {
			r.Errorf("%v on it and %v on the side with a majority", all[2].alarms.list(), all[0].alarms.list())
		}
		r.cut(one, three, false)
		r.cut(two, three, false)
		within(r.T, 20*time.Second, "no alarm", func() bool { return !stands(all[2], "29003 ") })
	})
}

// LI-06, AL-01: with policy strict what a lost peer has stays its own; the alarm names it and how it is freed, and goes when the operator
// has freed it.
func TestHoldsTheShareOfTheLost(t *testing.T) {
	on(t, func(r rig) {
		all := r.form(one, two, three)
		for _, l := range all {
			l.member.Pool(member.Offer{Brings: map[ledger.Resource]uint32{"rms": 10}, Policy: ledger.Strict})
		}
		within(r.T, 10*time.Second, "a call of the third", func() bool { return all[2].shares.call("rms", 25) })
		all[2].stop()
		var leader *line
		within(r.T, 20*time.Second, "the alarm", func() bool {
			for _, l := range all[:2] {
				if slices.Contains(l.alarms.list(), "29002 "+three) && l.member.Status().Leader == l.member.Status().Self {
					leader = l
				}
			}
			return leader != nil
		})
		time.Sleep(time.Minute)
		if all[0].shares.call("rms", 6) || all[1].shares.call("rms", 6) {
			r.Error("what the lost one has was lent to others")
		}
		id := cluster.ID("id-" + three)
		if err := leader.member.Forget(context.Background(), id); err != nil {
			r.Fatal(err)
		}
		within(r.T, 5*time.Second, "all of it for the others", func() bool { return all[0].shares.call("rms", 30) })
		within(r.T, 5*time.Second, "no alarm", func() bool {
			return !slices.Contains(all[0].alarms.list(), "29002 "+three) && !slices.Contains(all[1].alarms.list(), "29002 "+three)
		})
	})
}
