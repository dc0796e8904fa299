package config

import (
	"fmt"
	"slices"
	"strings"

	"turnpike.dev/turnpike/control/pattern"
)

func (c checker) network() {
	if d := c.n.System.Domain; d != "" && !isDomain(d) {
		c.wrong("system.domain", fmt.Sprintf("system.domain cannot be %q", d), "write a DNS domain, for example example.org")
	}
	if h := c.n.System.HostName; h != "" && !label.MatchString(h) {
		c.wrong("system.host_name", fmt.Sprintf("system.host_name cannot be %q", h), "use up to 63 letters, digits and hyphens")
	}
	c.domains("dns.search", c.n.DNS.Search)
	c.domains("domains", c.n.Domains)
}

func (c checker) domains(path string, list []string) {
	for i, d := range list {
		if !isDomain(d) {
			c.wrong(fmt.Sprintf("%s[%d]", path, i+1), fmt.Sprintf("%s cannot have %q", path, d), "write a DNS domain, for example example.org")
		}
	}
}

func (c checker) signaling() {
	s := c.n.SIP
	if s.Mode && s.UDP == 0 && s.TCP == 0 && s.TLS == 0 {
		c.wrong("sip.mode", "sip.mode is on, but every transport is off", "set sip.udp, sip.tcp or sip.tls to a port")
	}
	if s.TCP != 0 && s.TCP == s.TLS {
		c.wrong("sip.tls", fmt.Sprintf("sip.tcp and sip.tls are both %d", s.TLS), "use 5060 and 5061, or turn one off")
	}
	if s.MinSessionTime > s.SessionTime {
		c.wrong("sip.min_session_time", "sip.min_session_time is above sip.session_time", "lower it")
	}
	if c.n.H323.RASPort == c.n.H323.CallPort {
		c.wrong("h323.call_port", "h323.ras_port and h323.call_port are the same", "use 1719 and 1720")
	}
}

// reserved are names that zones and subzones cannot have.
var reserved = []string{LocalZoneName, DefaultZoneName, DefaultSubzoneName, TraversalSubzoneName, ClusterSubzoneName}

func (c checker) zones() {
	used := map[string]bool{}
	for _, z := range c.n.Zones {
		at := fmt.Sprintf("zones[%d].", z.Index)
		c.zoneName(at, z.Name)
		used[z.Name] = true
		c.zonePeers(at, z)
	}
	for _, s := range c.n.Subzones {
		at := fmt.Sprintf("subzones[%d].", s.Index)
		c.zoneName(at, s.Name)
		if used[s.Name] {
			c.wrong(at+"name", fmt.Sprintf("a zone is called %q too", s.Name), "links could not tell them apart: give one another name")
		}
	}
}

func (c checker) zoneName(at, name string) {
	for _, r := range reserved {
		if strings.EqualFold(r, name) {
			c.wrong(at+"name", fmt.Sprintf("%q is the name of one that is always there", name), "give it another name")
		}
	}
}

func (c checker) zonePeers(at string, z Zone) {
	takes := z.Type == ZoneNeighbour || z.Type == ZoneTraversalClient
	if !takes && len(z.Peers) > 0 {
		c.wrong(at+"peers", fmt.Sprintf("zone %s is of type %s and takes no peers", z.Name, z.Type), "leave them out")
	}
	for i, p := range z.Peers {
		peer := fmt.Sprintf("%speers[%d]", at, i+1)
		if slices.Index(z.Peers, p) < i {
			c.wrong(peer, "this peer is there twice", "keep one of them")
		}
		if c.n.ownPeer(p.Host) { // RG-07
			c.wrong(peer, fmt.Sprintf("%s is a peer of this node's own cluster", p.Host), "peers of a cluster are not neighbours of each other: take it out")
		}
	}
}

func (c checker) bandwidth() {
	for _, l := range c.n.Links {
		at := fmt.Sprintf("links[%d].", l.Index)
		switch {
		case l.Node1 != "" && l.Node1 == l.Node2:
			c.wrong(at+"node2", fmt.Sprintf("link %s joins %s with itself", l.Name, l.Node1), "name two different ends")
		case l.Pipe1 == "" && l.Pipe2 != "":
			c.wrong(at+"pipe2", fmt.Sprintf("link %s has a second pipe and no first", l.Name), "write it as pipe1")
		case l.Pipe1 != "" && l.Pipe1 == l.Pipe2:
			c.wrong(at+"pipe2", fmt.Sprintf("link %s goes over pipe %s twice", l.Name, l.Pipe1), "keep one of them")
		}
	}
}

