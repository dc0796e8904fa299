package b2bua

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/resources"
)

// LI-06: a call for which this node has no licences left waits for those that other peers have idle; when there are
// none it is refused, and one that was given up meanwhile takes nothing.
func TestCallAwaitsLicences(t *testing.T) {
	lend := func(r *rig) {
		lease := admission.NewLease(func() time.Duration { return 0 })
		lease.Extend(time.Second)
		r.has.Lend(lease, nil)
	}
	give := func(r *rig) {
		r.has.Raise(resources.LevelRMS, 4)
		r.has.Wake()
	}
	t.Run("they come", func(t *testing.T) {
		inRig(t, func(r *rig) {
			lend(r)
			a, b := r.phone(alice), r.phone(bob)
			a.invite(withSDP(offerOf(alice)))
			time.Sleep(240 * time.Millisecond)
			r.has.Wake() // of something else
			r.wants("waiting", 0, 0)
			time.Sleep(240 * time.Millisecond)
			give(r)
			b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob)))
			a.ack(nil, a.gets("200 INVITE"))
			b.gets("ACK")
			r.wants("connected", 384, 1)
			r.bye(a, b)
		})
	})
	t.Run("there are none", func(t *testing.T) {
		inRig(t, func(r *rig) {
			lend(r)
			a := r.phone(alice)
			req := a.invite(withSDP(offerOf(alice)))
			time.Sleep(1500 * time.Millisecond)
			a.ack(req, a.gets("503 INVITE"))
			r.wants("refused", 0, 0)
		})
	})
	t.Run("given up", func(t *testing.T) {
		inRig(t, func(r *rig) {
			lend(r)
			a := r.phone(alice)
			req := a.invite(withSDP(offerOf(alice)))
			a.cancel(req)
			a.gets("200 CANCEL")
			a.ack(req, a.gets("487 INVITE"))
			give(r)
			time.Sleep(1500 * time.Millisecond)
			r.wants("given up", 0, 0)
		})
	})
}
