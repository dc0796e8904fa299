package api

import (
	"context"
	"errors"
	"net/netip"
	"strconv"

	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/preflight"
)

// Cluster is a node's part in a cluster, as an operator sees and moves it.
type Cluster interface {
	Configuration
	// Clustering says how the cluster is, as this node sees it; a standalone node says so.
	Clustering() clustering.Status
	// PreflightPeers asks the other peers of a list, for people who want to join it; empty: the configured list.
	PreflightPeers(ctx context.Context, peers []string) ([]preflight.Finding, error)
	// RestartPeer restarts a peer by its entry of the list; this node itself is one.
	RestartPeer(ctx context.Context, by store.Author, address string) error
	// TrustPeer drops the pinned key of an entry: what it shows next is pinned (CL-05).
	TrustPeer(address string) error
	// ForceUpdate takes the primary's configuration whatever there is here (CL-15).
	ForceUpdate(ctx context.Context) error
	// ClusterDNS is how names are asked for.
	ClusterDNS() clustering.Resolver
	// ChangeMapping adds a pair of the address mapping, or removes the one of that name, wherever it belongs (CL-07).
	ChangeMapping(ctx context.Context, by store.Author, remove bool, pair clustering.Mapping) error
	// SuggestMapping proposes pairs from what the peers say of themselves.
	SuggestMapping() []clustering.Mapping
}

// JoinCluster gives a node its place in a cluster.
type JoinCluster struct {
	clustering.Settings
	// Node is this node's own name, for it takes the primary's configuration and loses its own (CL-02).
	Node string `json:"node"`
}

type (
	// NamedPeer is a place in the list, or an address of it.
	NamedPeer struct {
		Peer string `json:"peer" maxLength:"255"`
	}
	// PeerAddress is an entry of the list.
	PeerAddress struct {
		Address string `json:"address" maxLength:"255"`
	}
	// TLSMode is permissive or enforce.
	TLSMode struct {
		Mode string `json:"mode" enum:"permissive,enforce"`
		// Insist: although a certificate is not known to be valid.
		Insist bool `json:"insist,omitempty"`
	}
	// Mappings is the address mapping, and what could be added to it.
	Mappings struct {
		Mode      string               `json:"mode"` // on or off
		Entries   []clustering.Mapping `json:"entries"`
		Suggested []clustering.Mapping `json:"suggested,omitempty"`
	}
	peerNamed struct {
		Peer string `path:"peer" maxLength:"255" doc:"Its place in the list, from 1, or its address."`
	}
	peerReplaced struct {
		Peer string `path:"peer" maxLength:"255" doc:"Its place in the list, from 1, or its address."`
		Body PeerAddress
	}
	mappingNamed struct {
		Name    string     `path:"name" maxLength:"255" doc:"The FQDN."`
		Address netip.Addr `query:"address" doc:"Only if this is its address."`
	}
	peerList struct {
		Peers []string `query:"peers,explode" maxItems:"6" doc:"The peers of the list that is to be joined; none: the configured ones."`
	}
)

