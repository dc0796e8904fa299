package alarms

import "time"

func clusterKinds() []Kind {
	const replication, manual = "Cluster replication error", "Run `turnpike xcommand ForceConfigUpdate` on this node: it takes the primary's configuration anew."
	kinds := []Kind{
		{Number: 20003, Severity: Warning, Title: "Invalid cluster configuration", Text: "The list of peers does not have this node's own address, or has one twice.", Remedy: "Mend the list on every peer so that all have the same, without gaps.", Proof: "cluster/member TestAlarms"},
		{Number: 20004, Severity: Warning, Title: "Cluster communication failure", Text: "A peer does not answer. It cannot be seen from here whether it is down or cut off.", Remedy: "See whether the peer runs, and that TCP ports 4371 and 4372 reach it both ways.", After: time.Second, Proof: "cmd/turnpike TestTwoNodesForm"},
		{Number: 20005, Severity: Warning, Title: "Invalid peer address", Text: "The address of a peer is neither an IP address nor a name that DNS knows.", Remedy: "Mend the address, or the DNS record.", Proof: "cluster/member TestAlarms"},
		{Number: 20006, Severity: Warning, Title: "Cluster database communication failure", Text: "Rows of a peer cannot be had: its registrations and usage are not seen here.", Remedy: "See whether the peer runs, and that TCP ports 4371 and 4372 reach it both ways.", DependsOn: []int{20004}, After: 10 * time.Second, Proof: "cluster/member TestAlarms"},
		{Number: 20007, Severity: Warning, Title: "Restart required", Text: "The cluster's configuration was changed and takes effect at the next start.", Remedy: "Restart this node; of several, the primary first (`turnpike cluster restart`).", CuredByRestart: true, Proof: "cluster/member TestAlarms"},
		{Number: 20008, Severity: Warning, Title: replication, Text: "Peers run different software: configuration is not replicated until all are equal.", Remedy: "Finish the upgrade, primary first. This goes by itself.", Proof: "cluster/member TestOtherSoftware"},
		{Number: 20009, Severity: Warning, Title: replication, Text: "Configuration could not be replicated; the detail says why.", Remedy: "Mend what the detail names. Replication is tried again by itself.", DependsOn: []int{20004}, Proof: "cluster/member TestAlarms"},
		{Number: 20011, Severity: Warning, Title: replication, Text: "This peer's configuration conflicts with the primary's and was not replaced.", Remedy: manual},
		{Number: 20012, Severity: Warning, Title: replication, Text: "This peer's cluster settings differ from the primary's: name, primary, IP version, TLS mode or list of peers.", Remedy: "Compare them with `turnpike cluster status` and make them equal.", Proof: "cluster/member TestAlarms"},
		{Number: 20014, Severity: Warning, Title: replication, Text: "The configuration of the primary or of this peer was not found.", Remedy: "Restart this node. If it stays, run `turnpike xcommand ForceConfigUpdate`.", Proof: "cluster/member TestAlarms"},
		{Number: 20015, Severity: Warning, Title: replication, Text: "This node's own address is not in the list of peers.", Remedy: "Add it on every peer, or correct this node's address.", DependsOn: []int{20003}, Proof: "cluster/member TestAlarms"},
		{Number: 20016, Severity: Warning, Title: replication, Text: "The primary does not answer: configuration cannot be changed or copied. Calls go on.", Remedy: "Bring the primary back, or make another peer the primary.", After: 5 * time.Second, Proof: "cmd/turnpike TestTwoNodesForm"},
		{Number: 20017, Severity: Warning, Title: replication, Text: "Peers name different primaries.", Remedy: "Set the same primary on each peer, the new primary first. " + manual, Proof: "cluster/member TestMoveThePrimary"},
		{Number: 20018, Severity: Warning, Title: "Invalid cluster configuration", Text: "H.323 mode is off, and a cluster uses it between its peers.", Remedy: "Switch H.323 on (`h323.mode: on`).", Proof: "cluster/member TestAlarms"},
		{Number: 20019, Severity: Warning, Title: "Invalid cluster configuration", Text: "The cluster has no name.", Remedy: "Give all peers the same cluster name, an FQDN.", Proof: "cluster/member TestAlarms"},
		{Number: 20020, Severity: Warning, Title: "Restart required", Text: "The configured TLS mode of the cluster is not the active one.", Remedy: "Restart the primary, then the other peers one by one.", CuredByRestart: true, Proof: "cluster/member TestAlarms"},
		{Number: 20021, Severity: Warning, Title: "Cluster communication failure", Text: "Ports of a peer cannot be reached; the detail names those that were needed so far.", Remedy: "Open all of them in the firewalls between the peers, both ways: TCP 4371 and 4372, UDP 1719. `turnpike cluster check` tries each.", DependsOn: []int{20004}, After: 5 * time.Second, Proof: "cluster/member TestAlarms"},
		{Number: 20024, Severity: Warning, Title: "Cluster inconsistent", Text: "Peers do not agree on who belongs to the cluster.", Remedy: "Do what the detail says: make a peer that is in the cluster the primary on all, or reset the peer that it names. If it stays, disband the cluster and form it again, one peer at a time.", After: 10 * time.Second, Proof: "cluster/member TestOnlyTheResetJoin"},
		{Number: 20025, Severity: Critical, Title: "Database synchronisation failed", Text: "A peer's database could not be brought up to date.", Remedy: "Restart that peer. If it stays, let it leave and join again.", DependsOn: []int{20004}, Proof: "cluster/member TestAlarms"},
		{Number: 20026, Severity: Critical, Title: "Cluster database log server frozen", Text: "The agreed log does not advance although a majority of peers is there.", Remedy: "Mend what the detail names, as a disk that is full: it goes on by itself then. Else make a support bundle on each peer and restart the primary.", Proof: "cluster/member TestAlarms"},
	}
	kinds = append(kinds, countingKinds()...)
	for i := range kinds {
		if kinds[i].Proof == "" {
			kinds[i].Issue = 7
		}
	}
	return kinds
}

