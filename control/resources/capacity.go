package resources

import (
	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/config"
)

// Capacity is how full the platform is with calls, in units of which one with video takes
// most: what neighbours are told, so that they send calls where most is left (RG-06).
func (r *Resources) Capacity() Level { return levelOf(r.limits.calls) }

// ClusterCapacity is what a whole cluster of equal peers carries, and the most licences that it can make use of (CA-02).
type ClusterCapacity struct {
	// Counts is as how many peers it counts; Shared: that is fewer than it has, so that they have to share it out.
	Counts, Peers int
	Shared        bool

	Units                          uint32 // of calls, of which one takes so many:
	Video, MRA, Audio              uint32
	Registrations, Proxied, Relays uint32
	HalfRMS, Room, Desktop         uint32
}

// ClusterCapacityOf works out what a cluster carries whose peers are all as the node of a configuration: the node's figure
// times as many peers as it counts as, also while one of them is away.
func ClusterCapacityOf(p config.PlatformName, n *config.Node) ClusterCapacity {
	peers := max(len(n.Cluster.Peers), 1)
	counts := n.Redundancy.Counts(p, peers)
	times := func(one int) uint32 { return ceiling(counts * max(one, 0)) }
	calls, licences, of := capacityOf(p, n), mostLicences(p, n), p.Limits()
	return ClusterCapacity{
		Counts: counts, Peers: peers, Shared: counts < peers,
		Units: times(int(calls.Total)), Video: calls.Video, MRA: calls.MRA, Audio: calls.Audio,
		Registrations: times(n.MaxRegistrations()), Proxied: times(of.ProxiedRegistrations), Relays: times(n.MaxRelays()),
		HalfRMS: times(licences.HalfRMS), Room: times(licences.Room), Desktop: times(licences.Desktop),
	}
}

// totals are those that the peers have to share out, by counter.
func (c ClusterCapacity) totals(of *capacity) map[*admission.Counter]uint32 {
	if !c.Shared {
		return nil
	}
	return map[*admission.Counter]uint32{of.calls: c.Units, of.registrations: c.Registrations, of.proxied: c.Proxied, of.relays: c.Relays}
}
