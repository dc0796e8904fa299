package userspace

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

const request = "\x00\x01" // begins as STUN does

// RFC 8656 section 9, ME-07: only a permitted peer reaches the process by a relay.
func TestGate(t *testing.T) {
	const minute = time.Minute
	tests := []struct {
		name   string
		kind   relay.PortKind // 0: closed
		permit time.Duration  // 0: no permission
		later  time.Duration  // that the datagram comes
		why    bpf.Reason
	}{
		{"relay, stranger", relay.PortRelay, 0, 0, bpf.ReasonStranger},
		{"relay, permitted", relay.PortRelay, minute, minute - 1, bpf.ReasonNoFlow},
		{"relay, permission ran out", relay.PortRelay, minute, minute, bpf.ReasonStranger},
		{"listener", relay.PortListener, 0, 0, bpf.ReasonControl},
		{"learning", relay.PortLearning, 0, 0, bpf.ReasonNoFlow},
		{"closed", 0, 0, 0, bpf.ReasonNotOurs},
	}
	for _, at := range []netip.Addr{loopback4, loopback6} {
		for _, tt := range tests {
			t.Run(fmt.Sprint(tt.name, " ", at), func(t *testing.T) {
				s := newSite(t, at, at)
				local := s.out.Local()
				s.setKind(local, tt.kind)
				if tt.permit != 0 {
					s.permit(s.now.Add(tt.permit))
				}
				s.now = s.now.Add(tt.later)
				s.peer.send(local, request)
				s.turn()
				s.left(tt.why, 1)
				if tt.why.Verdict() == bpf.Drop {
					s.wasHeard()
				} else {
					s.wasHeard(request)
				}
			})
		}
	}
}

func (s *site) setKind(local netip.AddrPort, kind relay.PortKind) {
	s.t.Helper()
	err := s.relay.ClosePort(local)
	if kind != 0 {
		err = s.relay.OpenPort(local, kind)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) permit(until time.Time) {
	s.t.Helper()
	if err := s.relay.Permit(s.out.Local(), s.peer.addr.Addr(), until); err != nil {
		s.t.Fatal(err)
	}
}

func TestRevoke(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	s.permit(s.now.Add(time.Minute))
	s.peer.send(s.out.Local(), request)
	s.turn()
	s.wasHeard(request)
	if err := s.relay.Revoke(s.out.Local(), s.peer.addr.Addr()); err != nil {
		t.Fatal(err)
	}
	s.peer.send(s.out.Local(), request)
	s.turn()
	s.wasHeard()
	s.left(bpf.ReasonStranger, 1)
}

// A peer's address may be given as IPv4-mapped.
func TestPermitMappedAddress(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	mapped := netip.AddrFrom16(loopback4.As16())
	if err := s.relay.Permit(s.out.Local(), mapped, s.now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	s.peer.send(s.out.Local(), request)
	s.turn()
	s.wasHeard(request)
}

// A port that is closed and opened again has no permissions left over.
func TestClosePortEndsPermissions(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	s.permit(s.now.Add(time.Minute))
	s.setKind(s.out.Local(), relay.PortRelay)
	s.peer.send(s.out.Local(), request)
	s.turn()
	s.left(bpf.ReasonStranger, 1)
}

// A port that the gate has closed relays nothing, as in the kernel.
func TestClosedPortRelaysNothing(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	s.install(s.down())
	s.setKind(s.out.Local(), 0)
	s.peer.send(s.out.Local(), request)
	s.turn()
	s.client.nothing()
	s.wasHeard(request)
	s.left(bpf.ReasonNotOurs, 1)
}

func TestGateIsIdempotent(t *testing.T) {
	r := newSite(t, loopback4, loopback4).relay
	local := netip.MustParseAddrPort("192.0.2.1:24000")
	peer := netip.MustParseAddr("192.0.2.2")
	for range 2 {
		for step, err := range []error{
			r.OpenPort(local, relay.PortRelay),
			r.OpenPort(local, relay.PortRelay),
			r.Permit(local, peer, time.Now().Add(time.Minute)),
			r.Permit(local, peer, time.Now().Add(time.Hour)),
			r.Revoke(local, peer),
			r.Revoke(local, peer),
			r.ClosePort(local),
			r.ClosePort(local),
		} {
			if err != nil {
				t.Errorf("step %d: %v", step, err)
			}
		}
	}
	if err := r.Permit(local, peer, time.Now().Add(time.Minute)); err == nil {
		t.Error("permission at a port that is not open: no error")
	}
	if r.lookup(local) != nil {
		t.Error("something is left of a closed port")
	}
}

// Lapsed permissions do not pile up.
func TestPermissionsArePruned(t *testing.T) {
	var p permissions
	for i := range int64(10000) {
		p.set([16]byte{byte(i >> 8), byte(i)}, i+10, i)
		if n := len(p.until); n > 2*prunePermissions {
			t.Fatalf("%d permissions, of which 10 are valid", n)
		}
	}
}
