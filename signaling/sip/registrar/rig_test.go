package registrar

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/digest"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/neighbours"
	"turnpike.dev/turnpike/signaling/sip/places"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

const file = `
system: {name: tp, platform: custom}
turn: {max_relays: 10}
sip: {mode: on, udp: 5060}
domains: [example.test]
accounts: [{name: alice, password: secret}, {name: bob, password: secret}]
`

// notes is the event log.
type notes struct {
	mu   sync.Mutex
	said []string
}

func (n *notes) Event(event string, kv ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.said = append(n.said, fmt.Sprintln(append([]any{event}, kv...)...))
}
func (n *notes) Warn(event string, kv ...any) { n.Event(event, kv...) }

// bySource knows the zones by the addresses of their peers alone.
type bySource struct{ *routing.Router }

func (b bySource) Source(src loop.Source) *zones.Zone { return b.Snapshot().Zones.BySource(src.Remote) }

// direct knows the peers of zones by their addresses alone.
type direct struct{}

func (direct) Settings(*zones.Zone) neighbours.Settings { return neighbours.Settings{Given: true} }

func (direct) Hops(z *zones.Zone, i int) []transport.Hop {
	return []transport.Hop{{Remote: netip.AddrPortFrom(netip.MustParseAddr(z.Peers[i].Host), z.Peers[i].Port)}}
}

// rig is a node as far as registering goes, on the loopback interface.
type rig struct {
	t         testing.TB
	at        netip.AddrPort
	node      *config.Node
	table     *registrations.Table
	router    *routing.Router
	guard     *access.Guard
	registrar *Registrar
	log       *notes
	stack     *sip.Stack
}

// newRig starts a node with what the lines add to the file.
func newRig(t testing.TB, lines ...string) *rig {
	t.Helper()
	return newRigFile(t, file+strings.Join(lines, "\n"))
}

func newRigFile(t testing.TB, text string) *rig {
	t.Helper()
	return newRigWith(t, text, func(*registrations.Config, *Deps) {})
}

