package transaction

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

func TestACallFromEndToEnd(t *testing.T) {
	for _, tr := range []loop.Transport{loop.UDP, loop.TCP} {
		t.Run(tr.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newEnd(t, here), newEnd(t, there)
				join(a, b, tr)
				u := &asker{}
				h := transport.Hop{Transport: tr, Remote: there}
				u.on = func(c *Client, m *message.Message) {
					if m.Status() == 200 && m.Method() == message.Invite {
						ack := request(message.Ack, "1")
						ack.SetTo(m.To())
						a.Pass(ack, h)
					}
				}
				b.serve = func(s *Server) {
					s.Reply(180, "")
					s.Shard().After(time.Second, func() { s.Reply(200, "") })
				}
				a.do(func() { a.Layer.Send(a.shard, request(message.Invite, "1"), h, u) })
				time.Sleep(time.Minute)
				synctest.Wait()
				if diff := cmp.Diff([]int{180, 200}, u.statuses); diff != "" {
					t.Error(diff)
				}
				if len(b.acks) != 1 {
					t.Errorf("%d ACKs", len(b.acks))
				}
				for _, e := range []*end{a, b} {
					if st := e.Stats(); st.Servers+st.Clients+st.Ended != 0 {
						t.Errorf("left: %+v", st)
					}
				}
			})
		})
	}
}
