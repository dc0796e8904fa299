package b2bua

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// silent is a cluster that answers nothing.
type silent struct{}

var _ resources.Pool = silent{}

func (silent) Offer(resources.Offer) {}

func (silent) Cause(of resources.Unmet) resources.Cause {
	if of.Waited {
		return resources.NoAnswer
	}
	return resources.NoWait
}

// BW-05: who was held in vain is told apart from who could not be held.
func TestRefusedAfterWaiting(t *testing.T) {
	const inVain = 1400 * time.Millisecond // almost
	for name, tc := range map[string]struct {
		here uint32
		do   func(r *rig)
		want resources.Refusals
	}{
		"a call": {100, func(r *rig) {
			a := r.phone(alice)
			req := a.invite(withSDP(offerOf(alice, sound64, pictures)))
			time.Sleep(inVain)
			a.ack(req, a.gets("480 INVITE"))
		}, resources.Refusals{resources.NoAnswer: 1}},
		"a re-INVITE": {500, func(r *rig) {
			a, b := r.talk(offerOf(alice, sound64), offerOf(bob, sound64))
			req := a.send(message.Invite, withSDP(offerOf(alice, sound64+"\r\nb=AS:700")))
			time.Sleep(inVain)
			a.ack(req, a.gets("488 INVITE"))
			r.bye(a, b)
		}, resources.Refusals{resources.NoAnswer: 1}},
		"an offer in a 200, and its answer in the ACK": {500, func(r *rig) {
			a, b := r.phone(alice), r.phone(bob)
			a.invite()
			b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob, sound64, more)))
			time.Sleep(inVain)
			a.ack(nil, a.gets("200 INVITE"), withSDP(offerOf(alice, sound64, more)))
			b.gets("ACK")
			r.bye(a, b)
		}, resources.Refusals{resources.NoAnswer: 1, resources.NoWait: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.limited(2000, func(n *config.Node) { n.Bandwidth.DownspeedTotal = false })
				r.lends(1000)
				r.has.Share(silent{})
				r.has.Lower(line, tc.here)
				tc.do(r)
				if diff := cmp.Diff(tc.want, r.has.Refused()[line]); diff != "" {
					t.Errorf("refused (-want +got):\n%s", diff)
				}
			})
		})
	}
}
