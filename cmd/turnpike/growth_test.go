package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
)

// manyCalls in the environment is how many calls TestCallsLeaveNothing makes: 100000 takes some minutes, and then memory is
// compared too.
const manyCalls = "TURNPIKE_CALLS"

// Calls that are over leave nothing: no transaction, timer, socket, goroutine, and with many of them no memory.
func TestCallsLeaveNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("the waiting for timers takes some seconds")
	}
	total, t1 := 1500, 50*time.Millisecond
	if text := os.Getenv(manyCalls); text != "" {
		var err error
		if total, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", manyCalls, err)
		}
		t1 *= 4 // so long a run meets others on the machine
	}
	for _, media := range []string{"direct", "relay"} {
		t.Run(media, func(t *testing.T) {
			caller, callee := newEndpoint(t, "127.0.0.2"), newEndpoint(t, "127.0.0.3")
			p, at := phonesOn(t, transaction.Timers{T1: t1, T2: 8 * t1, T4: 10 * t1}, fmt.Sprintf(`zones:
  - {name: in, type: neighbour, protocol: sip, peers: ["%s"], monitor: off, media: %s}
  - {name: out, type: neighbour, protocol: sip, peers: ["%s"], monitor: off}
search_rules: [{name: out, priority: 1, pattern: {type: any}, target: out}]
`, caller.at, media, callee.at))
			go callee.answerCalls()
			caller.makeCalls(t, at, total/3) // pools and lists have their size then
			before := remains(t, p)
			caller.makeCalls(t, at, total-total/3)
			after := remains(t, p)
			t.Logf("%d calls: before %+v, after %+v", total, before, after)
			if after.goroutines > before.goroutines+2 || after.files > before.files {
				t.Errorf("before %+v, after %+v", before, after)
			}
			if grown := int64(after.heap) - int64(before.heap); total >= 10000 && grown > 4<<20 {
				t.Errorf("the heap has grown by %d KiB", grown>>10)
			}
		})
	}
}

// leaving is what is there when calls are over.
type leaving struct {
	goroutines, files int
	heap              uint64
}

// remains waits until everything that has an end of its own is over.
func remains(t *testing.T, p *phones) leaving {
	t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(time.Minute)
	for {
		st := p.stack.Stats()
		busy := st.Transactions.Servers + st.Transactions.Clients + st.Transactions.Ended + st.Shards.Timers + p.calls.Calls() + p.node.calls.Running()
		if busy == 0 {
			break
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("after a minute: %+v, %d calls, %d in the book", st, p.calls.Calls(), p.node.calls.Running())
		}
	}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return leaving{runtime.NumGoroutine(), len(files), m.HeapAlloc}
}

// endpoint is a user agent of the tests on a socket of its own.
type endpoint struct {
	conn *net.UDPConn
	at   netip.AddrPort
	buf  []byte
}

func newEndpoint(t *testing.T, addr string) *endpoint {
	t.Helper()
	c := listenUDP(t, addr+":0")
	_ = c.SetReadBuffer(4 << 20)
	t.Cleanup(func() { _ = c.Close() })
	return &endpoint{c, c.LocalAddr().(*net.UDPAddr).AddrPort(), make([]byte, message.MaxSize)}
}

func (e *endpoint) read() (*message.Message, netip.AddrPort, error) {
	n, from, err := e.conn.ReadFromUDPAddrPort(e.buf)
	if err != nil {
		return nil, from, err
	}
	m, err := message.Parse(e.buf[:n])
	return m, from, err
}

// answerCalls takes every call and every end of one, until the socket is closed.
func (e *endpoint) answerCalls() {
	for {
		m, from, err := e.read()
		if err != nil {
			return
		}
		if !m.IsRequest() || m.Method() == message.Ack {
			continue
		}
		answer := message.NewResponse(m, 200, "")
		if m.Method() == message.Invite {
			answer.SetTo(answer.To().WithTag("callee"))
			answer.SetContacts(message.Address{URI: e.uri()})
			answer.SetBody("application/sdp", e.description())
		}
		_, _ = e.conn.WriteToUDPAddrPort(answer.Append(nil), from)
	}
}

