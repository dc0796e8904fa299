package mesh_test

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster/mesh"
)

const bellPort = 17190

func withBell(c *mesh.Config) { c.UDPPort = bellPort }

// CL-19: whether the UDP port that peers use besides can be reached, in both directions, by who runs and
// by who does not run yet; many may ask at once.
func TestProbeOfUDP(t *testing.T) {
	n := newNetwork(t)
	a, b := n.prepare(1, withBell), n.prepare(2, withBell)
	list := []string{a.addr.String(), b.addr.String()}
	a.List(list, 0, nil)
	b.List(list, 1, nil)
	b.run()
	b.listens(a.addr)
	t.Run("open", func(t *testing.T) {
		var asking sync.WaitGroup
		for range 3 {
			asking.Go(func() {
				p, err := a.Mesh.Probe(t.Context(), b.addr.String())
				if err != nil || len(p.ThereUDP)+len(p.HereUDP) != 0 {
					t.Errorf("there %v, here %v, %v", p.ThereUDP, p.HereUDP, err)
				}
			})
		}
		asking.Wait()
		for _, who := range []*node{a, b} { // the port is free again
			closeNow(t, bellOf(t, who.addr))
		}
	})
	t.Run("somebody has it for good", func(t *testing.T) {
		defer closeNow(t, bellOf(t, b.addr))
		p, err := a.Mesh.Probe(t.Context(), b.addr.String())
		if err != nil || len(p.ThereUDP)+len(p.HereUDP) != 0 {
			t.Errorf("there %v, here %v, %v", p.ThereUDP, p.HereUDP, err)
		}
	})
}

// A node of a version that knows no UDP port says nothing of it.
func TestProbeOfUDPAtAnOlderPeer(t *testing.T) {
	n := newNetwork(t)
	a, b := n.prepare(1, withBell), n.prepare(2, nil)
	list := []string{a.addr.String(), b.addr.String()}
	a.List(list, 0, nil)
	b.List(list, 1, nil)
	b.run()
	b.listens(a.addr)
	p, err := a.Mesh.Probe(t.Context(), b.addr.String())
	if err != nil || len(p.ThereUDP)+len(p.HereUDP) != 0 {
		t.Errorf("there %v, here %v, %v", p.ThereUDP, p.HereUDP, err)
	}
}

// Nothing is sent back to who does not have the token, and who does not answer is told to be silent.
func TestDoorbell(t *testing.T) {
	at := netip.AddrPortFrom(netip.MustParseAddr("127.71.255.1"), bellPort)
	d := mesh.NewDoorbell(at)
	token := [16]byte{1, 2, 3}
	shut, open := d.Open(token)
	if !open {
		t.Fatal("it does not open")
	}
	again, open := d.Open([16]byte{4})
	if !open {
		t.Fatal("a second question does not open it")
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	defer closeNow(t, conn)
	comesBack := func(what string, data []byte, want bool) {
		t.Helper()
		// A right one follows: what comes back first tells whether the other did.
		for _, d := range [][]byte{data, token[:]} {
			if _, err := conn.Write(d); err != nil {
				t.Fatal(err)
			}
		}
		var buf [64]byte
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		n, err := conn.Read(buf[:])
		if err != nil || (string(buf[:n]) == string(data)) != want {
			t.Errorf("%s: %x comes back, %v", what, buf[:n], err)
		}
		if want {
			_, _ = conn.Read(buf[:])
		}
	}
	comesBack("another token", []byte(strings.Repeat("x", 16)), false)
	comesBack("a longer one", append(token[:], 0), false)
	comesBack("nothing", nil, false)
	other := [16]byte{4}
	comesBack("that of another question", other[:], true)
	again()
	comesBack("that of one that is over", other[:], false)
	shut()
	closeNow(t, bellOf(t, at.Addr()))
}

// A port that cannot be read any more is no endless work, and is shut like another.
func TestDoorbellThatFails(t *testing.T) {
	at := netip.AddrPortFrom(netip.MustParseAddr("127.71.255.2"), bellPort)
	d := mesh.NewDoorbell(at)
	shut, open := d.Open([16]byte{1})
	if !open {
		t.Fatal("it does not open")
	}
	d.Break()
	shut()
	closeNow(t, bellOf(t, at.Addr()))
}

// Who asks while another question ends finds the port free.
func TestDoorbellOpensAtOnceAgain(t *testing.T) {
	d := mesh.NewDoorbell(netip.AddrPortFrom(netip.MustParseAddr("127.71.255.3"), bellPort))
	var asking sync.WaitGroup
	for i := range byte(4) {
		asking.Go(func() {
			for range 500 {
				shut, open := d.Open([16]byte{i})
				if !open {
					t.Error("somebody else has the port")
					return
				}
				shut()
			}
		})
	}
	asking.Wait()
}

// bellOf takes the port, when the node that was asked has seen that the question is over.
func bellOf(t *testing.T, at netip.Addr) *net.UDPConn {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	end := time.After(patience)
	for {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, bellPort)))
		if err == nil {
			return conn
		}
		select {
		case <-look.C:
		case <-end:
			t.Fatal(err)
		}
	}
}

func closeNow(t *testing.T, c *net.UDPConn) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
