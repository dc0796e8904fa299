package b2bua

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/peers"
)

var localZone = &zones.Zone{Name: config.LocalZoneName, Type: zones.Local, SIP: true}

// registeredHere is a caller that this node knows itself, passedOn one that peer 1 passes on.
func registeredHere() access.Caller {
	return access.Caller{Zone: localZone, Subzone: config.DefaultSubzoneName, Authenticated: true}
}

func passedOn(n peers.Note) access.Caller {
	return access.Caller{Zone: localZone, Peer: 1, Trusted: true, Authenticated: n.Authenticated, Note: n}
}

// onPeer has peer 2 hold bob, and then others, each with an endpoint of its own.
func (r *rig) onPeer(at ...netip.AddrPort) {
	r.peer = map[netip.AddrPort]uint8{}
	r.targets = nil
	r.target(0, at...)
	r.targets[0].Kind, r.targets[0].Zone = dialplan.ToBinding, localZone
	r.targets[0].Binding = dialplan.Binding{Peer: 2, Protocol: dialplan.SIP, Endpoint: 7}
	for i, a := range at {
		r.peer[a] = uint8(2 + i)
	}
}

// here has bob registered here.
func (r *rig) here() {
	r.targets[0].Kind, r.targets[0].Zone = dialplan.ToBinding, localZone
	r.targets[0].Binding = dialplan.Binding{Protocol: dialplan.SIP, Endpoint: 7}
}

// path is the way of the one call, as the operator sees it.
func (r *rig) path() string {
	r.t.Helper()
	all := r.book.Calls()
	if len(all) != 1 {
		r.t.Fatalf("%d calls run", len(all))
	}
	return all[0].Route.Path
}

// RG-05: on the peer where a call comes in it leads into the Cluster Subzone while it is set up,
// and stays in the Default Subzone then. LI-04: nobody pays for two registered ends; for others
// this node does, whichever peer relays the media.
func TestCallToAPeer(t *testing.T) {
	branch := access.Caller{Zone: &zones.Zone{Name: "out", Type: zones.Neighbour, SIP: true}}
	stranger := access.Caller{Zone: &zones.Zone{Name: config.DefaultZoneName, Type: zones.Default}}
	for name, tc := range map[string]struct {
		who         access.Caller
		media       bool // the peer relays it
		note        peers.Note
		before, up  string
		asked, paid uint32
		why         string
	}{
		"registered here": {
			who: registeredHere(), note: peers.Note{Zone: config.LocalZoneName, Subzone: "DefaultSubZone", Authenticated: true, Registered: true},
			before: "Default Subzone -> Cluster Subzone", up: "Default Subzone",
		},
		"from a branch office": {
			who: branch, note: peers.Note{Zone: "out"},
			before: "out -> Default Subzone -> Cluster Subzone", up: "out -> Default Subzone", asked: 2, paid: 1,
		},
		"the other peer relays": {
			who: branch, media: true, note: peers.Note{Zone: "out"},
			before: "out -> Default Subzone -> Cluster Subzone", up: "out -> Default Subzone", asked: 2, paid: 1, why: "a peer relays it",
		},
		"a stranger": {
			who: stranger, note: peers.Note{Zone: "DefaultZone", Stranger: true},
			before: "Default Zone -> Default Subzone -> Cluster Subzone", up: "Default Zone -> Default Subzone", asked: 2, paid: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.rules.lan, r.who = true, tc.who
				r.onPeer(bob)
				a, b := r.phone(alice), r.phone(bob)
				a.invite(withSDP(offerOf(alice)))
				in := b.gets("INVITE")
				tc.note.Alias, tc.note.Endpoints = "bob@example.test", []uint64{7}
				got, _ := peers.Read(in)
				if diff := cmp.Diff(tc.note, got); diff != "" {
					t.Error(diff)
				}
				if hops, _ := in.MaxForwards(); hops != 69 {
					t.Errorf("Max-Forwards is %d", hops)
				}
				r.wants("ringing", 0, tc.asked)
				if got := r.path(); got != tc.before {
					t.Errorf("while it rings the path is %q, want %q", got, tc.before)
				}
				b.answer(in, 200, withSDP(offerOf(bob)), peers.Note{Media: tc.media}.Put)
				ok := a.gets("200 INVITE")
				if ok.Has(peers.Header) {
					t.Error("the caller sees what peers tell each other")
				}
				a.ack(nil, ok)
				b.gets("ACK")
				r.wants("connected", 0, tc.paid)
				if got := r.path(); got != tc.up {
					t.Errorf("then it is %q, want %q", got, tc.up)
				}
				c := r.book.Calls()[0]
				if c.Callee.Peer != 2 || c.Callee.Subzone != config.DefaultSubzoneName {
					t.Errorf("the callee is shown as %+v", c.Callee)
				}
				if tc.why != "" && c.Media.Why != tc.why {
					t.Errorf("the media is where it is for %q, want %q", c.Media.Why, tc.why)
				}
				r.bye(a, b)
			})
		})
	}
}

