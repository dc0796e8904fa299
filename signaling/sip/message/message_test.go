package message_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/signaling/sip/message"
)

const offer = "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" +
	"m=audio 49170 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n" +
	"m=video 51372 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 profile-level-id=42e01f;packetization-mode=1\r\na=sendrecv\r\n"

var invite = strings.Join([]string{
	"INVITE sip:bob@example.test;transport=udp SIP/2.0",
	"Via: SIP/2.0/UDP proxy.example.test:5060;branch=z9hG4bKb, SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa;rport",
	"Max-Forwards: 70",
	"Record-Route: <sip:proxy.example.test;lr>",
	"f: \"Alice\" <sip:alice@example.test>;tag=1928301774",
	"t: Bob <sip:bob@example.test>",
	"i: a84b4c76e66710@192.0.2.1",
	"CSeq: 314159 INVITE",
	"m: <sip:alice@192.0.2.1:5060>;+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\"",
	"Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, UPDATE",
	"k: replaces, timer",
	"Supported: 100rel",
	"User-Agent: phone/1.0",
	"Session-Expires: 1800;refresher=uac",
	"Subject: a long",
	"\tsubject",
	"c: application/sdp",
	fmt.Sprintf("l: %d", len(offer)),
	"", offer,
}, "\r\n")

func parse(t testing.TB, text string) *message.Message {
	t.Helper()
	m, err := message.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhatARequestSays(t *testing.T) {
	m := parse(t, invite)
	n, method := m.CSeq()
	hops, _ := m.MaxForwards()
	got := map[string]any{
		"request": m.IsRequest(), "method": m.Method(), "uri": m.URI().String(), "cseq": n, "cseq method": method, "call": m.CallID(),
		"from": m.From().Tag(), "to": m.To().String(), "contact": m.Contacts()[0].URI.String(), "hops": hops,
		"vias": m.Vias(), "top": m.Via().Branch(), "sent by": m.Via().SentBy(), "records": m.RecordRoutes()[0].URI.Params.Has("LR"),
		"type": m.ContentType(), "body": string(m.Body()), "subject": m.Get("s"), "supported": m.Tokens("supported"),
		"timer": m.Get("x"), "has": m.Has("ALLOW") && !m.Has("Require"), "allow": len(m.Tokens("Allow")), "expires": m.Has("Expires"),
	}
	want := map[string]any{
		"request": true, "method": message.Invite, "uri": "sip:bob@example.test;transport=udp", "cseq": uint32(314159), "cseq method": message.Invite,
		"call": "a84b4c76e66710@192.0.2.1", "from": "1928301774", "to": `"Bob" <sip:bob@example.test>`, "contact": "sip:alice@192.0.2.1:5060", "hops": 70,
		"vias": 2, "top": "z9hG4bKb", "sent by": "proxy.example.test:5060", "records": true,
		"type": "application/sdp", "body": offer, "subject": "a long subject", "supported": []string{"replaces", "timer", "100rel"},
		"timer": "1800;refresher=uac", "has": true, "allow": 7, "expires": false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestWritten(t *testing.T) {
	m := parse(t, invite)
	m.PushVia(message.Via{Transport: "TCP", Host: "2001:db8::1", Port: 5060, Params: message.Params{{Name: "branch", Value: "z9hG4bKc"}}})
	m.SetMaxForwards(69)
	m.SetTo(m.To().WithTag("to"))
	m.PushRecordRoute(message.Address{URI: message.URI{Scheme: "sip", Host: "node.example.test", Params: message.Params{{Name: "lr"}}}})
	m.PushPath(message.Address{URI: message.URI{Scheme: "sip", User: "flow", Host: "node.example.test", Params: message.Params{{Name: "ob"}}}})
	m.SetRoutes(message.Address{URI: sipURI("", "a")}, message.Address{URI: sipURI("", "b")})
	m.SetContacts(message.Address{URI: sipURI("", "node"), Params: message.Params{}.With("x", "a b")})
	m.Del("k")
	m.Set("Session-Expires", "90")
	m.Add("Privacy", "id")
	m.SetCSeq(2, message.Invite)
	m.SetCallID("other")
	m.SetBody("text/plain", []byte("hello"))
	golden(t, "request.txt", m.String())

	r := message.NewResponse(m, 200, "")
	r.SetBody("application/sdp", []byte(offer))
	golden(t, "response.txt", r.String())
}

func TestResponseIsParsed(t *testing.T) {
	m := parse(t, message.NewResponse(parse(t, invite), 183, "").String())
	if m.IsRequest() || m.Status() != 183 || m.Reason() != "Session Progress" || m.Method() != message.Invite || m.Vias() != 2 || len(m.RecordRoutes()) != 1 {
		t.Errorf("%s", m)
	}
}

func TestViasAreAStack(t *testing.T) {
	m := parse(t, invite)
	m.PushVia(message.Via{Transport: "UDP", Host: "a", Params: message.Params{{Name: "branch", Value: "1"}}})
	m.SetVia(message.Via{Transport: "UDP", Host: "a", Params: message.Params{{Name: "branch", Value: "2"}}})
	for _, want := range []string{"2", "z9hG4bKb", "z9hG4bKa", ""} {
		if got := m.Via().Branch(); got != want {
			t.Errorf("on top is %q, want %q", got, want)
		}
		m.PopVia()
	}
}

func TestCloneIsAnother(t *testing.T) {
	m := parse(t, invite)
	before := m.String()
	c := m.Clone()
	c.PopVia()
	c.SetTo(c.To().WithTag("x"))
	c.Set("Subject", "y")
	c.Body()[0] = 'x'
	if m.String() != before {
		t.Error("the first changed with its clone")
	}
}

func TestNobodyWritesAHeaderInAValue(t *testing.T) {
	m := parse(t, invite)
	m.Set("Subject", "x\r\nRoute: <sip:evil>")
	m.Add("Reason", "\nRoute: <sip:evil>")
	m.SetFrom(message.Address{Name: "x\r\nRoute: <sip:evil>\r\n", URI: sipURI("a", "b")})
	if again := parse(t, m.String()); again.Has("Route") {
		t.Errorf("%s", again)
	}
	m.SetURI(sipURI("a\r\nRoute: <sip:evil>\r\nX: ", "h"))
	if again, err := message.Parse(m.Append(nil)); err == nil && again.Has("Route") {
		t.Errorf("%s", again)
	}
	r := message.NewResponse(m, 400, "x\r\nRoute: <sip:evil>")
	if again := parse(t, r.String()); again.Has("Route") {
		t.Errorf("%s", again)
	}
}

// ping is the smallest request, with lines of its own.
func ping(lines ...string) string {
	return strings.Join(append([]string{
		"OPTIONS sip:h SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa", "From: <sip:a@h>;tag=1", "To: <sip:h>", "Call-ID: c", "CSeq: 1 OPTIONS",
	}, append(lines, "", "")...), "\r\n")
}

func TestLimitsAndSanity(t *testing.T) {
	repeat := func(line string, n int) []string { return strings.Split(strings.Repeat(line+"\n", n-1)+line, "\n") }
	replace := func(from, to string) string { return strings.Replace(ping(), from, to, 1) }
	const ok, dropped = 0, -1
	for _, c := range []struct {
		name string
		text string
		want int
	}{
		{"plain", ping(), ok},
		{"CRLF in front", "\r\n\r\n" + ping(), ok},
		{"lower case version", replace("SIP/2.0", "sip/2.0"), ok},
		{"128 header fields", ping(repeat("X: y", 123)...), ok},
		{"129 header fields", ping(repeat("X: y", 124)...), 400},
		{"70 Vias", ping(repeat("v: SIP/2.0/UDP h", 69)...), ok},
		{"71 Vias in a list", ping("v: " + strings.Join(repeat("SIP/2.0/UDP h", 70), ",")), 400},
		{"a long line", ping("X: " + strings.Repeat("y", 8<<10-3)), ok},
		{"too long a line", ping("X: " + strings.Repeat("y", 8<<10-2)), 400},
		{"a long line in folds", ping(repeat(" "+strings.Repeat("y", 1000), 10)...), 400},
		{"too many header bytes", ping(repeat("X: "+strings.Repeat("y", 8000), 5)...), dropped},
		{"too large", ping() + strings.Repeat("x", 64<<10), dropped},
		{"folded", ping("Subject: a", "  b"), ok},
		{"LF alone", ping("Subject: a\nX: y"), 400},
		{"CR alone", ping("Subject: a\rX: y"), 400},
		{"NUL", ping("Subject: a\x00"), 400},
		{"no colon", ping("Subject"), 400},
		{"space in a name", ping("Sub ject: x"), 400},
		{"space behind a name", ping("Subject : x"), ok},
		{"empty name", ping(": x"), 400},
		{"no Via", replace("Via:", "X:"), dropped},
		{"no Call-ID", replace("Call-ID:", "X:"), 400},
		{"empty Call-ID", replace("Call-ID: c", "Call-ID: "), 400},
		{"two From in two forms", ping("f: <sip:b@h>"), 400},
		{"From without a URI", replace("<sip:a@h>", "alice"), 400},
		{"To is a star", replace("To: <sip:h>", "To: *"), 400},
		{"CSeq without a number", replace("CSeq: 1", "CSeq: x"), 400},
		{"CSeq with a sign", replace("CSeq: 1", "CSeq: +1"), 400},
		{"CSeq of 2^31", replace("CSeq: 1", "CSeq: 2147483648"), 400},
		{"Content-Length with a sign", ping("l: +0"), 400},
		{"empty Content-Length", ping("l:"), 400},
		{"Content-Length twice", ping("l: 0", "Content-Length: 0"), 400},
		{"Content-Length beyond", ping("l: 1"), 400},
		{"Content-Length of 100 digits", ping("l: " + strings.Repeat("9", 100)), 400},
		{"Content-Length short", ping("l: 1") + "abc", ok},
		{"Max-Forwards of 256", ping("Max-Forwards: 256"), 400},
		{"Max-Forwards is no number", ping("Max-Forwards: x"), 400},
		{"Max-Forwards twice", ping("Max-Forwards: 1", "Max-Forwards: 1"), 400},
		{"Contact is bad", ping("m: <sip:a@h>, x"), 400},
		{"Route is a star", ping("Route: *"), 400},
		{"Path is bad", ping("Path: <sip:h"), 400},
		{"tel", replace("sip:h", "tel:+1"), ok},
		{"another version", replace("SIP/2.0", "SIP/3.0"), 505},
		{"HTTP", replace("SIP/2.0", "HTTP/1.1"), dropped},
		{"nothing", "", dropped},
		{"binary", "\x16\x03\x01\x02\x00\x01", dropped},
		{"ACK", strings.ReplaceAll(ping("Max-Forwards: x"), "OPTIONS", "ACK"), dropped},
		{"response", "SIP/2.0 99 x\r\n\r\n", dropped},
		{"response of another version", "SIP/3.0 200 x\r\n\r\n", dropped},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := message.Parse([]byte(c.text))
			got := ok
			var f *message.Fault
			if errors.As(err, &f) {
				got = f.Status
				if f.Message == nil {
					got = dropped
				}
			}
			if got != c.want {
				t.Errorf("%d (%v), want %d", got, err, c.want)
			}
		})
	}
}

func TestStreamWantsContentLength(t *testing.T) {
	if _, err := message.ParseStream([]byte(ping())); err == nil {
		t.Error("accepted without Content-Length")
	}
	if _, err := message.ParseStream([]byte(ping("Content-Length: 0"))); err != nil {
		t.Error(err)
	}
	var f *message.Fault
	if _, err := message.ParseStream([]byte(ping("Content-Length: 70000"))); !errors.As(err, &f) || f.Status != 513 || f.Message == nil {
		t.Errorf("%v, want 513", err)
	}
}

func TestFramer(t *testing.T) {
	one := ping("Content-Length: 3") + "abc"
	for _, c := range []struct {
		name, stream string
		want         cutting
	}{
		{"two", one + one, cutting{messages: []string{one, one}}},
		{"CRLF in front", "\r\n" + one, cutting{messages: []string{one}}},
		{"keep-alive", "\r\n\r\n" + one + "\r\n\r\n", cutting{messages: []string{one}, replies: 2}},
		{"half a keep-alive around a message", "\r\n" + one + "\r\n", cutting{messages: []string{one}}},
		{"no length", ping() + one, cutting{messages: []string{ping()}, err: message.ErrLost}},
		{"two lengths", ping("l: 3", "l: 3") + "abc", cutting{messages: []string{ping("l: 3", "l: 3")}, err: message.ErrLost}},
		{"too long", ping("l: 70000") + "abc", cutting{messages: []string{ping("l: 70000")}, err: message.ErrLost}},
		{"endless head", strings.Repeat("x", 33<<10), cutting{err: message.ErrHeadSize}},
		{"CR", "\rx", cutting{err: message.ErrLost}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := read([]byte(c.stream), nil)
			if diff := cmp.Diff(c.want.messages, got.messages); diff != "" || got.replies != c.want.replies || !errors.Is(got.err, c.want.err) {
				t.Errorf("%d replies, %v, %s", got.replies, got.err, diff)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	for status, want := range map[int]string{180: "Ringing", 199: "Early Dialog Terminated", 250: "OK", 499: "Bad Request", 699: "Busy Everywhere"} {
		if got := message.ReasonOf(status); got != want {
			t.Errorf("%d is %q, want %q", status, got, want)
		}
	}
}
