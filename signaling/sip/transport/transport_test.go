package transport

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
)

func TestThereAndBack(t *testing.T) {
	a, b := start(t, nil), start(t, nil)
	for _, by := range []loop.Transport{loop.UDP, loop.TCP, loop.TLS} {
		t.Run(by.String(), func(t *testing.T) {
			hop := Hop{Transport: by, Remote: b.at(by)}
			for range 3 {
				m := a.options(t, hop, 0)
				a.Send(hop, m.Append(nil), fail(t))
				got := b.respond(t)
				v := got.m.Via()
				if r, _ := v.Params.Get("received"); got.src.Transport != by || r != "127.0.0.1" {
					t.Errorf("came by %s with %s", got.src.Transport, v)
				}
				if p, _ := v.Params.Get("rport"); p == "" || netip.MustParseAddrPort("127.0.0.1:"+p) != got.src.Remote {
					t.Errorf("from %s with %s", got.src.Remote, v)
				}
				back := wait(t, a.came, "the response")
				if back.m.Status() != 200 || back.m.Via().Branch() != m.Via().Branch() {
					t.Errorf("%s", back.m)
				}
				if by != loop.UDP && !back.src.Conn.Dialled() {
					t.Error("the response came by another connection")
				}
			}
		})
	}
	if s := b.Stats(); s.Loop.Accepted != 2 || s.Sent != [3]uint64{3, 3, 3} {
		t.Errorf("%+v: want one connection each of TCP and TLS", s)
	}
}

// ME-04: the same over IPv6.
func TestThereAndBackOverIPv6(t *testing.T) {
	at := labtest.FreePort(t, "::1")
	a := start(t, func(c *Config) { c.UDP, c.TCP = append(c.UDP, at), append(c.TCP, at) })
	far := labtest.FreePort(t, "::1")
	b := start(t, func(c *Config) { c.UDP, c.TCP, c.TLS = []netip.AddrPort{far}, []netip.AddrPort{far}, nil })
	for _, by := range []loop.Transport{loop.UDP, loop.TCP} {
		t.Run(by.String(), func(t *testing.T) {
			hop := Hop{Transport: by, Remote: b.at(by), Name: "not.looked.at"}
			for range 2 {
				m := a.options(t, hop, 0)
				a.Send(hop, m.Append(nil), fail(t))
				got := b.respond(t)
				if v := got.m.Via(); v.Host != "::1" || v.Port != at.Port() {
					t.Errorf("%s", v)
				}
				if back := wait(t, a.came, "the response"); back.m.Via().Branch() != m.Via().Branch() {
					t.Errorf("%s", back.m)
				}
			}
		})
	}
	if s := b.Stats(); s.Loop.Accepted != 1 {
		t.Errorf("there are %d connections", s.Loop.Accepted)
	}
}

func TestManyWaitForOneConnection(t *testing.T) {
	a, b := start(t, nil), start(t, nil)
	hop := Hop{Transport: loop.TLS, Remote: b.at(loop.TLS)}
	for range 20 {
		a.Send(hop, a.options(t, hop, 0).Append(nil), fail(t))
	}
	for range 20 {
		wait(t, b.came, "a request")
	}
	if s := b.Stats(); s.Loop.Accepted != 1 {
		t.Errorf("there are %d connections", s.Loop.Accepted)
	}
}

