package alarms

import (
	"fmt"
	"slices"
)

// Who proves what is here.
const (
	proofLevels   = "control/licences TestLevels"
	proofCalls    = "control/licences TestCallCapacity"
	proofKeys     = "control/licences TestKeys"
	proofRelays   = "cmd/turnpike TestRelayCapacity"
	proofBindings = "cmd/turnpike TestRegistrationCapacity"
)

// limitKinds returns the alarms that something comes near a limit and has reached it. The
// second explains the first.
func limitKinds(near, at int, what, bound, proof string) []Kind {
	n := Kind{Number: near, Severity: Warning, Title: "Capacity warning: " + what, Text: fmt.Sprintf("The number of %s comes near %s.", what, bound), Remedy: "Add a node or licences, or spread the load. licensing.warn_at sets the level of the warning.", Proof: proof}
	a := Kind{Number: at, Severity: Warning, Title: "Limit reached: " + what, Text: fmt.Sprintf("The number of %s has reached %s: new ones are refused, running ones go on.", what, bound), Remedy: "Wait until some end, or add a node or licences.", Proof: proof}
	if at == 0 {
		return []Kind{n}
	}
	if near == 0 {
		return []Kind{a}
	}
	n.DependsOn = []int{at}
	return []Kind{n, a}
}

func capacityKinds() []Kind {
	const licensed, physical = "what is licensed", "what the platform can carry"
	kinds := slices.Concat(
		limitKinds(30001, 30020, "traversal calls", licensed, proofLevels),
		limitKinds(30002, 30023, "traversal calls", physical, proofCalls),
		limitKinds(30003, 30022, "non-traversal calls", physical, proofCalls),
		limitKinds(30004, 30019, "non-traversal calls", licensed, ""),
		limitKinds(30005, 30024, "TURN relays", physical, proofRelays),
		limitKinds(30007, 30021, "TURN relays", licensed, ""),
		limitKinds(30010, 0, "registrations", "what may register here", proofLevels),
		limitKinds(30026, 30028, "room systems", licensed, proofLevels),
		limitKinds(0, 30027, "registrations on a peer", physical, "cmd/turnpike TestFullPeers"),
		limitKinds(30029, 30031, "desktop systems", licensed, proofLevels),
		limitKinds(0, 30030, "registrations on this node", physical, proofBindings),
		limitKinds(30047, 30048, "encrypted sessions", licensed, ""),
	)
	for i := range kinds {
		switch k := &kinds[i]; k.Number {
		case 30001, 30020:
			k.Text += " Rich media sessions are licensed, one pool of them for calls with and without media through the node."
		case 30004, 30019:
			k.Never = "rich media sessions are one pool for all calls, and its alarms are 30001 and 30020"
		case 30007, 30021:
			k.Never = "relays need no licence: the platform limits them, and its alarms are 30005 and 30024"
		case 30047, 30048:
			k.Never = "no licence counts sessions by whether they are encrypted"
		}
	}
	return kinds
}

// keyKinds are alarms of our own, whose numbers operators do not know from elsewhere:
// in each ten thousand those from nine thousand on.
func keyKinds() []Kind {
	return []Kind{
		{
			Number: 39001, Severity: Notice, Title: "No licence key on this node", Proof: proofKeys,
			Text:   "No option key of this node gives licences. A node alone is in evaluation: what its platform carries is the limit. In a cluster the node uses the licences of the others and adds none.",
			Remedy: "Install a key: turnpike licence add KEY. If the node is meant to be without, acknowledge the alarm.",
		},
		{
			Number: 39002, Severity: Warning, Title: "Option key does not count", Proof: proofKeys, CuredByRestart: true,
			Text:   "An option key is installed and gives nothing: it has ended, is for another node, was changed, or is of an issuer that licensing.issuers does not name.",
			Remedy: "turnpike licence list says which and why. Install another key and remove this one: turnpike licence remove NUMBER.",
		},
		{
			Number: 39003, Severity: Warning, Title: "Option key ends soon", Proof: proofKeys, CuredByRestart: true,
			Text:   "What an option key gives ends within 30 days. Running calls and registrations go on then; new ones need other licences.",
			Remedy: "Ask for another key, install it, and remove the old one when it has ended.",
		},
	}
}

func licenceKinds() []Kind {
	lost := func(number int, title, text string) Kind {
		return Kind{Number: number, Severity: Warning, Title: title, Text: text, Remedy: "Bring the peer back, or remove it and install its licences elsewhere.", DependsOn: []int{20004}, Proof: "control/pooling TestAwayLicences"}
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
		{Number: 30025, Severity: Warning, Title: "Restart required", Text: "The role or the platform of the node was changed and takes effect at the next start. Option keys never wait for one.", Remedy: "Restart the node: running media goes on.", CuredByRestart: true, Proof: "cmd/turnpike TestRestartRequired"},
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
		{Number: 40049, Severity: Notice, Title: "Cluster TLS permissive", Text: "Traffic between peers is encrypted, but certificates are not checked.", Remedy: "See in `turnpike cluster status` that all certificates are valid, then set cluster_tls to enforce.", Proof: "cmd/turnpike TestTwoNodesForm"},
		{Number: 40052, Severity: Warning, Title: "Certificate without CN", Text: "The server certificate has no common name, which older systems look at.", Remedy: "Make a request with a common name and upload the certificate that answers it.", Proof: "control/certificates TestAlarmsOfTheServerCertificate"},
		{Number: 40055, Severity: Warning, Title: "Failed to update key file", Text: "The system key, which seals the secrets of the configuration, could not be read or renewed.", Remedy: "On a single node renew it with xCommand ForceSystemKeyUpdate. In a cluster do so on a node without this alarm. If all have it, form the cluster again.", Proof: "control/config/store TestFailureAtEveryStep"},
		{Number: 40068, Severity: Critical, Title: "Certificate expired", Text: "The server certificate has expired: systems that check it refuse this node.", Remedy: "Make a request, have it signed and upload the new certificate. No restart is needed.", Proof: "control/certificates TestAlarmsOfTheServerCertificate"},
		{Number: 40069, Severity: Alert, Title: "Certificate expires soon", Text: "The server certificate expires within 30 days.", Remedy: "Make a request, have it signed and upload the new certificate before the old one ends. No restart is needed.", Proof: "control/certificates TestAlarmsOfTheServerCertificate"},
	}
}
