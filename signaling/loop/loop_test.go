package loop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/lab/labtest"
)

func TestMessagesOfEachTransport(t *testing.T) {
	l, h := start(t, Limits{}, nil)
	for _, c := range []struct {
		transport Transport
		at        netip.AddrPort
		conn      func() net.Conn
	}{
		{UDP, l.cfg.UDP[0], func() net.Conn { return dial(t, "udp", l.cfg.UDP[0]) }},
		{TCP, l.cfg.TCP[0], func() net.Conn { return dial(t, "tcp", l.cfg.TCP[0]) }},
		{TLS, l.cfg.TLS[0], func() net.Conn {
			return tls.Client(dial(t, "tcp", l.cfg.TLS[0]), &tls.Config{InsecureSkipVerify: true})
		}},
	} {
		t.Run(c.transport.String(), func(t *testing.T) {
			conn := c.conn()
			for i := range 100 {
				text := fmt.Sprintf("message %d\n", i)
				send(t, conn, text)
				expect(t, conn, text)
				m := wait(t, h.came, "a message")
				if m.text != text || m.from.Transport != c.transport || m.from.Local != c.at || m.from.Remote.String() != conn.LocalAddr().String() || m.from.OverRate {
					t.Fatalf("got %+v", m)
				}
			}
		})
	}
	if s := l.Stats(); s.Messages != [3]uint64{100, 100, 100} || s.Accepted != 2 {
		t.Errorf("got %+v", s)
	}
}

func TestStreamIsCutIntoMessages(t *testing.T) {
	l, h := start(t, Limits{}, nil)
	long := strings.Repeat("x", 60_000) + "\n"
	for name, secure := range map[string]bool{"tcp": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, "tcp", l.cfg.TCP[0])
			if secure {
				conn = tls.Client(dial(t, "tcp", l.cfg.TLS[0]), &tls.Config{InsecureSkipVerify: true})
			}
			for _, part := range []string{"a", "b", "\n\nc\nd\ne", "\n", long[:30_000], long[30_000:]} {
				send(t, conn, part)
			}
			expect(t, conn, "ab\n"+"\n"+"c\nd\ne\n"+long) // the empty line is the keep-alive's answer
			for _, want := range []string{"ab\n", "c\n", "d\n", "e\n", long} {
				if got := wait(t, h.came, "a message").text; got != want {
					t.Fatalf("got %q, want %q", got, want)
				}
			}
		})
	}
}

func TestDialledConnectionIsFoundAgain(t *testing.T) {
	server, trust := certificate(t)
	far, _ := start(t, Limits{}, func(c *Config) { c.ServerTLS = server })
	near, h := start(t, Limits{}, func(c *Config) { h := c.Handler.(*sink); h.echo = false; c.DialPorts = Ports{25000, 29999} })
	for _, c := range []struct {
		name string
		to   Target
		key  string
	}{
		{"tcp", Target{Remote: far.cfg.TCP[0], Local: netip.MustParseAddr("127.0.0.2")}, ""},
		{"tls", Target{Remote: far.cfg.TLS[0], TLS: trust}, "localhost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := near.Dial(context.Background(), c.to)
			if err != nil {
				t.Fatal(err)
			}
			if c.to.Local.IsValid() && conn.Local().Addr() != c.to.Local {
				t.Errorf("comes from %s", conn.Local())
			}
			if p := conn.Local().Port(); p < 25000 || p > 29999 {
				t.Errorf("comes from port %d", p)
			}
			if err := conn.Send([]byte("hello\n")); err != nil {
				t.Fatal(err)
			}
			if m := wait(t, h.came, "the echo"); m.text != "hello\n" || m.from.Conn != conn {
				t.Errorf("got %+v", m)
			}
			if near.Find(conn.Transport(), c.to.Remote, c.key) != conn {
				t.Error("it is not found")
			}
			if near.Find(conn.Transport(), c.to.Remote, "other.example.org") != nil {
				t.Error("it is found under another name")
			}
			conn.Close()
			wait(t, h.closed, "its end")
			if near.Find(conn.Transport(), c.to.Remote, c.key) != nil {
				t.Error("it is found after its end")
			}
		})
	}
}