func TestFailureIsToldOnce(t *testing.T) {
	a := start(t, func(c *Config) { c.TLS, c.UDP = nil, nil })
	nobody := labtest.FreePort(t, "127.0.0.1")
	for _, c := range []struct {
		name string
		hop  Hop
		want error
	}{
		{"nobody listens", Hop{Transport: loop.TCP, Remote: nobody}, nil},
		{"flow without a connection", Hop{Transport: loop.TLS, Remote: nobody, Only: true}, ErrFlow},
		{"nowhere", Hop{Transport: loop.TCP}, ErrNowhere},
		{"no such socket of ours", Hop{Transport: loop.UDP, Remote: nobody}, nil},
		{"no such address of ours", Hop{Transport: loop.TCP, Remote: nobody, Local: netip.MustParseAddr("192.0.2.1")}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var times atomic.Int32
			told := make(chan error, 10)
			a.Send(c.hop, []byte("OPTIONS sip:x SIP/2.0\r\n\r\n"), func(err error) { times.Add(1); told <- err })
			if err := wait(t, told, "the failure"); err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if times.Load() != 1 {
				t.Errorf("told %d times", times.Load())
			}
		})
	}
	ended, err := New(Config{Receive: func(loop.Source, *message.Message) {}})
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	ended.Send(Hop{Transport: loop.TCP, Remote: nobody}, nil, func(err error) { told <- err })
	if err := wait(t, told, "the failure"); !errors.Is(err, ErrEnded) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := ended.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestWhatWaitsIsBounded(t *testing.T) {
	a := start(t, nil)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never shakes hands
	if err != nil {
		t.Fatal(err)
	}
	hop := Hop{Transport: loop.TLS, Remote: netip.MustParseAddrPort(silent.Addr().String())}
	told := make(chan error, 10*maxWaiting)
	for range maxWaiting + 1 {
		a.Send(hop, a.options(t, hop, 0).Append(nil), func(err error) { told <- err })
	}
	if err := wait(t, told, "the last one to fail"); !errors.Is(err, ErrBusy) {
		t.Errorf("%v, want %v", err, ErrBusy)
	}
	conn, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Close(), silent.Close()
	for range maxWaiting {
		if err := wait(t, told, "the others to fail"); errors.Is(err, ErrBusy) {
			t.Errorf("%v, want that the handshake failed", err)
		}
	}
}

func TestUnusedConnections(t *testing.T) {
	a, b := start(t, nil), start(t, nil)
	hop := Hop{Transport: loop.TCP, Remote: b.at(loop.TCP)}
	a.Send(hop, a.options(t, hop, 0).Append(nil), fail(t))
	b.respond(t)
	conn := wait(t, a.came, "the response").src.Conn
	if got := a.idle.unused(time.Now().Add(-time.Minute)); len(got) != 0 {
		t.Errorf("unused is %v, which was used just now", got)
	}
	if got := a.idle.unused(time.Now().Add(time.Minute)); len(got) != 1 || got[0] != conn {
		t.Errorf("unused is %v, want %v", got, conn)
	}
	if got := a.idle.unused(time.Now().Add(time.Minute)); len(got) != 0 {
		t.Errorf("%v is let go again", got)
	}
}

// RG-03: what goes to a flow goes to that connection only.
func TestFlow(t *testing.T) {
	n := start(t, nil)
	phone := client(t, "tcp", n.at(loop.TCP))
	write(t, phone, text(phone, "OPTIONS"))
	flow := Hop{Transport: loop.TCP, Conn: wait(t, n.came, "the request").src.Conn, Only: true}
	flow.Remote = flow.Conn.Remote()
	n.Send(flow, []byte("SIP/2.0 200 OK\r\nvia: SIP/2.0/TCP x\r\nf: <sip:x>\r\nt: <sip:x>\r\ni: x\r\ncseq: 1 OPTIONS\r\nl: 0\r\n\r\n"), fail(t))
	if m := response(t, phone); m.Status() != 200 {
		t.Errorf("%s", m)
	}
	_ = phone.Close()
	wait(t, n.closed, "the end of the connection")
	told := make(chan error, 2)
	n.Send(flow, []byte("x"), func(err error) { told <- err })
	if err := wait(t, told, "the failure"); !errors.Is(err, ErrFlow) {
		t.Errorf("%v", err)
	}
}

