package load_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/turn/v4"
	"go.uber.org/goleak"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/perf/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pionServer runs pion's server on the node.
func pionServer(t *testing.T, l *lab.Lab) netip.AddrPort {
	t.Helper()
	listen := netip.MustParseAddrPort("198.18.0.1:3478")
	var conn net.PacketConn
	err := l.Node.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(listen))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	server, err := turn.NewServer(turn.ServerConfig{
		Realm: "test",
		AuthHandler: func(user, realm string, _ net.Addr) ([]byte, bool) {
			return turn.GenerateAuthKey(user, realm, "p"), user == "u"
		},
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn:            conn,
			RelayAddressGenerator: inNode{&turn.RelayAddressGeneratorStatic{RelayAddress: net.ParseIP("198.18.1.1"), Address: "198.18.1.1"}, l.Node},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return listen
}

// inNode opens relay sockets inside the node.
type inNode struct {
	turn.RelayAddressGenerator
	node *lab.Host
}

func (g inNode) AllocatePacketConn(network string, port int) (conn net.PacketConn, addr net.Addr, err error) {
	err = g.node.Do(func() (err error) {
		conn, addr, err = g.RelayAddressGenerator.AllocatePacketConn(network, port)
		return err
	})
	return conn, addr, err
}

func newFleet(t *testing.T, l *lab.Lab, cfg load.Config, n int) *load.Fleet {
	t.Helper()
	cfg.Host, cfg.Clients = l.Client, l.ClientAddrs.V4
	cfg.Peers = func(relay int) []netip.AddrPort {
		return []netip.AddrPort{
			netip.AddrPortFrom(l.PeerAddrs.V4[0], uint16(4000+relay)),
			netip.AddrPortFrom(l.PeerAddrs.V4[1], uint16(4000+relay)),
		}
	}
	f, err := load.New(cfg, n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestLifeOfAFleet(t *testing.T) {
	l := labtest.New(t, lab.Options{Clients: 2, Peers: 2})
	f := newFleet(t, l, load.Config{Servers: []netip.AddrPort{pionServer(t, l)}, User: "u", Password: "p"}, 50)
	ctx := context.Background()
	for _, step := range []struct {
		name   string
		do     func(context.Context) (load.Report, error)
		relays int
	}{
		{"setup", func(ctx context.Context) (load.Report, error) { return f.Setup(ctx, load.Pace{Rate: 1000}) }, 50},
		{"renew", f.Renew, 50},
		{"release", f.Release, 0},
		{"setup again", func(ctx context.Context) (load.Report, error) { return f.Setup(ctx, load.Pace{Window: 3}) }, 50},
	} {
		r, err := step.do(ctx)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if r.Done != 50 || len(r.Latencies) != 50 || r.Quantile(.5) <= 0 {
			t.Errorf("%s: %+v", step.name, r)
		}
		if got := f.Relays(); len(got) != step.relays {
			t.Errorf("%s: %d relays", step.name, len(got))
		}
	}
	checkRelays(t, l, f.Relays())
}

func checkRelays(t *testing.T, l *lab.Lab, relays []load.Relay) {
	t.Helper()
	seen := make(map[netip.AddrPort]bool)
	for i, r := range relays {
		if r.Client.Addr() != l.ClientAddrs.V4[i%2] || r.Relayed.Addr().String() != "198.18.1.1" {
			t.Errorf("relay %+v", r)
		}
		if seen[r.Client] || seen[r.Relayed] {
			t.Errorf("address twice: %+v", r)
		}
		seen[r.Client], seen[r.Relayed] = true, true
		if len(r.Channels) != 2 || r.Channels[1].Number != load.FirstChannel+1 || r.Channels[1].Peer.Addr() != l.PeerAddrs.V4[1] {
			t.Errorf("channels %+v", r.Channels)
		}
	}
}

func TestRefusalNamesTheRequest(t *testing.T) {
	l := labtest.New(t, lab.Options{Peers: 2})
	f := newFleet(t, l, load.Config{Servers: []netip.AddrPort{pionServer(t, l)}, User: "u", Password: "wrong"}, 3)
	r, err := f.Setup(context.Background(), load.Pace{})
	if err == nil || !strings.Contains(err.Error(), "3 of 3 relays failed: Allocate refused: 4") {
		t.Errorf("got %v", err)
	}
	if r.Failed != 3 || len(f.Relays()) != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestEndOfContext(t *testing.T) {
	l := labtest.New(t, lab.Options{Peers: 2})
	f := newFleet(t, l, load.Config{Servers: []netip.AddrPort{netip.MustParseAddrPort("198.18.0.1:3478")}}, 3)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Setup(ctx, load.Pace{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