// RG-05, LI-04: the peer that has the endpoint. Its part of a call costs nothing, also while it is set up: the
// cluster's last licence is enough for a call between two of its peers.
func TestCallFromAPeer(t *testing.T) {
	for name, tc := range map[string]struct {
		note       peers.Note
		relay      bool
		before, up string
	}{
		"from somebody registered there": {
			note:   peers.Note{Registered: true, Authenticated: true},
			before: "Cluster Subzone -> Default Subzone", up: "Default Subzone",
		},
		"relayed here": {
			note: peers.Note{Registered: true}, relay: true,
			before: "Cluster Subzone -> Default Subzone -> Traversal Subzone -> Default Subzone",
			up:     "Default Subzone -> Traversal Subzone -> Default Subzone",
		},
		"from a branch office":               {note: peers.Note{Zone: "out"}, before: "Cluster Subzone -> Default Subzone", up: "Default Subzone"},
		"from a branch office, relayed here": {note: peers.Note{Zone: "out"}, relay: true},
		"from a stranger":                    {note: peers.Note{Stranger: true}, before: "Cluster Subzone -> Default Subzone", up: "Default Subzone"},
		"from a stranger, relayed here":      {note: peers.Note{Stranger: true}, relay: true},
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.rules.lan = !tc.relay
				tc.note.Alias, tc.note.Endpoints = "robert@example.test", []uint64{7}
				r.who = passedOn(tc.note)
				r.callees(bob)
				r.here()
				a, b := r.phone(alice), r.phone(bob)
				a.invite(withSDP(offerOf(carol)), tc.note.Put) // its media is elsewhere: that is the peer's business
				in := b.gets("INVITE")
				if in.Has(peers.Header) {
					t.Error("the callee sees what peers tell each other")
				}
				if q := r.asked[0]; !q.Peer || q.Alias.Name != "robert@example.test" || !slices.Equal(q.Endpoints, []uint64{7}) {
					t.Errorf("asked for %+v", q)
				}
				r.wants("ringing", 0, 0)
				if got := r.path(); tc.before != "" && got != tc.before {
					t.Errorf("while it rings the path is %q, want %q", got, tc.before)
				}
				b.answer(in, 200, withSDP(offerOf(bob)))
				ok := a.gets("200 INVITE")
				if note, there := peers.Read(ok); !there || note.Media != tc.relay {
					t.Errorf("the peer is told %+v", note)
				}
				a.ack(nil, ok)
				b.gets("ACK")
				r.wants("connected", 0, 0)
				if got := r.path(); tc.up != "" && got != tc.up {
					t.Errorf("then it is %q, want %q", got, tc.up)
				}
				if c := r.book.Calls()[0]; c.Caller.Peer != 1 || c.Caller.Subzone != config.DefaultSubzoneName || c.Media.Traversal != tc.relay {
					t.Errorf("shown as %+v, %+v", c.Caller, c.Media)
				}
				r.bye(a, b)
			})
		})
	}
}

