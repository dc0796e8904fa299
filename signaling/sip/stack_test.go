package sip

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

func TestMain(m *testing.M) {
	// gnet brings a pool of goroutines that lives as long as the process.
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"))
}

// parts answers each request with a status that says who got it.
type parts struct{}

func (parts) Invite(t *transaction.Server)      { t.Reply(299, "Call") }
func (parts) Within(t *transaction.Server) bool { return within(t, "call", 298) }
func (parts) Ack(loop.Source, *message.Message) {}
func (parts) Register(t *transaction.Server)    { t.Reply(297, "Registrar") }
func within(t *transaction.Server, tag string, status int) bool {
	if t.Request().To().Tag() != tag {
		return false
	}
	t.Reply(status, "")
	return true
}

type passing struct{}

func (passing) Request(t *transaction.Server)     { t.Reply(296, "Proxy") }
func (passing) Within(t *transaction.Server) bool { return within(t, "proxied", 295) }

// rig is a stack on a real socket, and a user agent.
type rig struct {
	*Stack
	t    *testing.T
	at   netip.AddrPort
	conn *net.UDPConn
}

func newRig(t *testing.T, use Parts) *rig {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	r := &rig{t: t, at: labtest.FreePort(t, "127.0.0.1"), conn: conn}
	r.Stack, err = New(Config{
		Transport: transport.Config{UDP: []netip.AddrPort{r.at}}, Shards: 1,
		Own:      func(u message.URI) bool { return u.Host == "node.test" },
		Panicked: func(reason any) { t.Errorf("panic: %v", reason) },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Use(use)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	<-r.Transport().Listening()
	return r
}

// ask sends a request and returns the final answer.
func (r *rig) ask(method message.Method, uri string, change ...func(*message.Message)) *message.Message {
	r.t.Helper()
	to, err := message.ParseURI(uri)
	if err != nil {
		r.t.Fatal(err)
	}
	at := r.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	m := message.NewRequest(method, to)
	m.PushVia(message.Via{Transport: "UDP", Host: at.Addr().String(), Port: at.Port(), Params: message.Params{{Name: "branch", Value: message.NewBranch()}}})
	m.SetMaxForwards(70)
	m.SetFrom(message.Address{URI: message.URI{Scheme: "sip", User: "a", Host: "a.test"}}.WithTag("a"))
	m.SetTo(message.Address{URI: message.URI{Scheme: "sip", User: "b", Host: "b.test"}})
	m.SetCallID(message.NewCallID())
	m.SetCSeq(1, method)
	for _, f := range change {
		f(m)
	}
	if _, err := r.conn.WriteToUDPAddrPort(m.Append(nil), r.at); err != nil {
		r.t.Fatal(err)
	}
	buf := make([]byte, message.MaxSize)
	for {
		_ = r.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := r.conn.Read(buf)
		if err != nil {
			r.t.Fatalf("%s: no answer: %v", method, err)
		}
		if got, err := message.Parse(buf[:n]); err != nil {
			r.t.Fatalf("%q: %v", buf[:n], err)
		} else if got.CallID() == m.CallID() && got.Status() >= 200 {
			return got
		}
	}
}

func set(name, value string) func(*message.Message) {
	return func(m *message.Message) { m.Set(name, value) }
}

func tagged(tag string) func(*message.Message) {
	return func(m *message.Message) { m.SetTo(m.To().WithTag(tag)) }
}

func TestWhoGetsARequest(t *testing.T) {
	r := newRig(t, Parts{Calls: parts{}, Registrar: parts{}, Proxy: passing{}})
	for _, c := range []struct {
		name   string
		method message.Method
		uri    string
		change []func(*message.Message)
		want   int
		header string // that the answer has
	}{
		{name: "a call", method: message.Invite, uri: "sip:bob@node.test", want: 299},
		{name: "in a call", method: message.Bye, uri: "sip:bob@node.test", change: []func(*message.Message){tagged("call")}, want: 298},
		{name: "in a subscription", method: message.Notify, uri: "sip:bob@node.test", change: []func(*message.Message){tagged("proxied")}, want: 295},
		{name: "in no dialog that is there", method: message.Bye, uri: "sip:bob@node.test", change: []func(*message.Message){tagged("x")}, want: 481},
		{name: "an end without a dialog", method: message.Bye, uri: "sip:bob@node.test", want: 481},
		{name: "a change without a dialog", method: message.Update, uri: "sip:bob@node.test", want: 481},
		{name: "a registration", method: message.Register, uri: "sip:node.test", want: 297},
		{name: "a message", method: message.MessageMethod, uri: "sip:bob@node.test", want: 296},
		{name: "a method that nobody knows, for somebody", method: "MAGIC", uri: "sip:bob@node.test", want: 296},
		{name: "a question to the node", method: message.Options, uri: "sip:node.test", want: 200, header: "Allow"},
		{name: "a question to somebody", method: message.Options, uri: "sip:bob@node.test", want: 296},
		{name: "a question to the node at the last hop", method: message.Options, uri: "sip:node.test", change: []func(*message.Message){set("Max-Forwards", "0")}, want: 200},
		{name: "a message to the node", method: message.MessageMethod, uri: "sip:node.test", want: 405, header: "Allow"},
		{name: "a method that nobody knows, for the node", method: "MAGIC", uri: "sip:node.test", want: 501},
		{name: "too many hops to somebody", method: message.Options, uri: "sip:bob@node.test", change: []func(*message.Message){set("Max-Forwards", "0")}, want: 483},
		{name: "a call of too many hops", method: message.Invite, uri: "sip:bob@node.test", change: []func(*message.Message){set("Max-Forwards", "0")}, want: 483},
		{name: "a call that requires what is not there", method: message.Invite, uri: "sip:bob@node.test", change: []func(*message.Message){set("Require", "magic, timer")}, want: 420, header: "Unsupported"},
		{name: "a call that requires what is there", method: message.Invite, uri: "sip:bob@node.test", change: []func(*message.Message){set("Require", "100rel, Timer")}, want: 299},
		{name: "a call that requires of proxies", method: message.Invite, uri: "sip:bob@node.test", change: []func(*message.Message){set("Proxy-Require", "magic")}, want: 420, header: "Unsupported"},
		{name: "a message that requires of its end", method: message.MessageMethod, uri: "sip:bob@node.test", change: []func(*message.Message){set("Require", "magic")}, want: 296},
		{name: "a number", method: message.Invite, uri: "tel:+3012345", want: 299},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := r.ask(c.method, c.uri, c.change...)
			if got.Status() != c.want || c.header != "" && !got.Has(c.header) {
				t.Errorf("want %d and %q:\n%s", c.want, c.header, got)
			}
			if got.To().Tag() == "" || got.Get("Server") != Product {
				t.Errorf("no tag or no Server:\n%s", got)
			}
		})
	}
}

