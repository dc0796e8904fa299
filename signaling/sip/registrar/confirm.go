package registrar

import (
	"strconv"
	"time"

	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// confirm answers with the bindings that there are (RFC 3261 section 10.3 step 8). There
// is no Service-Route: requests of endpoints need no special way through the node.
func (r *Registrar) confirm(t server, q *request, have []*registrations.Binding) {
	now := time.Now()
	t.Reply(200, "", func(m *message.Message) {
		for _, b := range have {
			if !b.Proxied {
				m.Add("Contact", contact(b, now))
			}
		}
		if supports(q.m, "path") { // RFC 3327 section 5.3
			for _, p := range q.path {
				m.Add("Path", p)
			}
		}
		if q.outbound { // RFC 5626 section 6
			m.Set("Require", "outbound")
			if q.src.Conn != nil && q.m.Vias() == 1 {
				m.Set("Flow-Timer", strconv.Itoa(flowTimer))
			}
		}
		m.Set("Date", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"))
	})
}

// contact writes a binding as a Contact: with the seconds that are left, rounded up.
func contact(b *registrations.Binding, now time.Time) string {
	left := int((b.Expires.Sub(now) + time.Second - 1) / time.Second)
	out := make([]byte, 0, len(b.Contact)+len(b.Params)+16)
	out = append(append(append(out, '<'), b.Contact...), '>')
	out = append(append(out, b.Params...), ";expires="...)
	return string(strconv.AppendInt(out, int64(max(left, 1)), 10))
}
