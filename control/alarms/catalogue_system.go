package alarms

import "time"

func systemKinds() []Kind {
	const application, bundle = "Application failed", "Make a support bundle with `turnpike support bundle`, then restart the node."
	return []Kind{
		{Number: 15004, Severity: Error, Title: application, Text: "A part of the node ended unexpectedly and was started again.", Remedy: bundle, Issue: 7},
		{Number: 15005, Severity: Warning, Title: "Database failure", Text: "The node's cluster database cannot be read or written; the detail says what of it. The node serves with the configuration that it has, without its peers: their registrations are not seen here, and what the peers share cannot be changed here. Of licences and bandwidth that are shared by policy available it uses all of its own, although the peers may use the same; of policy strict it admits nothing.", Remedy: "Make a support bundle with `turnpike support bundle`. Where the disk is full or cannot be written, mend that and restart. Else run `turnpike database purge --confirm NAME`: it makes a bundle, says what is lost, and the node joins again. If it is not let in, leave the cluster, restore a backup and join again.", Proof: "cmd/turnpike TestDatabaseDamaged"},
		{Number: 15008, Severity: Warning, Title: "Failed to load database", Text: "The cluster database on disk is damaged and was not loaded.", Remedy: "Leave the cluster, restore a backup and join again. As a last resort purge the local database: the node asks twice and says what is lost.", Issue: 7},
		{Number: 15009, Severity: Alert, Title: "Factory reset started", Text: "A factory reset is under way: configuration and certificates are being removed.", Remedy: "Wait until it is done. The node starts anew by itself.", CuredByRestart: true, Proof: "cmd/turnpike TestFactoryResetLeavesTheNodeFileOnly"},
		{Number: 15010, Severity: Error, Title: application, Text: "A part of the node did not stop when it was told to and was ended.", Remedy: bundle, Issue: 7},
		{Number: 15011, Severity: Error, Title: application, Text: "A part of the node failed several times in a row and is started less and less often.", Remedy: bundle, Issue: 7},
		{Number: 15013, Severity: Alert, Title: "Factory reset failed", Text: "A factory reset could not remove everything; the detail says what is left.", Remedy: "Mend what the detail names, and reset again.", Proof: "cmd/turnpike TestFactoryResetThatFailsSaysWhy"},
		{Number: 15015, Severity: Warning, Title: "Maintenance mode", Text: "The node takes no new calls and registrations. What runs goes on.", Remedy: "Switch maintenance mode off when the work is done. A restart does so too.", CuredByRestart: true, Proof: "cmd/turnpike TestMaintenanceModeEndsWithARestart"},
		{Number: 15019, Severity: Critical, Title: application, Text: "A part of the node does not stay up: calls or relays are refused.", Remedy: bundle, Issue: 7},
		{Number: 15023, Severity: Error, Title: "Restore failed", Text: "A backup could not be restored; the configuration is as it was before.", Remedy: "See the detail: a wrong password, another version, or a file that was changed. Restore again.", Proof: "cmd/turnpike TestBackupIsRestoredOnAnotherNode"},
		{Number: 15028, Severity: Warning, Title: "Restart required", Text: "The server certificate was changed, and something goes on with the old one until a restart.", Remedy: "Restart the node: running media goes on.", CuredByRestart: true, Issue: 6},
	}
}

func networkKinds() []Kind {
	return []Kind{
		{Number: 25001, Severity: Warning, Title: "Restart required", Text: "Configuration was stored that takes effect at the next start only.", Remedy: "See what waits with `turnpike config diff`, and restart the node: running media goes on.", CuredByRestart: true, Proof: "cmd/turnpike TestRestartRequired"},
		{Number: 25002, Severity: Warning, Title: "Time not validated", Text: "The clock has not been compared with a time server since the start.", Remedy: "Configure NTP servers and see that UDP port 123 reaches them.", After: 5 * time.Minute, Issue: 7},
		{Number: 25018, Severity: Warning, Title: "Port conflict", Text: "Two services are configured for the same port, or another program has it.", Remedy: "See who has it with `ss -lnptu`, and give one another port.", Issue: 6},
		{Number: 25020, Severity: Warning, Title: "NTP server not available", Text: "One of the time servers does not answer.", Remedy: "See that it runs and that UDP port 123 reaches it, or name another.", After: 5 * time.Minute, Issue: 7},
		{Number: 25021, Severity: Warning, Title: "NTP servers not available", Text: "None of the time servers answers: the clocks of a cluster drift apart.", Remedy: "See that they run and that UDP port 123 reaches them.", After: 5 * time.Minute, Issue: 7},
		{Number: 25022, Severity: Warning, Title: "Time not synchronised", Text: "The clock differs from the time servers' by more than a few seconds.", Remedy: "Wait until the time service has brought it near, or set the clock and restart.", DependsOn: []int{25021}, After: time.Minute, Issue: 7},
		{Number: 25029, Severity: Warning, Title: "TURN over TCP 443 is off", Text: "TURN on TCP port 443 is configured, but the protocol mode of TURN is UDP.", Remedy: "Let TURN speak TCP too (`turn.tcp: on`), or switch port 443 off.", Issue: 6},
	}
}

func configurationKinds() []Kind {
	link := func(number int, which string) Kind {
		return Kind{Number: number, Severity: Warning, Title: "Default link missing", Text: "The link " + which + " is not there, so that some calls find no path.", Remedy: "Restore it with `turnpike xcommand DefaultLinksAdd`, unless it was taken out on purpose: then acknowledge this.", Proof: "cmd/turnpike TestMissingLinks"}
	}
	return []Kind{
		link(45002, "between the Default Subzone and the Traversal Subzone"),
		link(45006, "between the Default Subzone and the Default Zone"),
		link(45007, "between the Default Subzone and the Cluster Subzone"),
		link(45008, "between the Traversal Subzone and the Default Zone"),
		{Number: 45019, Severity: Warning, Title: "Insufficient media ports", Text: "There are fewer media ports than the calls of this platform need: new calls may find none.", Remedy: "Widen the range of media ports, in even and odd pairs, and restart.", Proof: "cmd/turnpike TestMediaPorts"},
	}
}
