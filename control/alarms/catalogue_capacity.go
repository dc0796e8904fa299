package alarms

import "fmt"

func capacityKinds() []Kind {
	near := func(number int, what, bound string, issue int) Kind {
		return Kind{Number: number, Severity: Warning, Title: fmt.Sprintf("Capacity warning: %s", what), Text: fmt.Sprintf("The number of %s comes near %s.", what, bound), Remedy: "Add a node or licences, or spread the load. The level of the warning can be set.", Issue: issue}
	}
	at := func(number int, what, bound string, issue int) Kind {
		return Kind{Number: number, Severity: Warning, Title: fmt.Sprintf("Limit reached: %s", what), Text: fmt.Sprintf("The number of %s has reached %s: new ones are refused, running ones go on.", what, bound), Remedy: "Wait until some end, or add a node or licences.", Issue: issue}
	}
	const licensed, physical = "what is licensed", "what the platform can carry"
	relaysNear, relaysFull := near(30005, "TURN relays", physical, 0), at(30024, "TURN relays", physical, 0)
	relaysNear.DependsOn = []int{relaysFull.Number}
	relaysNear.Proof = "cmd/turnpike TestRelayCapacity"
	relaysFull.Proof = relaysNear.Proof
	bindingsFull := at(30030, "registrations on this node", physical, 0)
	bindingsFull.Proof = "cmd/turnpike TestRegistrationCapacity"
	return []Kind{
		near(30001, "traversal calls", licensed, 6),
		near(30002, "traversal calls", physical, 6),
		near(30003, "non-traversal calls", physical, 6),
		near(30004, "non-traversal calls", licensed, 6),
		relaysNear,
		near(30007, "TURN relays", licensed, 6),
		near(30010, "registrations", licensed, 6),
		at(30019, "non-traversal calls", licensed, 6),
		at(30020, "traversal calls", licensed, 6),
		at(30021, "TURN relays", licensed, 6),
		at(30022, "non-traversal calls", physical, 6),
		at(30023, "traversal calls", physical, 6),
		relaysFull,
		near(30026, "room systems", licensed, 6),
		at(30027, "registrations on a peer", physical, 7),
		at(30028, "room systems", licensed, 6),
		near(30029, "desktop systems", licensed, 6),
		bindingsFull,
		at(30031, "desktop systems", licensed, 6),
		near(30047, "encrypted sessions", licensed, 6),
		at(30048, "encrypted sessions", licensed, 6),
	}
}

func licenceKinds() []Kind {
	lost := func(number int, title, text string) Kind {
		return Kind{Number: number, Severity: Warning, Title: title, Text: text, Remedy: "Bring the peer back, or remove it and install its licences elsewhere.", DependsOn: []int{20004}, Issue: 8}
	}
	smart := func(number int, severity Severity, title, text string) Kind {
		return Kind{Number: number, Severity: severity, Title: title, Text: text, Remedy: "Option keys do not need this: it is raised in smart licensing only.", Issue: 8}
	}
	kinds := []Kind{
		lost(30012, "Call licences of a lost peer", "A peer with call licences is away for hours. They stay in the pool for 14 days."),
		lost(30013, "Registration licences of a lost peer", "A peer with registration licences is away for hours. They stay in the pool for 14 days."),
		lost(30014, "Call licences of a lost peer end soon", "A peer with call licences is away for days: they leave the pool when 14 days are over."),
		lost(30015, "Registration licences of a lost peer end soon", "A peer with registration licences is away for days: they leave the pool when 14 days are over."),
		lost(30016, "Call licences of a lost peer removed", "A peer was away for 14 days: its call licences have left the pool."),
		lost(30017, "Registration licences of a lost peer removed", "A peer was away for 14 days: its registration licences have left the pool."),
		{Number: 30025, Severity: Warning, Title: "Restart required", Text: "An option key or the type of the node was changed and takes effect at the next start.", Remedy: "Restart the node: running media goes on.", CuredByRestart: true, Issue: 6},
	}
	for _, s := range []struct {
		number      int
		severity    Severity
		title, text string
	}{
		{30035, Warning, "Smart licensing not registered", "The node is not registered with the licence service."},
		{30036, Alert, "Smart licensing evaluation ends", "The evaluation period is about to end."},
		{30037, Critical, "Smart licensing evaluation expired", "The evaluation period is over: new registrations are refused."},
		{30038, Critical, "Smart licensing authorisation expired", "The licence service has not been heard of for 90 days."},
		{30039, Alert, "Smart licensing authorisation ends", "The licence service has not been heard of for a long time."},
		{30040, Critical, "Smart licensing registration expired", "The registration with the licence service has expired."},
		{30041, Error, "Smart licensing out of compliance", "More licences are used than were bought."},
		{30042, Error, "Smart licensing registration failed", "The licence service refused the registration."},
		{30043, Warning, "Smart licensing registration pending", "The licence service has not answered yet."},
		{30044, Error, "Smart licensing renewal of authorisation failed", "The authorisation could not be renewed."},
		{30045, Error, "Smart licensing renewal of registration failed", "The registration could not be renewed."},
		{30046, Warning, "Smart licensing communication failure", "The licence service cannot be reached."},
	} {
		kinds = append(kinds, smart(s.number, s.severity, s.title, s.text))
	}
	return kinds
}

func securityKinds() []Kind {
	delegated := func(number int, text string) Kind {
		return Kind{Number: number, Severity: Warning, Title: "Delegated credential checking", Text: text, Remedy: "Mend what the detail names on the traversal zone, or switch delegated checking off.", Issue: 7}
	}
	return []Kind{
		delegated(40036, "Credentials are to be checked by another system, and no traversal zone leads there."),
		delegated(40037, "The traversal zone for delegated checks does not verify certificates."),
		delegated(40038, "The traversal zone for delegated checks is not connected."),
		delegated(40039, "The system that checks credentials does not answer."),
		{Number: 40046, Severity: Warning, Title: "Cluster does not conform to FIPS", Text: "This node is in FIPS mode, and a peer of its cluster is not.", Remedy: "Bring all peers into the same mode.", Issue: 7},
		{Number: 40049, Severity: Notice, Title: "Cluster TLS permissive", Text: "Traffic between peers is encrypted, but certificates are not checked.", Remedy: "See in `turnpike cluster status` that all certificates are valid, then set cluster_tls to enforce.", Issue: 7},
		{Number: 40052, Severity: Warning, Title: "Certificate without CN", Text: "The server certificate has no common name, which older systems look at.", Remedy: "Make a request with a common name and upload the certificate that answers it.", Proof: "control/certificates TestAlarmsOfTheServerCertificate"},
		{Number: 40055, Severity: Warning, Title: "Failed to update key file", Text: "The system key, which seals the secrets of the configuration, could not be read or renewed.", Remedy: "On a single node renew it with xCommand ForceSystemKeyUpdate. In a cluster do so on a node without this alarm. If all have it, form the cluster again.", Proof: "control/config/store TestFailureAtEveryStep"},
		{Number: 40068, Severity: Critical, Title: "Certificate expired", Text: "The server certificate has expired: systems that check it refuse this node.", Remedy: "Make a request, have it signed and upload the new certificate. No restart is needed.", Proof: "control/certificates TestAlarmsOfTheServerCertificate"},
		{Number: 40069, Severity: Alert, Title: "Certificate expires soon", Text: "The server certificate expires within 30 days.", Remedy: "Make a request, have it signed and upload the new certificate before the old one ends. No restart is needed.", Proof: "control/certificates TestAlarmsOfTheServerCertificate"},
	}
}