func (e *endpoint) uri() message.URI {
	return message.URI{Scheme: "sip", User: "x", Host: e.at.Addr().String(), Port: e.at.Port()}
}

func (e *endpoint) description() []byte {
	return fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio 7000 RTP/AVP 0\r\n", e.at.Addr())
}

// makeCalls makes calls, some at a time, and hangs each up when it is answered. What is lost is sent again.
func (e *endpoint) makeCalls(t *testing.T, at netip.AddrPort, total int) {
	t.Helper()
	waiting := map[string]*message.Message{} // by call, what was asked last
	begun, again, silent := 0, 0, 0
	ask := func(method message.Method, call, tag string, seq uint32) {
		waiting[call] = e.request(at, method, call, tag, seq)
		e.send(at, waiting[call])
	}
	for begun < total+again || len(waiting) > 0 {
		for begun < total+again && len(waiting) < 20 {
			begun++
			ask(message.Invite, message.NewCallID(), "", 1)
		}
		_ = e.conn.SetReadDeadline(time.Now().Add(time.Second))
		m, _, err := e.read()
		if errors.Is(err, os.ErrDeadlineExceeded) && silent < 20 {
			silent++
			for _, m := range waiting {
				e.send(at, m)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%d calls wait for an answer: %v", len(waiting), err)
		}
		silent = 0
		asked := waiting[m.CallID()]
		switch {
		case m.Status() < 200:
		case m.Method() == message.Invite && m.Status() < 300:
			e.send(at, e.request(at, message.Ack, m.CallID(), m.To().Tag(), 1))
			if asked != nil && asked.Method() == message.Invite {
				ask(message.Bye, m.CallID(), m.To().Tag(), 2)
			}
		case asked == nil: // an answer came twice
		case m.Status() == 408 && again < total/100: // the machine was busy with something else for seconds
			delete(waiting, m.CallID())
			again++
		case m.Status() > 299:
			t.Fatalf("refused:\n%s", m)
		default:
			delete(waiting, m.CallID())
		}
	}
}

func (e *endpoint) send(at netip.AddrPort, m *message.Message) {
	_, _ = e.conn.WriteToUDPAddrPort(m.Append(nil), at)
}

func (e *endpoint) request(at netip.AddrPort, method message.Method, call, tag string, seq uint32) *message.Message {
	to := message.URI{Scheme: "sip", User: "bob", Host: at.Addr().String(), Port: at.Port()}
	m := message.NewRequest(method, to)
	m.PushVia(message.Via{Transport: "UDP", Host: e.at.Addr().String(), Port: e.at.Port(), Params: message.Params{{Name: "branch", Value: message.NewBranch()}}})
	m.SetMaxForwards(70)
	m.SetFrom(message.Address{URI: e.uri()}.WithTag("caller"))
	m.SetTo(message.Address{URI: to}.WithTag(tag))
	m.SetCallID(call)
	m.SetCSeq(seq, method)
	m.SetContacts(message.Address{URI: e.uri()})
	if method == message.Invite {
		m.SetBody("application/sdp", e.description())
	}
	return m
}

// A message that is no call goes the way of calls: past the node, which stands in the middle of calls only.
func TestAMessageGoesTheWayOfCalls(t *testing.T) {
	caller, callee := newEndpoint(t, "127.0.0.2"), newEndpoint(t, "127.0.0.3")
	_, at := phonesOn(t, transaction.Timers{}, fmt.Sprintf(`zones:
  - {name: in, type: neighbour, protocol: sip, peers: ["%s"], monitor: off}
  - {name: out, type: neighbour, protocol: sip, peers: ["%s"], monitor: off}
search_rules: [{name: out, priority: 1, pattern: {type: any}, target: out}]
`, caller.at, callee.at))
	go callee.answerCalls()
	asked := caller.request(at, message.MessageMethod, message.NewCallID(), "", 1)
	caller.send(at, asked)
	_ = caller.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if got, _, err := caller.read(); err != nil || got.Status() != 200 || got.CallID() != asked.CallID() {
		t.Errorf("answered with %v\n%v", err, got)
	}
}
