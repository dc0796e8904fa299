package transport

import (
	"sync/atomic"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// methods are those that are counted each; the rest is one more.
var methods = [...]message.Method{
	message.Invite, message.Ack, message.Bye, message.Cancel, message.Register, message.Options, message.Prack,
	message.Update, message.Info, message.MessageMethod, message.Subscribe, message.Notify, message.Refer, message.Publish,
}

// traffic counts messages by what they say.
type traffic struct {
	requests [len(methods) + 1]atomic.Uint64
	answers  [7]atomic.Uint64 // by class; 0: none that there is
}

// received counts a good message that came in.
func (t *traffic) received(m *message.Message) {
	if !m.IsRequest() {
		return
	}
	i := 0
	for i < len(methods) && methods[i] != m.Method() {
		i++
	}
	t.requests[i].Add(1)
}

// sent counts a response that goes out: SIP/2.0 200 OK.
func (t *traffic) sent(data []byte) {
	const status = len("SIP/2.0 ")
	if !isResponse(data) || len(data) <= status {
		return
	}
	class := int(data[status] - '0')
	if class >= len(t.answers) {
		class = 0
	}
	t.answers[class].Add(1)
}

// Idle is the Stats of a transport that has carried nothing: all counters are there.
func Idle() Stats {
	var t traffic
	return Stats{Requests: t.byMethod(), Answers: t.byClass()}
}

// byMethod returns the requests that came in; those of methods nobody knows are other.
func (t *traffic) byMethod() map[string]uint64 {
	out := make(map[string]uint64, len(t.requests))
	for i, m := range methods {
		out[string(m)] = t.requests[i].Load()
	}
	out["other"] = t.requests[len(methods)].Load()
	return out
}

// byClass returns the responses that went out: 2xx.
func (t *traffic) byClass() map[string]uint64 {
	out := make(map[string]uint64, len(t.answers))
	for class := 1; class < len(t.answers); class++ {
		out[string(rune('0'+class))+"xx"] = t.answers[class].Load()
	}
	return out
}
