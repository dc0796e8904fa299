package access

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/peers"
)

// onePeer takes an address for that of a peer with the right key.
type onePeer string

func (p onePeer) From(src loop.Source) uint8 {
	if src.Remote.String() == string(p) {
		return 2
	}
	return 0
}

// RG-01: a peer's word about a caller counts, and nobody else's; what a peer has asked is not asked
// again.
func TestCheckPeers(t *testing.T) {
	const alice, stranger = "sip:alice@example.test", "sip:x@elsewhere.test"
	note := peers.Note{Alias: "bob@example.test", Zone: "branch", Authenticated: true, Registered: true, Endpoints: []uint64{7}}
	for _, tc := range []struct {
		name, from, source string
		lines              []string
		want               seen
		note               peers.Note
		peer               uint8
	}{
		{"a peer", alice, "10.7.0.2:30001", []string{peers.Header + ": " + note.String()}, seen{Zone: "local", Authenticated: true, Trusted: true}, note, 2},
		{"a peer that says nothing", stranger, "10.7.0.2:30001", nil, seen{Zone: "local", Trusted: true}, peers.Note{}, 2},
		{"a peer that makes no sense", stranger, "10.7.0.2:30001", []string{peers.Header + ": caller;endpoint=?"}, seen{Zone: "local", Trusted: true}, peers.Note{}, 2},
		{"who says so at another address", stranger, "10.7.0.3:30001", []string{peers.Header + ": " + note.String()}, seen{Zone: "DefaultZone"}, peers.Note{}, 0},
		{"who says so of somebody of ours", alice, "10.7.0.3:30001", []string{peers.Header + ": " + note.String()}, seen{Status: 407}, peers.Note{}, 0},
		{"who says so in a zone", stranger, "198.18.1.2:5062", []string{peers.Header + ": " + note.String()}, seen{Zone: "open", Trusted: true}, peers.Note{}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGuard(t, nil, "")
			g.Peers = onePeer("10.7.0.2:30001")
			a := ask(t, "INVITE", tc.from, tc.source, tc.lines...)
			who, done := g.check(a)
			if diff := cmp.Diff(tc.want, see(who, done, a)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.note, who.Note); diff != "" || who.Peer != tc.peer {
				t.Errorf("peer %d\n%s", who.Peer, diff)
			}
		})
	}
}