// newRigWith starts a node whose table and registrar are other ones.
func newRigWith(t testing.TB, text string, change func(*registrations.Config, *Deps)) *rig {
	t.Helper()
	n, err := config.Parse("node.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, node: n, log: &notes{}, at: labtest.FreePort(t, "127.0.0.1")}
	if r.router, err = routing.New(n, routing.Surroundings{Own: []netip.Addr{r.at.Addr()}}); err != nil {
		t.Fatal(err)
	}
	table := registrations.Config{Limits: func() registrations.Limits {
		return registrations.Limits{Local: n.MaxRegistrations(), Proxied: 1}
	}}
	var deps Deps
	change(&table, &deps)
	r.table = registrations.New(table)
	flows := NewFlows()
	stack, err := sip.New(sip.Config{
		Shards: 2,
		Transport: transport.Config{
			UDP: []netip.AddrPort{r.at}, TCP: []netip.AddrPort{r.at}, Limits: loop.Limits{Rate: 1 << 20, Burst: 1 << 20},
			Closed: func(c *loop.Conn) { r.registrar.Closed(c) },
		},
		Own:      func(u message.URI) bool { return u.Host == "example.test" || u.Host == r.at.Addr().String() },
		Panicked: func(reason any) { t.Error("panic:", reason) },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.guard = access.New(n, access.Deps{
		Sources: bySource{r.router}, Bindings: r.table, Flows: flows, Snapshot: r.router.Snapshot, Log: r.log,
		Key: []byte("key"), Own: func() []netip.Addr { return []netip.Addr{r.at.Addr()} },
	})
	ctx, end := context.WithCancel(context.Background())
	r.registrar = New(n, Deps{
		Await: deps.Await, Table: r.table, Flows: flows, Access: r.guard, Router: r.router, Sender: stack.Layer(), Local: stack.Transport().Local, Log: r.log,
		Places: places.New(ctx, places.Config{
			Bindings: r.table, Connections: flows, Neighbours: direct{}, Ways: stack.Transport(),
			Internal: func(netip.Addr) bool { return false }, Own: func(a netip.Addr) bool { return a == r.at.Addr() },
			NAT: func(string) bool { return false },
		}),
	})
	stack.Use(sip.Parts{Registrar: r.registrar, Calls: asker{r.guard}})
	r.stack = stack
	done := make(chan error, 2)
	go func() { done <- stack.Run(ctx) }()
	go func() { done <- r.registrar.Run(ctx) }()
	<-stack.Transport().Listening()
	t.Cleanup(func() {
		end()
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
	})
	return r
}

// phone is an endpoint: one socket, and what it remembers.
type phone struct {
	*rig
	conn   net.Conn
	read   *bufio.Reader // of a stream
	user   string
	callID string
	seq    uint32
	client *digest.Client
}

// phone connects over udp or tcp.
func (r *rig) phone(network, user string) *phone {
	r.t.Helper()
	conn, err := net.Dial(network, r.at.String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return &phone{
		rig: r, conn: conn, read: bufio.NewReader(conn), user: user, callID: message.NewCallID(),
		client: &digest.Client{User: user, Password: "secret"},
	}
}

func (p *phone) contact() string {
	return fmt.Sprintf("<sip:%s@%s>", p.user, p.conn.LocalAddr())
}

// request makes a REGISTER with header fields "Name: value".
func (p *phone) request(lines ...string) *message.Message {
	p.t.Helper()
	p.seq++
	head := []string{
		"REGISTER sip:example.test SIP/2.0",
		fmt.Sprintf("Via: SIP/2.0/%s %s;branch=%s;rport", strings.ToUpper(p.conn.LocalAddr().Network()), p.conn.LocalAddr(), message.NewBranch()),
		fmt.Sprintf("From: <sip:%s@example.test>;tag=1", p.user), fmt.Sprintf("To: <sip:%s@example.test>", p.user),
		"Call-ID: " + p.callID, fmt.Sprintf("CSeq: %d REGISTER", p.seq), "Max-Forwards: 70",
	}
	m, err := message.Parse([]byte(strings.Join(append(head, lines...), "\r\n") + "\r\nContent-Length: 0\r\n\r\n"))
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

// send sends a request and returns the answer.
func (p *phone) send(m *message.Message) *message.Message {
	p.t.Helper()
	if _, err := p.conn.Write(m.Append(nil)); err != nil {
		p.t.Fatal(err)
	}
	return p.answer()
}

// answer reads one message.
func (p *phone) answer() *message.Message {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	var text []byte
	if p.conn.LocalAddr().Network() == "udp" {
		buffer := make([]byte, 65535)
		n, err := p.conn.Read(buffer)
		if err != nil {
			p.t.Fatal(err)
		}
		text = buffer[:n]
	} else {
		for !strings.HasSuffix(string(text), "\r\n\r\n") {
			b, err := p.read.ReadBytes('\n')
			if err != nil {
				p.t.Fatal(err)
			}
			text = append(text, b...)
		}
	}
	m, err := message.Parse(text)
	if err != nil {
		p.t.Fatalf("%v\n%s", err, text)
	}
	return m
}

// register sends a REGISTER with those header fields, shows the password where it is asked
// for, and returns the answer.
func (p *phone) register(lines ...string) *message.Message {
	p.t.Helper()
	m := p.send(p.request(lines...))
	if m.Status() != 401 {
		return m
	}
	value, ok := p.client.Answer(m.All("WWW-Authenticate"), "REGISTER", "sip:example.test")
	if !ok {
		p.t.Fatal("challenged again:", m.All("WWW-Authenticate"))
	}
	m = p.send(p.request(append(slices.Clone(lines), "Authorization: "+value)...))
	p.client.Accepted()
	return m
}

// must is register where the answer has to be that one.
func (p *phone) must(status int, lines ...string) *message.Message {
	p.t.Helper()
	m := p.register(lines...)
	if m.Status() != status {
		p.t.Fatalf("answered %d %s, want %d\n%v", m.Status(), m.Reason(), status, m)
	}
	return m
}

// closed waits until the node has noticed that a connection ended.
func (p *phone) closed() {
	p.t.Helper()
	if c, ok := p.conn.(*net.TCPConn); ok {
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, p.conn)
	}
}
