package routing

import (
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/pattern"
	"turnpike.dev/turnpike/control/zones"
)

// What follows turns the words of configuration into those of the decisions. Words
// that configuration does not know never come here: its own checks refuse them.

// Paths are the parts of configuration that a snapshot is made from.
func Paths() []string {
	return []string{
		"zones", "default_zone", "subzones", "default_subzone", "membership_rules", "registrations", "domains",
		"transforms", "search_rules", "call_policy", "calls", "cluster.peers", "interfaces",
	}
}

var zoneTypes = map[config.ZoneType]zones.Type{
	config.ZoneNeighbour:       zones.Neighbour,
	config.ZoneTraversalClient: zones.TraversalClient,
	config.ZoneTraversalServer: zones.TraversalServer,
	config.ZoneDNS:             zones.DNS,
}

var patternTypes = map[config.PatternType]pattern.Type{
	config.PatternExact:  pattern.Exact,
	config.PatternPrefix: pattern.Prefix,
	config.PatternSuffix: pattern.Suffix,
	config.PatternRegex:  pattern.Regex,
}

var behaviors = map[config.Behavior]pattern.Behavior{
	config.BehaviorLeave:     pattern.Leave,
	config.BehaviorStrip:     pattern.Strip,
	config.BehaviorReplace:   pattern.Replace,
	config.BehaviorAddPrefix: pattern.AddPrefix,
	config.BehaviorAddSuffix: pattern.AddSuffix,
}

var protocols = map[config.RuleProtocol]dialplan.Protocol{
	config.ProtocolAny:  dialplan.AnyProtocol,
	config.ProtocolSIP:  dialplan.SIP,
	config.ProtocolH323: dialplan.H323,
}

var sources = map[config.RuleSource]dialplan.Source{
	config.SourceAny:      dialplan.AnySource,
	config.SourceAllZones: dialplan.AllZones,
	config.SourceLocal:    dialplan.LocalZone,
	config.SourceNamed:    dialplan.Named,
}

var callers = map[config.PolicyCaller]dialplan.Caller{
	config.CallerAny:             dialplan.AnyCaller,
	config.CallerAuthenticated:   dialplan.Authenticated,
	config.CallerUnauthenticated: dialplan.Unauthenticated,
}

var actions = map[config.Action]dialplan.Action{
	config.ActionAllow: dialplan.Allow,
	config.ActionDeny:  dialplan.Deny,
}

var unknownIPs = map[config.UnknownIP]dialplan.UnknownIP{
	config.UnknownIPIndirect: dialplan.Indirect,
	config.UnknownIPDirect:   dialplan.Direct,
	config.UnknownIPOff:      dialplan.Off,
}

var interworking = map[config.Interworking]dialplan.Interworking{
	config.InterworkRegistered: dialplan.RegisteredOnly,
	config.InterworkOff:        dialplan.InterworkingOff,
	config.InterworkOn:         dialplan.InterworkingOn,
}

func zonesOf(n *config.Node, s Surroundings) zones.Config {
	c := zones.Config{
		LocalName: config.LocalZoneName, DefaultName: config.DefaultZoneName,
		DefaultHopCount: n.DefaultZone.HopCount, Resolved: s.Resolved, Cluster: n.Cluster.Peers,
	}
	for _, z := range n.Zones {
		zone := zones.Zone{
			Name: z.Name, Type: zoneTypes[z.Type], SIP: z.Protocol.SIP(), H323: z.Protocol.H323(),
			Monitor: bool(z.Monitor), HopCount: z.HopCount,
		}
		for _, p := range z.Peers {
			zone.Peers = append(zone.Peers, zones.Peer{Host: p.Host, Port: p.Port})
		}
		c.Zones = append(c.Zones, zone)
	}
	for _, r := range n.DefaultZone.AccessRules {
		if r.State != config.Disabled {
			c.Access = append(c.Access, zones.AccessRule{
				Name: r.Name, Priority: r.Priority, Type: patternTypes[r.Pattern.Type], Pattern: r.Pattern.String,
				Allow: r.Action == config.ActionAllow,
			})
		}
	}
	return c
}

