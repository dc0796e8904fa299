package doctor

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Firewall is what nftables and iptables hold in the namespace.
type Firewall struct {
	Chains []Chain
	// Unread counts nftables rules that nobody could list.
	Unread int
}

// Chain is a chain of rules, in the words of the tool that lists it.
type Chain struct {
	Family, Table, Name string
	Hook                string // prerouting, input, ...; empty: called by others
	Kind                string // filter, nat, route
	Policy              string
	Rules               []Rule
}

func (c Chain) String() string { return c.Family + " " + c.Table + " " + c.Name }

// Rule is one rule as its tool writes it.
type Rule struct {
	Handle string // of nftables; empty: iptables
	Text   string
}

// maxRules bounds how many rules a report names.
const maxRules = 16

func firewallBypassed(s *Snapshot) []Finding {
	var found []Finding
	more := 0
	for _, c := range s.Firewall.Chains {
		if c.Family == "arp" || c.Family == "bridge" {
			continue
		}
		for _, f := range c.bypassed(s) {
			if len(found) == maxRules {
				more++
				continue
			}
			found = append(found, f)
		}
	}
	if more > 0 {
		found = append(found, finding("firewall", Note, fmt.Sprintf("and %d more rules", more), "nft -a list ruleset"))
	}
	if n := s.Firewall.Unread; n > 0 {
		found = append(found, finding("firewall", Note, fmt.Sprintf("%d rules of nftables are there; nft is not, to name them", n), "apt-get install nftables"))
	}
	if len(found) == 0 {
		return []Finding{fine("firewall", "no rule is passed by")}
	}
	return found
}

// bypassed names what in a chain does not apply to relayed media.
func (c Chain) bypassed(s *Snapshot) []Finding {
	var found []Finding
	if c.Policy == "drop" {
		found = append(found, finding(c.String(), Note, "its policy drop does not apply to media; relays have permissions, and strangers are dropped by XDP", ""))
	}
	for _, r := range c.Rules {
		effect := r.effect()
		if effect == "" || !r.mayConcern(s) {
			continue
		}
		f := finding(r.where(c), Note, fmt.Sprintf("does not apply to media: %s", r.Text), mediaInstead(effect))
		if effect == "nat" && s.wantsXDP() {
			f.Severity = Warning
			f.Command = "keep the node's addresses and ports out of NAT; behind a static one, write interfaces.external.static_nat"
		}
		found = append(found, f)
	}
	return found
}

func (r Rule) where(c Chain) string {
	if r.Handle == "" {
		return c.String()
	}
	return c.String() + " handle " + r.Handle
}

// mediaInstead says what does to media what a rule does to other packets.
func mediaInstead(effect string) string {
	switch effect {
	case "drop":
		return "to keep peers away from media too, write them into turn.deny of the node file"
	case "limit":
		return "to limit media too, write turn.rate_kbps into the node file"
	default:
		return ""
	}
}

// effects are the words of a rule that does something, and what kind of thing it is. The
// tools' words differ little: iptables writes targets in capitals.
var effects = []struct {
	kind string
	word *regexp.Regexp
}{
	{"nat", regexp.MustCompile(`(?i)\b(masquerade|snat|dnat|redirect|netmap|tproxy)\b`)},
	{"limit", regexp.MustCompile(`(?i)\b(limit|hashlimit|quota|connlimit)\b`)},
	{"drop", regexp.MustCompile(`(?i)\b(drop|reject|tarpit)\b`)},
	{"queue", regexp.MustCompile(`(?i)\b(queue|nfqueue)\b`)},
	{"mark", regexp.MustCompile(`(?i)\b(mark set|dscp set|priority set|connmark|set-x?mark|set-dscp|classify)\b|-j (MARK|DSCP|TOS)\b`)},
	{"log", regexp.MustCompile(`(?i)\b(log|nflog)\b`)},
	{"copy", regexp.MustCompile(`(?i)\b(dup to|tee|fwd to)\b`)},
}

// effect says what a rule does besides letting packets pass; empty: nothing.
func (r Rule) effect() string {
	for _, e := range effects {
		if e.word.MatchString(r.Text) {
			return e.kind
		}
	}
	return ""
}

var (
	otherProtocol = regexp.MustCompile(`\b(tcp (dport|sport|flags|option)|icmp|icmpv6|icmp type|sctp (dport|sport)|ether type arp)\b|\b(l4proto|protocol|nexthdr) (tcp|icmp|icmpv6|ipv6-icmp|sctp|esp|ah|gre|\d+\b)|-p (tcp|icmp|ipv6-icmp|icmpv6|sctp|esp|ah|gre)\b`)
	portsOfRule   = regexp.MustCompile(`(?:\b(?:udp|th) dport|--dports?) (!=\s*|\{\s*)?([0-9][0-9,:\- ]*)`)
	interfaceIn   = regexp.MustCompile(`(?:\biif(?:name)?|\boif(?:name)?|-i|-o) "?([^" {}!]+)"?`)
)

