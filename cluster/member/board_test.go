package member_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/cluster/mesh"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/cluster/settings"
	"turnpike.dev/turnpike/cluster/troubles"
	"turnpike.dev/turnpike/cluster/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// board connects the members of a test, within one process: what mesh does over sockets.
type board struct {
	t     *testing.T
	mu    sync.Mutex
	lines map[string]*line // by the entry that a member stands at
	cuts  map[[2]string]bool
	start time.Time
	ids   int
	pipes map[[2]string][]net.Conn
	muted func(any) bool

	raftless bool
}

// line is a member's connections.
type line struct {
	b      *board
	at     string // its address
	fqdn   string
	addr   netip.AddrPort
	member *member.Member
	list   []string
	store  *documents
	alarms *alarms
	log    *log
	rows   *table
	cancel context.CancelFunc
	done   chan error
	reset  bool // what it holds may be replaced
	file   []byte
	full   error // why nothing is kept
	dir    string
	agree  *agreement.Agreement
	shares *counters
}

func newBoard(t *testing.T) *board {
	return &board{t: t, lines: map[string]*line{}, cuts: map[[2]string]bool{}, pipes: map[[2]string][]net.Conn{}, start: time.Now()}
}

var _ member.Mesh = (*line)(nil)

// id returns one that was never used.
func (b *board) id() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ids++
	return fmt.Sprintf("%032x", b.ids)
}

// reaches says whether two members speak to each other: each has the other in its list.
func (l *line) reaches(o *line) bool {
	return o != nil && o != l && l.entry(o) != "" && o.entry(l) != "" && !l.b.cuts[[2]string{l.at, o.at}]
}

// entry is the one of this member's list that another stands at.
func (l *line) entry(o *line) string {
	for _, e := range l.list {
		if e == o.at || e == o.fqdn {
			return e
		}
	}
	return ""
}

// peer is how another member knows this one.
func (l *line) peer(to *line) mesh.Peer {
	h := l.member.Hello()
	return mesh.Peer{ID: h.ID, Address: to.entry(l), Addr: l.addr, Hello: h, Key: [32]byte([]byte(fmt.Sprintf("%-32s", h.ID)))}
}

func (l *line) List(addresses []string, _ int, _ map[string]netip.Addr) {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	l.list = slices.Clone(addresses)
	for _, o := range l.b.lines {
		if l.reaches(o) {
			o.member.Handler().Connected(l.peer(o))
			l.member.Handler().Connected(o.peer(l))
		}
	}
}

func (l *line) Say() {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	for _, o := range l.b.lines {
		if l.reaches(o) {
			o.member.Handler().Connected(l.peer(o))
		}
	}
}

func (l *line) SendEntry(address string, m any) bool {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	for _, o := range l.b.lines {
		if l.entry(o) == address {
			if l.reaches(o) {
				return l.send(o, m)
			}
		}
	}
	l.member.Handler().Failed(address, mesh.ErrUnreachable)
	return false
}

func (l *line) Send(to cluster.ID, m any) bool {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	for _, o := range l.b.lines {
		if o.member.Hello().ID == to {
			return l.send(o, m)
		}
	}
	return false
}

func (l *line) send(o *line, m any) bool {
	if !l.reaches(o) {
		return false
	}
	if l.b.muted != nil && l.b.muted(m) {
		return true
	}
	frame, err := wire.Append(nil, m)
	if err != nil {
		l.b.t.Errorf("%T cannot be sent: %v", m, err)
		return false
	}
	back, err := wire.Decode(frame[4:])
	if err != nil {
		l.b.t.Errorf("%T cannot be read: %v", m, err)
		return false
	}
	o.member.Handler().Received(l.peer(o), back)
	return true
}

func (l *line) Request(ctx context.Context, to cluster.ID, name string, body []byte) ([]byte, error) {
	l.b.mu.Lock()
	var o *line
	for _, c := range l.b.lines {
		if c.member.Hello().ID == to || l.entry(c) == string(to) {
			o = c
		}
	}
	ok := l.reaches(o)
	l.b.mu.Unlock()
	if !ok {
		return nil, mesh.ErrNotConnected
	}
	return o.member.Handler().Request(ctx, l.peer(o), name, body)
}

// Raft opens a stream to a peer with the same id, as mesh does.
func (l *line) Raft(_ context.Context, to cluster.ID) (net.Conn, error) {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	for _, o := range l.b.lines {
		if o.member.Hello().ID == to && l.reaches(o) && !l.b.raftless {
			mine, theirs := net.Pipe()
			l.b.pipes[[2]string{l.at, o.at}] = append(l.b.pipes[[2]string{l.at, o.at}], mine)
			o.member.Handler().Raft(l.peer(o), theirs)
			return mine, nil
		}
	}
	return nil, mesh.ErrNotConnected
}

func (l *line) Trust(string) error { return nil }

// cut cuts or mends the line between two members, both ways.
func (b *board) cut(x, y string, is bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cuts[[2]string{x, y}], b.cuts[[2]string{y, x}] = is, is
	p, q := b.lines[x], b.lines[y]
	if !is {
		p.member.Handler().Connected(q.peer(p))
		q.member.Handler().Connected(p.peer(q))
	} else {
		p.member.Handler().Closed(q.peer(p), errors.New("cut"))
		q.member.Handler().Closed(p.peer(q), errors.New("cut"))
		for _, c := range append(b.pipes[[2]string{x, y}], b.pipes[[2]string{y, x}]...) {
			_ = c.Close()
		}
	}
}

// documents is a configuration store in memory.
type documents struct {
	mu     sync.Mutex
	stored revisions.Stored
	force  string
	fail   error
}

func (d *documents) Stored() revisions.Stored { return d.stored }

