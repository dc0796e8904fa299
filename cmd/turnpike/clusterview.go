package main

import (
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config"
)

// together is the state of a node that runs as a peer (CL-17).
func (n *node) together(c *config.Node) clustering.Status {
	s := n.cluster.Status()
	st := clustering.Status{
		Mode: clustering.Clustered, Name: s.Name, ClusterID: s.Cluster, IP: string(c.Cluster.IP), Primary: s.Primary,
		TLS: clustering.TLS{Configured: s.TLS, Active: s.ActiveTLS}, Database: s.Database,
		Synchronisation: synchronisation(s), LastSync: moment(s.Synchronised), NextSync: moment(s.Next),
		RestartRequired: s.Restart, ResetArmed: n.resetArmed(), Banner: n.resetBanner(), Peers: []clustering.Peer{},
	}
	for _, p := range s.Peers {
		if p.Own {
			st.Own = p.Index
		}
		if acts(p, s.Follows) {
			st.Acting = p.Index
		}
		line := peerLine(p, s.Follows)
		if p.Own {
			line.Certificate = certificateState(n.peering.mesh.OwnFault(p.Address))
		}
		st.Peers = append(st.Peers, line)
	}
	return st
}

// acts reports whether a peer is the one that is followed, and there: whoever is dead authors nothing, though the others
// keep what it wrote (CL-12).
func acts(p member.PeerStatus, follows cluster.ID) bool {
	return p.ID != "" && p.ID == follows && clustering.Peer{State: p.State}.Active()
}

// certificateState is a certificate in the words of facts A7.3.
func certificateState(fault string) string {
	if fault == "" {
		return "Valid"
	}
	return "Invalid (" + fault + ")"
}

// peerLine is a line of the list.
func peerLine(p member.PeerStatus, follows cluster.ID) clustering.Peer {
	return clustering.Peer{
		Index: p.Index, Address: p.Address, State: p.State, Certificate: p.Certificate, Why: p.Why,
		Generation: p.Tag.Generation, Revision: p.Tag.Revision, Digest: p.Tag.Digest, RTT: float64(p.RTT) / float64(time.Millisecond),
		ID: string(p.ID), Name: p.Name, Resolved: p.Resolved, Version: p.Software, Primary: acts(p, follows),
		Joined: p.Joined, Maintenance: p.Maintenance, Database: p.Database,
		LastSync: moment(p.Synchronised), NextSync: moment(p.Next), Incarnation: uint64(p.Incarnation),
	}
}

// synchronisation says how the last comparison of the configuration ended.
func synchronisation(s member.Status) string {
	for _, p := range s.Peers {
		switch {
		case p.ID == "" || p.ID != s.Follows:
		case p.Own:
			return "this node is the primary"
		case !acts(p, s.Follows):
			return "the primary is not there"
		case p.Tag == s.Tag:
			return "equal to the primary's"
		default:
			return "the primary has " + p.Tag.String()
		}
	}
	return "no primary is known"
}

// moment is a time as JSON has it: absent where there was none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
