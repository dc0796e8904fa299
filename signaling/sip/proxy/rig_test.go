package proxy

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/trace"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/places"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

func TestMain(m *testing.M) {
	// gnet brings a pool of goroutines that lives as long as the process.
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"))
}

// rig is a proxy on a real socket, whose dial plan is the test's: groups of targets, each a list of user agents.
type rig struct {
	t  *testing.T
	at netip.AddrPort

	mu     sync.Mutex // guards what follows
	reason dialplan.Reason
	groups [][][]netip.AddrPort
	asked  dialplan.Request
	who    access.Caller
	peer   uint8 // that all places are on
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, at: labtest.FreePort(t, "127.0.0.1")}
	stack, err := sip.New(sip.Config{
		Transport: transport.Config{UDP: []netip.AddrPort{r.at}}, Shards: 2,
		Own:      func(u message.URI) bool { return u.Host == r.at.Addr().String() && u.Port == r.at.Port() },
		Panicked: func(reason any) { t.Errorf("panic: %v", reason) },
	})
	if err != nil {
		t.Fatal(err)
	}
	stack.Use(sip.Parts{Proxy: New(Config{
		Layer: stack.Layer(), Local: stack.Transport().Local, Access: r, Router: r, Places: r, Key: []byte("a key of the test"),
	})})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := stack.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	<-stack.Transport().Listening()
	return r
}

// plan has every search lead to these groups.
func (r *rig) plan(reason dialplan.Reason, groups ...[][]netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reason, r.groups = reason, groups
}

// from says who sends requests, and which peer all places are on.
func (r *rig) from(who access.Caller, peer uint8) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.who, r.peer = who, peer
}

// search is the last one.
func (r *rig) search() dialplan.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// Check lets everybody in.
func (r *rig) Check(*transaction.Server) (access.Caller, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.who, false
}

// Locate answers with the groups of the test; Binding.ID says which target.
func (r *rig) Locate(req *dialplan.Request, out *dialplan.Result, _ *trace.Trace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked, out.Reason = *req, r.reason
	for g, targets := range r.groups {
		for i := range targets {
			out.Targets = append(out.Targets, dialplan.Target{
				Protocol: dialplan.SIP, Group: g, Alias: req.Alias, HopCount: req.HopCount, Binding: dialplan.Binding{ID: uint64(i)},
			})
		}
	}
}

func (r *rig) Find(_ places.Poster, t *dialplan.Target, done func([]places.Place, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []places.Place
	for _, at := range r.groups[t.Group][t.Binding.ID] {
		list = append(list, places.Place{
			URI: message.URI{Scheme: "sip", User: "contact", Host: at.Addr().String(), Port: at.Port()},
			Hop: transport.Hop{Remote: at}, Peer: r.peer, Endpoints: []uint64{7},
		})
	}
	if list == nil {
		done(nil, places.ErrNowhere)
		return
	}
	done(list, nil)
}

// agent is a user agent on a socket of its own.
type agent struct {
	*rig
	conn *net.UDPConn
	at   netip.AddrPort
}

func (r *rig) agent() *agent {
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return &agent{r, c, c.LocalAddr().(*net.UDPAddr).AddrPort()}
}

func (a *agent) uri() message.URI {
	return message.URI{Scheme: "sip", User: "agent", Host: a.at.Addr().String(), Port: a.at.Port()}
}

// request makes a request for somebody behind the proxy.
func (a *agent) request(method message.Method) *message.Message {
	to := message.URI{Scheme: "sip", User: "bob", Host: "example.test"}
	m := message.NewRequest(method, to)
	m.SetMaxForwards(70)
	m.SetFrom(message.Address{URI: a.uri()}.WithTag("a"))
	m.SetTo(message.Address{URI: to})
	m.SetCallID(message.NewCallID())
	m.SetCSeq(1, method)
	m.SetContacts(message.Address{URI: a.uri()})
	return m
}

// send sends a message to the proxy, a request under a Via of its own.
func (a *agent) send(m *message.Message) {
	a.t.Helper()
	if m.IsRequest() {
		m.PushVia(message.Via{Transport: "UDP", Host: a.at.Addr().String(), Port: a.at.Port(), Params: message.Params{{Name: "branch", Value: message.NewBranch()}, {Name: "rport"}}})
	}
	if _, err := a.conn.WriteToUDPAddrPort(m.Append(nil), a.rig.at); err != nil {
		a.t.Fatal(err)
	}
}

// receive returns the next message.
func (a *agent) receive() *message.Message {
	a.t.Helper()
	buf := make([]byte, message.MaxSize)
	_ = a.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, err := a.conn.Read(buf)
	if err != nil {
		a.t.Fatalf("nothing came: %v", err)
	}
	m, err := message.Parse(buf[:n])
	if err != nil {
		a.t.Fatalf("%q: %v", buf[:n], err)
	}
	return m
}

// answer receives a request and answers it.
func (a *agent) answer(status int, change ...func(*message.Message)) *message.Message {
	a.t.Helper()
	req := a.receive()
	m := message.NewResponse(req, status, "")
	if m.To().Tag() == "" {
		m.SetTo(m.To().WithTag("b"))
	}
	m.SetContacts(message.Address{URI: a.uri()})
	for _, f := range change {
		f(m)
	}
	a.send(m)
	return req
}

// to makes a group of targets, each an agent.
func to(all ...*agent) (group [][]netip.AddrPort) {
	for _, a := range all {
		group = append(group, []netip.AddrPort{a.at})
	}
	return group
}

// within makes a request in the dialog that a request and its answer began, from one end.
func (a *agent) within(method message.Method, began *message.Message, caller bool) *message.Message {
	m := a.request(method)
	routes := began.RecordRoutes()
	if caller {
		slices.Reverse(routes)
	}
	m.SetRoutes(routes...)
	m.SetURI(began.Contacts()[0].URI)
	m.SetCallID(began.CallID())
	m.SetTo(message.Address{URI: m.URI()}.WithTag("other"))
	m.SetCSeq(2, method)
	return m
}

// hops are hops of every kind.
func hops(at netip.AddrPort) []transport.Hop {
	return []transport.Hop{
		{Remote: at},
		{Remote: at, Local: netip.MustParseAddr("192.0.2.7")},
		{Transport: loop.TCP, Remote: netip.MustParseAddrPort("[2001:db8::1]:40000"), Local: netip.MustParseAddr("2001:db8::2"), Only: true},
		{Transport: loop.TLS, Remote: at, Name: "example.test"},
		{Transport: loop.TLS, Remote: at, Key: [32]byte{1, 31: 2}},
		{Transport: loop.TLS, Remote: at, Key: [32]byte{1, 31: 2}, Name: "peer.test", Only: true},
	}
}
