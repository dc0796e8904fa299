package main

import (
	"encoding/json"
	"strings"
	"time"

	"turnpike.dev/turnpike/control/sharing"
)

// contract is what other tools read of `licence status` and `bandwidth status`.
type contract struct {
	Sharing sharing.Status
	Use     []contractPart
	Objects []contractPart
}

type contractPart struct {
	Name, Policy, State string
	Here, Cluster       *struct{ Total, Granted, Used *float64 }
	Peers               []sharing.Holder
}

// told asks a node and holds each thing that is limited to what other tools rely on.
func (p *pair) told(n *pairNode, area string) contract {
	p.t.Helper()
	var c contract
	if err := json.Unmarshal([]byte(p.tried(n, area, "status", "-o", "json")), &c); err != nil {
		p.t.Fatalf("%s status: %v", area, err)
	}
	for _, part := range append(c.Use, c.Objects...) {
		if part.Here == nil && part.Policy == "" {
			continue // it has no limit
		}
		if part.Policy == "" || part.Here == nil || part.Cluster == nil || part.Here.Total == nil || part.Here.Granted == nil || part.Here.Used == nil ||
			part.Cluster.Total == nil || part.Cluster.Granted == nil || part.Cluster.Used == nil {
			p.t.Errorf("%s status says too little of %s: %+v", area, part.Name, part)
		}
	}
	return c
}

// part is one thing of a contract.
func (c contract) part(name string) contractPart {
	for _, part := range append(c.Use, c.Objects...) {
		if part.Name == name {
			return part
		}
	}
	return contractPart{}
}

// LI-01, BW-04: both nodes show what both share, by one table; a pipe that gets a limit is shared like licences.
func (p *pair) showsOneTable(one, two *pairNode) {
	p.t.Helper()
	p.run(one, "config", "add", "pipes", "line", "total.mode=limited", "total.kbps=4000")
	for _, n := range []*pairNode{one, two} {
		p.within(10*time.Second, "the pipe is shared", func() bool {
			c := p.told(n, "bandwidth")
			line := c.part("line")
			return c.Sharing.State == sharing.StateShared && line.Policy == sharing.PolicyAvailable && line.Cluster != nil && *line.Cluster.Total == 4000
		})
		room := p.told(n, "licence").part("room")
		if room.Policy != sharing.PolicyAvailable || *room.Cluster.Total != 2 || *room.Cluster.Granted > 2 {
			p.t.Errorf("rooms: %+v", room)
		}
	}
	p.within(10*time.Second, "who holds what of one table", func() bool {
		shows := func(n *pairNode) bool { // the first may have all of so few before the other has joined
			got := p.tried(n, "licence", "status", "--peers")
			return strings.Contains(got, "one table for all peers") && strings.Contains(got, "this node")
		}
		return shows(one) || shows(two)
	})
}

// LI-06, AL-01: a node whose only peer is gone counts for itself, says since when and whom it does not reach, and raises the alarm.
func (p *pair) showsApart(n *pairNode) {
	p.t.Helper()
	p.within(15*time.Second, "it counts apart", func() bool {
		s := p.told(n, "licence").Sharing
		return s.State == sharing.StateApart && s.Since != nil && len(s.NotReached) == 1 && p.stands(n, 29001)
	})
}

// showsTogether: it does not any more.
func (p *pair) showsTogether(n *pairNode) {
	p.t.Helper()
	p.within(15*time.Second, "it counts with the other", func() bool {
		s := p.told(n, "bandwidth").Sharing
		return s.State == sharing.StateShared && s.Since == nil && !p.stands(n, 29001)
	})
}
