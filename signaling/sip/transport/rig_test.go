package transport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
)

func TestMain(m *testing.M) {
	// gnet brings a pool of goroutines that lives as long as the process.
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"))
}

type received struct {
	src loop.Source
	m   *message.Message
}

// node is a transport, and what it gets.
type node struct {
	*Transport
	came   chan received
	closed chan *loop.Conn
}

func start(t testing.TB, change func(*Config)) *node {
	t.Helper()
	own := authority(t).certificate(t, "localhost")
	n := &node{came: make(chan received, 10_000), closed: make(chan *loop.Conn, 10_000)}
	at, secure := labtest.FreePort(t, "127.0.0.1"), labtest.FreePort(t, "127.0.0.1")
	cfg := Config{
		UDP: []netip.AddrPort{at}, TCP: []netip.AddrPort{at}, TLS: []netip.AddrPort{secure}, Product: "Turnpike",
		Certificate: func() (*tls.Certificate, error) { return own, nil },
		Receive:     func(src loop.Source, m *message.Message) { n.came <- received{src, m} },
		Closed:      func(c *loop.Conn) { n.closed <- c },
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if n.Transport, err = New(cfg); err == nil {
		err = run(t, n.Transport)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// run lets a transport work until the test ends.
func run(t testing.TB, tr *Transport) error {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- tr.Run(ctx) }()
	select {
	case err := <-ended:
		cancel()
		return err
	case <-tr.Listening():
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return nil
}

// at is where a node listens.
func (n *node) at(by loop.Transport) netip.AddrPort { return n.listen[by][0] }

// respond answers everything that comes with 200.
func (n *node) respond(t testing.TB) received {
	t.Helper()
	r := wait(t, n.came, "a request")
	n.Send(AnswerHop(r.src, r.m.Via()), message.NewResponse(r.m, 200, "").Append(nil), fail(t))
	return r
}

// fail is told of what must not fail.
func fail(t testing.TB) func(error) {
	return func(err error) { t.Errorf("not sent: %v", err) }
}

const patience = 10 * time.Second

func wait[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("waited for %s", what)
		panic("not reached")
	}
}

// options is a request with our Via for a hop.
func (n *node) options(t testing.TB, h Hop, size int) *message.Message {
	t.Helper()
	local, err := n.Local(h)
	if err != nil {
		t.Fatal(err)
	}
	m := message.NewRequest(message.Options, message.URI{Scheme: "sip", Host: "example.test"})
	m.PushVia(message.Via{
		Transport: strings.ToUpper(h.Transport.String()), Host: local.Addr().String(), Port: local.Port(),
		Params: message.Params{{Name: "branch", Value: message.NewBranch()}, {Name: "rport"}},
	})
	m.SetMaxForwards(70)
	m.SetFrom(message.Address{URI: message.URI{Scheme: "sip", User: "a", Host: "example.test"}}.WithTag(message.NewTag()))
	m.SetTo(message.Address{URI: message.URI{Scheme: "sip", Host: "example.test"}})
	m.SetCallID(message.NewCallID())
	m.SetCSeq(1, message.Options)
	if size > 0 {
		m.SetBody("text/plain", []byte(strings.Repeat("x", size)))
	}
	return m
}

// client is a plain socket to a node.
func client(t testing.TB, network string, to netip.AddrPort) net.Conn {
	t.Helper()
	c, err := net.Dial(network, to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func write(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// response reads one response, which has no body.
func response(t testing.TB, c net.Conn) *message.Message {
	t.Helper()
	var all []byte
	b := make([]byte, 64<<10)
	for {
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("after %q: %v", all, err)
		}
		all = append(all, b[:n]...)
		if strings.HasSuffix(string(all), "\r\n\r\n") {
			break
		}
	}
	m, err := message.ParseStream(all)
	if err != nil {
		t.Fatalf("%v\n%s", err, all)
	}
	return m
}

// text is a request as a client writes it.
func text(c net.Conn, method string, lines ...string) string {
	return strings.Join(append([]string{
		method + " sip:example.test SIP/2.0", "Via: SIP/2.0/UDP " + c.LocalAddr().String() + ";rport;branch=z9hG4bK" + fmt.Sprint(time.Now().UnixNano()),
		"From: <sip:a@example.test>;tag=1", "To: <sip:example.test>", "Call-ID: " + message.NewCallID(), "CSeq: 1 " + method, "Content-Length: 0",
	}, append(lines, "", "")...), "\r\n")
}

// ca signs certificates.
type ca struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func authority(t testing.TB) *ca {
	t.Helper()
	a := &ca{key: newKey(t)}
	a.cert = parseCert(t, sign(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, a, nil))
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, template *x509.Certificate, by *ca, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent := by.cert
	if parent == nil {
		parent, key = template, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func parseCert(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// certificate is for names: "sip:" in front makes a URI of one.
func (a *ca) certificate(t testing.TB, names ...string) *tls.Certificate {
	t.Helper()
	template, key := &x509.Certificate{}, newKey(t)
	for _, n := range names {
		if addr, err := netip.ParseAddr(n); err == nil {
			template.IPAddresses = append(template.IPAddresses, addr.AsSlice())
		} else if strings.HasPrefix(n, "sip:") {
			template.URIs = append(template.URIs, &url.URL{Scheme: "sip", Opaque: n[len("sip:"):]})
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	return &tls.Certificate{Certificate: [][]byte{sign(t, template, a, key)}, PrivateKey: key}
}

func (a *ca) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}
