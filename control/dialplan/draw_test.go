package dialplan

import (
	"fmt"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/pattern"
	"turnpike.dev/turnpike/control/zones"
)

// What follows draws small worlds, in which rules meet often.

var names = []string{"1", "12", "91", "912", "a@x.ex", "a@y.ex", "b@x.ex", "192.0.2.1", "192.0.2.9", "a@192.0.2.9", "x.ex"}

func drawText(t *rapid.T, typ pattern.Type) string {
	if typ == pattern.Regex {
		return rapid.SampledFrom([]string{`9(.*)`, `(\d)\d*`, `(.*)@x\.ex`, `(a)@.*`, `(.*)`}).Draw(t, "regex")
	}
	return rapid.SampledFrom([]string{"9", "1", "A", "a@x.ex", "@x.ex", "@Y.ex", "2", "12", "192.0.2.9"}).Draw(t, "text")
}

func drawBehavior(t *rapid.T, typ pattern.Type, from ...pattern.Behavior) (pattern.Behavior, string) {
	b := rapid.SampledFrom(from).Draw(t, "behavior")
	if b == pattern.Strip && (typ == pattern.Exact || typ == pattern.Regex) {
		b = pattern.Replace
	}
	with := []string{"1", "9", "a@x.ex"}
	switch {
	case b == pattern.AddSuffix || b == pattern.Replace && typ == pattern.Suffix:
		with = []string{"2", "@x.ex", "@y.ex"}
	case typ == pattern.Regex && b == pattern.Replace:
		with = []string{`\1`, `9\1`, `a@y.ex`}
	}
	return b, rapid.SampledFrom(with).Draw(t, "with")
}

func drawSource(t *rapid.T) (Source, string) {
	s := rapid.SampledFrom([]Source{AnySource, AnySource, AllZones, LocalZone, Named}).Draw(t, "source")
	if s != Named {
		return s, ""
	}
	return s, rapid.SampledFrom([]string{"n1", "n2", "DefaultZone", "DefaultSubZone", "sub"}).Draw(t, "source name")
}

func drawConfig(t *rapid.T) Config {
	yes := func(what string) bool { return rapid.IntRange(0, 5).Draw(t, what) == 0 }
	c := Config{
		Subzones:     []string{"sub"},
		UnknownIP:    rapid.SampledFrom([]UnknownIP{Indirect, Direct, Off}).Draw(t, "unknown ip"),
		Interworking: rapid.SampledFrom([]Interworking{RegisteredOnly, InterworkingOff, InterworkingOn}).Draw(t, "interworking"),
		NoLoopCheck:  yes("no loop check"),
	}
	if yes("own") {
		c.Own = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	}
	if yes("fallback") {
		c.FallbackAlias, c.Domains = "1", []string{"x.ex"}
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "transforms") {
		tr := Transform{Name: fmt.Sprint("t", i), Priority: 10 - i, Disabled: yes("disabled")}
		tr.Type = pattern.Type(rapid.IntRange(0, 3).Draw(t, "type"))
		tr.Pattern = drawText(t, tr.Type)
		tr.Behavior, tr.Replace = drawBehavior(t, tr.Type, pattern.Strip, pattern.Replace, pattern.AddPrefix, pattern.AddSuffix)
		c.Transforms = append(c.Transforms, tr)
	}
	c.Policy = Policy{Off: yes("policy off"), AllowUnknown: rapid.Bool().Draw(t, "open")}
	for i := range rapid.IntRange(0, 4).Draw(t, "policy") {
		r := PolicyRule{Name: fmt.Sprint("p", i), Priority: rapid.IntRange(1, 3).Draw(t, "priority"), Disabled: yes("disabled")}
		r.Source, r.SourceName = drawSource(t)
		r.Caller = rapid.SampledFrom([]Caller{AnyCaller, AnyCaller, Authenticated, Unauthenticated}).Draw(t, "caller")
		r.From = Match{Any: !yes("from"), Type: pattern.Suffix, Pattern: "@x.ex"}
		typ := pattern.Type(rapid.IntRange(0, 3).Draw(t, "type"))
		r.To = Match{Any: yes("to any"), Type: typ, Pattern: drawText(t, typ)}
		r.Action = rapid.SampledFrom([]Action{Allow, Allow, Deny, Redirect}).Draw(t, "action")
		if r.Action == Redirect {
			r.Destinations = rapid.SliceOfN(rapid.SampledFrom([]string{"1", "a@x.ex", "912"}), 1, 2).Draw(t, "destinations")
		}
		c.Policy.Rules = append(c.Policy.Rules, r)
	}
	for i := range rapid.IntRange(0, 8).Draw(t, "rules") {
		r := Rule{Name: fmt.Sprint("r", i), Priority: rapid.IntRange(1, 4).Draw(t, "priority"), Disabled: yes("disabled")}
		r.Source, r.SourceName = drawSource(t)
		r.Protocol = rapid.SampledFrom([]Protocol{AnyProtocol, AnyProtocol, SIP, H323}).Draw(t, "protocol")
		r.Authenticated = yes("authenticated")
		r.Mode = rapid.SampledFrom([]Mode{Anything, AnyAlias, AnyIPAddress, AliasPattern, AliasPattern, AliasPattern}).Draw(t, "mode")
		if r.Mode == AliasPattern {
			r.Type = pattern.Type(rapid.IntRange(0, 3).Draw(t, "type"))
			r.Pattern = drawText(t, r.Type)
			r.Behavior, r.Replace = drawBehavior(t, r.Type, pattern.Leave, pattern.Leave, pattern.Strip, pattern.Replace)
		}
		r.Stop = yes("stop")
		r.Target = rapid.SampledFrom([]string{"local", "local", "n1", "n2", "dns"}).Draw(t, "target")
		c.Rules = append(c.Rules, r)
	}
	return c
}