func (c checker) rules() {
	first := map[int]string{}
	for _, t := range c.n.Transforms {
		at := fmt.Sprintf("transforms[%d].", t.Index)
		if other, ok := first[t.Priority]; ok {
			c.wrong(at+"priority", fmt.Sprintf("transforms %s and %s have the same priority %d", other, t.Name, t.Priority), "give each its own")
		}
		first[t.Priority] = t.Name
		c.pattern(at+"pattern", t.Pattern)
		c.rewrite(at, t.Pattern, t.Behavior, t.Replace)
	}
	for _, r := range c.n.SearchRules {
		at := fmt.Sprintf("search_rules[%d].", r.Index)
		c.pattern(at+"pattern", r.Pattern)
		c.source(at, r.Name, r.Source, r.SourceName)
		c.rewrite(at, r.Pattern, r.Behavior, r.Replace)
		if r.Behavior != BehaviorLeave && (r.Pattern.Type == PatternAny || r.Pattern.Type == PatternIP) {
			c.wrong(at+"behavior", fmt.Sprintf("search rule %s matches anything and cannot %s a part of it", r.Name, r.Behavior), "write a pattern, or behavior: leave")
		}
	}
	for _, r := range c.n.CallPolicy.Rules {
		at := fmt.Sprintf("call_policy.rules[%d].", r.Index)
		c.pattern(at+"from", r.From)
		c.pattern(at+"to", r.To)
		c.source(at, r.Name, r.Source, r.SourceName)
	}
	for _, r := range c.n.MembershipRules {
		at := fmt.Sprintf("membership_rules[%d].", r.Index)
		switch {
		case r.Type == MemberSubnet && !r.Subnet.IsValid():
			c.wrong(at+"subnet", fmt.Sprintf("membership rule %s has no subnet", r.Name), "write for example subnet: 10.0.0.0/8")
		case r.Type == MemberAlias:
			c.pattern(at+"pattern", r.Pattern)
		}
	}
	for _, r := range c.n.Registrations.Allow {
		c.pattern(fmt.Sprintf("registrations.allow[%d].pattern", r.Index), r.Pattern)
	}
	for _, r := range c.n.Registrations.Deny {
		c.pattern(fmt.Sprintf("registrations.deny[%d].pattern", r.Index), r.Pattern)
	}
	for _, r := range c.n.DefaultZone.AccessRules {
		c.pattern(fmt.Sprintf("default_zone.access_rules[%d].pattern", r.Index), r.Pattern)
	}
}

func (c checker) source(at, name string, s RuleSource, source string) {
	switch {
	case s == SourceNamed && source == "":
		c.wrong(at+"source_name", fmt.Sprintf("rule %s has source named, and no name", name), "write source_name: ZONE")
	case s != SourceNamed && source != "":
		c.wrong(at+"source_name", fmt.Sprintf("rule %s has a source_name, and its source is %s", name, s), "write source: named")
	}
}

func (c checker) pattern(at string, p Pattern) {
	any := p.Type == PatternAny || p.Type == PatternIP
	switch {
	case !any && p.String == "":
		c.wrong(at, at+" has no string", "write what an alias is compared with")
	case any && p.String != "":
		c.wrong(at+".string", fmt.Sprintf("%s has a string, and type %s looks at none", at, p.Type), "write type: exact, prefix, suffix or regex")
	case p.Type == PatternRegex:
		if _, err := pattern.Compile(pattern.Regex, p.String); err != nil {
			c.wrong(at+".string", fmt.Sprintf("%s cannot be %q", at, p.String), reason(err))
		}
	}
}

// rewrite checks what a transform or a search rule makes of the aliases that match.
func (c checker) rewrite(at string, p Pattern, b Behavior, replace string) {
	var typ pattern.Type
	var behavior pattern.Behavior
	if typ.UnmarshalText([]byte(p.Type)) != nil || behavior.UnmarshalText([]byte(strings.ReplaceAll(string(b), "_", ""))) != nil {
		return // no pattern
	}
	compiled, err := pattern.Compile(typ, p.String)
	if err != nil {
		return // told by pattern
	}
	if _, err := pattern.CompileRewrite(compiled, behavior, replace); err != nil {
		c.wrong(at+"behavior", fmt.Sprintf("behavior %s does not go with this pattern", b), err.Error())
	}
}

// reason returns what a regular expression's error says, without what the problem has
// said already.
func reason(err error) string {
	text := err.Error()
	if _, after, ok := strings.Cut(text, "error parsing regexp: "); ok {
		return after
	}
	return text
}
