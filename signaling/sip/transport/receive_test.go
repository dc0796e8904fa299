package transport

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/message/torture"
)

// firstVia is each Via up to its parameters.
var firstVia = regexp.MustCompile(`(?i)(\nv(?:ia)?:[^\r;]*)`)

// Every message of RFC 4475 that is refused at this layer is answered over the wire, the
// others come through, and nothing is heard of the rest.
func TestTortureOverUDP(t *testing.T) {
	n := start(t, nil)
	c := client(t, "udp", n.at(loop.UDP))
	for _, m := range torture.Cases(t) {
		t.Run(m.Name, func(t *testing.T) {
			// The answer goes to where the Via says; rport brings it here.
			write(t, c, firstVia.ReplaceAllString(string(m.Data), "$1;rport"))
			switch m.Layer {
			case torture.Message:
				// Not parsed: what is bad in a request is bad in its response.
				b := make([]byte, 64<<10)
				k, err := c.Read(b)
				if want := fmt.Sprintf("SIP/2.0 %d ", m.Status); err != nil || !strings.HasPrefix(string(b[:k]), want) {
					t.Errorf("%q, %v, want %s: %s", b[:k], err, want, m.Why)
				}
			case torture.Nobody:
			default:
				wait(t, n.came, "the message")
			}
			if t.Failed() {
				return
			}
			// Nothing else comes before the answer to the next request.
			write(t, c, text(c, "OPTIONS"))
			n.respond(t)
			if a := response(t, c); a.Status() != 200 {
				t.Errorf("%s", a)
			}
		})
	}
}

func TestStreamWithoutLengthIsAnsweredAndClosed(t *testing.T) {
	n := start(t, nil)
	c := client(t, "tcp", n.at(loop.TCP))
	write(t, c, strings.Replace(text(c, "OPTIONS"), "Content-Length: 0", "X: y", 1)+"v=0\r\n")
	if m := response(t, c); m.Status() != 400 {
		t.Errorf("%s", m)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is read on")
	}
	wait(t, n.closed, "the end of the connection")
}

func TestViaSaysWhereARequestCameFrom(t *testing.T) {
	src := loop.Source{Remote: netip.MustParseAddrPort("198.51.100.1:1234"), Local: netip.MustParseAddrPort("192.0.2.9:5060")}
	for _, c := range []struct{ name, via, want, answer string }{
		{"same", "SIP/2.0/UDP 198.51.100.1:5070;branch=a", "SIP/2.0/UDP 198.51.100.1:5070;branch=a", "198.51.100.1:5070"},
		{"same without a port", "SIP/2.0/UDP 198.51.100.1;branch=a", "SIP/2.0/UDP 198.51.100.1;branch=a", "198.51.100.1:5060"},
		{"other", "SIP/2.0/UDP 10.0.0.1:5070;branch=a", "SIP/2.0/UDP 10.0.0.1:5070;branch=a;received=198.51.100.1", "198.51.100.1:5070"},
		{"name", "SIP/2.0/UDP h;branch=a", "SIP/2.0/UDP h;branch=a;received=198.51.100.1", "198.51.100.1:5060"},
		{"rport", "SIP/2.0/UDP 10.0.0.1;rport;branch=a", "SIP/2.0/UDP 10.0.0.1;rport=1234;branch=a;received=198.51.100.1", "198.51.100.1:1234"},
		{"rport of the same", "SIP/2.0/UDP 198.51.100.1;rport", "SIP/2.0/UDP 198.51.100.1;rport=1234;received=198.51.100.1", "198.51.100.1:1234"},
		{"a lie", "SIP/2.0/UDP 198.51.100.1;received=203.0.113.1", "SIP/2.0/UDP 198.51.100.1", "198.51.100.1:5060"},
		{"another lie", "SIP/2.0/UDP h;received=203.0.113.1;rport=1", "SIP/2.0/UDP h;received=198.51.100.1;rport=1234", "198.51.100.1:1234"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := message.NewRequest(message.Options, message.URI{Scheme: "sip", Host: "h"})
			m.Set("Via", c.via)
			mark(src, m)
			if got := m.Get("Via"); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if hop := AnswerHop(src, m.Via()); hop.Remote.String() != c.answer || hop.Local != src.Local.Addr() {
				t.Errorf("answered to %+v, want %s", hop, c.answer)
			}
		})
	}
}

