package member_test

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster/member"
)

// RG-01: a node that starts again knows its peers by what it kept of them, until it has heard them or they are lost, and no
// longer than they are in its list.
func TestPeersAreKnownAtTheStart(t *testing.T) {
	knows := func(l *line, want ...string) {
		t.Helper()
		all := l.member.Known()
		if len(all) != len(want) {
			t.Fatalf("%s knows %v, want %v", l.at, all, want)
		}
		for i, p := range all {
			at := l.b.lines[want[i]]
			if p.ID != at.member.Hello().ID || p.SIPTLS.Addr() != at.addr.Addr() || p.Key == (member.Peer{}).Key || p.Index == 0 {
				t.Errorf("%s knows %s as %+v", l.at, want[i], p)
			}
		}
	}
	on(t, func(r rig) {
		all := r.form(one, two, three)
		knows(all[0])
		all[0].stop()
		r.cuts[[2]string{one, three}] = true
		r.cuts[[2]string{three, one}] = true
		again := r.join(one, own(1, one, two, three))
		knows(again, two, three)
		in := func(l *line) func() bool { return func() bool { return len(l.member.Peers()) == 1 } }
		within(r.T, 2*time.Second, "who is heard", in(again))
		knows(again, three)
		time.Sleep(5 * time.Second)
		knows(again)

		again.stop() // and with another list
		again = r.join(one, own(1, one, two))
		within(r.T, 2*time.Second, "the entry that is gone", func() bool { return len(again.member.Peers()) == 1 })
		knows(again)
	})
}
