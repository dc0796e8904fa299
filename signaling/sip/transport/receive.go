package transport

import (
	"errors"
	"hash/maphash"
	"net/netip"
	"strconv"
	"strings"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// receiver is what the loop calls.
type receiver struct{ t *Transport }

var _ loop.Handler = receiver{}

// Message implements loop.Handler.
func (r receiver) Message(src loop.Source, data []byte) {
	t := r.t
	var m *message.Message
	var err error
	if src.Transport == loop.UDP {
		if t.keepAlive(src, data) {
			return
		}
		m, err = message.Parse(data)
	} else {
		m, err = message.ParseStream(data)
	}
	switch {
	case err != nil:
		t.refuse(src, err)
	case m.IsRequest() && t.isScanner(m):
		t.stats.scanners.Add(1)
	case src.OverRate && m.Begins():
		t.stats.overRate.Add(1)
		mark(src, m)
		t.answer(src, m, 503, "", func(a *message.Message) { a.Set("Retry-After", "5") })
	default:
		if m.IsRequest() {
			mark(src, m)
		}
		t.stats.traffic.received(m)
		t.cfg.Receive(src, m)
	}
}

// Closed implements loop.Handler.
func (r receiver) Closed(c *loop.Conn) {
	r.t.names.Delete(c)
	r.t.idle.closed(c)
	if r.t.cfg.Closed != nil {
		r.t.cfg.Closed(c)
	}
}

// mark says in the top Via where the request really came from (RFC 3261 section 18.2.1,
// RFC 3581 section 4).
func mark(src loop.Source, m *message.Message) {
	v := m.Via()
	asked := v.Params.Has("rport")
	host, err := netip.ParseAddr(v.Host)
	if !asked && err == nil && host.Unmap() == src.Remote.Addr() {
		if v.Params.Has("received") { // the sender's own word
			v.Params = v.Params.Without("received")
			m.SetVia(v)
		}
		return
	}
	v.Params = v.Params.With("received", src.Remote.Addr().String())
	if asked {
		v.Params = v.Params.With("rport", strconv.Itoa(int(src.Remote.Port())))
	}
	m.SetVia(v)
}

// refuse answers a bad request without keeping anything (RFC 3261 section 8.2.7), and
// drops everything else that is bad.
func (t *Transport) refuse(src loop.Source, err error) {
	t.stats.bad.Add(1)
	var f *message.Fault
	if !errors.As(err, &f) || f.Message == nil {
		return
	}
	mark(src, f.Message)
	t.answer(src, f.Message, f.Status, f.Reason, nil)
}

// answer sends a response that nobody remembers. Its To tag is the same each time that the
// request comes.
func (t *Transport) answer(src loop.Source, m *message.Message, status int, reason string, change func(*message.Message)) {
	a := message.NewResponse(m, status, reason)
	if to := a.To(); m.Has("To") && to.Tag() == "" && to.URI.Scheme != "" {
		a.SetTo(to.WithTag(t.tag(m)))
	}
	if t.cfg.Product != "" {
		a.Set("Server", t.cfg.Product)
	}
	if change != nil {
		change(a)
	}
	t.stats.refused.Add(1)
	t.Send(AnswerHop(src, m.Via()), a.Append(nil), nil)
}

func (t *Transport) tag(m *message.Message) string {
	h := maphash.String(t.seed, m.CallID()+"\x00"+m.Get("From")+"\x00"+m.Get("CSeq"))
	return strconv.FormatUint(h, 36)
}

// keepAlive takes datagrams that are none of SIP: what keeps a NAT's binding open.
func (t *Transport) keepAlive(src loop.Source, data []byte) bool {
	if len(data) <= 4 && strings.Trim(string(data), "\r\n\x00 ") == "" {
		t.stats.keepAlives.Add(1)
		return true
	}
	if answer, ok := answerSTUN(src, data); ok {
		t.stats.keepAlives.Add(1)
		_ = t.loop.SendUDP(src.Local, src.Remote, answer)
		return true
	}
	return false
}