func (d *documents) Write(s revisions.Stored) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail == nil {
		d.stored = s
	}
	return d.fail
}

func (d *documents) Apply(a revisions.Apply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.force = a.Bytes
}

func (d *documents) Digest() string { return d.inForce() }

func (d *documents) inForce() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.force
}

func (d *documents) Initial() revisions.Propose {
	return revisions.Propose{Bytes: "initial", Digest: "initial"}
}

// alarms is a board of alarms.
type alarms struct {
	mu     sync.Mutex
	stands map[string]string
}

func (a *alarms) Raise(number int, key, detail string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stands[fmt.Sprintf("%d %s", number, key)] = detail
}

func (a *alarms) Lower(number int, key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.stands, fmt.Sprintf("%d %s", number, key))
}

// list returns what stands, sorted.
func (a *alarms) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := []string{}
	for k := range a.stands {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// standing are those that the process before has left.
func (a *alarms) standing() []troubles.Trouble {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []troubles.Trouble
	for k, detail := range a.stands {
		number, key, _ := strings.Cut(k, " ")
		n, _ := strconv.Atoi(number)
		out = append(out, troubles.Trouble{Number: n, Key: key, Detail: detail})
	}
	return out
}

// log keeps the records.
type log struct {
	mu      sync.Mutex
	records []string
}

func (l *log) Event(event string, kv ...any) { l.add(event, kv) }
func (l *log) Warn(event string, kv ...any)  { l.add(event, kv) }
func (l *log) Error(event string, kv ...any) { l.add(event, kv) }

func (l *log) add(event string, kv []any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, event+" "+fmt.Sprint(kv...))
}

// table is what a node shows of all rows.
type table struct {
	mu   sync.Mutex
	rows map[rows.Key]string
}

func (s *table) take(all []rows.Changed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range all {
		if c.Found {
			s.rows[c.Key] = string(c.Owner) + "=" + c.Row.Value
		} else {
			delete(s.rows, c.Key)
		}
	}
}

func (s *table) get(k rows.Key) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[k]
}

func (l *line) kept() []byte { return l.file }

func (l *line) keep(data []byte) error {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	if l.full != nil {
		return l.full
	}
	l.file = data
	return nil
}

// breaks makes the disk of what a member keeps fail.
func (l *line) breaks(err error) {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	l.full = err
}

// has says whether there is a record of an event.
func (l *log) has(event string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.records, func(r string) bool { return strings.HasPrefix(r, event) })
}

// damage changes what is in force, as nobody should.
func (d *documents) damage(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.force = text
}

// own are the settings of a member of a test.
func own(primary int, peers ...string) settings.Settings {
	return settings.Settings{
		Name: "cluster1.example.test", Primary: primary, IP: "ipv4", TLS: "permissive", Peers: peers,
		Role: "core", Platform: "small", Software: "1.0", Protocol: 1,
	}
}

// join starts a member at an entry; what an earlier one left goes on.
func (b *board) join(at string, s settings.Settings) *line {
	l := b.lines[at]
	if l == nil {
		l = &line{b: b, at: at, fqdn: "tp-" + at + ".example.test", reset: true, addr: netip.MustParseAddrPort(at + ":4372"), store: &documents{}, alarms: &alarms{stands: map[string]string{}}, dir: b.t.TempDir()}
	}
	l.log, l.rows, l.done = &log{}, &table{rows: map[rows.Key]string{}}, make(chan error, 1)
	m, err := member.New(member.Config{
		NewID: func() string { return b.id() },
		Self:  cluster.ID("id-" + at), Name: "tp-" + at, Software: s.Software, Protocol: s.Protocol, ActiveTLS: s.TLS,
		Kept: l.kept(), Keep: l.keep, Documents: l.store, Alarms: l.alarms, Standing: l.alarms.standing(), Log: l.log,
		Now: time.Now, Boot: func() time.Duration { return time.Since(b.start) + time.Hour },
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.mu.Lock()
	l.member = m // the others ask it for its name at any time
	b.mu.Unlock()
	l.agree, err = agreement.Open(agreement.Config{
		Self: cluster.ID("id-" + at), Dir: l.dir, Dial: l.Raft, Applied: m.Applied,
		Boot: func() time.Duration { return time.Since(b.start) + time.Hour }, Log: l.log,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	m.Agree(l.agree)
	l.shares = newCounters(map[ledger.Resource]uint32{})
	m.Share(l.shares)
	m.Connect(l)
	m.Local(member.Local{Reset: l.reset && l.store.stored.Tag == revisions.Tag{}})
	m.Watch("", l.rows.take)
	b.mu.Lock()
	b.lines[at] = l
	b.mu.Unlock()
	l.configure(s)
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go func() { l.done <- m.Run(ctx) }()
	return l
}

// configure is the operator at a member.
func (l *line) configure(s settings.Settings) {
	l.member.Settings(s, slices.IndexFunc(s.Peers, func(p string) bool { return p == l.at || p == l.fqdn }), nil)
}

// stop ends a member as kill does: nobody is told.
func (l *line) stop() {
	if l.cancel == nil {
		return
	}
	l.cancel()
	l.cancel = nil
	if err := <-l.done; err != nil {
		l.b.t.Error(err)
	}
	if err := l.agree.Close(); err != nil {
		l.b.t.Error(err)
	}
	l.b.mu.Lock()
	l.list = nil
	l.b.mu.Unlock()
}

// end ends all members.
func (b *board) end() {
	for _, l := range b.lines {
		l.stop()
	}
}

// within waits until something is so.
func within(t *testing.T, d time.Duration, what string, so func() bool) {
	t.Helper()
	until := time.Now().Add(d)
	for synctest.Wait(); !so(); synctest.Wait() {
		if time.Now().After(until) {
			t.Fatalf("within %s: %s", d, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
