package member_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/cluster/settings"
)

const three = "10.0.0.3"

// rig is a test on a board.
type rig struct {
	*testing.T
	*board
}

// on runs a test in which time costs nothing.
func on(t *testing.T, f func(r rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(t)
		defer b.end()
		f(rig{t, b})
	})
}

// form forms a cluster at once, the first of the list its primary.
func (r rig) form(peers ...string) []*line {
	r.Helper()
	var all []*line
	for _, p := range peers {
		all = append(all, r.join(p, own(1, peers...)))
	}
	r.settles(all...)
	return all
}

// settles waits until members are one cluster, with one configuration and without alarms.
func (r rig) settles(all ...*line) {
	r.Helper()
	defer func() {
		for _, l := range all {
			if s := l.member.Status(); r.Failed() {
				r.Logf("%s: cluster %s, leader %s, voters %v, %s, %s, %v, alarms %v", l.at, s.Cluster, s.Leader, s.Voters, s.Database, s.Tag, states(s), l.alarms.stands)
			}
		}
	}()
	within(r.T, 2*time.Minute, "one cluster without alarms", func() bool {
		first := all[0].member.Status()
		for _, l := range all {
			s := l.member.Status()
			if s.Cluster == "" || s.Cluster != first.Cluster || s.Tag != first.Tag || len(s.Voters) != len(all) || len(l.alarms.list()) > 0 {
				return false
			}
			for _, p := range s.Peers {
				if !p.Joined || !p.Own && !strings.HasPrefix(p.State, "Active") {
					return false
				}
			}
		}
		return true
	})
}

// change changes the configuration at a member and waits until it is on others.
func (r rig) change(at *line, text string, others ...*line) {
	r.Helper()
	if err := at.member.Propose(context.Background(), revisions.Propose{Bytes: text, Digest: text}); err != nil {
		r.Fatal(err)
	}
	for _, l := range others {
		within(r.T, time.Second, text+" on "+l.at, func() bool { return l.store.inForce() == text })
	}
}

// CL-02: a cluster of one, then one peer at a time. Who is not in the primary's list gets nothing; the table
// goes from Unknown to Failed to Active.
func TestFormOneAtATime(t *testing.T) {
	on(t, func(r rig) {
		p := r.join(one, own(1, one))
		within(t, 10*time.Second, "a cluster of one", func() bool { return p.member.Status().Cluster != "" && p.member.Status().Acting })
		q := r.join(two, own(1, one, two))
		r.change(p, "of one")
		time.Sleep(20 * time.Second)
		if got := q.store.inForce(); got != "" {
			t.Errorf("who is not listed was sent %q", got)
		}
		if got := states(q.member.Status()); !cmp.Equal(got, []string{"Failed", "This system"}) {
			t.Errorf("the table is %v", got)
		}
		p.configure(own(1, one, two))
		r.settles(p, q)
		if q.store.inForce() != "of one" {
			t.Error("the newcomer has no configuration")
		}
		p.configure(own(1, one, two, three))
		within(t, time.Second, "Unknown or Failed", func() bool {
			got := states(p.member.Status())
			return len(got) == 3 && (got[2] == "Unknown" || got[2] == "Failed")
		})
		q.configure(own(1, one, two, three))
		third := r.join(three, own(1, one, two, three))
		r.settles(p, q, third)
	})
}

// CL-02: a node with a configuration of its own does not join.
func TestOnlyTheResetJoin(t *testing.T) {
	on(t, func(r rig) {
		p := r.join(one, own(1, one, two))
		q := r.join(two, own(1, one, two))
		q.stop()
		q.reset = false
		r.join(two, own(1, one, two))
		within(t, 30*time.Second, "20024", func() bool { return slices.Contains(q.alarms.list(), "20024 ") })
		r.change(p, "x")
		if q.store.inForce() != "" || q.member.Status().Cluster != "" {
			t.Error("it has joined")
		}
		q.stop()
		q.reset = true
		r.join(two, own(1, one, two))
		r.settles(p, q)
	})
}

