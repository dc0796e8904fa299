package mesh_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/mesh"
	"turnpike.dev/turnpike/cluster/settings"
	"turnpike.dev/turnpike/cluster/wire"
)

// patience is how long a test waits for what has to come.
const patience = 15 * time.Second

// network is a set of nodes on loopback addresses of their own, over real TCP and TLS.
type network struct {
	t     *testing.T
	third byte // of the addresses: each test has its own
	ca    *authority
	mu    sync.Mutex
	names map[string][]netip.Addr // DNS
}

var lastNet atomic.Uint32

func newNetwork(t *testing.T) *network {
	return &network{t: t, third: byte(lastNet.Add(1)), ca: newAuthority(t), names: make(map[string][]netip.Addr)}
}

func (n *network) addr(i int) netip.Addr { return netip.AddrFrom4([4]byte{127, 71, n.third, byte(i)}) }

func (n *network) name(host string, addrs ...netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[host] = addrs
}

func (n *network) resolve(_ context.Context, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, ok := n.names[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return a, nil
}

// files are of the operating system.
type files struct{}

func (files) ReadFile(name string) ([]byte, error)       { return os.ReadFile(name) }
func (files) ReplaceFile(name string, data []byte) error { return os.WriteFile(name, data, 0o600) }

// event is something that a node's handler was told.
type event struct {
	what    string
	peer    mesh.Peer
	address string
	message any
	err     error
	conn    net.Conn
}

// recorder is the handler of a node.
type recorder struct{ *node }

// node is a mesh with a handler that records.
type node struct {
	*mesh.Mesh
	t      *testing.T
	cfg    mesh.Config
	addr   netip.Addr
	cert   atomic.Pointer[tls.Certificate]
	hello  atomic.Pointer[wire.Hello]
	events chan event
	answer func(context.Context, mesh.Peer, string, []byte) ([]byte, error)
	log    *logbook
}

func (n recorder) Connected(p mesh.Peer)       { n.tell(event{what: "connected", peer: p}) }
func (n recorder) Received(p mesh.Peer, m any) { n.tell(event{what: "received", peer: p, message: m}) }

func (n recorder) Closed(p mesh.Peer, why error) { n.tell(event{what: "closed", peer: p, err: why}) }

func (n recorder) Failed(address string, why error) {
	n.tell(event{what: "failed", address: address, err: why})
}
func (n recorder) Raft(p mesh.Peer, c net.Conn) { n.tell(event{what: "raft", peer: p, conn: c}) }

func (n recorder) Certificate(address, fault string) {
	n.tell(event{what: "certificate", address: address, message: fault})
}

func (n recorder) Request(ctx context.Context, p mesh.Peer, name string, body []byte) ([]byte, error) {
	return n.answer(ctx, p, name, body)
}

func (n *node) tell(e event) {
	select {
	case n.events <- e:
	default: // a test that looks at nothing
	}
}

// await returns the first event that is what a test waits for; others are passed over.
func (n *node) await(what string, is func(event) bool) event {
	n.t.Helper()
	deadline := time.After(patience)
	var seen []string
	for {
		select {
		case e := <-n.events:
			if is(e) {
				return e
			}
			seen = append(seen, fmt.Sprintf("%s %s%s %v %v", e.what, e.address, e.peer.Address, e.message, e.err))
		case <-deadline:
			n.t.Fatalf("%s at %s: did not come; came:\n%s", what, n.cfg.Self, strings.Join(seen, "\n"))
		}
	}
}

func (n *node) awaitConnected(address string) mesh.Peer {
	n.t.Helper()
	return n.await("connection with "+address, func(e event) bool { return e.what == "connected" && e.peer.Address == address }).peer
}

// awaitFailed returns what is told to people.
func (n *node) awaitFailed(address string, why error) string {
	n.t.Helper()
	return n.await(fmt.Sprintf("refusal of %s: %v", address, why), func(e event) bool {
		return e.what == "failed" && e.address == address && errors.Is(e.err, why)
	}).err.Error()
}

// until repeats a try that has no event to wait for.
func (n *node) until(what string, try func() bool) {
	n.t.Helper()
	for deadline := time.Now().Add(patience); !try(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatalf("%s at %s: not in %s", what, n.cfg.Self, patience)
		}
	}
}

// logbook keeps what was logged.
type logbook struct {
	mu    sync.Mutex
	lines []string
}

func (l *logbook) Event(event string, kv ...any) { l.add(event, kv) }
func (l *logbook) Warn(event string, kv ...any)  { l.add(event, kv) }

func (l *logbook) add(event string, kv []any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, event+" "+fmt.Sprint(kv...))
}

func (l *logbook) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// prepare returns node number i of a network; change, unless nil, changes how it is made.
func (n *network) prepare(i int, change func(*mesh.Config)) *node {
	n.t.Helper()
	x := &node{t: n.t, addr: n.addr(i), events: make(chan event, 4096), log: &logbook{}}
	x.cert.Store(selfSigned(n.t, fmt.Sprintf("node%d", i)))
	x.hello.Store(&wire.Hello{
		ID: cluster.ID(fmt.Sprintf("node-%d", i)), Incarnation: 1, Name: fmt.Sprintf("node%d", i), Cluster: "c1",
		Settings: settings.Settings{Protocol: wire.Protocol, Software: "1.0"},
	})
	x.cfg = mesh.Config{
		Self: x.hello.Load().ID, Local: x.addr, Port: 14372, RecoveryPort: 14371, SourcePorts: [2]uint16{30000, 35999},
		Certificate: x.cert.Load, Hello: func() wire.Hello { return *x.hello.Load() }, Verify: n.ca.verify,
		Files: files{}, Dir: n.t.TempDir(), Resolve: n.resolve, Handler: recorder{x}, Log: x.log,
	}
	if change != nil {
		change(&x.cfg)
	}
	x.make()
	return x
}

func (n *node) make() {
	n.t.Helper()
	var err error
	if n.Mesh, err = mesh.New(n.cfg); err != nil {
		n.t.Fatal(err)
	}
}

// run runs a node until the test is over or stop is called.
func (n *node) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := n.Run(ctx); err != nil {
			n.t.Errorf("run %s: %v", n.cfg.Self, err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	n.t.Cleanup(stop)
	return stop
}

// pair returns two nodes that know each other by address and run.
func (n *network) pair(change func(*mesh.Config)) (a, b *node) {
	a, b = n.prepare(1, change), n.prepare(2, change)
	list := []string{a.addr.String(), b.addr.String()}
	a.List(list, 0, nil)
	b.List(list, 1, nil)
	a.run()
	b.run()
	return a, b
}

// authority signs certificates, and verifies them as a node does that trusts it.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := newKey(t)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a := &authority{cert: sign(t, c, c, &key.PublicKey, key), key: key, pool: x509.NewCertPool()}
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) verify(chain []*x509.Certificate) error {
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: a.pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}

// issue signs a certificate for names, the first of which is the common name only.
func (a *authority) issue(t *testing.T, until time.Time, common string, names ...string) *tls.Certificate {
	t.Helper()
	key := newKey(t)
	c := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: common}, DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: until}
	leaf := sign(t, c, a.cert, &key.PublicKey, a.key)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

func selfSigned(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	key := newKey(t)
	c := &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	leaf := sign(t, c, c, &key.PublicKey, key)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, c, parent *x509.Certificate, pub *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}
