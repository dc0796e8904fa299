package message_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/signaling/sip/message"
)

func sipURI(user, host string) message.URI {
	return message.URI{Scheme: "sip", User: user, Host: host}
}

var addresses = []struct {
	text string
	want message.Address
	bad  bool
}{
	{text: "*", want: message.Address{Star: true}},
	{text: "sip:a@h;tag=1", want: message.Address{URI: sipURI("a", "h"), Params: message.Params{{Name: "tag", Value: "1"}}}},
	{text: "<sip:a@h>;tag=1", want: message.Address{URI: sipURI("a", "h"), Params: message.Params{{Name: "tag", Value: "1"}}}},
	{text: `"A. \"B\" C" <sip:a@h>`, want: message.Address{Name: `A. "B" C`, URI: sipURI("a", "h")}},
	{text: "A B<sip:a@h>", want: message.Address{Name: "A B", URI: sipURI("a", "h")}},
	{text: "Jürgen <sip:a@h>", want: message.Address{Name: "Jürgen", URI: sipURI("a", "h")}},
	{text: `<sip:a@h>;+sip.instance="<urn:uuid:1;2,3>";reg-id=1`, want: message.Address{URI: sipURI("a", "h"), Params: message.Params{
		{Name: "+sip.instance", Value: `"<urn:uuid:1;2,3>"`}, {Name: "reg-id", Value: "1"},
	}}},
	{text: "<sip:a@h> ; q = 0.5 ;", want: message.Address{URI: sipURI("a", "h"), Params: message.Params{{Name: "q", Value: "0.5"}}}},
	{text: "<tel:+1>", want: message.Address{URI: message.URI{Scheme: "tel", Opaque: "+1"}}},
	{text: "", bad: true},
	{text: "<sip:a@h", bad: true},
	{text: `"A <sip:a@h>`, bad: true},
	{text: `"A" sip:a@h`, bad: true},
	{text: "A, B <sip:a@h>", bad: true},
	{text: "< sip:a@h >", bad: true},
	{text: "sip:a@h?Route=x", bad: true},
	{text: "sip:a@h,sip:b@h", bad: true},
	{text: "<sip:a@h>;;x", bad: true},
	{text: "<sip:a@h> x", bad: true},
	{text: `<sip:a@h>;x="y`, bad: true},
}

func TestParseAddress(t *testing.T) {
	for _, c := range addresses {
		t.Run(c.text, func(t *testing.T) {
			got, err := message.ParseAddress(c.text)
			if (err != nil) != c.bad {
				t.Fatalf("%v", err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" && !c.bad {
				t.Error(diff)
			}
		})
	}
}

func TestTags(t *testing.T) {
	a, err := message.ParseAddress("<sip:a@h>;x=1")
	if err != nil {
		t.Fatal(err)
	}
	with := a.WithTag("t")
	if a.Tag() != "" || with.Tag() != "t" || with.String() != "<sip:a@h>;x=1;tag=t" || with.WithTag("").String() != a.String() {
		t.Errorf("%s, %s, %s", a, with, with.WithTag(""))
	}
}

func TestParseVia(t *testing.T) {
	for _, c := range []struct {
		text string
		want string // empty: refused
	}{
		{"SIP/2.0/UDP h;branch=z9hG4bKx", "SIP/2.0/UDP h;branch=z9hG4bKx"},
		{"SIP  /  2.0 / TLS   192.0.2.1 : 5061 ;rport; received=198.51.100.1", "SIP/2.0/TLS 192.0.2.1:5061;rport;received=198.51.100.1"},
		{"sip/2.0/tcp [2001:db8::1]:5060", "SIP/2.0/tcp [2001:db8::1]:5060"},
		{"SIP/2.0/UDP under_score.example", "SIP/2.0/UDP under_score.example"},
		{"SIP/2.0/UDP", ""},
		{"SIP/2.0 h", ""},
		{"HTTP/1.1/TCP h", ""},
		{"SIP/2.0/UDP h:0", ""},
		{"SIP/2.0/UDP h h", ""},
		{"SIP/2.0/UDP ;branch=x", ""},
		{"SIP/2.0/UDP [::1;branch=x", ""},
		{"SIP/2.0/UDP h;=x", ""},
	} {
		t.Run(c.text, func(t *testing.T) {
			v, err := message.ParseVia(c.text)
			if (err != nil) != (c.want == "") {
				t.Fatal(err)
			}
			if err == nil && v.String() != c.want {
				t.Errorf("%s, want %s", v, c.want)
			}
		})
	}
}