func membersOf(n *config.Node) zones.MembersConfig {
	c := zones.MembersConfig{DefaultDeny: n.DefaultSubzone.Registrations == config.ActionDeny}
	for _, s := range n.Subzones {
		c.Subzones = append(c.Subzones, zones.Subzone{Name: s.Name, Deny: s.Registrations == config.ActionDeny})
	}
	for _, r := range n.MembershipRules {
		if r.State == config.Disabled {
			continue
		}
		rule := zones.MemberRule{Name: r.Name, Priority: r.Priority, Subzone: r.Subzone}
		if r.Type == config.MemberSubnet {
			rule.Subnet = r.Subnet.Prefix
		} else {
			rule.Type, rule.Pattern = patternTypes[r.Pattern.Type], r.Pattern.String
		}
		c.Rules = append(c.Rules, rule)
	}
	var list []config.RestrictionRule
	switch n.Registrations.Restriction {
	case config.RestrictAllow:
		c.Restriction, list = zones.AllowList, n.Registrations.Allow
	case config.RestrictDeny:
		c.Restriction, list = zones.DenyList, n.Registrations.Deny
	}
	for _, r := range list {
		c.Entries = append(c.Entries, zones.Entry{Name: r.Name, Type: patternTypes[r.Pattern.Type], Pattern: r.Pattern.String})
	}
	return c
}

func planOf(n *config.Node, s Surroundings, dir *zones.Directory) dialplan.Config {
	c := dialplan.Config{
		Zones: dir, Own: s.Own, Domains: n.Domains,
		UnknownIP: unknownIPs[n.Calls.UnknownIP], Interworking: interworking[n.Calls.Interworking],
		NoLoopCheck: !bool(n.Calls.LoopDetection), FallbackAlias: n.Calls.FallbackAlias,
		Policy: dialplan.Policy{Off: !bool(n.CallPolicy.Mode), AllowUnknown: n.CallPolicy.Unknown == config.ActionAllow},
	}
	for _, s := range n.Subzones {
		c.Subzones = append(c.Subzones, s.Name)
	}
	for _, t := range n.Transforms {
		c.Transforms = append(c.Transforms, dialplan.Transform{
			Name: t.Name, Priority: t.Priority, Type: patternTypes[t.Pattern.Type], Pattern: t.Pattern.String,
			Behavior: behaviors[t.Behavior], Replace: t.Replace, Disabled: t.State == config.Disabled,
		})
	}
	for _, r := range n.SearchRules {
		c.Rules = append(c.Rules, ruleOf(r))
	}
	for _, r := range n.CallPolicy.Rules {
		c.Policy.Rules = append(c.Policy.Rules, dialplan.PolicyRule{
			Name: r.Name, Priority: r.Priority, Source: sources[r.Source], SourceName: r.SourceName,
			Caller: callers[r.Caller], From: matchOf(r.From), To: matchOf(r.To), Action: actions[r.Action],
			Disabled: r.State == config.Disabled,
		})
	}
	return c
}

func ruleOf(r config.SearchRule) dialplan.Rule {
	out := dialplan.Rule{
		Name: r.Name, Priority: r.Priority, Protocol: protocols[r.Protocol],
		Source: sources[r.Source], SourceName: r.SourceName, Authenticated: bool(r.Authenticated),
		Behavior: behaviors[r.Behavior], Replace: r.Replace, Stop: r.OnMatch == config.OnMatchStop,
		Target: r.Target, Disabled: r.State == config.Disabled,
	}
	switch r.Pattern.Type {
	case config.PatternAny:
		out.Mode = dialplan.Anything
	case config.PatternIP:
		out.Mode = dialplan.AnyIPAddress
	default:
		out.Mode, out.Type, out.Pattern = dialplan.AliasPattern, patternTypes[r.Pattern.Type], r.Pattern.String
	}
	return out
}

func matchOf(p config.Pattern) dialplan.Match {
	return dialplan.Match{Any: p.Type == config.PatternAny, Type: patternTypes[p.Type], Pattern: p.String}
}
