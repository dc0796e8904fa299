package registrar

import (
	"fmt"
	"strings"
	"testing"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
)

// asker answers each INVITE with who the guard says sent it.
type asker struct{ guard *access.Guard }

func (a asker) Invite(t *transaction.Server) {
	who, done := a.guard.Check(t)
	if !done {
		t.Reply(486, fmt.Sprintf("%s %s %v", who.Zone.Name, who.Account, who.Authenticated))
	}
}

func (a asker) Within(*transaction.Server) bool   { return false }
func (a asker) Ack(loop.Source, *message.Message) {}

// invite makes an INVITE from somebody.
func (p *phone) invite(from string, lines ...string) *message.Message {
	p.t.Helper()
	p.seq++
	text := strings.Join(append([]string{
		"INVITE sip:carol@example.test SIP/2.0",
		fmt.Sprintf("Via: SIP/2.0/%s %s;branch=%s;rport", strings.ToUpper(p.conn.LocalAddr().Network()), p.conn.LocalAddr(), message.NewBranch()),
		"From: <" + from + ">;tag=2", "To: <sip:carol@example.test>", "Contact: " + p.contact(),
		"Call-ID: " + message.NewCallID(), fmt.Sprintf("CSeq: %d INVITE", p.seq), "Max-Forwards: 70",
	}, append(lines, "Content-Length: 0", "", "")...), "\r\n")
	m, err := message.Parse([]byte(text))
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

// final sends an INVITE and returns its final answer.
func (p *phone) final(m *message.Message) *message.Message {
	p.t.Helper()
	got := p.send(m)
	for got.Status() < 200 {
		got = p.answer()
	}
	ack := m.Clone()
	ack.SetCSeq(p.seq, message.Ack)
	ackText := strings.Replace(ack.String(), "INVITE sip:", "ACK sip:", 1)
	if _, err := p.conn.Write([]byte(strings.Replace(ackText, "To: <sip:carol@example.test>", "To: "+got.To().String(), 1))); err != nil {
		p.t.Fatal(err)
	}
	return got
}

// Over the connection that registered with a password nothing is asked again; from an
// address that did, each call is.
func TestCallsOfTheRegistered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tcp, udp := r.phone("tcp", "alice"), r.phone("udp", "bob")
	tcp.must(200, "Contact: "+tcp.contact())
	udp.must(200, "Contact: "+udp.contact())
	if got := tcp.final(tcp.invite("sip:alice@example.test")); got.Reason() != "local alice true" {
		t.Errorf("over the connection: %d %s", got.Status(), got.Reason())
	}
	if got := tcp.final(tcp.invite("sip:bob@example.test")); got.Status() != 407 {
		t.Errorf("as somebody else: %d %s", got.Status(), got.Reason())
	}
	got := udp.final(udp.invite("sip:bob@example.test"))
	if got.Status() != 407 {
		t.Fatalf("over UDP: %d %s", got.Status(), got.Reason())
	}
	value, _ := udp.client.Answer(got.All("Proxy-Authenticate"), "INVITE", "sip:carol@example.test")
	if got := udp.final(udp.invite("sip:bob@example.test", "Proxy-Authorization: "+value)); got.Reason() != "local bob true" {
		t.Errorf("over UDP with a password: %d %s", got.Status(), got.Reason())
	}
	if got := udp.final(udp.invite("sip:bob@elsewhere.test")); got.Reason() != "DefaultZone  false" {
		t.Errorf("from elsewhere: %d %s", got.Status(), got.Reason())
	}
}
