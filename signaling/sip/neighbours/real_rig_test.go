package neighbours

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// quick is how peers on loopback are asked: often, and not waited for for long.
var quick = times{100 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, time.Millisecond}

// soon is how long a test waits for what must happen.
const soon = 20 * time.Second

// end is a node with real sockets: everything that speaks SIP but calls.
type end struct {
	*Neighbours
	stack *sip.Stack
	route *routing.Router
	log   *records

	mu    sync.Mutex
	load  Load
	waits chan struct{} // closed at the next thing that is heard
}

// setup is what an end is made of.
type setup struct {
	udp, tcp, tls []netip.AddrPort
	text          string // zones and accounts of the node file
	load          Load
	authority     *authority // whom it believes
	names         []string   // of its certificate
}

// given is the last port that a test was given: none gets another's.
var given atomic.Uint32

// free returns an address of loopback whose port nobody has. It is not one of those that
// the system gives to connections: another test may open one at any time.
func free(t *testing.T, addr string) netip.AddrPort {
	t.Helper()
	given.CompareAndSwap(0, uint32(rand.IntN(10000))) // other processes test too
	for range 100 {
		at := netip.AddrPortFrom(netip.MustParseAddr(addr), uint16(20000+given.Add(1)%10000))
		u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			continue
		}
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		_ = u.Close()
		if err != nil {
			continue
		}
		_ = l.Close()
		return at
	}
	t.Fatal("no port is free")
	return netip.AddrPort{}
}

func launch(t *testing.T, s setup) *end {
	t.Helper()
	c, err := config.Parse("node.yaml", []byte("system: {name: edge}\ninterfaces: {external: {name: s1}}\ndomains: [example.test]\nsip: {mode: on, udp: 5060}\n"+s.text))
	if err != nil {
		t.Fatal(err)
	}
	e := &end{log: &records{}, load: s.load, waits: make(chan struct{})}
	if e.route, err = routing.New(c, routing.Surroundings{}); err != nil {
		t.Fatal(err)
	}
	tc := transport.Config{UDP: s.udp, TCP: s.tcp, TLS: s.tls, AskClients: true, Closed: func(c *loop.Conn) { e.Closed(c); e.hear() }}
	if s.authority != nil {
		tc.Roots = s.authority.pool
		mine := s.authority.certificate(t, s.names...)
		tc.Certificate = func() (*tls.Certificate, error) { return mine, nil }
	}
	if e.stack, err = sip.New(sip.Config{Transport: tc, Shards: 2, Own: func(message.URI) bool { return true }, Panicked: func(r any) { t.Errorf("panic: %v", r) }}); err != nil {
		t.Fatal(err)
	}
	e.surround(c, s)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	ended := make(chan error, 1)
	running.Go(func() { ended <- e.stack.Run(ctx) })
	select {
	case <-e.stack.Transport().Listening():
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	running.Go(func() { _ = e.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return e
}

func (e *end) surround(c *config.Node, s setup) {
	var guard *access.Guard
	e.Neighbours = New(c, Deps{
		Sender: e.stack.Layer(), Group: e.stack.Group(), Ways: e.stack.Transport(), Names: &book{}, Log: e.log,
		Directory: e.directory, Load: e.carries,
		Passwords: prove(func(t *transaction.Server, account string) bool { return guard.Prove(t, account) }),
	})
	e.times, e.heard = quick, func(key) { e.hear() }
	guard = access.New(c, access.Deps{
		Sources: e.Neighbours, Bindings: registrations.New(registrations.Config{}), Snapshot: e.route.Snapshot, Key: []byte("key"), Log: e.log,
	})
	e.stack.Use(sip.Parts{Login: e.Login, Tell: func(src loop.Source, m *message.Message) { e.Tell(src, m); e.hear() }})
}

type prove func(t *transaction.Server, account string) bool

func (p prove) Prove(t *transaction.Server, account string) bool { return p(t, account) }

func (e *end) directory() *zones.Directory { return e.route.Snapshot().Zones }

func (e *end) zone(name string) *zones.Zone { return e.directory().ByName(name) }

func (e *end) carries() Load {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.load
}

func (e *end) carry(l Load) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.load = l
}

// hear wakes who waits: something may be different.
func (e *end) hear() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.waits)
	e.waits = make(chan struct{})
}

// until waits until something is so.
func (e *end) until(t *testing.T, what string, so func() bool) {
	t.Helper()
	late := time.After(soon)
	for {
		e.mu.Lock()
		waits := e.waits
		e.mu.Unlock()
		if so() {
			return
		}
		select {
		case <-waits:
		case <-late:
			t.Fatalf("%s: not within %s; the log says %v", what, soon, e.log.all())
		}
	}
}

func (r *records) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.whole...)
}

// authority signs certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: newKey(t)}
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.cert = a.sign(t, template, template, a.key)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(t *testing.T, template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(cryptorand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (a *authority) certificate(t *testing.T, names ...string) *tls.Certificate {
	t.Helper()
	key := newKey(t)
	cert := a.sign(t, &x509.Certificate{DNSNames: names}, a.cert, key)
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// ask sends OPTIONS to a hop and returns the answer.
func ask(t *testing.T, e *end, h transport.Hop) *message.Message {
	t.Helper()
	m := message.NewRequest(message.Options, message.URI{Scheme: "sip", Host: "client.invalid"})
	m.SetFrom(message.Address{URI: message.URI{Scheme: "sip", Host: "server.invalid"}}.WithTag(message.NewTag()))
	m.SetTo(message.Address{URI: m.URI()})
	m.SetCallID(message.NewCallID())
	m.SetCSeq(1, message.Options)
	m.SetMaxForwards(70)
	on := e.stack.Group().Of(m.CallID())
	got := make(answers, 1)
	on.Post(func() { e.stack.Layer().Send(on, m, h, got) })
	select {
	case answer := <-got:
		if answer == nil {
			t.Fatal("no answer")
		}
		return answer
	case <-time.After(soon):
		t.Fatal("no answer")
		return nil
	}
}

// answers takes what is said to a request.
type answers chan *message.Message

func (a answers) Response(_ *transaction.Client, m *message.Message) { a <- m.Clone() }
func (a answers) Failed(*transaction.Client, error)                  { a <- nil }
