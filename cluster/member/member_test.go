package member_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
)

const (
	one = "10.0.0.1"
	two = "10.0.0.2"
	six = "10.0.0.6"
)

// states are those of the table of peers.
func states(s member.Status) []string {
	var out []string
	for _, p := range s.Peers {
		out = append(out, p.State)
	}
	return out
}

// CL-02, CL-03, CL-17, RG-04: two nodes form, a change on the primary shows on the other, rows too; a peer
// that dies is seen to.
func TestTwoNodesAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(t)
		defer b.end()
		s := own(1, one, two)
		p := b.join(one, s)
		within(t, time.Second, "the primary writes the first revision", func() bool { return p.member.Status().Tag.Revision == 1 })
		q := b.join(two, s)
		active := []string{"This system", "Active as tp-" + two}
		within(t, 5*time.Second, "active", func() bool { return cmp.Equal(states(p.member.Status()), active) })
		within(t, 5*time.Second, "the first revision is on both", func() bool { return q.store.inForce() == "initial" })

		p.member.Put("r/a", rows.Row{Value: "here", TTL: time.Minute})
		if err := p.member.Propose(context.Background(), revisions.Propose{Bytes: "next", Digest: "next"}); err != nil {
			t.Fatal(err)
		}
		if p.store.inForce() != "next" {
			t.Error("Propose returned before the change was in force")
		}
		within(t, time.Second, "the change is on the other", func() bool { return q.store.inForce() == "next" })
		within(t, time.Second, "the row is on the other", func() bool { return q.rows.get("r/a") == "id-10.0.0.1=here" })
		if err := q.member.Propose(context.Background(), revisions.Propose{Bytes: "x", Digest: "x"}); !errors.Is(err, revisions.ErrNotPrimary) {
			t.Errorf("a change elsewhere: %v", err)
		}
		within(t, time.Minute, "no alarm", func() bool { return len(p.alarms.list())+len(q.alarms.list()) == 0 })

		p.stop()
		within(t, 6*time.Second, "the row of the lost is hidden", func() bool { return q.rows.get("r/a") == "" })
		within(t, time.Second, "alarms", func() bool {
			return cmp.Equal(q.alarms.list(), []string{"20004 " + one, "20016 "})
		})
		p = b.join(one, s)
		p.member.Put("r/a", rows.Row{Value: "again"})
		within(t, 10*time.Second, "the alarms are lowered", func() bool { return len(q.alarms.list()) == 0 })
		within(t, time.Second, "the row is new", func() bool { return q.rows.get("r/a") == "id-10.0.0.1=again" })
	})
}