// RG-03: what a peer is told that may try another flow; a redirection is the first peer's to follow.
func TestRefusalsToAPeer(t *testing.T) {
	note := peers.Note{Registered: true, Alias: "bob@example.test"}
	inRig(t, func(r *rig) {
		r.who = passedOn(note)
		r.here()
		r.hops = map[string][]netip.AddrPort{}
		a := r.phone(alice)
		a.ack(a.invite(withSDP(offerOf(alice))), a.gets("430 INVITE"))
	})
	inRig(t, func(r *rig) {
		r.who = passedOn(note)
		r.targets, r.reason = nil, dialplan.NotFound
		a := r.phone(alice)
		a.ack(a.invite(withSDP(offerOf(alice))), a.gets("404 INVITE"))
	})
	inRig(t, func(r *rig) {
		r.who = passedOn(note)
		r.here()
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		b.answer(in, 302, func(m *message.Message) { m.Set("Contact", "<sip:away@example.test>") })
		b.gets("ACK")
		moved := a.gets("302 INVITE")
		if all := moved.Contacts(); len(all) != 1 || all[0].URI.User != "away" || len(r.asked) != 1 {
			t.Errorf("redirected to %v, after %d searches", all, len(r.asked))
		}
		a.ack(req, moved)
	})
}

// RG-03: the endpoint has flows to two peers; the first one has lost it.
func TestNextPeer(t *testing.T) {
	for status, then := range map[int]string{430: "480 INVITE", 404: "404 INVITE", 503: "480 INVITE"} {
		inRig(t, func(r *rig) {
			r.who = registeredHere()
			r.onPeer(bob, carol)
			a, b, c := r.phone(alice), r.phone(bob), r.phone(carol)
			req := a.invite(withSDP(offerOf(alice)))
			b.answer(b.gets("INVITE"), status)
			b.gets("ACK")
			in := c.gets("INVITE")
			if note, _ := peers.Read(in); !slices.Equal(note.Endpoints, []uint64{7}) {
				t.Errorf("asked for %+v", note)
			}
			c.answer(in, status)
			c.gets("ACK")
			a.ack(req, a.gets(then))
		})
	}
}

// RG-04: a peer that is lost while it rings; its late answer is too late.
func TestPeerIsLost(t *testing.T) {
	for _, rings := range []bool{false, true} {
		inRig(t, func(r *rig) {
			r.who = registeredHere()
			r.onPeer(bob, carol)
			a, b, c := r.phone(alice), r.phone(bob), r.phone(carol)
			a.invite(withSDP(offerOf(alice)))
			first := b.gets("INVITE")
			if rings {
				b.answer(first, 180)
				a.gets("180 INVITE")
			}
			r.node.PeerLost(peers.Peer{Index: 2, Addr: carol}, false) // another one had the place in the list
			r.node.PeerLost(peers.Peer{Index: 2, Addr: bob}, false)
			if rings {
				b.answer(b.gets("CANCEL"), 200)
			}
			c.answer(c.gets("INVITE"), 200, withSDP(offerOf(carol)))
			ok := a.gets("200 INVITE")
			a.ack(nil, ok)
			c.gets("ACK")
			r.bye(a, c)
			b.answer(first, 200, withSDP(offerOf(bob)))
			b.gets("ACK")
			b.answer(b.gets("BYE"), 200)
		})
	}
	inRig(t, func(r *rig) { // there is nobody else
		r.who = registeredHere()
		r.onPeer(bob)
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)))
		b.gets("INVITE")
		r.node.PeerLost(peers.Peer{Index: 2, Addr: bob}, false)
		a.ack(req, a.gets("480 INVITE"))
		time.Sleep(time.Minute)
		if c := r.ended(); c.Cause.Kind != calls.Unreachable {
			t.Errorf("it ended as %+v", c.Cause)
		}
	})
}