// countingKinds are of our own, as keyKinds are: about what peers share out where they do not all reach each other.
func countingKinds() []Kind {
	return []Kind{
		{
			Number: 29001, Severity: Warning, Title: "Licences and bandwidth are counted apart", After: 5 * time.Second, Proof: "cluster/member TestCountsApart",
			Text:   "Peers do not reach each other, and of what is shared by the policy available each side uses the whole: together they may use more than there is. No call ends for it, now or when they meet again. If the peer that is not reached is down, nothing is counted twice.",
			Remedy: "See with `turnpike cluster status` and `turnpike cluster check` what is between the peers. This goes when all reach each other again. Where it must never be, set licensing.policy and bandwidth.policy to strict.",
		},
		{
			Number: 29002, Severity: Warning, Title: "A lost peer keeps its share", After: 5 * time.Second, Proof: "cluster/member TestHoldsTheShareOfTheLost",
			Text:   "A peer is not there, and what it had of licences or bandwidth that are shared by the policy strict stays reserved for it: nobody knows whether it still uses it.",
			Remedy: "Bring the peer back. If it will not come back and its calls have ended, free its share with `turnpike database forget PEER --confirm NAME` on the peer that the detail names. That is your word: if its calls go on, the same is used twice.",
		},
		{
			Number: 29003, Severity: Warning, Title: "Shares do not grow without a majority", After: 5 * time.Second, Proof: "cluster/member TestStrictWithoutMajority",
			Text:   "No majority of the peers is reached, and what is shared by the policy strict stays as it was given: this node admits as much as its share allows, and a node that has just started admits nothing of it.",
			Remedy: "Bring peers back, or mend what is between them (`turnpike cluster status`, `turnpike cluster check`). A peer that will not come back is taken off the list with `turnpike cluster peer remove`. Calls that run go on.",
		},
	}
}
