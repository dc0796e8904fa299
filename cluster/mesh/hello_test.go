package mesh_test

import (
	"crypto/tls"
	"net/netip"
	"testing"
	"testing/synctest"

	"turnpike.dev/turnpike/cluster/wire"
)

// A hello that changes while a connection is opened with the one before reaches the peer: at a
// distance that takes hundreds of milliseconds, and nobody says it again.
func TestHelloThatChangesDuringAGreeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c := newNetwork(t), &cables{doors: make(map[netip.AddrPort]*door)}
		a, peer := c.plugged(t, n, 1), n.addr(2)
		a.List([]string{a.addr.String(), peer.String()}, 0, nil)
		d, _ := c.listen(netip.AddrPortFrom(peer, 14372))
		defer d.Close()
		stop := a.run()
		defer stop()
		raw, err := d.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		conn := tls.Server(raw, &tls.Config{
			Certificates: []tls.Certificate{*selfSigned(t, "node-2")}, NextProtos: []string{"turnpike-rows/1"},
			ClientAuth: tls.RequireAnyClientCert, SessionTicketsDisabled: true,
		})
		open, err := wire.Read(conn, wire.MaxFrame, nil)
		if err != nil {
			t.Fatal(err)
		}
		h := *a.hello.Load()
		h.Cluster = "founded"
		a.hello.Store(&h)
		a.Say()
		frame, err := wire.Append(nil, wire.Welcome{Hello: helloOf("node-2")})
		if err == nil {
			_, err = conn.Write(frame)
		}
		if err != nil {
			t.Fatal(err)
		}
		message, err := wire.Read(conn, wire.MaxFrame, nil)
		if got, ok := message.(wire.Hello); !ok || got.Cluster != "founded" || open.(wire.Open).Hello.Cluster == "founded" {
			t.Errorf("after the welcome it says %+v, %v", message, err)
		}
	})
}