func TestScannersHearNothing(t *testing.T) {
	n := start(t, nil)
	c := client(t, "udp", n.at(loop.UDP))
	write(t, c, text(c, "OPTIONS", "User-Agent: Friendly-Scanner/1"))
	write(t, c, text(c, "OPTIONS", "User-Agent: phone"))
	if got := wait(t, n.came, "the other request"); got.m.Get("User-Agent") != "phone" {
		t.Errorf("%s", got.m)
	}
	if s := n.Stats(); s.Scanners != 1 || s.Refused != 0 {
		t.Errorf("%+v", s)
	}
}

// RG-03: keep-alives of RFC 5626, section 4.4.
func TestKeepAlives(t *testing.T) {
	n := start(t, nil)
	tcp := client(t, "tcp", n.at(loop.TCP))
	write(t, tcp, "\r\n\r\n")
	b := make([]byte, 100)
	if k, err := tcp.Read(b); err != nil || string(b[:k]) != "\r\n" {
		t.Errorf("%q, %v", b[:k], err)
	}
	udp := client(t, "udp", n.at(loop.UDP))
	write(t, udp, "\r\n\r\n")
	ask := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
	write(t, udp, string(ask.Raw))
	k, err := udp.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	var answer stun.Message
	var mapped stun.XORMappedAddress
	if err := stun.Decode(b[:k], &answer); err != nil || mapped.GetFrom(&answer) != nil || answer.TransactionID != ask.TransactionID {
		t.Fatal(err, answer)
	}
	if mapped.String() != udp.LocalAddr().String() {
		t.Errorf("mapped to %s, want %s", mapped, udp.LocalAddr())
	}
	if s := n.Stats(); s.KeepAlives != 2 || s.Bad != 0 {
		t.Errorf("%+v", s)
	}
}

func TestWhoSendsTooMuchIsRefused(t *testing.T) {
	n := start(t, func(c *Config) { c.Limits.Rate, c.Limits.Burst = 1, 1 })
	c := client(t, "tcp", n.at(loop.TCP))
	write(t, c, text(c, "OPTIONS"))
	wait(t, n.came, "the first request")
	write(t, c, text(c, "INVITE"))
	if m := response(t, c); m.Status() != 503 || m.Get("Retry-After") == "" {
		t.Errorf("%s", m)
	}
	write(t, c, text(c, "ACK")+strings.Replace(text(c, "BYE"), "To: <sip:example.test>", "To: <sip:example.test>;tag=1", 1))
	for _, want := range []message.Method{message.Ack, message.Bye} {
		if got := wait(t, n.came, "what belongs to a call"); got.m.Method() != want {
			t.Errorf("%s, want %s", got.m.Method(), want)
		}
	}
}

func TestPanicLosesOneMessage(t *testing.T) {
	told := make(chan string, 1)
	n := start(t, func(c *Config) {
		receive := c.Receive
		c.Receive = func(src loop.Source, m *message.Message) {
			if m.Has("Panic") {
				panic("asked for")
			}
			receive(src, m)
		}
		c.Panicked = func(_ loop.Source, data []byte, _ any) { told <- string(data) }
	})
	c := client(t, "udp", n.at(loop.UDP))
	bad := text(c, "OPTIONS", "Panic: yes")
	write(t, c, bad)
	if got := wait(t, told, "the panic"); got != bad {
		t.Errorf("%q", got)
	}
	write(t, c, text(c, "OPTIONS"))
	wait(t, n.came, "the next request")
}

func TestStatelessTagsStay(t *testing.T) {
	n := start(t, nil)
	c := client(t, "udp", n.at(loop.UDP))
	bad := text(c, "OPTIONS", "Max-Forwards: x")
	tags := make(map[string]bool)
	for range 3 {
		write(t, c, bad)
		tags[response(t, c).To().Tag()] = true
	}
	if len(tags) != 1 || tags[""] {
		t.Errorf("%v", tags)
	}
	if s := n.Stats(); s.Refused != 3 || s.Bad != 3 {
		t.Errorf("%+v", s)
	}
}
