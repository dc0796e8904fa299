package turn

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/dataplane/relay"
)

// ME-01: a channel's data goes by its flow, both ways.
func TestChannelIsRelayedByItsFlow(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	x := c.allocate()[0]
	c.bind(0x4001, peerAddr)

	c.channelData(0x4001, "up")
	if diff := cmp.Diff([]string{"up"}, w.payloads(peerAddr)); diff != "" {
		t.Errorf("peer received (-want +got):\n%s", diff)
	}
	w.send(peerAddr, x, []byte("down"), relay.Meta{})
	want := []string{"\x40\x01\x00\x04down"}
	if diff := cmp.Diff(want, w.payloads(clientAddr)); diff != "" {
		t.Errorf("client received (-want +got):\n%s", diff)
	}
	if w.relayed != 2 {
		t.Errorf("%d datagrams by flows, want 2", w.relayed)
	}
}

func TestIndications(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	x := c.allocate()[0]
	c.permit(peerAddr)

	c.indicate(peerAddr, "hello")
	if diff := cmp.Diff([]string{"hello"}, w.payloads(peerAddr)); diff != "" {
		t.Errorf("peer received (-want +got):\n%s", diff)
	}
	w.send(peerAddr, x, []byte("back"), relay.Meta{})
	got := w.receive(clientAddr)
	if len(got) != 1 {
		t.Fatalf("client received %d datagrams, want 1", len(got))
	}
	m := stun.New()
	if err := stun.Decode(got[0].payload, m); err != nil {
		t.Fatal(err)
	}
	from, _ := peerAddress(m)
	payload, _ := m.Get(stun.AttrData)
	if from != peerAddr || string(payload) != "back" {
		t.Errorf("data indication from %s with %q", from, payload)
	}
}

func TestRefreshWithLifetimeZeroFreesThePort(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	x := c.allocate()[0]
	c.bind(0x4001, peerAddr)
	c.must(stun.MethodRefresh, lifetime(0))
	if h := w.holds(); w.isOpen(x) || h != (holds{Sockets: 2, Ports: 2}) {
		t.Errorf("left behind: %+v", h)
	}
	if code := codeOf(c.do(stun.MethodRefresh)); code != 437 {
		t.Errorf("refresh after the end answered with %d, want 437", code)
	}
}
