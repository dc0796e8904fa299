package member_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// CL-06, CL-16: a decision about the primary that could not be written is told, and takes effect when the
// disk takes it: nobody has to decide again.
func TestDecisionOutlivesAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(t)
		defer b.end()
		p := b.join(one, own(1, one, two))
		q := b.join(two, own(1, one, two))
		within(t, 10*time.Second, "both are one", func() bool { return q.store.inForce() == "initial" })
		for _, l := range []*line{p, q} {
			l.breaks(errors.New("no space is left"))
			l.configure(own(2, one, two))
			within(t, time.Second, "alarm", func() bool { return slices.Contains(l.alarms.list(), "20009 ") })
		}
		if p.member.Status().Follows != "id-"+one || q.member.Status().Acting {
			t.Error("a decision that is not durable took effect")
		}
		p.breaks(nil)
		q.breaks(nil)
		within(t, 20*time.Second, "the new primary acts", func() bool {
			return q.member.Status().Acting && p.member.Status().Follows == "id-"+two
		})
		within(t, time.Second, "no alarm", func() bool { return len(p.alarms.list())+len(q.alarms.list()) == 0 })
	})
}
