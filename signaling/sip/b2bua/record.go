package b2bua

import (
	"fmt"
	"net/netip"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/places"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

var (
	_ calls.Handle     = (*call)(nil)
	_ transaction.User = (*fork)(nil)
	_ transaction.User = (*exchange)(nil)
	_ transaction.User = (*refreshing)(nil)
	_ transaction.User = farewell{}
)

// info is what is known of a call when it begins.
func (c *call) info() calls.Info {
	src := c.server.Source()
	subzone := c.who.Subzone
	if c.who.Peer != 0 {
		subzone = config.ClusterSubzoneName
	}
	return calls.Info{
		CallID: c.invite.CallID(), SessionID: c.invite.Get("Session-ID"),
		From: c.invite.From().URI.String(), To: c.invite.URI().String(),
		Caller: calls.Party{
			Alias: c.invite.From().URI.String(), Zone: nameOf(c.who.Zone), Subzone: subzone, Protocol: "sip", Peer: int(c.who.Peer),
			Transport: src.Transport.String(), Address: src.Remote, CallID: c.invite.CallID(),
			Authenticated: c.who.Authenticated, Agent: c.invite.Get("User-Agent"),
		},
	}
}

// noteRoute notes what the dial plan said.
func (c *call) noteRoute() {
	if c.entry == nil {
		return
	}
	c.entry.Update(func(i *calls.Info) {
		if len(c.result.Targets) == 0 {
			i.Route.Rule, i.Route.Alias, i.Route.Reason = c.result.Rule, "", c.result.Reason.String()
			return
		}
		t := &c.result.Targets[0]
		i.Route.Rule, i.Route.Alias, i.Route.Reason = t.Rule, t.Alias.String(), ""
	})
}

// noteAnswer notes who took the call.
func (c *call) noteAnswer(p *pair) {
	if c.entry == nil {
		return
	}
	f := p.fork
	c.entry.Update(func(i *calls.Info) {
		i.Route.Rule, i.Route.Alias = f.target.Rule, f.target.Alias.String()
		i.Callee = calls.Party{
			Alias: f.target.Alias.String(), Zone: nameOf(f.place.Zone), Subzone: f.place.Subzone, Protocol: "sip", Peer: int(f.place.Peer),
			Transport: f.place.Hop.Transport.String(), Address: f.place.Hop.Remote, CallID: p.b.d.CallID,
		}
		i.Media.Traversal, i.Media.Why, i.Media.Encrypted = c.media.relay != nil, c.media.why, c.media.secure
	})
	c.notePeers()
	c.entry.Answered()
}

// noteGrant notes what the call has.
func (c *call) noteGrant(s *share, g resources.Granted) {
	if c.entry == nil {
		return
	}
	c.notePath(g)
	charges := make([]calls.Charge, len(g.Charges))
	for i, ch := range g.Charges {
		charges[i] = calls.Charge{Kind: ch.Kind.String(), Name: ch.Name, Times: ch.Times, Kbps: ch.Kbps}
	}
	c.entry.Update(func(i *calls.Info) {
		i.Media.AskedKbps, i.Media.GrantedKbps = s.way.Asked, s.kbps
		i.Media.HalfRMS, i.Media.Charges, i.Media.Links = g.HalfRMS, charges, g.Links
	})
}

// noteChange tells the log that the call has more or less than before (facts A1.5).
func (c *call) noteChange(s *share) {
	if c.entry != nil {
		c.entry.Tell("Call Bandwidth Changed", fmt.Sprintf("%d kbit/s, before %d, asked for %d", s.kbps, s.shown, s.way.Asked))
	}
}

// callerEnd is where a call comes from.
func (b *B2BUA) callerEnd(t *transaction.Server, who access.Caller) end {
	src, p := t.Source(), b.cfg.Policy
	e := end{
		zone: who.Zone, subzone: who.Subzone, trusted: who.Trusted,
		local: src.Local.Addr(), source: src.Remote.Addr(),
		nat: p.NAT(who.Zone, who.Subzone), mode: p.Media(who.Zone, who.Subzone),
	}
	if who.Peer != 0 {
		return peerEnd(who.Peer, who.Zone, e.local, e.source)
	}
	m := t.Request()
	if all := m.Contacts(); m.Vias() == 1 && len(all) > 0 {
		at := hostAddr(all[0].URI)
		e.behind = at.IsValid() && at != e.source
	}
	e.behind = e.behind || e.nat && who.Zone != nil && who.Zone.Listed()
	return e
}

// calleeEnd is where a call goes to.
func (b *B2BUA) calleeEnd(p *places.Place, local netip.Addr) end {
	if p.Peer != 0 {
		return peerEnd(p.Peer, p.Zone, local, p.Hop.Remote.Addr())
	}
	policy := b.cfg.Policy
	e := end{
		zone: p.Zone, subzone: p.Subzone, trusted: policy.Trusted(p.Zone),
		local: local, source: p.Hop.Remote.Addr(), mode: policy.Media(p.Zone, p.Subzone),
	}
	if p.NAT.IsValid() {
		at := hostAddr(p.URI)
		e.nat, e.source = true, p.NAT
		e.behind = at.IsValid() && at != p.NAT || p.Zone != nil && p.Zone.Listed()
	}
	return e
}

// record keeps a message that came, for the call's ladder.
func (c *call) record(src loop.Source, m *message.Message) { c.keep(src.Local, hopOf(src), false, m) }

func (l *leg) record(src loop.Source, m *message.Message) { l.call.record(src, m) }

// recordAnswer keeps a response of ours.
func (c *call) recordAnswer(s *transaction.Server, m *message.Message) {
	src := s.Source()
	c.keep(src.Local, hopOf(src), true, m)
}

// recordAt keeps a response that came from where a request went.
func (c *call) recordAt(h transport.Hop, m *message.Message) { c.keep(netip.AddrPort{}, h, false, m) }

// recordSent keeps a request of ours.
func (c *call) recordSent(h transport.Hop, m *message.Message) { c.keep(netip.AddrPort{}, h, true, m) }

func hopOf(src loop.Source) transport.Hop {
	return transport.Hop{Transport: src.Transport, Remote: src.Remote}
}

// keep writes a message into the call's ladder, if it has one. Without local it is at the
// address that the hop is reached from.
func (c *call) keep(local netip.AddrPort, h transport.Hop, sent bool, m *message.Message) {
	if c.entry == nil || !c.entry.Keeps() {
		return
	}
	if !local.IsValid() {
		local, _ = c.b.cfg.Local(h) // none: it is not shown
	}
	c.table.wire = m.Append(c.table.wire[:0]) // the entry copies it
	c.entry.Message(c.shard.Now(), local, h.Remote, h.Transport.String(), sent, c.table.wire)
}

// reply answers the caller's INVITE, and keeps the answer.
func (c *call) reply(status int, reason string, change ...func(*message.Message)) {
	c.server.Reply(status, reason, append(change, func(m *message.Message) { c.recordAnswer(c.server, m) })...)
}