// Join adds the operations of the cluster.
func (s *Server) Join(c Cluster) *Server {
	a := clusterAPI{c}
	const area = "Cluster"
	answer(s, operation{id: "show-cluster", route: "GET /v1/cluster", role: RoleRead, area: area, text: "How the cluster is, as this node sees it."},
		func(context.Context, *none) (clustering.Status, error) { return c.Clustering(), nil })
	answer(s, operation{id: "join-cluster", route: "POST /v1/cluster/join", role: RoleAdmin, area: area, text: "Gives this node its place in a cluster, from the next restart on."}, a.join)
	answer(s, operation{id: "leave-cluster", route: "POST /v1/cluster/leave", role: RoleAdmin, area: area, text: "Clears this node's list of peers: the next restart is a factory reset."}, a.leave)
	answer(s, operation{id: "set-primary", route: "PUT /v1/cluster/primary", role: RoleAdmin, area: area, text: "Names the primary on this node."}, a.primary)
	answer(s, operation{id: "set-cluster-tls", route: "PUT /v1/cluster/tls", role: RoleAdmin, area: area, text: "Sets the TLS mode of the cluster, on the primary."}, a.tls)
	answer(s, operation{id: "add-peer", route: "POST /v1/cluster/peers", role: RoleAdmin, area: area, text: "Adds a peer to this node's list."}, a.add)
	answer(s, operation{id: "replace-peer", route: "PUT /v1/cluster/peers/{peer}", role: RoleAdmin, area: area, text: "Gives a peer of this node's list another address."}, a.replace)
	answer(s, operation{id: "remove-peer", route: "DELETE /v1/cluster/peers/{peer}", role: RoleAdmin, area: area, text: "Takes a peer out of this node's list."}, a.remove)
	act(s, operation{id: "restart-peer", route: "POST /v1/cluster/peers/{peer}/restart", role: RoleAdmin, area: area, text: "Restarts a peer."}, a.restart)
	act(s, operation{id: "trust-peer", route: "POST /v1/cluster/peers/{peer}/trust", role: RoleAdmin, area: area, text: "Drops the pinned key of a peer: the next one that it shows is pinned."}, a.trust)
	act(s, operation{id: "force-update", route: "POST /v1/cluster/force-update", role: RoleAdmin, area: area, text: "Takes the primary's configuration in the place of this node's."},
		func(ctx context.Context, _ *none) error { return refused(c.ForceUpdate(ctx)) })
	answer(s, operation{id: "check-dns", route: "GET /v1/cluster/dns", role: RoleRead, area: area, text: "The records that should exist for the cluster's name, and what DNS answers."}, a.dns)
	answer(s, operation{id: "preflight-peers", route: "GET /v1/cluster/preflight/peers", role: RoleOperate, area: area, text: "What is missing between this node and the other peers."},
		func(ctx context.Context, in *peerList) ([]preflight.Finding, error) {
			found, err := c.PreflightPeers(ctx, in.Peers)
			return found, refused(err)
		})
	answer(s, operation{id: "show-mapping", route: "GET /v1/cluster/mapping", role: RoleRead, area: area, text: "The address mapping, and what could be added to it."}, a.mapping)
	act(s, operation{id: "add-mapping", route: "POST /v1/cluster/mapping", role: RoleAdmin, area: area, text: "Adds a pair to the address mapping, on any peer."},
		func(ctx context.Context, in *bodyOf[clustering.Mapping]) error {
			return refused(c.ChangeMapping(ctx, author(ctx), false, in.Body))
		})
	act(s, operation{id: "remove-mapping", route: "DELETE /v1/cluster/mapping/{name}", role: RoleAdmin, area: area, text: "Takes a pair out of the address mapping, on any peer."},
		func(ctx context.Context, in *mappingNamed) error {
			return refused(c.ChangeMapping(ctx, author(ctx), true, clustering.Mapping{Name: in.Name, Address: in.Address}))
		})
	return s
}

type clusterAPI struct{ node Cluster }

// change makes what a step comes to a revision.
func (a clusterAPI) change(ctx context.Context, note string, step func(*config.Node) ([]config.Operation, error)) (Changed, error) {
	return a.propose(ctx, store.Proposal{Note: note}, step)
}

// maxTries is how often a step is worked out again, when peers' changes come between.
const maxTries = 4

// propose completes a proposal with what a step comes to: by the configuration of the moment, also where another
// revision has come meanwhile.
func (a clusterAPI) propose(ctx context.Context, p store.Proposal, step func(*config.Node) ([]config.Operation, error)) (out Changed, err error) {
	p.Author = author(ctx)
	for range maxTries {
		if out, err = a.try(p, step); !errors.Is(err, store.ErrConflict) {
			return out, err
		}
	}
	return out, err
}

func (a clusterAPI) try(p store.Proposal, step func(*config.Node) ([]config.Operation, error)) (Changed, error) {
	cur := a.node.Store().Current()
	if cur == nil {
		return Changed{}, store.ErrEmpty
	}
	ops, err := step(cur.Node)
	if err != nil {
		return Changed{}, refused(err)
	}
	p.Operations, p.Expect = ops, cur.Number
	result, err := a.node.Store().Propose(p)
	if err != nil {
		return Changed{}, err
	}
	return Changed{Revision: result.Revision, Changes: notNil(result.Changes), NeedsRestart: a.node.NeedsRestart()}, nil
}

