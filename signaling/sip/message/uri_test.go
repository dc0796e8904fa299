package message_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/signaling/sip/message"
)

var uris = []struct {
	text string
	want message.URI
	bad  bool
}{
	{text: "sip:alice@atlanta.example", want: message.URI{Scheme: "sip", User: "alice", Host: "atlanta.example"}},
	{text: "SIPS:1212@[2001:db8::10]:5061;lr", want: message.URI{Scheme: "sips", User: "1212", Host: "2001:db8::10", Port: 5061, Params: message.Params{{Name: "lr"}}}},
	{text: "sip:alice:secret@h;transport=tcp?subject=x&priority=urgent", want: message.URI{
		Scheme: "sip", User: "alice", Password: "secret", Host: "h", Params: message.Params{{Name: "transport", Value: "tcp"}}, Headers: "subject=x&priority=urgent",
	}},
	{text: "sip:user;par=u%40example.net@example.com", want: message.URI{Scheme: "sip", User: "user;par=u%40example.net", Host: "example.com"}},
	{text: "sip:alice;day=tuesday@h", want: message.URI{Scheme: "sip", User: "alice;day=tuesday", Host: "h"}},
	{text: "sip:h;lr;", want: message.URI{Scheme: "sip", Host: "h", Params: message.Params{{Name: "lr"}}}},
	{text: "tel:+1-201-555-0123;phone-context=x", want: message.URI{Scheme: "tel", Opaque: "+1-201-555-0123;phone-context=x"}},
	{text: "urn:service:sos", want: message.URI{Scheme: "urn", Opaque: "service:sos"}},
	{text: "", bad: true},
	{text: "alice@h", bad: true},
	{text: "sip:", bad: true},
	{text: "sip:@h", bad: true},
	{text: "sip:a@b@c", bad: true},
	{text: "sip:a:b:c@h", bad: true},
	{text: "sip:a%4@h", bad: true},
	{text: "sip:a@h:0", bad: true},
	{text: "sip:a@h:+5060", bad: true},
	{text: "sip:a@h:65536", bad: true},
	{text: "sip:a@h:", bad: true},
	{text: "sip:a@[::1", bad: true},
	{text: "sip:a@[::1]x", bad: true},
	{text: "sip:a@[h]", bad: true},
	{text: "sip:a@h;;lr", bad: true},
	{text: "sip:a@h ;lr", bad: true},
	{text: "sip:a@<h>", bad: true},
	{text: "sip:a@h\x00", bad: true},
	{text: "tel:", bad: true},
	{text: "1x:y", bad: true},
}

func TestParseURI(t *testing.T) {
	for _, c := range uris {
		t.Run(c.text, func(t *testing.T) {
			got, err := message.ParseURI(c.text)
			if (err != nil) != c.bad {
				t.Fatalf("%v", err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The pairs are those of RFC 3261 section 19.1.4, and some more.
func TestEqualURIs(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp", true},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true},
		{"sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true},
		{"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com", "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com", true},
		{"sip:alice@atlanta.com?subject=project%20x&priority=urgent", "sip:alice@atlanta.com?priority=urgent&subject=project%20x", true},
		{"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false},
		{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false},
		{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
		{"sip:a@[2001:db8::1]", "sip:a@[2001:0DB8:0::1]", true},
		{"sip:a@h", "sips:a@h", false},
		{"tel:1", "tel:1", true},
		{"tel:1", "tel:2", false},
		{"sip:a:x@h", "sip:a@h", false},
	} {
		t.Run(c.a+" "+c.b, func(t *testing.T) {
			a, err1 := message.ParseURI(c.a)
			b, err2 := message.ParseURI(c.b)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if a.Equal(b) != c.want || b.Equal(a) != c.want {
				t.Errorf("equal: %t and %t, want %t", a.Equal(b), b.Equal(a), c.want)
			}
		})
	}
}
