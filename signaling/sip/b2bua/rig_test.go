package b2bua

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/control/trace"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/rtp"
	"turnpike.dev/turnpike/licensing"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/dialog"
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

// Where everybody is. The caller is outside, callees are inside.
var (
	outside = netip.MustParseAddrPort("198.51.100.1:5060")
	inside  = netip.MustParseAddrPort("192.0.2.1:5060")
	alice   = netip.MustParseAddrPort("198.51.100.9:5060")
	bob     = netip.MustParseAddrPort("192.0.2.9:5060")
	carol   = netip.MustParseAddrPort("192.0.2.10:5060")
	dave    = netip.MustParseAddrPort("192.0.2.11:5060")
	people  = map[netip.AddrPort]string{alice: "alice", bob: "bob", carol: "carol", dave: "dave"}
)

// rig is a node of which everything is real but the wire, the dial plan and the relay.
type rig struct {
	t      testing.TB
	group  *shard.Group
	layer  *transaction.Layer
	node   *B2BUA
	events *events
	book   *calls.Book
	relay  *fakeRelay
	has    *resources.Resources
	keys   licensing.Installed
	others []*resources.Grant
	deaf   bool // who waits is not called
	rules  rules
	limit  dialog.Limits
	start  time.Time

	targets []dialplan.Target // what the dial plan finds
	reason  dialplan.Reason
	asked   []dialplan.Request
	hops    map[string][]netip.AddrPort // where the alias of a target is
	who     access.Caller
	peer    map[netip.AddrPort]uint8 // who is a peer of the cluster
	lose    func(to netip.AddrPort, data []byte) bool

	mu     sync.Mutex
	inbox  map[netip.AddrPort][]*message.Message
	ladder []string
	taken  map[string]bool // requests, by branch and method
	quiet  bool
}

// inRig runs a scenario in a bubble of its own. Nothing may be left of it.
func inRig(t *testing.T, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		stop := r.run(t)
		f(r)
		r.settle()
		r.leaks()
		stop()
	})
}

