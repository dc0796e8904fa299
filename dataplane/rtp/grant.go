package rtp

import (
	"slices"

	"turnpike.dev/turnpike/dataplane/relay"
)

// grant is what a call may send (BW-06).
type grant struct {
	own   [2]relay.Group // the call's own buckets, by the leg whose end fills them; 0: none
	pipes [2][]relay.Group
}

// groups are the buckets of what comes from a leg's end.
func (g *grant) groups(l Leg) (groups [relay.MaxGroups]relay.Group) {
	own := groups[:0]
	if g.own[l] != 0 {
		own = append(own, g.own[l])
	}
	copy(groups[len(own):], g.pipes[l])
	return groups
}

// Grant polices what the call's ends send, each to so many kbps of payload, RTP headers
// aside, and lets it through the pipes that it crosses: groups are those, by leg, from
// leg A's end and from leg B's. All streams of the call and their RTCP share the one
// bucket of their end. 0 kbps: the call has no bucket of its own. It holds at once, also
// for streams that are set later; call it again at each change. What of groups a flow
// has no room for (relay.MaxGroups, the call's own among them) is left out.
func (c *Call) Grant(kbps uint32, groups [2][]relay.Group) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.released {
		return
	}
	old := c.grant.own
	c.readBuckets()
	for l := range groups {
		c.grant.pipes[l] = slices.Clone(groups[l])
		c.grant.own[l] = c.bucket(Leg(l), kbps)
	}
	for _, s := range c.streams {
		if s == nil {
			continue
		}
		for n := range lanes {
			s.syncPair(n)
		}
	}
	for l, g := range old {
		if g != 0 && g != c.grant.own[l] {
			c.media.cfg.Policer.CloseGroup(g)
		}
	}
}

// bucket returns the call's own bucket for what comes from a leg's end, with the grant in
// it; 0: none.
func (c *Call) bucket(l Leg, kbps uint32) relay.Group {
	policer, g := c.media.cfg.Policer, c.grant.own[l]
	switch {
	case kbps == 0 || policer == nil:
		return 0
	case g != 0 && policer.SetGroup(g, kbps, relay.CallDepth) == nil:
		return g
	}
	g, err := policer.OpenGroup(c.owner+" "+l.String(), kbps, relay.CallDepth)
	if err != nil {
		c.media.counts.unpoliced.Add(1)
		return 0
	}
	c.grant.own[l] = 0                        // what was there is open no more
	c.rate.buckets[l] = policer.GroupStats(g) // an earlier process may have counted there
	return g
}

// endGrant lets go of the call's buckets; its flows are gone.
func (c *Call) endGrant() {
	c.readBuckets()
	for l, g := range c.grant.own {
		if g != 0 {
			c.media.cfg.Policer.CloseGroup(g)
			c.grant.own[l] = 0
		}
	}
}

// taker is a Policer that also judges what is relayed without a flow, as relay.Engine does.
type taker interface {
	Take(from [relay.MaxGroups]relay.Group, bytes int) bool
}

// within tells whether a packet that is relayed by hand is within the call's grant: RTCP
// that is told apart from RTP goes this way, and it must not lead round the grant.
func (c *Call) within(l Leg, p packet, size int) bool {
	groups := c.grant.groups(l)
	t, ok := c.media.cfg.Policer.(taker)
	if !ok || groups[0] == 0 {
		return true
	}
	if p.kind == kindRTP {
		size -= rtpHeader
	}
	return t.Take(groups, size)
}
