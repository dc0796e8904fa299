package turn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/turn/v4"

	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/userspace"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

// realConfig is for a server on real sockets of the loopback interface.
func realConfig(t *testing.T, host string) Config {
	t.Helper()
	local := netip.MustParseAddr(host)
	return Config{
		Realm: "test", Software: "turnpike",
		Listen:    []netip.AddrPort{labtest.FreePort(t, host)},
		TLSListen: []netip.AddrPort{labtest.FreePort(t, host)},
		TCP:       true, TLS: serverTLS(t),
		RelayAddrs: []RelayAddr{{Local: local}}, PortMin: 24000, PortMax: 24999,
		Users: map[string]string{"u": "p"}, AllowLoopback: true, OwnAddrs: []netip.Addr{local},
		NonceKey: []byte("0123456789abcdef"), JournalPath: filepath.Join(t.TempDir(), "turn.journal"),
	}
}

// realServer runs a server until the test ends or stop is called.
func realServer(t *testing.T, cfg Config) (s *Server, stop func()) {
	t.Helper()
	process, err := userspace.New(userspace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	engine := relay.NewEngine(nil, "a test has no kernel path", process)
	s, err = New(cfg, engine, engine, process, discard{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Restore(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, process.Close()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	t.Cleanup(stop)
	select {
	case <-s.Listening():
	case <-time.After(10 * time.Second):
		t.Fatal("does not listen")
	}
	return s, stop
}

func serverTLS(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// dialClient connects pion's client over the transport.
func dialClient(t *testing.T, s *Server, transport Transport) *turn.Client {
	t.Helper()
	server := s.cfg.Listen[0]
	var conn net.PacketConn
	switch transport {
	case UDP:
		c, err := net.ListenPacket("udp", net.JoinHostPort(server.Addr().String(), "0"))
		if err != nil {
			t.Fatal(err)
		}
		conn = c
	case TCP:
		c, err := net.Dial("tcp", server.String())
		if err != nil {
			t.Fatal(err)
		}
		conn = turn.NewSTUNConn(c)
	case TLS:
		server = s.cfg.TLSListen[0]
		c, err := tls.Dial("tcp", server.String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // its own certificate
		if err != nil {
			t.Fatal(err)
		}
		conn = turn.NewSTUNConn(c)
	}
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: server.String(), TURNServerAddr: server.String(), Conn: conn,
		Username: "u", Password: "p", Realm: "test", RTO: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); _ = conn.Close() })
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	return client
}

// echoPeer sends back what it receives.
func echoPeer(t *testing.T, host string) net.Addr {
	t.Helper()
	peer, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 65536)
		for {
			n, from, err := peer.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = peer.WriteTo(buf[:n], from)
		}
	}()
	t.Cleanup(func() { _ = peer.Close(); <-done })
	return peer.LocalAddr()
}

// roundTrip sends a message to the peer until it comes back, as UDP may lose it.
func roundTrip(t *testing.T, conn net.PacketConn, peer net.Addr, message string) {
	t.Helper()
	buf := make([]byte, 65536)
	for range 20 {
		if _, err := conn.WriteTo([]byte(message), peer); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				break
			}
			if string(buf[:n]) == message {
				if from.String() != peer.String() {
					t.Fatalf("answer from %s, want %s", from, peer)
				}
				return
			}
		}
	}
	t.Fatalf("%d bytes did not come back", len(message))
}

// ME-01, with another's client: indications first, then a channel. Messages of every
// length modulo 4 show whether padding is right on a stream.
func TestPionClient(t *testing.T) {
	for _, transport := range []Transport{UDP, TCP, TLS} {
		t.Run(string(transport), func(t *testing.T) {
			s, _ := realServer(t, realConfig(t, "127.0.0.1"))
			peer := echoPeer(t, "127.0.0.1")
			conn, err := dialClient(t, s, transport).Allocate()
			if err != nil {
				t.Fatal(err)
			}
			a := waitForChannel(t, s, func() { roundTrip(t, conn, peer, "hello") })
			if a.Transport != transport || a.User != "u" || len(a.Relays[0].Permissions) != 1 {
				t.Errorf("allocation %+v", a)
			}
			before := s.table.List()[0].Stats
			for _, n := range []int{5, 6, 7, 8, 1200} {
				roundTrip(t, conn, peer, strings.Repeat("x", n))
			}
			after := s.table.List()[0].Stats
			for _, d := range []relay.Direction{relay.Up, relay.Down} {
				// The client may not know yet that its channel is bound.
				if after[d].Packets < before[d].Packets+3 {
					t.Errorf("%s: not by its flow: %d packets before, %d after", d, before[d].Packets, after[d].Packets)
				}
			}
			if err := conn.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// ME-06, on real sockets: the next process has the ports, and the client goes on
// with the channel it had.
func TestPionClientDoesNotNoticeARestart(t *testing.T) {
	cfg := realConfig(t, "127.0.0.1")
	s, stop := realServer(t, cfg)
	peer := echoPeer(t, "127.0.0.1")
	conn, err := dialClient(t, s, UDP).Allocate()
	if err != nil {
		t.Fatal(err)
	}
	before := waitForChannel(t, s, func() { roundTrip(t, conn, peer, "before") })
	stop()
	s, _ = realServer(t, cfg)
	roundTrip(t, conn, peer, "after")
	all := s.Allocations()
	if len(all) != 1 || all[0].ID != before.ID || all[0].Relays[0].Relay != before.Relays[0].Relay {
		t.Errorf("allocations %+v, want %+v", all, before)
	}
	if n := s.Stats().Answers[438]; n != 0 {
		t.Errorf("%d nonces were stale", n)
	}
	if err := conn.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// waitForChannel sends until the client has bound its channel, which it does in the
// background.
func waitForChannel(t *testing.T, s *Server, send func()) Allocation {
	t.Helper()
	for range 100 {
		send()
		all := s.Allocations()
		if len(all) == 1 && len(all[0].Relays[0].Channels) == 1 && all[0].Relays[0].Channels[0].Installed {
			return all[0]
		}
	}
	t.Fatal("no channel")
	return Allocation{}
}
