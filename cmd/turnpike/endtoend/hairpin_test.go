package endtoend_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v4"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// ME-01, ME-04: two clients whose relays are on one node talk by XDP from one to the
// other, without a turn through the node's sockets.
func TestHairpin(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	const nat = "203.0.113.7"
	for _, tt := range []struct {
		name   string
		shape  lab.Shape
		file   file
		public string
	}{
		{name: "two interfaces", public: "198.18.1.1"},
		{name: "one interface", shape: lab.SingleInterface, public: "198.18.0.1"},
		{name: "behind static NAT", file: file{interfaces: "internal: {name: s0}, external: {name: s1, static_nat: " + nat + "}"}, public: nat},
		{name: "one interface behind static NAT", shape: lab.SingleInterface, file: file{interfaces: "external: {name: s0, static_nat: " + nat + "}"}, public: nat},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, lab.Options{Shape: tt.shape}, tt.file)
			a, b := n.call(t), n.call(t)
			if !strings.HasPrefix(a.relay.LocalAddr().String(), tt.public+":") {
				t.Fatalf("the relay is at %s, want %s", a.relay.LocalAddr(), tt.public)
			}
			meet(t, a, b)
			before := n.carried(t)
			const packets = 500
			for _, pair := range [][2]*caller{{a, b}, {b, a}} {
				if got := talk(t, pair[0], pair[1], packets); got != packets {
					t.Errorf("%d of %d packets arrived", got, packets)
				}
			}
			for _, r := range n.list(t) {
				up, down := r.Packets()
				if r.Path != "xdp" || up < packets || down < packets {
					t.Errorf("relay %d: path=%s (%s), %d packets up, %d down", r.ID, r.Path, r.Reason, up, down)
				}
			}
			if t.Failed() {
				t.Log(n.whereabouts(t))
			}
			if by := n.carried(t) - before; by > 0 {
				t.Errorf("the process carried %d packets", by)
			}
		})
	}
}

// caller is a client with a relay, by pion.
type caller struct {
	client *turn.Client
	relay  net.PacketConn
}

func (n *node) call(t *testing.T) *caller {
	t.Helper()
	var conn net.PacketConn
	err := n.Lab.Client.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(n.Lab.ClientAddrs.V4[0], 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	log := logging.NewDefaultLoggerFactory()
	log.Writer = io.Discard
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: n.server().String(), Username: user, Password: password, Realm: realm,
		Conn: conn, LoggerFactory: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	relay, err := client.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = relay.Close() }) // the node may be gone
	return &caller{client, relay}
}

// meet sends until channels are bound both ways; pion binds them beside the sending.
func meet(t *testing.T, a, b *caller) {
	t.Helper()
	nodetest.Eventually(t, 10*time.Second, "channels", func() error {
		there, back := talk(t, a, b, 5), talk(t, b, a, 5)
		if there+back < 10 {
			return fmt.Errorf("%d of 5 packets arrived there, %d back", there, back)
		}
		return nil
	})
}

// talk sends packets from one relay to the other and counts those that arrive.
func talk(t *testing.T, from, to *caller, packets int) (arrived int) {
	t.Helper()
	done := make(chan int)
	go func() { done <- hear(to, packets) }()
	msg := make([]byte, 172)
	for i := range packets {
		binary.BigEndian.PutUint32(msg, uint32(i))
		if _, err := from.relay.WriteTo(msg, to.relay.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		wait(t, 100*time.Microsecond)
	}
	return <-done
}

// hear counts different packets until all have come, or none comes any more.
func hear(c *caller, packets int) int {
	seen := map[uint32]bool{}
	buf := make([]byte, 1500)
	for len(seen) < packets {
		_ = c.relay.SetReadDeadline(time.Now().Add(time.Second))
		n, _, err := c.relay.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) || err != nil {
			break
		}
		if n == 172 {
			seen[binary.BigEndian.Uint32(buf)] = true
		}
	}
	return len(seen)
}

// carried is how many packets the process relayed.
func (n *node) carried(t *testing.T) uint64 {
	t.Helper()
	reasons, err := n.API.Reasons(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reasons {
		if r.Path == "userspace" && r.Reason == "forwarded" {
			return r.Packets
		}
	}
	return 0
}
