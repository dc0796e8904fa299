package b2bua

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/peers"
)

// LI-06: a call that waits at two peers, one after the other, waits no longer than at one, but for a moment.
func TestPeersInARowWait(t *testing.T) {
	t.Run("the peer is told", func(t *testing.T) {
		inRig(t, func(r *rig) {
			r.who = access.Caller{Zone: &zones.Zone{Name: "out", Type: zones.Neighbour, SIP: true}}
			r.onPeer(bob)
			r.lends(0)
			a, b := r.phone(alice), r.phone(bob)
			a.invite(withSDP(offerOf(alice)))
			time.Sleep(700 * time.Millisecond)
			r.lent(4)
			in := b.gets("INVITE")
			if note, ok := peers.Read(in); !ok || note.Waited != 700*time.Millisecond {
				t.Errorf("it is told %+v", note)
			}
			b.answer(in, 200, withSDP(offerOf(bob)))
			a.ack(nil, a.gets("200 INVITE"))
			b.gets("ACK")
			r.bye(a, b)
			r.waited(1, 0, 0, 0)
		})
	})
	for waited, left := range map[time.Duration]time.Duration{
		700 * time.Millisecond: 800 * time.Millisecond, 1500 * time.Millisecond: 500 * time.Millisecond,
	} {
		t.Run("after "+waited.String(), func(t *testing.T) {
			inRig(t, func(r *rig) {
				note := peers.Note{Registered: true, Alias: "bob@example.test", Waited: waited}
				r.who = passedOn(note)
				r.shares(0)
				time.Sleep(10 * time.Second) // the node has not just begun
				a := r.phone(alice)
				req, began := a.invite(withSDP(offerOf(alice)), note.Put), time.Now()
				a.ack(req, a.gets("480 INVITE"))
				if took := time.Since(began); took < left || took > left+50*time.Millisecond {
					t.Errorf("refused after %s, want %s", took, left)
				}
				r.waited(0, 0, 1, 0)
			})
		})
	}
}
