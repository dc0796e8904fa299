package b2bua

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"testing/synctest"
	"time"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// phone is an end that does what the test says, message by message: it has neither
// transactions nor timers, so that it can do everything wrong too.
type phone struct {
	r    *rig
	at   netip.AddrPort
	name string
	tag  string
	id   string // Call-ID
	seq  uint32
	from message.Address
	to   message.Address
	uri  message.URI // the target of requests
	last *message.Message
	sent time.Time
}

func (r *rig) phone(at netip.AddrPort) *phone {
	name := people[at]
	u, _ := message.ParseURI("sip:" + name + "@example.test")
	return &phone{r: r, at: at, name: name, tag: "tag-" + name, from: message.Address{URI: u}.WithTag("tag-" + name)}
}

// offerOf is a description with streams.
func offerOf(at netip.AddrPort, streams ...string) string {
	if len(streams) == 0 {
		streams = []string{"audio 7000 RTP/AVP 8"}
	}
	s := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n", at.Addr(), at.Addr())
	for _, m := range streams {
		s += "m=" + m + "\r\n"
	}
	return s
}

func withSDP(text string) func(*message.Message) {
	return func(m *message.Message) { m.SetBody(sdpType, []byte(text)) }
}

func with(name, value string) func(*message.Message) {
	return func(m *message.Message) { m.Add(name, value) }
}

// invite sends an INVITE that begins a call.
func (p *phone) invite(change ...func(*message.Message)) *message.Message {
	u, _ := message.ParseURI("sip:bob@example.test")
	p.id, p.seq, p.uri, p.to = "call-"+p.name, 0, u, message.Address{URI: u}
	return p.send(message.Invite, change...)
}

// send sends a request; within a dialog when there is one.
func (p *phone) send(method message.Method, change ...func(*message.Message)) *message.Message {
	if method != message.Ack && method != message.Cancel {
		p.seq++
	}
	m := message.NewRequest(method, p.uri)
	m.SetMaxForwards(70)
	m.SetFrom(p.from)
	m.SetTo(p.to)
	m.SetCallID(p.id)
	m.SetCSeq(p.seq, method)
	m.SetContacts(p.contact())
	m.Set("Allow", "INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO, MESSAGE, NOTIFY, REFER, OPTIONS")
	for _, f := range change {
		f(m)
	}
	if m.Vias() == 0 {
		m.PushVia(message.Via{Transport: "UDP", Host: p.at.Addr().String(), Port: p.at.Port(), Params: message.Params{{Name: "branch", Value: message.NewBranch()}}})
	}
	p.last, p.sent = m, time.Now()
	p.r.arrive(p.at, m)
	return m
}

// cancel cancels a request (RFC 3261 section 9.1).
func (p *phone) cancel(req *message.Message) {
	seq, _ := req.CSeq()
	m := message.NewRequest(message.Cancel, req.URI())
	m.SetMaxForwards(70)
	m.SetFrom(req.From())
	m.SetTo(req.To())
	m.SetCallID(req.CallID())
	m.SetCSeq(seq, message.Cancel)
	m.PushVia(req.Via())
	p.r.arrive(p.at, m)
}

// ack acknowledges a final response: of a 2xx in the dialog, of others in the transaction.
func (p *phone) ack(req, resp *message.Message, change ...func(*message.Message)) {
	seq, _ := resp.CSeq()
	if resp.Status() >= 300 {
		m := message.NewRequest(message.Ack, req.URI())
		m.SetMaxForwards(70)
		m.SetFrom(req.From())
		m.SetTo(resp.To())
		m.SetCallID(req.CallID())
		m.SetCSeq(seq, message.Ack)
		m.PushVia(req.Via())
		p.r.arrive(p.at, m)
		return
	}
	p.dialog(resp)
	old := p.seq
	p.seq = seq
	p.send(message.Ack, change...)
	p.seq = old
}

// dialog takes the other end's side of the dialog from a response.
func (p *phone) dialog(resp *message.Message) {
	p.to = resp.To()
	if all := resp.Contacts(); len(all) > 0 {
		p.uri = all[0].URI
	}
}

// answer answers a request; the dialog is the phone's from the first INVITE on.
func (p *phone) answer(req *message.Message, status int, change ...func(*message.Message)) {
	m := message.NewResponse(req, status, "")
	if status > 100 && m.To().Tag() == "" {
		m.SetTo(m.To().WithTag(p.tag))
	}
	if status < 300 {
		m.SetContacts(p.contact())
		m.Set("Allow", "INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO, MESSAGE, NOTIFY, REFER, OPTIONS")
	}
	for _, f := range change {
		f(m)
	}
	if req.Method() == message.Invite && p.id != req.CallID() {
		p.id, p.from, p.to = req.CallID(), m.To(), req.From()
		p.uri = req.Contacts()[0].URI
	}
	p.r.arrive(p.at, m)
}

func (p *phone) contact() message.Address {
	return message.Address{URI: message.URI{Scheme: "sip", User: p.name, Host: p.at.Addr().String(), Port: p.at.Port()}}
}

// want is how a message is named: a method, or a status with the method it answers.
func want(m *message.Message) string {
	if m.IsRequest() {
		return string(m.Method())
	}
	return strconv.Itoa(m.Status()) + " " + string(m.Method())
}

// gets waits for a message, at most for a while, and fails when another one comes first.
// 100 Trying is passed over.
func (p *phone) gets(what string) *message.Message {
	p.r.t.Helper()
	m := p.next(40 * time.Second)
	if m == nil {
		p.r.t.Fatalf("%s gets nothing, wanted %s\n%s", p.name, what, p.r.picture())
	}
	if got := want(m); got != what {
		p.r.t.Fatalf("%s gets %s, wanted %s\n%s\n%s", p.name, got, what, m, p.r.picture())
	}
	return m
}

// next is the next message, nil when none comes in time.
func (p *phone) next(within time.Duration) *message.Message {
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		synctest.Wait()
		if m := p.r.take(p.at); m != nil {
			return m
		}
		if time.Now().After(end) {
			return nil
		}
	}
}

// silent fails when anything comes.
func (p *phone) silent(within time.Duration) {
	p.r.t.Helper()
	if m := p.next(within); m != nil {
		p.r.t.Fatalf("%s gets %s, wanted nothing\n%s", p.name, want(m), p.r.picture())
	}
}

// take takes a message out of an inbox.
func (r *rig) take(at netip.AddrPort) *message.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.inbox[at]) > 0 {
		m := r.inbox[at][0]
		r.inbox[at] = slices.Delete(r.inbox[at], 0, 1)
		if m.IsRequest() && m.Method() != message.Ack {
			k := m.Via().Branch() + string(m.Method())
			if r.taken[k] {
				continue // sent again
			}
			r.taken[k] = true
		}
		if m.Status() != 100 {
			return m
		}
	}
	return nil
}

func (r *rig) picture() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := ""
	for _, l := range r.ladder {
		s += l + "\n"
	}
	return s
}
