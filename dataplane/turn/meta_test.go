package turn

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/dataplane/relay"
)

// RFC 8656 sections 13 to 15: DSCP and ECN go on, the hop limit is one less, DF is
// set when the client wants it.
func TestHeadersOfWhatTheProcessRelays(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	x := c.allocate()[0]
	c.permit(peerAddr)
	came := relay.Meta{TrafficClass: 0xb9, HopLimit: 60}

	m := message(stun.MethodSend, stun.ClassIndication, peer(peerAddr), data("x"), raw(stun.AttrDontFragment))
	w.send(clientAddr, serverAddr, m.Raw, came)
	got := w.receive(peerAddr)
	if len(got) != 1 {
		t.Fatalf("peer received %d", len(got))
	}
	want := relay.Meta{TrafficClass: 0xb9, HopLimit: 59, DontFragment: true}
	if diff := cmp.Diff(want, got[0].meta); diff != "" {
		t.Errorf("to the peer (-want +got):\n%s", diff)
	}
	w.receive(clientAddr)
	w.send(peerAddr, x, []byte("x"), came)
	want.DontFragment = false
	if diff := cmp.Diff(want, w.receive(clientAddr)[0].meta); diff != "" {
		t.Errorf("to the client (-want +got):\n%s", diff)
	}

	used := relay.Meta{HopLimit: 1}
	w.send(clientAddr, serverAddr, m.Raw, used)
	w.send(peerAddr, x, []byte("x"), used)
	if up, down := w.payloads(peerAddr), w.payloads(clientAddr); len(up)+len(down) != 0 {
		t.Errorf("relayed %q up and %q down with no hops left", up, down)
	}
}

// RFC 8656 section 11.2: what is wrong with an indication, it is dropped for.
func TestBadIndications(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	c.allocate()
	c.permit(peerAddr)
	for name, attrs := range map[string][]attr{
		"no peer":               {data("x")},
		"no data":               {peer(peerAddr)},
		"peer cut off":          {raw(stun.AttrXORPeerAddress, 0, 1, 2), data("x")},
		"port 0":                {peer(withPort(peerAddr, 0)), data("x")},
		"unknown attribute":     {peer(peerAddr), data("x"), raw(0x7777, 1)},
		"without permission":    {peer(withPort(loopbackPeer, 1)), data("x")},
		"of the other family":   {peer(peer6Addr), data("x")},
		"first peer is refused": {peer(loopbackPeer), peer(peerAddr), data("x")},
	} {
		m := message(stun.MethodSend, stun.ClassIndication, attrs...)
		w.send(clientAddr, serverAddr, m.Raw, metaNone)
		if up, back := w.payloads(peerAddr), w.payloads(clientAddr); len(up)+len(back) != 0 {
			t.Errorf("%s: peer received %q, client %q", name, up, back)
		}
	}
	stranger := w.client()
	stranger.addr = withPort(clientAddr, 1)
	stranger.indicate(peerAddr, "x")
	if got := w.payloads(peerAddr); len(got) != 0 {
		t.Errorf("indication without allocation: peer received %q", got)
	}
	c.indicate(peerAddr, "")
	if got := w.payloads(peerAddr); len(got) != 1 || got[0] != "" {
		t.Errorf("empty data: peer received %q", got)
	}
}

// A flow may not be there yet, or the table be full: then the process relays, by the
// same rules.
func TestChannelWithoutFlow(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	x := c.allocate()[0]
	c.bind(0x4000, peerAddr)
	for _, p := range w.List() {
		_, _ = w.Remove(p.ID)
	}
	c.channelData(0x4000, "up")
	w.send(peerAddr, x, []byte("down"), metaNone)
	if diff := cmp.Diff([]string{"up"}, w.payloads(peerAddr)); diff != "" {
		t.Errorf("peer received (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"\x40\x00\x00\x04down"}, w.payloads(clientAddr)); diff != "" {
		t.Errorf("client received (-want +got):\n%s", diff)
	}
	// A refresh puts back what the table lost.
	c.bind(0x4000, peerAddr)
	if h := w.holds(); w.relayed != 0 || h.Pairs != 1 {
		t.Errorf("%d by flows, the node holds %+v", w.relayed, h)
	}
}

// A third party's packets do not pass, whatever it knows.
func TestStrangers(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	x := c.allocate()[0]
	c.bind(0x4000, peerAddr)
	stranger := withPort(relayedPeer, 5000)
	w.send(stranger, x, []byte("x"), metaNone)
	w.send(withPort(clientAddr, 1), serverAddr, []byte("\x40\x00\x00\x01x"), metaNone)
	if up, down := w.payloads(peerAddr), w.payloads(clientAddr); len(up)+len(down) != 0 {
		t.Errorf("relayed %q up and %q down", up, down)
	}
	// Another port of the same peer has a permission, but not the channel.
	w.send(withPort(peerAddr, 9), x, []byte("x"), metaNone)
	got := w.receive(clientAddr)
	if len(got) != 1 || !stun.IsMessage(got[0].payload) {
		t.Errorf("from another port of the peer: %v, want one data indication", got)
	}
}