// mayConcern reports whether a rule can match packets of a relay: it is generous, as a
// rule named in vain costs a look, and one not named costs a surprise.
func (r Rule) mayConcern(s *Snapshot) bool {
	if otherProtocol.MatchString(r.Text) {
		return false
	}
	if m := portsOfRule.FindStringSubmatch(r.Text); m != nil && !strings.HasPrefix(m[1], "!") && !r.hasPorts(m[2], mediaPorts(s.Node)) {
		return false
	}
	if m := interfaceIn.FindStringSubmatch(r.Text); m != nil && !strings.Contains(m[1], "*") && !strings.Contains(m[1], "+") {
		return slices.ContainsFunc(s.Interfaces, func(i Interface) bool { return i.Name == m[1] })
	}
	return true
}

// hasPorts reports whether a list of ports as a rule writes it has one of ours.
func (Rule) hasPorts(list string, own []portSpan) bool {
	list = strings.Trim(strings.ReplaceAll(list, ":", "-"), "- ") // iptables has colons
	for _, p := range parseSpans(list) {
		if slices.ContainsFunc(own, p.overlaps) {
			return true
		}
	}
	return false
}

var (
	trackingRule = regexp.MustCompile(`\bct (state|mark|zone|count|status|direction|original|reply|label)\b|--ctstate|-m state\b|--connmark`)
	untracked    = regexp.MustCompile(`\bnotrack\b|--notrack\b|-j NOTRACK\b`)
	helperRule   = regexp.MustCompile(`(?:\bct helper set|--helper) "?([^" ]+)"?`)
)

// tracks reports whether something makes the kernel track connections here.
func (f Firewall) tracks() bool {
	return slices.ContainsFunc(f.Chains, func(c Chain) bool {
		return c.Kind == "nat" && len(c.Rules) > 0 ||
			slices.ContainsFunc(c.Rules, func(r Rule) bool { return trackingRule.MatchString(r.Text) })
	})
}

// exempts reports whether a rule keeps our ports from being tracked.
func (f Firewall) exempts(s *Snapshot) bool {
	return slices.ContainsFunc(f.Chains, func(c Chain) bool {
		return slices.ContainsFunc(c.Rules, func(r Rule) bool {
			return untracked.MatchString(r.Text) && r.mayConcern(s)
		})
	})
}

func connectionTracking(s *Snapshot) []Finding {
	switch {
	case !s.Firewall.tracks():
		return []Finding{fine("firewall", "no rule has connections tracked")}
	case s.Firewall.exempts(s):
		return []Finding{fine("firewall", "the node's ports are not tracked")}
	}
	what := "rules have connections tracked, those of the node's ports too"
	if s.Sysctls[sysctlTrackable] != "" {
		what += fmt.Sprintf(" (%s of %s entries are in use)", s.Sysctls[sysctlTracked], s.Sysctls[sysctlTrackable])
	}
	return []Finding{finding("firewall", Warning, what, notrack(s))}
}

// notrack is the command that exempts the node's ports.
func notrack(s *Snapshot) string {
	var ports []string
	for _, p := range mediaPorts(s.Node) {
		ports = append(ports, p.String())
	}
	set := "{ " + strings.Join(ports, ", ") + " }"
	return "nft 'table inet turnpike_notrack { chain in { type filter hook prerouting priority raw; udp dport " + set + " notrack; }; " +
		"chain out { type filter hook output priority raw; udp sport " + set + " notrack; }; }'"
}

func protocolHelper(s *Snapshot) []Finding {
	var found []Finding
	for _, c := range s.Firewall.Chains {
		for _, r := range c.Rules {
			m := helperRule.FindStringSubmatch(r.Text)
			if m == nil {
				continue
			}
			name := strings.ToLower(m[1])
			if strings.Contains(name, "sip") || strings.Contains(name, "h323") || strings.Contains(name, "ras") || strings.Contains(name, "q.931") {
				found = append(found, finding(r.where(c), Warning, "a helper changes SIP or H.323 messages: "+r.Text, "take the rule out"))
			}
		}
	}
	if len(found) == 0 {
		return []Finding{fine("firewall", "no helper changes SIP or H.323 messages")}
	}
	return found
}