func drawZones(t *rapid.T) []zones.Zone {
	list := []zones.Zone{neighbour("n1", "10.0.0.1", "10.0.0.2"), neighbour("n2", "10.0.0.3"), {Name: "dns", Type: zones.DNS, SIP: true}}
	for i := range list {
		list[i].HopCount = rapid.SampledFrom([]int{1, 15}).Draw(t, "zone's hop count")
	}
	list[1].SIP = rapid.Bool().Draw(t, "n2 speaks SIP")
	return list
}

func drawRequest(t *rapid.T, d *zones.Directory) Request {
	name := rapid.SampledFrom(names)
	q := Request{
		Protocol:      rapid.SampledFrom([]Protocol{SIP, H323}).Draw(t, "protocol"),
		Authenticated: rapid.Bool().Draw(t, "authenticated"),
		HopCount:      rapid.SampledFrom([]int{0, 1, 15, 70}).Draw(t, "hop count"),
		Peer:          rapid.IntRange(0, 9).Draw(t, "peer") == 0,
	}
	if q.Peer {
		q.Endpoints = rapid.SliceOfN(rapid.Uint64Range(1, 2), 0, 1).Draw(t, "endpoints")
	}
	q.Alias, _ = alias.Parse(name.Draw(t, "alias"))
	q.Caller, _ = alias.Parse(name.Draw(t, "caller"))
	if z := rapid.SampledFrom([]string{"", "local", "local", "n1", "n2"}).Draw(t, "zone"); z != "" {
		q.Zone = d.ByName(z)
	}
	if q.zoneType() == zones.Local {
		q.Subzone = rapid.SampledFrom([]string{"DefaultSubZone", "sub"}).Draw(t, "subzone")
	}
	q.Seen = rapid.SliceOfN(name, 0, 1).Draw(t, "seen")
	q.Trail = rapid.SliceOfN(name, 0, 1).Draw(t, "trail")
	return q
}

func drawNetwork(t *rapid.T) (registered, condition) {
	reg, id := registered{}, uint64(0)
	for _, n := range names {
		for range rapid.SampledFrom([]int{0, 0, 0, 1, 2, 4}).Draw(t, "bindings") {
			id++
			reg[n] = append(reg[n], Binding{
				ID: id, Protocol: rapid.SampledFrom([]Protocol{SIP, SIP, H323}).Draw(t, "binding's protocol"),
				Peer:     uint8(rapid.IntRange(0, 2).Draw(t, "binding's peer")),
				Endpoint: uint64(rapid.IntRange(0, 2).Draw(t, "binding's endpoint")),
			})
		}
		slices.SortStableFunc(reg[n], func(a, b Binding) int { return min(int(a.Peer), 1) - min(int(b.Peer), 1) })
	}
	state := condition{}
	for _, z := range []string{"n1", "n2"} {
		for range 2 {
			state[z] = append(state[z], zones.PeerState{
				Silent: rapid.Bool().Draw(t, "silent"), Maintenance: rapid.IntRange(0, 4).Draw(t, "maintenance") == 0,
			})
		}
	}
	return reg, state
}