// CL-12: the primary is moved while the old one lives: on the new one first, then the old one, then the rest.
func TestMoveThePrimary(t *testing.T) {
	on(t, func(r rig) {
		all := r.form(one, two, three)
		r.change(all[0], "first", all[1:]...)
		next := own(2, one, two, three)
		all[1].configure(next)
		within(t, 5*time.Second, "the mismatch is told", func() bool {
			return slices.Contains(all[1].alarms.list(), "20017 "+one) && slices.Contains(all[0].alarms.list(), "20017 "+two)
		})
		all[0].configure(next)
		all[2].configure(next)
		r.settles(all...)
		r.change(all[1], "second", all[0], all[2])
		if err := all[0].member.Propose(context.Background(), revisions.Propose{Bytes: "x", Digest: "x"}); !errors.Is(err, revisions.ErrNotPrimary) {
			t.Errorf("the old primary: %v", err)
		}
		within(t, 30*time.Second, "the primary leads", func() bool { return all[0].member.Status().Leader == "id-"+two })
	})
}

// CL-12: the primary is dead. Calls, rows and agreement go on; another one is made the primary by hand; the old one
// comes back as a subordinate, and its alarm stands until the operator agrees there too.
func TestReplaceADeadPrimary(t *testing.T) {
	on(t, func(r rig) {
		all := r.form(one, two, three)
		r.change(all[0], "first", all[1:]...)
		all[0].stop()
		within(t, 10*time.Second, "20016", func() bool { return slices.Contains(all[2].alarms.list(), "20016 ") })
		all[2].member.Put("r/x", rows.Row{Value: "x"})
		within(t, time.Second, "rows go on", func() bool { return all[1].rows.get("r/x") != "" })
		next := own(2, one, two, three)
		all[1].configure(next)
		all[2].configure(next)
		within(t, 10*time.Second, "the new primary acts", func() bool { return all[1].member.Status().Acting })
		r.change(all[1], "second", all[2])

		old := r.join(one, own(1, one, two, three))
		within(t, 20*time.Second, "the old primary is served", func() bool { return old.store.inForce() == "second" })
		within(t, 20*time.Second, "20017", func() bool { return slices.Contains(old.alarms.list(), "20017 ") })
		old.configure(next)
		r.settles(old, all[1], all[2])
	})
}

// CL-13: a peer that lives and one that is dead are taken out of the list; the cluster goes on, and of two
// the one that stays agrees with itself.
func TestRemovePeers(t *testing.T) {
	on(t, func(r rig) {
		all := r.form(one, two, three)
		all[2].configure(own(1)) // its list is emptied: it leaves
		all[0].configure(own(1, one, two))
		all[1].configure(own(1, one, two))
		r.settles(all[0], all[1])
		r.change(all[0], "of two", all[1])

		all[1].stop()
		within(t, 10*time.Second, "20004", func() bool { return slices.Contains(all[0].alarms.list(), "20004 "+two) })
		was := all[0].member.Status().Cluster
		all[0].configure(own(1, one))
		within(t, time.Minute, "it agrees with itself", func() bool {
			s := all[0].member.Status()
			return s.Cluster != was && s.Database == "Active" && len(s.Voters) == 1
		})
		r.settles(all[0])
		r.change(all[0], "of one")
		// Who revives is of an old history, and in nobody's list.
		back := r.join(two, own(1, one, two))
		time.Sleep(10 * time.Second)
		if back.store.inForce() == "of one" {
			t.Error("a removed peer is sent the configuration")
		}
	})
}

// CL-22: an address becomes a name, one peer at a time, the primary's too. The cluster works throughout.
func TestAddressesBecomeNames(t *testing.T) {
	on(t, func(r rig) {
		all := r.form(one, two, three)
		list := []string{one, two, three}
		for i, l := range all {
			list[i] = l.fqdn
			for _, other := range all {
				other.configure(own(1, list...))
			}
			l.stop()
			all[i] = r.join(l.at, own(1, list...))
			r.settles(all...)
			r.change(all[0], "with the name of "+l.at, all[1], all[2])
		}
		if got := all[1].member.Status().Tag.Generation; got != 1 {
			t.Errorf("another name of the primary counts as another primary: generation %d", got)
		}
	})
}