// RFC 3261 section 18.2.2: without its connection a response goes to where the sender
// listens.
func TestResponseFindsAnotherConnection(t *testing.T) {
	n := start(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	phone := client(t, "tcp", n.at(loop.TCP))
	write(t, phone, strings.Replace(text(phone, "OPTIONS"), phone.LocalAddr().String(), l.Addr().String(), 1))
	got := wait(t, n.came, "the request")
	_ = phone.Close()
	wait(t, n.closed, "the end of the connection")
	n.Send(AnswerHop(got.src, got.m.Via()), message.NewResponse(got.m, 200, "").Append(nil), fail(t))
	again, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	if m := response(t, again); m.Status() != 200 {
		t.Errorf("%s", m)
	}
}

func TestLargeRequestGoesByTCP(t *testing.T) {
	a, b := start(t, nil), start(t, nil)
	hop := Hop{Transport: loop.UDP, Remote: b.at(loop.UDP)}
	send := func(to *node, size int) received {
		h := hop
		h.Remote = to.at(loop.UDP)
		a.Send(h, a.options(t, h, size).Append(nil), fail(t))
		return wait(t, to.came, "the request")
	}
	if got := send(b, 0); got.src.Transport != loop.UDP || got.m.Via().Transport != "UDP" {
		t.Errorf("a small one came by %s with %s", got.src.Transport, got.m.Via())
	}
	if got := send(b, 2000); got.src.Transport != loop.TCP || got.m.Via().Transport != "TCP" || len(got.m.Body()) != 2000 {
		t.Errorf("a large one came by %s with %s", got.src.Transport, got.m.Via())
	}
	old := start(t, func(c *Config) { c.TCP = nil })
	for range 2 {
		if got := send(old, 2000); got.src.Transport != loop.UDP || got.m.Via().Transport != "UDP" || len(got.m.Body()) != 2000 {
			t.Errorf("to who has no TCP it came by %s with %s", got.src.Transport, got.m.Via())
		}
	}
	if s := a.Stats(); s.DialFailed != 1 {
		t.Errorf("TCP was tried %d times with who has none", s.DialFailed)
	}
	got := wait(t, sendResponse(t, a, b), "the response")
	if got.src.Transport != loop.UDP {
		t.Errorf("a large response came by %s", got.src.Transport)
	}
}

// sendResponse lets b answer a with a large response.
func sendResponse(t *testing.T, a, b *node) <-chan received {
	hop := Hop{Transport: loop.UDP, Remote: b.at(loop.UDP)}
	a.Send(hop, a.options(t, hop, 0).Append(nil), fail(t))
	r := wait(t, b.came, "the request")
	answer := message.NewResponse(r.m, 200, "")
	answer.SetBody("text/plain", bytes.Repeat([]byte("x"), 3000))
	b.Send(AnswerHop(r.src, r.m.Via()), answer.Append(nil), fail(t))
	return a.came
}

func TestLocal(t *testing.T) {
	first, second := labtest.FreePort(t, "127.0.0.1"), labtest.FreePort(t, "127.0.0.2")
	n := start(t, func(c *Config) {
		c.UDP, c.TCP, c.TLS = []netip.AddrPort{second, first}, []netip.AddrPort{second}, nil
	})
	phone := client(t, "tcp", second)
	write(t, phone, text(phone, "OPTIONS"))
	conn := wait(t, n.came, "the request").src.Conn
	far := netip.MustParseAddrPort("127.0.0.9:5060")
	for _, c := range []struct {
		name string
		hop  Hop
		want netip.AddrPort
	}{
		{"said", Hop{Remote: far, Local: second.Addr()}, second},
		{"by route", Hop{Remote: far}, first},
		{"by route, no address of the transport there", Hop{Transport: loop.TCP, Remote: far}, second},
		{"of a connection", Hop{Transport: loop.TCP, Remote: conn.Remote(), Conn: conn}, second},
		{"not ours", Hop{Remote: far, Local: netip.MustParseAddr("127.0.0.3")}, netip.AddrPort{}},
		{"no such transport", Hop{Transport: loop.TLS, Remote: far}, netip.AddrPort{}},
		{"no such family", Hop{Remote: netip.MustParseAddrPort("[::1]:5060")}, netip.AddrPort{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := n.Local(c.hop)
			if got != c.want || (err != nil) == c.want.IsValid() {
				t.Errorf("%s, %v; want %s", got, err, c.want)
			}
		})
	}
	// What is sent comes from there.
	far2 := start(t, nil)
	for _, local := range []netip.AddrPort{first, second} {
		hop := Hop{Transport: loop.UDP, Remote: far2.at(loop.UDP), Local: local.Addr()}
		n.Send(hop, n.options(t, hop, 0).Append(nil), fail(t))
		if got := wait(t, far2.came, "the request"); got.src.Remote != local {
			t.Errorf("came from %s, want %s", got.src.Remote, local)
		}
	}
	hop := Hop{Transport: loop.TCP, Remote: far2.at(loop.TCP), Local: second.Addr()}
	n.Send(hop, n.options(t, hop, 0).Append(nil), fail(t))
	if got := wait(t, far2.came, "the request"); got.src.Remote.Addr() != second.Addr() {
		t.Errorf("came from %s, want %s", got.src.Remote, second.Addr())
	}
}
