package dialog

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/signaling/sip/message"
)

func parse(t testing.TB, text string) *message.Message {
	t.Helper()
	m, err := message.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const (
	invite = "INVITE sip:bob@example.test SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" +
		"Record-Route: <sip:p2.test;lr>, <sip:p1.test;lr>\r\n" +
		"From: Alice <sip:alice@example.test>;tag=a\r\n" +
		"To: <sip:bob@example.test>\r\n" +
		"Call-ID: one\r\n" +
		"CSeq: 7 INVITE\r\n" +
		"Max-Forwards: 70\r\n" +
		"Contact: <sip:alice@192.0.2.1:5070>\r\n" +
		"Content-Length: 0\r\n\r\n"
	answer = "SIP/2.0 200 OK\r\n" +
		"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" +
		"Record-Route: <sip:p2.test;lr>, <sip:p1.test;lr>\r\n" +
		"From: Alice <sip:alice@example.test>;tag=a\r\n" +
		"To: <sip:bob@example.test>;tag=b\r\n" +
		"Call-ID: one\r\n" +
		"CSeq: 7 INVITE\r\n" +
		"Contact: <sip:bob@192.0.2.2:5071>\r\n" +
		"Content-Length: 0\r\n\r\n"
)

// Both ends of a dialog see it from their side (RFC 3261 sections 12.1.1 and 12.1.2).
func TestBothEnds(t *testing.T) {
	uas := FromRequest(parse(t, invite), "b")
	uac := FromResponse(parse(t, invite), parse(t, answer))
	if d := cmp.Diff([]ID{{"one", "b", "a"}, {"one", "a", "b"}}, []ID{uas.ID, uac.ID}); d != "" {
		t.Error(d)
	}
	bye := uas.Request(message.Bye)
	if got := bye.URI().String(); got != "sip:alice@192.0.2.1:5070" {
		t.Errorf("the callee's BYE is for %s", got)
	}
	if got := routes(bye); got != "<sip:p2.test;lr>,<sip:p1.test;lr>," {
		t.Errorf("the callee's route is %s", got)
	}
	if bye.From().Tag() != "b" || bye.To().Tag() != "a" {
		t.Errorf("the callee's BYE:\n%s", bye)
	}
	bye = uac.Request(message.Bye)
	if got := routes(bye); got != "<sip:p1.test;lr>,<sip:p2.test;lr>," {
		t.Errorf("the caller's route is %s", got)
	}
	if n, m := bye.CSeq(); n != 8 || m != message.Bye {
		t.Errorf("the caller's CSeq is %d %s", n, m)
	}
	if n, m := uac.Ack(7).CSeq(); n != 7 || m != message.Ack {
		t.Errorf("the ACK's CSeq is %d %s", n, m)
	}
	if got := uac.NextHop().String(); got != "sip:p1.test;lr" {
		t.Errorf("the next hop is %s", got)
	}
}

func routes(m *message.Message) (s string) {
	for _, r := range m.Routes() {
		s += r.String() + ","
	}
	return s
}

// A strict router (RFC 3261 section 12.2.1.1).
func TestStrictRoute(t *testing.T) {
	uac := FromResponse(parse(t, invite), parse(t, answer))
	uac.Routes[0].URI.Params = nil
	m := uac.Request(message.Info)
	if got := m.URI().String() + " " + routes(m); got != "sip:p1.test <sip:p2.test;lr>,<sip:bob@192.0.2.2:5071>," {
		t.Error(got)
	}
}

func TestOrder(t *testing.T) {
	d := FromRequest(parse(t, invite), "b")
	for _, tc := range []struct {
		seq  uint32
		want error
	}{{8, nil}, {8, ErrOld}, {7, ErrOld}, {20, nil}, {19, ErrOld}, {21, nil}} {
		m := message.NewRequest(message.Info, message.URI{})
		m.SetCSeq(tc.seq, message.Info)
		if err := d.Receive(m); !errors.Is(err, tc.want) {
			t.Errorf("CSeq %d: %v", tc.seq, err)
		}
	}
}

func TestTargetRefresh(t *testing.T) {
	d := FromResponse(parse(t, invite), parse(t, answer))
	m := parse(t, answer)
	m.SetContacts(message.Address{URI: message.URI{Scheme: "sip", Host: "new.test"}})
	m.Del("Record-Route")
	d.Confirm(m)
	if d.State != Confirmed || d.Target.Host != "new.test" || len(d.Routes) != 0 {
		t.Errorf("%+v", d)
	}
	m.SetContacts()
	d.Refresh(m)
	if d.Target.Host != "new.test" {
		t.Error("no Contact took the target away")
	}
}

func TestReliableNumbers(t *testing.T) {
	var r Reliable
	one, _ := r.Pass(700, 1)
	two, _ := r.Pass(701, 1)
	again, _ := r.Pass(700, 1)
	other, _ := r.Pass(700, 2) // another INVITE of theirs
	if two != one+1 || again != one || other != one+2 || one == 0 || one >= 1<<31 {
		t.Fatalf("numbers %d %d %d %d", one, two, again, other)
	}
	theirs, cseq, twice, err := r.Ack(RAck{two, 9, message.Invite})
	if theirs != 701 || cseq != 1 || twice || err != nil {
		t.Errorf("acknowledges %d of %d, %t, %v", theirs, cseq, twice, err)
	}
	if _, _, twice, _ = r.Ack(RAck{two, 9, message.Invite}); !twice {
		t.Error("the second time is the first")
	}
	for _, bad := range []RAck{{one + 3, 9, message.Invite}, {one - 1, 9, message.Invite}, {one, 9, message.Bye}, {}} {
		if _, _, _, err := r.Ack(bad); !errors.Is(err, ErrNoSuchResponse) {
			t.Errorf("%v is acknowledged", bad)
		}
	}
	for i := range MaxReliable {
		r.Pass(uint32(1000+i), 3)
	}
	if _, ok := r.Pass(5000, 3); ok {
		t.Error("there is no end of them")
	}
	if _, _, _, err := new(Reliable).Ack(RAck{1, 1, message.Invite}); err == nil {
		t.Error("nothing is acknowledged")
	}
}