func (a clusterAPI) join(ctx context.Context, in *bodyOf[JoinCluster]) (Changed, error) {
	return a.change(ctx, "join a cluster", func(n *config.Node) ([]config.Operation, error) {
		if err := confirmed(n, in.Body.Node); err != nil {
			return nil, err
		}
		return clustering.Join(n, in.Body.Settings)
	})
}

func (a clusterAPI) leave(ctx context.Context, in *bodyOf[Confirmation]) (Changed, error) {
	return a.change(ctx, "leave the cluster", func(n *config.Node) ([]config.Operation, error) {
		if err := confirmed(n, in.Body.Name); err != nil {
			return nil, err
		}
		return clustering.Leave(n, a.node.Clustering())
	})
}

// confirmed keeps somebody from taking the wrong node's configuration away.
func confirmed(n *config.Node, name string) error {
	if name != n.System.Name {
		return errors.New("this node is " + n.System.Name + ", not " + strconv.Quote(name) + ": confirm with the name of the node that is meant")
	}
	return nil
}

func (a clusterAPI) primary(ctx context.Context, in *bodyOf[NamedPeer]) (Changed, error) {
	return a.change(ctx, "change the primary", func(n *config.Node) ([]config.Operation, error) { return clustering.SetPrimary(n, in.Body.Peer) })
}

func (a clusterAPI) tls(ctx context.Context, in *bodyOf[TLSMode]) (Changed, error) {
	return a.propose(ctx, store.Proposal{Insist: in.Body.Insist}, func(*config.Node) ([]config.Operation, error) {
		return clustering.SetTLS(a.node.Clustering(), in.Body.Mode, in.Body.Insist)
	})
}

func (a clusterAPI) add(ctx context.Context, in *bodyOf[PeerAddress]) (Changed, error) {
	return a.change(ctx, "", func(n *config.Node) ([]config.Operation, error) { return clustering.AddPeer(n, in.Body.Address) })
}

func (a clusterAPI) replace(ctx context.Context, in *peerReplaced) (Changed, error) {
	return a.change(ctx, "", func(n *config.Node) ([]config.Operation, error) {
		return clustering.ReplacePeer(n, in.Peer, in.Body.Address)
	})
}

func (a clusterAPI) remove(ctx context.Context, in *peerNamed) (Changed, error) {
	return a.change(ctx, "", func(n *config.Node) ([]config.Operation, error) {
		return clustering.RemovePeer(n, a.node.Clustering().Own, in.Peer)
	})
}

func (a clusterAPI) restart(ctx context.Context, in *peerNamed) error {
	_, address, err := a.find(in.Peer)
	if err != nil {
		return err
	}
	return refused(a.node.RestartPeer(ctx, author(ctx), address))
}

func (a clusterAPI) trust(_ context.Context, in *peerNamed) error {
	_, address, err := a.find(in.Peer)
	if err != nil {
		return err
	}
	return refused(a.node.TrustPeer(address))
}

// find returns an entry of the list.
func (a clusterAPI) find(which string) (place int, address string, err error) {
	cur := a.node.Store().Current()
	if cur == nil {
		return 0, "", store.ErrEmpty
	}
	place, err = clustering.Find(cur.Node.Cluster.Peers, which)
	if err != nil {
		return 0, "", refused(err)
	}
	return place, cur.Node.Cluster.Peers[place-1], nil
}

func (a clusterAPI) dns(ctx context.Context, _ *none) (clustering.DNS, error) {
	cur := a.node.Store().Current()
	if cur == nil {
		return clustering.DNS{}, store.ErrEmpty
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	return clustering.CheckDNS(ctx, a.node.ClusterDNS(), clustering.PlanDNS(cur.Node, a.node.Clustering())), nil
}

func (a clusterAPI) mapping(context.Context, *none) (Mappings, error) {
	cur := a.node.Store().Current()
	if cur == nil {
		return Mappings{}, store.ErrEmpty
	}
	m := Mappings{Mode: cur.Node.Mapping.Mode.String(), Entries: []clustering.Mapping{}, Suggested: a.node.SuggestMapping()}
	for _, e := range cur.Node.Mapping.Entries {
		m.Entries = append(m.Entries, clustering.Mapping{Name: e.Name, Address: e.Address})
	}
	return m, nil
}
