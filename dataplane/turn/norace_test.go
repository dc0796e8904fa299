//go:build !race

package turn

import (
	"testing"

	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/dataplane/relay"
)

// The sending path must not allocate. The race detector makes sync.Pool forget at
// random, so this is not for it.
func TestIndicationsDoNotAllocate(t *testing.T) {
	s := nullServer(t, nil)
	c := s.signer(1)
	c.setUp()
	packet := message(stun.MethodSend, stun.ClassIndication, peer(peerAddr), data("x")).Raw
	x := s.byID[1].relays[ipv4]
	if n := testing.AllocsPerRun(100, func() { c.send(packet) }); n > 0 {
		t.Errorf("%v allocations for a Send indication", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		s.fromPeer(x, relay.Datagram{Local: x.local, Remote: withPort(peerAddr, 9), Payload: []byte("x")})
	}); n > 0 {
		t.Errorf("%v allocations for a Data indication", n)
	}
}
