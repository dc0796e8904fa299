package loop

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/perf/lab/labtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(fewDescriptors) != "" {
		os.Exit(serveWithFewDescriptors())
	}
	// gnet brings a pool of goroutines that lives as long as the process.
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"))
}

// lines is a framer of messages that end in a line feed. An empty line asks for one.
type lines struct{}

var errForbidden = errors.New("a message may have no zero byte")

func (lines) Next(b []byte) (Frame, error) {
	if len(b) > 0 && b[0] == '\n' {
		return Frame{Skip: 1, Reply: []byte("\n")}, nil
	}
	end := bytes.IndexByte(b, '\n') + 1
	if bytes.IndexByte(b[:end], 0) >= 0 {
		return Frame{}, errForbidden
	}
	return Frame{Size: end}, nil
}

type message struct {
	from Source
	text string
}

// sink is a handler that passes on what it gets and, when told to, sends it back.
type sink struct {
	loop   *Loop
	echo   bool
	came   chan message
	closed chan *Conn
}

func (s *sink) Message(from Source, data []byte) {
	if bytes.HasPrefix(data, []byte("panic")) {
		panic("asked for")
	}
	s.came <- message{from, string(data)}
	if !s.echo {
		return
	}
	if from.Conn != nil {
		_ = from.Conn.Send(data)
		return
	}
	_ = s.loop.SendUDP(from.Local, from.Remote, data)
}

func (s *sink) Closed(c *Conn) { s.closed <- c }

// start runs a loop on free ports of loopback until the test ends.
func start(t testing.TB, limits Limits, change func(*Config)) (*Loop, *sink) {
	t.Helper()
	h := &sink{echo: true, came: make(chan message, 10_000), closed: make(chan *Conn, 10_000)}
	server, _ := certificate(t)
	cfg := Config{
		UDP: []netip.AddrPort{labtest.FreePort(t, "127.0.0.1")}, TCP: []netip.AddrPort{labtest.FreePort(t, "127.0.0.1")}, TLS: []netip.AddrPort{labtest.FreePort(t, "127.0.0.1")},
		ServerTLS: server, NewFramer: func() Framer { return lines{} }, Handler: h, Limits: limits, Loops: 2,
	}
	if change != nil {
		change(&cfg)
	}
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.loop = l
	run(t, l)
	return l, h
}

func run(t testing.TB, l *Loop) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-l.Listening():
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
}

// certificate makes one for localhost: how to serve with it, and how to trust it.
func certificate(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: roots, ServerName: "localhost"}
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

// dial opens a plain connection to a loop, as a client would.
func dial(t testing.TB, network string, to netip.AddrPort) net.Conn {
	t.Helper()
	c, err := net.Dial(network, to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func send(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// expect reads exactly that.
func expect(t testing.TB, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	for n := 0; n < len(got); {
		m, err := c.Read(got[n:])
		if err != nil {
			t.Fatalf("after %q: %v", got[:n], err)
		}
		n += m
	}
	if string(got) != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// expectClosed waits for the end of a connection, and for the reason that the loop gives.
func expectClosed(t testing.TB, c net.Conn, h *sink, why error) {
	t.Helper()
	b := make([]byte, 64<<10)
	for {
		if _, err := c.Read(b); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("the connection was not closed")
			}
			break
		}
	}
	for {
		closed := wait(t, h.closed, "the handler to be told")
		if closed.Remote().String() != c.LocalAddr().String() {
			continue // one of before
		}
		if got := closed.Why(); !errors.Is(got, why) {
			t.Errorf("closed for %v, want %v", got, why)
		}
		return
	}
}
