package turn

import (
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

var publicAddr = netip.MustParseAddr("198.51.100.200")

func behindNAT(c *Config) {
	c.RelayAddrs = []RelayAddr{{Local: netip.MustParseAddr("10.0.0.5"), Public: publicAddr}, {Local: relay6Addr}}
}

// ME-04: two clients of one node behind static NAT know each other's relay by its
// public address, and meet.
func TestHairpinBehindStaticNAT(t *testing.T) {
	w := newWorld(t, behindNAT)
	a, b := w.client(), w.client()
	b.addr = withPort(clientAddr, 41000)
	ax, bx := a.allocate()[0], b.allocate()[0]
	if ax.Addr() != publicAddr || bx.Addr() != publicAddr {
		t.Fatalf("clients were told %s and %s, want %s", ax, bx, publicAddr)
	}
	a.bind(0x4000, bx)
	b.permit(ax)

	a.channelData(0x4000, "hello")
	got := w.receive(b.addr)
	if len(got) != 1 {
		t.Fatalf("%d datagrams at the other client, want 1", len(got))
	}
	m := stun.New()
	if err := stun.Decode(got[0].payload, m); err != nil {
		t.Fatal(err)
	}
	if from, _ := peerAddress(m); from != ax {
		t.Errorf("data indication from %s, want the public address %s", from, ax)
	}
	b.indicate(ax, "hello yourself")
	want := "\x40\x00\x00\x0ehello yourself"
	if got := w.payloads(a.addr); len(got) != 1 || got[0] != want {
		t.Errorf("first client received %q, want %q", got, want)
	}
}

// ME-07: the public address is our own.
func TestPublicAddressOnlyInTheRelayRange(t *testing.T) {
	w := newWorld(t, behindNAT)
	c := w.client()
	c.allocate()
	for port, want := range map[uint16]int{3478: 403, 24000: 0} {
		answer := c.do(stun.MethodChannelBind, channelNumber(0x4000+port%16), peer(netip.AddrPortFrom(publicAddr, port)))
		if got := codeOf(answer); got != want {
			t.Errorf("bind to the public address, port %d, answered with %d, want %d", port, got, want)
		}
	}
}