// RG-04, BW-05: a peer is lost while it rings, and what the next place needs is at another peer: what the lost one still says
// ends nothing, and gets no call.
func TestLostPeerSpeaksWhileNextPlaceWaits(t *testing.T) {
	for name, say := range map[string]func(a, b *phone, in *message.Message){
		"nothing": func(a, _ *phone, _ *message.Message) { a.silent(time.Second) },
		"it is cancelled": func(_, b *phone, in *message.Message) {
			b.answer(in, 487)
			b.gets("ACK")
		},
		"it rings": func(a, b *phone, in *message.Message) {
			b.answer(in, 180)
			a.silent(100 * time.Millisecond)
		},
		"it was answered": func(a, b *phone, in *message.Message) {
			b.answer(in, 200, withSDP(offerOf(bob)))
			b.gets("ACK")
			b.answer(b.gets("BYE"), 200)
			a.silent(100 * time.Millisecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.shares(0)
				r.onPeer(bob, carol)
				r.targets[0].Zone = &zones.Zone{Name: "in", Type: zones.Neighbour, SIP: true}
				delete(r.peer, carol) // she is behind the pipe
				a, b, c := r.phone(alice), r.phone(bob), r.phone(carol)
				a.invite(withSDP(offerOf(alice, sound64)))
				in := b.gets("INVITE")
				b.answer(in, 180)
				a.gets("180 INVITE")
				r.node.PeerLost(peers.Peer{Index: 2, Addr: bob}, false)
				b.answer(b.gets("CANCEL"), 200)
				say(a, b, in)
				r.comes(64)
				c.answer(c.gets("INVITE"), 200, withSDP(offerOf(carol, sound64)))
				a.ack(nil, a.gets("200 INVITE"))
				c.gets("ACK")
				r.wants("connected", 64, 1)
				r.bye(a, c)
			})
		})
	}
}

// RG-04: a peer whose process is another one than the INVITE went to is asked again, and nobody else; what went to the
// new one stays.
func TestPeerIsBack(t *testing.T) {
	for _, orphan := range []bool{true, false} {
		inRig(t, func(r *rig) {
			r.who = registeredHere()
			r.onPeer(bob, carol)
			a, b, c := r.phone(alice), r.phone(bob), r.phone(carol)
			a.invite(withSDP(offerOf(alice)))
			in := b.gets("INVITE")
			if orphan {
				time.Sleep(time.Millisecond)
				r.node.Disconnected(bob)
			}
			r.node.PeerLost(peers.Peer{Index: 2, Addr: bob}, true)
			if orphan {
				in = b.gets("INVITE")
			} else {
				b.silent(time.Second)
			}
			b.answer(in, 200, withSDP(offerOf(bob)))
			a.ack(nil, a.gets("200 INVITE"))
			b.gets("ACK")
			c.silent(time.Second)
			r.bye(a, b)
		})
	}
}

// RG-05: a call whose offer comes with the answer leaves the Cluster Subzone too, with what it has, where
// the Default Subzone has no room for more.
func TestDelayedOfferOfAPeer(t *testing.T) {
	inRig(t, func(r *rig) {
		r.rules.lan, r.who = true, registeredHere()
		r.onPeer(bob)
		a, b := r.phone(alice), r.phone(bob)
		a.invite()
		in := b.gets("INVITE")
		r.configure(func(n *config.Node) {
			n.Bandwidth.DownspeedTotal = false
			n.DefaultSubzone.Bandwidth.Total = config.Limit{Mode: config.Limited, Kbps: 10}
		})
		b.answer(in, 200, withSDP(offerOf(bob, sound64)))
		ok := a.gets("200 INVITE")
		if got := r.path(); got != "Default Subzone" {
			t.Errorf("when it is answered the path is %q", got)
		}
		a.ack(nil, ok, withSDP(offerOf(alice, sound64)))
		b.gets("ACK")
		if got := r.path(); got != "Default Subzone" {
			t.Errorf("when it is set up the path is %q", got)
		}
		r.bye(a, b)
	})
}