func TestPartsThatAreMissing(t *testing.T) {
	r := newRig(t, Parts{})
	for method, want := range map[message.Method]int{message.Invite: 501, message.Register: 501, message.MessageMethod: 501, message.Bye: 481} {
		if got := r.ask(method, "sip:bob@node.test"); got.Status() != want {
			t.Errorf("%s: answered with %d, want %d", method, got.Status(), want)
		}
	}
}

// RG-08
func TestMaintenance(t *testing.T) {
	r := newRig(t, Parts{Calls: parts{}, Registrar: parts{}, Proxy: passing{}})
	r.Drain(true)
	for name, c := range map[string]struct {
		got  *message.Message
		want int
	}{
		"a new call":       {r.ask(message.Invite, "sip:bob@node.test"), 503},
		"a registration":   {r.ask(message.Register, "sip:node.test"), 503},
		"leaving":          {r.ask(message.Register, "sip:node.test", set("Expires", "0"), set("Contact", "*")), 297},
		"a call that runs": {r.ask(message.Bye, "sip:bob@node.test", tagged("call")), 298},
		"a message":        {r.ask(message.MessageMethod, "sip:bob@node.test"), 296},
	} {
		if c.got.Status() != c.want || c.want == 503 && c.got.Get("Retry-After") == "" {
			t.Errorf("%s: want %d:\n%s", name, c.want, c.got)
		}
	}
	r.Drain(false)
	if got := r.ask(message.Invite, "sip:bob@node.test").Status(); got != 299 {
		t.Errorf("after maintenance a call is answered with %d", got)
	}
}

// What is new finds no room before what is there does.
func TestAFullShard(t *testing.T) {
	r := newRig(t, Parts{Calls: parts{}, Registrar: parts{}, Proxy: passing{}})
	s := r.Group().All()[0]
	asleep, wake := make(chan struct{}), make(chan struct{})
	s.Post(func() { close(asleep); <-wake })
	<-asleep
	for s.Offer(func() {}) {
	}
	got := r.ask(message.Invite, "sip:bob@node.test")
	if got.Status() != 503 || got.Get("Retry-After") == "" {
		t.Errorf("answered with\n%s", got)
	}
	if r.Stats().Refused != 1 {
		t.Errorf("stats %+v", r.Stats())
	}
	close(wake)
	if got := r.ask(message.Bye, "sip:bob@node.test", tagged("call")).Status(); got != 298 {
		t.Errorf("answered with %d", got)
	}
}

func TestAnAddressThatCannotBeHad(t *testing.T) {
	_, err := New(Config{Transport: transport.Config{TCP: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:5060")}}})
	var failed *net.OpError
	if !errors.As(err, &failed) {
		t.Errorf("%v", err)
	}
}
