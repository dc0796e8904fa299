package b2bua

import (
	"net/netip"
	"slices"
	"time"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/licensing"
	"turnpike.dev/turnpike/signaling/sip/dialog"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/patience"
	"turnpike.dev/turnpike/signaling/sip/peers"
	"turnpike.dev/turnpike/signaling/sip/places"
)

// A call between endpoints of two peers of a cluster passes this node and the other, each of
// which has a leg to its own end and one to the other peer. What the two tell each other beside
// SIP is in a note (package peers): who the caller is, on the way there; who relays the media, on
// the way back.

// peerEnd is the end that another peer has. It is inside the trust boundary; where its own end is,
// behind a NAT or not, is its own business, and so is whether that end's media is relayed.
func peerEnd(index uint8, zone *zones.Zone, local, source netip.Addr) end {
	return end{peer: index, zone: zone, trusted: true, local: local, source: source, mode: config.MediaAuto}
}

// peerParty is a peer's end as licences and links see it: the Cluster Subzone until the call is set
// up, the Default Subzone then (RG-05). Of a caller the peer knows more.
func (c *call) peerParty(e *end, set bool) resources.Party {
	p := resources.Party{Node: config.ClusterSubzoneName, Party: licensing.Party{SIP: true, Registered: true}}
	if set {
		p.Node = config.DefaultSubzoneName
	}
	if e == &c.a {
		p.Registered, p.Stranger = c.who.Note.Registered, c.who.Note.Stranger
	}
	return p
}

// connectPeers moves the call out of the Cluster Subzone, when it is set up.
func (c *call) connectPeers(s *share) {
	if c.a.peer != 0 {
		s.way.From = c.peerParty(&c.a, true)
	}
	if b := s.media.ends[legB]; b.peer != 0 {
		s.way.To = c.peerParty(b, true)
	}
}

// noteFor is what a peer is told of the caller. Of one that another peer passed on there is nothing
// to tell: such a call goes to no peer.
func (c *call) noteFor(f *fork) peers.Note {
	a := c.party(&c.a)
	return peers.Note{
		Alias: f.target.Alias.String(), Zone: nameOf(c.who.Zone), Subzone: c.who.Subzone, Authenticated: c.who.Authenticated,
		Registered: a.Registered, Stranger: a.Stranger, Media: f.media.relay != nil, Waited: f.waited, Endpoints: f.place.Endpoints,
	}
}

// heard takes what the peer says of the media in an answer: the call passes a relay of the cluster also
// where it passes none here. The licence is this node's to take either way (LI-04).
func (f *fork) heard(m *message.Message) {
	if f.place.Peer == 0 || f.media == nil || f.media.relay != nil {
		return
	}
	if note, ok := peers.Read(m); ok && note.Media {
		f.media.why = "a peer relays it"
	}
}

// say tells a peer that called how the media of the call goes.
func (l *leg) say(out *message.Message) {
	if l.end.peer == 0 || l.name != legA || out.Status() <= 100 || out.Status() >= 300 || l.d.State == dialog.Confirmed {
		return
	}
	peers.Note{Media: l.pair.fork.media.relay != nil}.Put(out)
}

// toPeer is what a peer that asked is told instead of what a caller would be: that it may try
// another flow (RFC 5626 section 11.5).
func (c *call) toPeer(a answer) answer {
	if c.who.Peer != 0 && a == unreachable {
		a.status, a.reason, a.later = 430, "Flow Failed", false
	}
	return a
}

// gone reports whether a peer says with a refusal that it cannot reach the endpoint, so that
// another place may.
func (f *fork) gone(m *message.Message) bool {
	switch m.Status() {
	case 503, 430: // RFC 3263 section 4.3, RFC 5626 section 5.3
		return true
	case 404: // its registration has just ended
		return f.place.Peer != 0
	}
	return false
}

// PeerLost tells that a peer of the cluster is lost: whom it was to ring is looked for elsewhere.
// It is known by address and key: its index may be another one's by now. back: it is there again, with another
// process, and is asked again for what the one before was asked. Calls that were set up go on as
// long as their ends and timers do. From any goroutine.
func (b *B2BUA) PeerLost(was peers.Peer, back bool) {
	b.ringing(func(f *fork) {
		switch to := f.place.Hop; {
		case to.Remote != was.Addr || peers.Key(to.Key) != was.Key:
		case !back:
			f.leavePeer()
		case f.orphan:
			f.places = append([]places.Place{f.place}, f.places...)
			f.leavePeer()
		}
	})
}

// Disconnected tells that a connection of ours ended: whether who was asked over it still knows is not known. From any goroutine.
func (b *B2BUA) Disconnected(remote netip.AddrPort) {
	at := time.Now()
	b.ringing(func(f *fork) {
		f.orphan = f.orphan || f.place.Hop.Remote == remote && f.sent.Before(at)
	})
}

// ringing has do called for all that rings at peers, or is to.
func (b *B2BUA) ringing(do func(*fork)) {
	for i, s := range b.cfg.Group.All() {
		s.Post(func() {
			for c := range b.tables[i].calls {
				for _, f := range slices.Clone(c.forks) {
					if f.place.Peer != 0 && (f.state == trying || f.state == proceeding) {
						do(f)
					}
				}
			}
		})
	}
}

// leavePeer gives a peer up, and tries the next place.
func (f *fork) leavePeer() {
	c := f.call
	f.patience.Stop()
	c.b.patience.Over(&f.wait, patience.GivenUp)
	old := f.client // of a peer that can be reached from its phone, but not from here, the phone rings on
	old.Cancel(func(m *message.Message) {
		c.sign(m)
		c.recordSent(old.Hop(), m)
	})
	f.attempt(unreachable)
}

// notePeers shows where the call is when it is set up: no longer in the Cluster Subzone.
func (c *call) notePeers() {
	c.entry.Update(func(i *calls.Info) {
		for _, p := range []*calls.Party{&i.Caller, &i.Callee} {
			if p.Peer != 0 {
				p.Subzone = config.DefaultSubzoneName
			}
		}
	})
}

// notePath notes which way the call goes.
func (c *call) notePath(g resources.Granted) {
	if c.entry != nil && len(g.Nodes) > 0 {
		c.entry.Update(func(i *calls.Info) { i.Route.Path = calls.PathOf(g.Nodes) })
	}
}

// passRedirection lets a peer that called do what a redirection says: it has the rules for it.
func (c *call) passRedirection(out, best *message.Message) {
	if c.who.Peer != 0 && best.Status() < 400 {
		out.SetContacts(best.Contacts()...)
	}
}

// notFound is what the caller is told when the last place was a peer that knows the name no more.
var notFound = refusal(dialplan.NotFound)
