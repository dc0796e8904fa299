package main

import (
	"cmp"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/occupancy"
	"turnpike.dev/turnpike/control/pooling"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/control/sharing"
)

// shares is how what the cluster shares out stands, at one moment.
type shares struct {
	waited resources.Waited
	of     map[string]pooling.Share
	on     bool // something may be shared
	ledger member.Ledger
	peers  []member.PeerStatus
	waits  map[waiting]time.Time // since when
	// refused is what was refused here, by the names of levels and parts.
	refused map[string]resources.Refusals

	running *config.Node
}

// waiting is a peer's request for more of something.
type waiting struct {
	peer cluster.ID
	name string
}

// shares takes a picture of what is shared.
func (n *node) shares() shares {
	s := shares{waited: n.resources.Waited(), of: map[string]pooling.Share{}, waits: map[waiting]time.Time{}, refused: n.resources.Refused(), running: n.running()}
	if n.cluster == nil {
		return s
	}
	if s.ledger, s.on = n.cluster.Ledger(); !s.on {
		return s
	}
	s.peers = n.cluster.Status().Peers
	for _, share := range n.pooling.Shares() {
		s.of[share.Name] = share
	}
	for _, w := range s.ledger.Waiting {
		s.waits[waiting{w.Peer, string(w.Resource)}] = atBoot(w.Since)
	}
	return s
}

// status says how the node counts what is shared.
func (s shares) status() sharing.Status {
	out := sharing.Status{State: s.state(), Waited: sharing.Waited{Requests: s.waited.Requests, InVain: s.waited.InVain, Seconds: s.waited.For.Seconds()}}
	if !s.on {
		return out
	}
	if s.ledger.Aside {
		since := atBoot(s.ledger.AsideSince)
		out.Since = &since
	}
	for _, p := range s.peers {
		if away(p) {
			out.NotReached = append(out.NotReached, cmp.Or(p.Name, p.Address))
		}
	}
	return out
}

// atBoot is a reading of the time since boot as people read it.
func atBoot(at time.Duration) time.Time {
	return time.Now().Add(at - sinceBoot()).UTC().Truncate(time.Second)
}

func (s shares) state() string {
	switch {
	case !s.on:
		return sharing.StateAlone
	case s.ledger.Aside:
		return sharing.StateApart
	case !s.ledger.Begun:
		return sharing.StateWaits
	}
	return sharing.StateShared
}

// away reports whether a peer is not reached.
func away(p member.PeerStatus) bool { return !p.Own && !(clustering.Peer{State: p.State}).Active() }

// wholeOf are the levels that peers share as capacity of the cluster, where that is less than the sum of theirs (CA-02).
var wholeOf = map[string]string{
	resources.LevelCalls: resources.WholeCalls, resources.LevelRegistrations: resources.WholeRegistrations,
	resources.LevelProxied: resources.WholeProxied, resources.LevelRelays: resources.WholeRelays,
}

// ofLevel says how a level is shared out.
func (s shares) ofLevel(l resources.Level) sharing.Share {
	name := l.Name
	if whole, is := wholeOf[l.Name]; is {
		name = whole
	}
	if share, is := s.of[name]; is {
		return s.share(share)
	}
	return sharing.Alone(float64(l.Limit), float64(l.Used))
}

// ofObject says how the total of a subzone or pipe is shared out.
func (s shares) ofObject(o occupancy.Object) sharing.Share {
	share := sharing.Alone(float64(*o.TotalKbps), float64(o.GrantedKbps))
	if of, is := s.of[o.String()]; is {
		share = s.share(of)
	}
	sent := float64(o.MeasuredKbps)
	share.Here.Measured = &sent
	return share
}

// objects adds to those whose total is limited how it is shared out.
func (s shares) objects(all []occupancy.Object) {
	for i := range all {
		o := &all[i]
		if o.TotalKbps == nil {
			continue
		}
		share := s.ofObject(*o)
		o.Share, o.Refusals = &share, s.refusals(o.String())
		o.Refused = o.Refusals.All()
	}
}

// refusals are those of something by its name, as operators read them; nil: there was none.
func (s shares) refusals(names ...string) sharing.Refusals {
	var out sharing.Refusals
	for _, name := range names {
		out = addRefusals(out, s.refused[name])
	}
	return out
}

func addRefusals(to sharing.Refusals, more resources.Refusals) sharing.Refusals {
	for cause, n := range more {
		if to == nil {
			to = sharing.Refusals{}
		}
		to[cause.String()] += n
	}
	return to
}

// policy is that of something that is shared: by the configuration where this node has not seen it agreed yet.
func (s shares) policy(of pooling.Share) string {
	if of.Cluster.Total > 0 {
		return of.Policy
	}
	c := s.running
	if of.Kind == resources.PipePart || of.Kind == resources.SubzonePart {
		return string(c.Bandwidth.Policy)
	}
	return string(c.Licensing.Policy)
}

// share is one thing that is shared, with the peers that have some in the order of the list.
func (s shares) share(of pooling.Share) sharing.Share {
	out := sharing.Share{Policy: s.policy(of), State: shareState(of.State), Waiting: of.Waiting, Here: partOf(of.Here), Cluster: partOf(of.Cluster)}
	for _, p := range s.peers {
		has := of.Of[p.ID]
		since, waits := s.waits[waiting{p.ID, of.Name}]
		if p.ID == "" || has == (pooling.Amounts{}) && !waits {
			continue
		}
		h := sharing.Holder{Peer: cmp.Or(p.Name, p.Address), Own: p.Own, Away: away(p), Granted: float64(has.Granted), Used: float64(has.Used)}
		if h.Waiting = waits; waits {
			h.Since = &since
		}
		out.Peers = append(out.Peers, h)
	}
	return out
}

func partOf(a pooling.Amounts) sharing.Part {
	return sharing.Part{Total: float64(a.Total), Granted: float64(a.Granted), Used: float64(a.Used)}
}

func shareState(s pooling.State) string {
	switch s {
	case pooling.CountsApart:
		return sharing.StateApart
	case pooling.WaitsForShare:
		return sharing.StateWaits
	case pooling.OverTotal:
		return sharing.StateOver
	}
	return sharing.StateShared
}
