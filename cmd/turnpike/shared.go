package main

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/registrations/peers"
	inuse "turnpike.dev/turnpike/control/usage"
	"turnpike.dev/turnpike/dataplane/turn"
)

// shared is what a clustered node tells its peers in rows and knows of them by rows: who is
// registered, and how much is in use. Its methods do nothing on a nil one: a node that
// stands alone.
type shared struct {
	node       *node
	zone       *peers.Table
	usage      *inuse.Table
	alternates *alternates
	before     map[rows.Key]rows.Row // that the member began with
}

// share makes it for a clustered node, with the registrations that the process before left.
func (n *node) share(c *config.Node) {
	if len(c.Cluster.Peers) == 0 {
		return
	}
	self := cluster.ID(n.id)
	n.shared = &shared{
		node:       n,
		zone:       peers.New(peers.Config{Self: self, Own: n.bound}),
		usage:      inuse.New(self, n.used),
		alternates: newAlternates(n, c),
	}
}

// registered is what the dial plan asks: this node's registrations, and its peers' (RG-01).
func (n *node) registered() dialplan.Registrations {
	if n.shared == nil {
		return n.bound
	}
	return n.shared.zone
}

// used is how much of this node is in use, as its peers are told.
func (n *node) used() inuse.Usage {
	c := n.running()
	calls, relays, bound := n.resources.Capacity(), n.relaysUsed(c), n.bound.Counts()
	return inuse.Usage{
		Calls:         inuse.Amount{Used: uint32(calls.Used), Max: uint32(calls.Limit)},
		Registrations: inuse.Amount{Used: uint32(bound.Local), Max: uint32(c.MaxRegistrations())},
		Relays:        inuse.Amount{Used: uint32(relays.Used), Max: uint32(relays.Limit)},
		TURN:          n.shared.alternates.here(),
	}
}

// ClusterRegistrations lists the registrations of all peers (api.Carrier).
func (n *node) ClusterRegistrations(name string) ([]peers.Registration, error) {
	if n.shared == nil {
		return nil, errAlone
	}
	if name == "" {
		return n.shared.zone.List(""), nil
	}
	name, err := canonical(name)
	if err != nil {
		return nil, err
	}
	return n.shared.zone.List(name), nil
}

// errAlone is what a node without a cluster says.
var errAlone = fmt.Errorf("%w: the node is in no cluster: `turnpike registration list` has all there is", api.ErrWrongQuestion)

func (s *shared) told(e registrations.Event) {
	if s != nil {
		s.zone.Told(e)
	}
}

// listens says that TURN takes clients from now on.
func (s *shared) listens(server *turn.Server) {
	if s != nil {
		s.alternates.listens(server)
	}
}

func (s *shared) renewed(was, is *registrations.Binding) {
	if s != nil {
		s.zone.Renewed(was, is)
	}
}

// rows are what the member is made with, so that no peer sees an empty table of a node that
// starts anew.
func (s *shared) rows() map[rows.Key]rows.Row {
	s.before = s.zone.Rows()
	all := maps.Clone(s.before)
	all[inuse.Key(cluster.ID(s.node.id))] = s.usage.Row()
	return all
}

// connect binds rows to the member that was made with them. It comes before the member runs.
func (s *shared) connect(m *member.Member) {
	m.Watch(peers.Prefix, s.zone.Changed)
	m.Watch(inuse.Prefix, s.usage.Changed)
}

// run shares until ctx ends.
func (s *shared) run(ctx context.Context, m *member.Member) error {
	s.zone.Spread(m, s.before)
	s.before = nil
	var parts sync.WaitGroup
	parts.Go(func() { _ = s.zone.Run(ctx) }) // they only end with ctx
	parts.Go(func() { _ = s.usage.Run(ctx, m) })
	s.follow(ctx, m)
	parts.Wait()
	return nil
}

// follow keeps in mind where each peer is in the list.
func (s *shared) follow(ctx context.Context, m *member.Member) {
	for {
		changed := m.Changed()
		places := map[cluster.ID]peers.Place{}
		for _, p := range m.Status().Peers {
			if p.Own {
				places[cluster.ID(s.node.id)] = peers.Place{Index: uint8(p.Index), Name: p.Name}
			}
		}
		for _, p := range m.Peers() {
			places[p.ID] = peers.Place{Index: uint8(p.Index), Name: p.Name, Maintenance: p.Maintenance}
		}
		s.zone.Use(places)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}
