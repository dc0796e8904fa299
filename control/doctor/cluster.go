package doctor

import (
	"fmt"

	"turnpike.dev/turnpike/control/clustering"
)

// farthest is the longest round trip between peers that is supported, in milliseconds (CL-09).
const farthest = 80

// clusterWhole judges the cluster of a running node as that node sees it (CL-17, CL-19).
func clusterWhole(s *Snapshot) []Finding {
	if s.Running == nil || s.Running.Cluster.Mode != clustering.Clustered {
		return nil
	}
	st := s.Running.Cluster
	var found []Finding
	if _, missing := st.Settled(); len(missing) > 0 {
		for _, m := range missing {
			found = append(found, finding("cluster", Warning, m, "turnpike cluster check"))
		}
	}
	if st.Database != clustering.DatabaseActive {
		found = append(found, finding("cluster", Warning, "what peers agree on does not work: "+st.Database, "turnpike cluster status"))
	}
	for _, p := range st.Peers {
		found = append(found, peerFindings(p)...)
	}
	if len(found) == 0 {
		return []Finding{fine("cluster", fmt.Sprintf("%d of %d peers are there, with the same configuration", len(st.Peers), len(st.Peers)))}
	}
	return found
}

// peerFindings is what is to say of a peer that the cluster bears.
func peerFindings(p clustering.Peer) []Finding {
	var found []Finding
	if p.RTT > farthest {
		found = append(found, finding("cluster", Warning, fmt.Sprintf("%s is %.0f ms away, there and back: at most %d are supported", p.Address, p.RTT, farthest), "see what is between them"))
	}
	if p.Certificate != "" && p.Certificate != clustering.CertificateValid {
		found = append(found, finding("cluster", Note, fmt.Sprintf("the certificate of %s is %s: cluster_tls enforce would shut it out", p.Address, p.Certificate), "see \"Enforce TLS\" in docs/cluster.md"))
	}
	return found
}