// run runs the shards until stop.
func (r *rig) run(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = r.group.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

func newRig(t testing.TB) *rig {
	r := &rig{
		t: t, events: &events{}, relay: &fakeRelay{next: 36000}, start: time.Now(),
		inbox: map[netip.AddrPort][]*message.Message{}, taken: map[string]bool{},
		hops: map[string][]netip.AddrPort{}, limit: dialog.Limits{Time: 30 * time.Minute, Min: 90 * time.Second},
	}
	r.who = access.Caller{Zone: &zones.Zone{Name: "out", Type: zones.Neighbour, SIP: true}, Trusted: true}
	r.group = shard.NewGroup(2, shard.Panicked(func(reason any) { t.Errorf("panic: %v", reason) }))
	r.book = calls.New(calls.Config{Trace: true, Log: r.events})
	r.configure(func(*config.Node) {})
	r.layer = transaction.New(r, r.group, core{r}, transaction.Timers{})
	r.node = New(Config{
		Group: r.group, Layer: r.layer, Local: r.Local, Access: r, Router: r, Places: r, Media: r.relay, Book: r.book, Policy: &r.rules,
		Resources: r,
	})
	r.rules.limits = &r.limit
	r.callees(bob)
	return r
}

// callees says who is rung, all at once.
func (r *rig) callees(all ...netip.AddrPort) {
	r.targets = nil
	for _, at := range all {
		r.target(0, at)
	}
}

// target adds one to a group; more addresses are places of it, in order.
func (r *rig) target(group int, at ...netip.AddrPort) {
	name := people[at[0]]
	a, err := alias.Parse("sip:" + name + "@example.test")
	if err != nil {
		r.t.Fatal(err)
	}
	r.targets = append(r.targets, dialplan.Target{
		Kind: dialplan.ToZone, Alias: a, Group: group, Protocol: dialplan.SIP, HopCount: 70, Rule: "rule",
		Zone: &zones.Zone{Name: "in", Type: zones.Neighbour, SIP: true},
	})
	r.hops[a.String()] = at
}

// core hands requests to the B2BUA as the node does.
type core struct{ *rig }

func (c core) Request(t *transaction.Server) {
	m := t.Request()
	switch {
	case m.To().Tag() == "" && m.Method() == message.Invite:
		c.node.Invite(t)
	case m.To().Tag() != "" && c.node.Within(t):
	default:
		t.Reply(481, "")
	}
}
func (c core) Ack(src loop.Source, m *message.Message)   { c.node.Ack(src, m) }
func (c core) Stray(src loop.Source, m *message.Message) {}

func (r *rig) Check(*transaction.Server) (access.Caller, bool) { return r.who, false }

func (r *rig) Locate(req *dialplan.Request, out *dialplan.Result, _ *trace.Trace) {
	r.asked = append(r.asked, *req)
	out.Targets, out.Reason = slices.Clone(r.targets), r.reason
	for _, name := range req.Seen {
		if name == req.Alias.String() {
			out.Targets, out.Reason = nil, dialplan.SearchLoop
		}
	}
	if len(out.Targets) == 0 && out.Reason == dialplan.Found {
		out.Reason = dialplan.NotFound
	}
}

func (r *rig) Find(_ places.Poster, t *dialplan.Target, done func([]places.Place, error)) {
	var all []places.Place
	for _, at := range r.hops[t.Alias.String()] {
		u, _ := message.ParseURI("sip:" + people[at] + "@" + at.String())
		all = append(all, places.Place{URI: u, Hop: transport.Hop{Remote: at}, Zone: t.Zone, Side: inside.Addr(), Peer: r.peer[at], Endpoints: t.Endpoints()})
	}
	if all == nil {
		done(nil, errors.New("nowhere"))
		return
	}
	done(all, nil)
}

func (r *rig) Local(h transport.Hop) (netip.AddrPort, error) {
	if h.Remote.Addr() == alice.Addr() {
		return outside, nil
	}
	return inside, nil
}

// Send is the wire from the node.
func (r *rig) Send(h transport.Hop, data []byte, _ func(error)) {
	m, err := message.Parse(data)
	if err != nil {
		r.t.Errorf("the node sent what nobody can read: %v\n%s", err, data)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	lost := r.lose != nil && r.lose(h.Remote, data)
	r.draw("node", people[h.Remote], m, lost)
	if !lost {
		r.inbox[h.Remote] = append(r.inbox[h.Remote], m)
	}
}

// arrive is the wire to the node.
func (r *rig) arrive(from netip.AddrPort, m *message.Message) {
	data := m.Append(nil)
	to := inside
	if from.Addr() == alice.Addr() {
		to = outside
	}
	r.mu.Lock()
	lost := r.lose != nil && r.lose(to, data)
	r.draw(people[from], "node", m, lost)
	r.mu.Unlock()
	if lost {
		return
	}
	m, err := message.Parse(data)
	if err != nil {
		r.t.Fatalf("the test sends what nobody can read: %v\n%s", err, data)
	}
	r.group.Of(m.CallID()).Post(func() { r.layer.Receive(loop.Source{Local: to, Remote: from}, m) })
	synctest.Wait()
}

// settle lets all timers run out.
func (r *rig) settle() {
	synctest.Wait()
	time.Sleep(20 * time.Minute)
	synctest.Wait()
}

// leaks fails where anything is left.
func (r *rig) leaks() {
	r.t.Helper()
	s := r.layer.Stats()
	if s.Servers != 0 || s.Clients != 0 {
		r.t.Errorf("%d server and %d client transactions are left", s.Servers, s.Clients)
	}
	if n := r.node.Calls(); n != 0 {
		r.t.Errorf("%d calls are left", n)
	}
	for i, table := range r.node.tables {
		if len(table.calls) != 0 || len(table.legs) != 0 {
			r.t.Errorf("shard %d has %d calls and %d legs left", i, len(table.calls), len(table.legs))
		}
	}
	if n := len(r.node.loops.marks); n != 0 {
		r.t.Errorf("%d searches are remembered", n)
	}
	if n := r.group.Stats().Timers; n != 0 {
		r.t.Errorf("%d timers are left", n)
	}
	if n := r.relay.open(); n != 0 {
		r.t.Errorf("the media of %d calls is open", n)
	}
	if n := r.book.Running(); n != 0 {
		r.t.Errorf("%d calls are in the book", n)
	}
	r.granted()
}

// ended is the record of the call that ended last.
func (r *rig) ended() calls.Call {
	r.t.Helper()
	all := r.book.EndedCalls()
	if len(all) == 0 {
		r.t.Fatal("no call has ended")
	}
	return all[0]
}

// draw adds a message to the ladder.
func (r *rig) draw(from, to string, m *message.Message, lost bool) {
	if r.quiet {
		return
	}
	what := string(m.Method())
	seq, method := m.CSeq()
	if !m.IsRequest() {
		what = fmt.Sprintf("%d", m.Status())
	}
	line := fmt.Sprintf("%6.1f %-5s > %-5s %s (%d %s)", time.Since(r.start).Seconds(), from, to, what, seq, method)
	for _, name := range []string{"RSeq", "RAck", "Session-Expires", "Min-SE", "Retry-After", "Reason", "Replaces", "Refer-To"} {
		if v := m.Get(name); v != "" && name != "RSeq" && name != "RAck" {
			line += " " + name + "=" + v
		} else if v != "" {
			line += " " + name
		}
	}
	if len(m.Body()) > 0 {
		line += " [" + shape(m.Body()) + "]"
	}
	if lost {
		line += " LOST"
	}
	r.ladder = append(r.ladder, line)
}

// shape is what matters of a description: where streams are and which way they go.
func shape(body []byte) string {
	var out []string
	for l := range strings.Lines(string(body)) {
		l = strings.TrimSpace(l)
		switch {
		case strings.HasPrefix(l, "c="), strings.HasPrefix(l, "a=send"), strings.HasPrefix(l, "a=recv"), strings.HasPrefix(l, "a=inactive"):
			out = append(out, strings.TrimPrefix(l, "c=IN IP4 "))
		case strings.HasPrefix(l, "m="):
			f := strings.Fields(l[2:])
			out = append(out, f[0]+":"+f[1])
		}
	}
	return strings.Join(out, " ")
}

// rules is the policy.
type rules struct {
	limits *dialog.Limits
	refuse bool // REFER
	mode   config.MediaMode
	proud  bool // zone "in" is trusted
	ours   bool // zone "in" is our infrastructure
	strict bool // who sends too much is disconnected
	lan    bool // all addresses are on one interface
}

func (p *rules) Session() dialog.Limits                     { return *p.limits }
func (p *rules) Refer(*zones.Zone) bool                     { return !p.refuse }
func (p *rules) Trusted(*zones.Zone) bool                   { return p.proud }
func (p *rules) Media(*zones.Zone, string) config.MediaMode { return p.mode }
func (p *rules) NAT(*zones.Zone, string) bool               { return false }
func (p *rules) Infrastructure(*zones.Zone) bool            { return p.ours }
func (p *rules) DefaultKbps() uint32                        { return 384 }
func (p *rules) EndsOverGrant() bool                        { return p.strict }
func (p *rules) Public(a netip.Addr) netip.Addr             { return a }
func (p *rules) Interface(a netip.Addr) string {
	if p.lan {
		return "lan"
	}
	return a.String()
}

// fakeRelay hands out ports and remembers what it was told.
type fakeRelay struct {
	mu   sync.Mutex
	next uint16
	all  []*fakeCall
	full bool
}

func (f *fakeRelay) Open(_ string, a, b rtp.Side) Streams {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &fakeCall{relay: f, sides: [2]rtp.Side{a, b}, ports: map[[2]int]rtp.Ports{}, set: map[[2]int]rtp.Remote{}}
	f.all = append(f.all, c)
	return c
}

func (f *fakeRelay) open() (n int) {
	for _, c := range f.all {
		if !c.released {
			n++
		}
	}
	return n
}

type fakeCall struct {
	relay    *fakeRelay
	sides    [2]rtp.Side
	ports    map[[2]int]rtp.Ports
	set      map[[2]int]rtp.Remote
	policed  []uint32
	released bool
}

func (c *fakeCall) Local(i int, l rtp.Leg) (rtp.Ports, error) {
	if c.released {
		return rtp.Ports{}, rtp.ErrReleased
	}
	if c.relay.full {
		return rtp.Ports{}, rtp.ErrNoPorts
	}
	k := [2]int{i, int(l)}
	if p, ok := c.ports[k]; ok {
		return p, nil
	}
	p := rtp.Ports{RTP: netip.AddrPortFrom(c.sides[l].Local, c.relay.next), RTCP: netip.AddrPortFrom(c.sides[l].Local, c.relay.next+1)}
	c.relay.next += 2
	c.ports[k] = p
	return p, nil
}

func (c *fakeCall) Set(i int, l rtp.Leg, r rtp.Remote) error {
	if c.released {
		return rtp.ErrReleased
	}
	c.set[[2]int{i, int(l)}] = r
	return nil
}

func (c *fakeCall) Close(i int) {
	for _, l := range []int{0, 1} {
		delete(c.ports, [2]int{i, l})
		delete(c.set, [2]int{i, l})
	}
}
func (c *fakeCall) Grant(kbps uint32, _ [2][]relay.Group) { c.policed = append(c.policed, kbps) }
func (c *fakeCall) Rate() (a, b uint32)                   { return 64, 128 }
func (c *fakeCall) Stats() []rtp.Stream                   { return nil }
func (c *fakeCall) Release() []rtp.Stream {
	c.released = true
	return []rtp.Stream{{Index: 0, Path: "xdp", A: rtp.Direction{Packets: 10}, B: rtp.Direction{Packets: 20}}}
}
