package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/clustering"
)

var _ api.Database = (*node)(nil)

// Database says what is agreed with the peers and copied of theirs (OP-05).
func (n *node) Database(ctx context.Context) (clustering.Database, error) {
	if n.cluster == nil {
		if n.damaged == nil {
			return clustering.Database{}, errStandalone
		}
		return clustering.Database{State: "damaged", Damaged: n.damaged.Error()}, nil
	}
	status, state, stored := n.cluster.Status(), n.peering.agreed.State(), n.peering.agreed.Stored()
	d := clustering.Database{
		State: status.Database, ClusterID: stored.Cluster, Earlier: stored.Earlier, Leader: string(state.Agreed.Leader),
		Leads: state.Leads, Term: state.Term, Applied: state.Applied, LastContact: float64(state.LastContact) / float64(time.Millisecond),
		Voters: []clustering.Voter{}, Rows: status.Rows, Copies: []clustering.Copy{}, Revisions: []clustering.RevisionOfPeer{},
	}
	for _, v := range state.Agreed.Voters {
		p := peerOf(status, v.ID)
		d.Voters = append(d.Voters, clustering.Voter{ID: string(v.ID), Address: v.Address, Name: p.Name, Joined: p.Joined})
	}
	for _, id := range state.Agreed.Removed {
		d.Removed = append(d.Removed, string(id))
	}
	for _, p := range status.Peers {
		d.Revisions = append(d.Revisions, clustering.RevisionOfPeer{
			Index: p.Index, Address: p.Address, Author: string(p.Tag.Author), Generation: p.Tag.Generation, Revision: p.Tag.Revision, Digest: p.Tag.Digest,
		})
	}
	copies, err := n.cluster.Copies(ctx)
	for _, c := range copies {
		d.Copies = append(d.Copies, clustering.Copy{
			ID: string(c.Owner), Name: peerOf(status, c.Owner).Name, Incarnation: uint64(c.Incarnation), Sequence: uint64(c.Seq),
			Rows: c.Rows, Lost: c.Lost, Current: c.Current, Digest: fmt.Sprintf("%x", c.Digest),
		})
	}
	return d, err
}

// peerOf is a peer's line of the table; an empty one where it has none.
func peerOf(s member.Status, id cluster.ID) member.PeerStatus {
	if at := slices.IndexFunc(s.Peers, func(p member.PeerStatus) bool { return p.ID == id }); at >= 0 {
		return s.Peers[at]
	}
	return member.PeerStatus{}
}

// errDatabase refuses what needs a database that is sound.
var errDatabase = fmt.Errorf("%w: this node runs without its part in the cluster, because its database is damaged: see alarm 15005 and `turnpike database purge`", api.ErrRefused)

// inCluster says why the node has no part in a cluster; nil: it has.
func (n *node) inCluster() error {
	switch {
	case n.cluster != nil:
		return nil
	case n.damaged != nil:
		return errDatabase
	}
	return errStandalone
}

// findPeer returns a peer by its place in the list, its address, its name or its id.
func (n *node) findPeer(which string) (member.PeerStatus, error) {
	for _, p := range n.cluster.Status().Peers {
		for _, called := range []string{strconv.Itoa(p.Index), p.Address, p.Name, string(p.ID)} {
			if called != "" && strings.EqualFold(called, which) {
				if p.ID == "" {
					return p, fmt.Errorf("%s was never heard: nothing of it is here", p.Address)
				}
				return p, nil
			}
		}
	}
	return member.PeerStatus{}, fmt.Errorf("%q is no peer: see `turnpike cluster status`", which)
}

// DatabaseRows returns rows of a peer's table as this node has it.
func (n *node) DatabaseRows(ctx context.Context, of, prefix string, most int) (clustering.Rows, error) {
	if err := n.inCluster(); err != nil {
		return clustering.Rows{}, err
	}
	id := cluster.ID(n.id)
	if of != "" {
		p, err := n.findPeer(of)
		if err != nil {
			return clustering.Rows{}, err
		}
		id = p.ID
	}
	list, all, err := n.cluster.Rows(ctx, id, prefix, most)
	out := clustering.Rows{Of: string(id), All: all, Rows: []clustering.Row{}}
	for _, r := range list {
		out.Rows = append(out.Rows, clustering.Row{Key: string(r.Key), TTL: r.Row.TTL.Seconds(), Counts: r.Counts, Value: []byte(r.Row.Value)})
	}
	return out, err
}

// DatabaseLedger says what is agreed on who may use how much.
func (n *node) DatabaseLedger() (clustering.Ledger, error) {
	if err := n.inCluster(); err != nil {
		return clustering.Ledger{}, err
	}
	table, applied := n.peering.agreed.Table()
	shared, _ := n.cluster.Ledger()
	out := clustering.Ledger{Applied: applied, Aside: shared.Aside, Resources: []clustering.Resource{}}
	for _, r := range slices.Sorted(maps.Keys(table.Totals)) {
		out.Resources = append(out.Resources, resourceOf(table, r))
	}
	return out, nil
}

func resourceOf(table *ledger.Table, r ledger.Resource) clustering.Resource {
	t := table.Totals[r]
	out := clustering.Resource{Name: string(r), Total: t.Amount, Policy: "strict", Granted: table.Granted(r), Grants: []clustering.Grant{}}
	if t.Policy == ledger.Available {
		out.Policy = "available"
	}
	for id, of := range table.Grants {
		if g, ok := of[r]; ok {
			out.Grants = append(out.Grants, clustering.Grant{Peer: string(id), Amount: g.Amount, Incarnation: uint64(g.Incarnation), Number: g.Number, Freed: g.Freed})
		}
	}
	slices.SortFunc(out.Grants, func(a, b clustering.Grant) int { return cmp.Compare(a.Peer, b.Peer) })
	return out
}

// ResyncPeer has the copy of a peer's rows made anew.
func (n *node) ResyncPeer(ctx context.Context, which string) error {
	if err := n.inCluster(); err != nil {
		return err
	}
	p, err := n.findPeer(which)
	if err != nil {
		return err
	}
	return n.cluster.Resync(ctx, p.ID)
}

// ForgetPeer frees what a dead peer had.
func (n *node) ForgetPeer(ctx context.Context, which, name string) error {
	if err := n.inCluster(); err != nil {
		return err
	}
	p, err := n.findPeer(which)
	if err != nil {
		return err
	}
	if called := cmp.Or(p.Name, p.Address); called != name {
		return fmt.Errorf("that peer is %s, not %q: confirm with the name of the peer that is gone", called, name)
	}
	if err := n.cluster.Forget(ctx, p.ID); err != nil {
		return err
	}
	n.log.Warn("Cluster Peer Forgotten", "Detail", "what it had of licences and bandwidth is freed, by an operator's word", "Peer", name)
	return nil
}