// CL-18: both sides of a cut serve; when it is mended all is as before, without an operator.
func TestPartition(t *testing.T) {
	on(t, func(r rig) {
		all := r.form(one, two, three)
		r.cut(one, three, true)
		r.cut(two, three, true)
		within(t, 10*time.Second, "both sides see it", func() bool {
			return slices.Contains(all[0].alarms.list(), "20004 "+three) && slices.Contains(all[2].alarms.list(), "20004 "+one)
		})
		all[2].member.Put("r/apart", rows.Row{Value: "v"})
		r.change(all[0], "meanwhile", all[1])
		r.cut(one, three, false)
		r.cut(two, three, false)
		r.settles(all...)
		within(t, time.Second, "what was written apart", func() bool { return all[0].rows.get("r/apart") != "" })
		if !all[2].log.has("Cluster Peer State Changed") || !all[2].log.has("Cluster Synchronisation Complete") {
			t.Errorf("the log does not tell: %v", all[2].log.records)
		}
	})
}

// CL-15: a forced update takes the primary's configuration anew; on the primary it is refused.
func TestForce(t *testing.T) {
	on(t, func(r rig) {
		all := r.form(one, two)
		r.change(all[0], "right", all[1])
		all[1].store.damage("wrong")
		if err := all[1].member.Force(context.Background()); err != nil {
			t.Fatal(err)
		}
		within(t, 5*time.Second, "the primary's configuration", func() bool { return all[1].store.inForce() == "right" })
		if err := all[0].member.Force(context.Background()); !errors.Is(err, revisions.ErrIsPrimary) {
			t.Errorf("on the primary: %v", err)
		}
	})
}

// CL-10, OP-03: a peer with other software is shown and alarmed and gets no configuration until it is equal.
func TestOtherSoftware(t *testing.T) {
	on(t, func(r rig) {
		all := r.form(one, two)
		all[0].stop()
		newer := func() settings.Settings {
			s := own(1, one, two)
			s.Software = "1.1"
			return s
		}
		all[0] = r.join(one, newer())
		within(t, 20*time.Second, "20008", func() bool { return slices.Contains(all[1].alarms.list(), "20008 "+one) })
		r.change(all[0], "of 1.1")
		all[0].member.Put("r/y", rows.Row{Value: "y"})
		within(t, 5*time.Second, "rows go on", func() bool { return all[1].rows.get("r/y") != "" })
		if all[1].store.inForce() == "of 1.1" {
			t.Error("other software was sent the configuration")
		}
		all[1].stop()
		all[1] = r.join(two, newer())
		r.settles(all...)
	})
}

// Who ends on purpose says so: nobody has to find out, and its rows are hidden at once.
func TestLeave(t *testing.T) {
	on(t, func(r rig) {
		all := r.form(one, two)
		all[1].member.Put("r/z", rows.Row{Value: "z", TTL: time.Minute})
		within(t, time.Second, "the row", func() bool { return all[0].rows.get("r/z") != "" })
		if err := all[1].member.Leave(context.Background()); err != nil {
			t.Fatal(err)
		}
		within(t, 200*time.Millisecond, "the row is hidden", func() bool { return all[0].rows.get("r/z") == "" })
		all[1].stop()
		if err := all[1].member.Leave(context.Background()); err == nil {
			t.Error("it leaves twice")
		}
	})
}

// RG-08, CL-17: peers know who is in maintenance.
func TestMaintenanceIsTold(t *testing.T) {
	on(t, func(r rig) {
		all := r.form(one, two)
		is := func(want bool) func() bool {
			return func() bool {
				p, ok := all[0].member.Peer("id-" + two)
				return ok && p.Maintenance == want
			}
		}
		all[1].member.Maintenance(true)
		within(t, time.Second, "it is in maintenance", is(true))
		all[1].member.Maintenance(false)
		within(t, time.Second, "it is not any more", is(false))
	})
}