func TestDialFails(t *testing.T) {
	server, _ := certificate(t)
	_, stranger := certificate(t)
	far, _ := start(t, Limits{}, func(c *Config) { c.ServerTLS = server })
	near, _ := start(t, Limits{}, nil)
	if _, err := near.Dial(context.Background(), Target{Remote: labtest.FreePort(t, "127.0.0.1")}); err == nil {
		t.Error("a closed port was reached")
	}
	if _, err := near.Dial(context.Background(), Target{Remote: far.cfg.TLS[0], TLS: stranger}); !errors.Is(err, errHandshake) {
		t.Errorf("a certificate that is not trusted: %v", err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := near.Dial(ctx, Target{Remote: addrPort(silent.Addr()), TLS: stranger}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that says nothing: %v", err)
	}
	if n := near.Stats().Open; n > 1 { // the last may still be closing
		t.Errorf("%d connections are open", n)
	}
}

func TestCertificateIsAskedForAtEachHandshake(t *testing.T) {
	one, _ := certificate(t)
	two, trustTwo := certificate(t)
	var now atomic.Pointer[tls.Certificate]
	now.Store(&one.Certificates[0])
	l, _ := start(t, Limits{}, func(c *Config) {
		c.ServerTLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return now.Load(), nil }}
	})
	first := tls.Client(dial(t, "tcp", l.cfg.TLS[0]), &tls.Config{InsecureSkipVerify: true})
	send(t, first, "a\n")
	expect(t, first, "a\n")
	now.Store(&two.Certificates[0])
	second := tls.Client(dial(t, "tcp", l.cfg.TLS[0]), trustTwo)
	if err := second.Handshake(); err != nil {
		t.Error(err)
	}
	send(t, first, "b\n") // the old connection goes on
	expect(t, first, "b\n")
}

func TestDrainTakesNoMoreConnections(t *testing.T) {
	l, _ := start(t, Limits{}, nil)
	there := dial(t, "tcp", l.cfg.TCP[0])
	send(t, there, "a\n")
	expect(t, there, "a\n")
	l.Drain()
	if c, err := net.Dial("tcp", l.cfg.TCP[0].String()); err == nil {
		_ = c.Close()
		t.Error("a connection was taken")
	}
	send(t, there, "b\n")
	expect(t, there, "b\n")
	u := dial(t, "udp", l.cfg.UDP[0])
	send(t, u, "c\n")
	expect(t, u, "c\n")
	if _, err := l.Dial(context.Background(), Target{Remote: l.cfg.TCP[0]}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("dialled: %v", err)
	}
}

func TestPanicCostsOneMessage(t *testing.T) {
	lost := make(chan string, 1)
	l, _ := start(t, Limits{}, func(c *Config) {
		c.Panicked = func(from Source, data []byte, reason any) {
			lost <- fmt.Sprint(from.Transport, " ", string(data), reason)
		}
	})
	c := dial(t, "tcp", l.cfg.TCP[0])
	send(t, c, "panic\nb\n")
	expect(t, c, "b\n")
	if got := wait(t, lost, "the message that was lost"); got != "tcp panic\nasked for" {
		t.Errorf("got %q", got)
	}
}

func TestAddressesThatCannotBeHad(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	server, _ := certificate(t)
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"taken":          {func(c *Config) { c.TCP = []netip.AddrPort{addrPort(taken.Addr())} }, "address already in use"},
		"unspecified":    {func(c *Config) { c.UDP = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:5060")} }, "one of the node's addresses"},
		"no certificate": {func(c *Config) { c.TLS, c.ServerTLS = []netip.AddrPort{labtest.FreePort(t, "127.0.0.1")}, nil }, "no certificate"},
	} {
		cfg := Config{ServerTLS: server, NewFramer: func() Framer { return lines{} }}
		c.change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	l, err := New(Config{UDP: []netip.AddrPort{netip.MustParseAddrPort("198.18.255.1:5060")}, NewFramer: func() Framer { return lines{} }})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Run(context.Background()); err == nil {
		t.Error("a UDP address that is not here was bound")
	}
}

func TestSendFromAnAddressThatIsNotOurs(t *testing.T) {
	l, _ := start(t, Limits{}, nil)
	if err := l.SendUDP(netip.MustParseAddrPort("127.0.0.9:5060"), l.cfg.UDP[0], []byte("x")); !errors.Is(err, ErrNoSocket) {
		t.Errorf("got %v", err)
	}
}

// crypto/tls keeps any error of the connection below for ever, except one that is
// Timeout and Temporary. The whole of secure stands on that.
func TestCryptoTLSGoesOnAfterNothingYet(t *testing.T) {
	server, client := certificate(t)
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	go func() {
		c := tls.Server(there, server)
		_, _ = io.Copy(c, c)
	}()
	dry := &dryConn{Conn: here}
	c := tls.Client(dry, client)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	for i := range 3 {
		dry.dry = true
		if _, err := c.Read(b); !errors.Is(err, errNothingYet) {
			t.Fatalf("dry: %v", err)
		}
		dry.dry = false
		send(t, c, fmt.Sprint(i))
		if n, err := c.Read(b); err != nil || string(b[:n]) != fmt.Sprint(i) {
			t.Fatalf("round %d: %q, %v", i, b[:n], err)
		}
	}
}

// dryConn is a connection that has nothing to read when told so.
type dryConn struct {
	net.Conn
	dry bool
}

func (d *dryConn) Read(p []byte) (int, error) {
	if d.dry {
		return 0, errNothingYet
	}
	return d.Conn.Read(p)
}
